"""Block devices: their traffic and what they are."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from exporter.collector import Trouble, read
from exporter.collectors.system.host import Host
from exporter.collectors.system.names import (
    DISK_IO_TIME,
    DISK_READ_BYTES,
    DISK_READ_TIME,
    DISK_READS,
    DISK_READS_MERGED,
    DISK_WRITE_TIME,
    DISK_WRITES,
    DISK_WRITES_MERGED,
    DISK_WRITTEN_BYTES,
)
from exporter.metric import Metric, Samples, counter, gauge, info

_DEVICE: Final = ("device",)
_DISKSTATS: Final = "/proc/diskstats"
_UDEV: Final = "/run/udev/data"

IO_NOW = gauge("node_disk_io_now", "Requests in progress.", labels=_DEVICE, source=_DISKSTATS)
IO_TIME_WEIGHTED = counter(
    "node_disk_io_time_weighted_seconds_total",
    "Seconds spent by all requests, each counted for itself.",
    labels=_DEVICE,
    source=_DISKSTATS,
)
DISCARDS = counter("node_disk_discards_completed_total", "Discards completed.", labels=_DEVICE, source=_DISKSTATS)
DISCARDS_MERGED = counter("node_disk_discards_merged_total", "Discards merged.", labels=_DEVICE, source=_DISKSTATS)
DISCARDED_SECTORS = counter(
    "node_disk_discarded_sectors_total", "Sectors discarded.", labels=_DEVICE, source=_DISKSTATS
)
DISCARD_TIME = counter(
    "node_disk_discard_time_seconds_total", "Seconds spent by all discards.", labels=_DEVICE, source=_DISKSTATS
)
FLUSHES = counter("node_disk_flush_requests_total", "Flush requests completed.", labels=_DEVICE, source=_DISKSTATS)
FLUSH_TIME = counter(
    "node_disk_flush_requests_time_seconds_total",
    "Seconds spent by all flush requests.",
    labels=_DEVICE,
    source=_DISKSTATS,
)

DISK_INFO = info(
    "node_disk_info",
    "What the device is; empty where nothing says so.",
    labels=("device", "major", "minor", "model", "path", "revision", "serial", "wwn"),
    source=f"{_UDEV}, else /sys/block",
)
DISK_FILESYSTEM_INFO = info(
    "node_disk_filesystem_info",
    "The file system on the device.",
    labels=("device", "type", "usage", "uuid", "version"),
    source=_UDEV,
)
DEVICE_MAPPER_INFO = info(
    "node_disk_device_mapper_info",
    "What the device mapper calls the device.",
    labels=("device", "lv_layer", "lv_name", "name", "uuid", "vg_name"),
    source=_UDEV,
)
ATA_WRITE_CACHE = gauge(
    "node_disk_ata_write_cache", "1 where the ATA disk has a write cache, else 0.", labels=_DEVICE, source=_UDEV
)
ATA_WRITE_CACHE_ENABLED = gauge(
    "node_disk_ata_write_cache_enabled", "1 where that cache is enabled, else 0.", labels=_DEVICE, source=_UDEV
)
ATA_ROTATION_RATE = gauge(
    "node_disk_ata_rotation_rate_rpm",
    "Revolutions per minute of the ATA disk, 0 where nothing turns.",
    labels=_DEVICE,
    source=_UDEV,
)

DEVICE_MAPPER_BACKING = info(
    "node_disk_device_mapper_backing_device_info",
    "What the device mapper's device lies on.",
    labels=("backing_device", "device"),
    source="/sys/block/*/slaves",
)


def _bytes(sectors: str) -> int:
    return int(sectors) * 512  # whatever the device's own sectors are


def _seconds(milliseconds: str) -> float:
    return int(milliseconds) / 1000


# what stands after the name; older kernels end the line sooner
_FIELDS: Final[tuple[tuple[Metric, Callable[[str], float]], ...]] = (
    (DISK_READS, int),
    (DISK_READS_MERGED, int),
    (DISK_READ_BYTES, _bytes),
    (DISK_READ_TIME, _seconds),
    (DISK_WRITES, int),
    (DISK_WRITES_MERGED, int),
    (DISK_WRITTEN_BYTES, _bytes),
    (DISK_WRITE_TIME, _seconds),
    (IO_NOW, int),
    (DISK_IO_TIME, _seconds),
    (IO_TIME_WEIGHTED, _seconds),
    (DISCARDS, int),
    (DISCARDS_MERGED, int),
    (DISCARDED_SECTORS, int),
    (DISCARD_TIME, _seconds),
    (FLUSHES, int),
    (FLUSH_TIME, _seconds),
)
_FEWEST: Final = 3 + 11  # a shorter line is a partition on a kernel before 2.6.25, whose figures mean something else


@read
def disk(host: Host) -> Samples:
    """Traffic of each block device, from /proc/diskstats."""
    for _, _, device, *figures in _devices(host):
        for (metric, convert), figure in zip(_FIELDS, figures, strict=False):
            yield metric(convert(figure), device=device)


@read(interval=60)
def disk_info(host: Host) -> Samples:
    """Model, serial number, file system and the like of each block device, from udev's data and /sys/block."""
    for major, minor, device, *_ in _devices(host):
        known = _udev(host, f"b{major}:{minor}")
        yield DISK_INFO(1, device=device, major=major, minor=minor, **_identity(host, device, known))
        if known.get("ID_FS_TYPE"):
            yield DISK_FILESYSTEM_INFO(1, device=device, **_texts(known, "ID_FS", "type", "usage", "uuid", "version"))
        if known.get("DM_NAME"):
            names = _texts(known, "DM", "lv_layer", "lv_name", "name", "uuid", "vg_name")
            yield DEVICE_MAPPER_INFO(1, device=device, **names)
        for backing in host.list_sys(f"block/{_in_sysfs(device)}/slaves"):
            yield DEVICE_MAPPER_BACKING(1, backing_device=backing, device=device)
        if known.get("ID_ATA"):
            yield ATA_WRITE_CACHE(_whole(known.get("ID_ATA_WRITE_CACHE")), device=device)
            yield ATA_WRITE_CACHE_ENABLED(_whole(known.get("ID_ATA_WRITE_CACHE_ENABLED")), device=device)
            yield ATA_ROTATION_RATE(_whole(known.get("ID_ATA_ROTATION_RATE_RPM")), device=device)


def _devices(host: Host) -> Iterator[list[str]]:
    """Yield the fields of each line of /proc/diskstats that is to be shown."""
    text = host.proc("diskstats")
    if text and not text.endswith("\n"):
        raise Trouble("/proc/diskstats ends in the middle of a line")
    exclude = host.settings.disk_devices_exclude
    for line in text.split("\n"):
        fields = line.split()
        if len(fields) >= _FEWEST and not (exclude and re.search(exclude, fields[2])):
            if not "".join(fields[3:]).isdigit():
                raise Trouble(f"/proc/diskstats has a line that is not understood: {line!r}")
            yield fields


def _udev(host: Host, name: str) -> dict[str, str]:
    """Return the properties that udev keeps of a device, none where there is no udev or nothing known to it."""
    try:
        with open(f"{host.rootfs.rstrip('/')}{_UDEV}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            properties = [line[2:-1].partition("=") for line in file if line.startswith("E:")]
    except FileNotFoundError:
        return {}
    return {name: value for name, _, value in properties}


def _identity(host: Host, device: str, known: dict[str, str]) -> dict[str, str]:
    directory = f"block/{_in_sysfs(device)}"

    def first(properties: Sequence[str], *files: str) -> str:
        found = next((known[name] for name in properties if known.get(name)), "")
        return found or next((text for file in files if (text := host.sys_or_none(f"{directory}/{file}"))), "")

    return {
        "model": first(["ID_MODEL"], "device/model"),
        "path": first(["ID_PATH"]),
        "revision": first(["ID_REVISION"], "device/rev", "device/firmware_rev"),
        # the one that is printed on the disk, then udev's own, then virtio's
        "serial": first(["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"], "device/serial", "serial"),
        "wwn": first(["ID_WWN"], "wwid", "device/wwid"),
    }


def _texts(known: dict[str, str], prefix: str, *names: str) -> dict[str, str]:
    return {name: known.get(f"{prefix}_{name.upper()}", "") for name in names}


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _in_sysfs(device: str) -> str:
    return device.replace("/", "!")  # as cciss/c0d0 is listed there
