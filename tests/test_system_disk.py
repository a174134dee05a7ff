"""Block devices and md arrays: their traffic, what they are, and what malformed files do."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from exporter.collector import NotApplicable, Read, Trouble
from exporter.collectors.system import HostSettings
from exporter.collectors.system.disk import disk, disk_info
from exporter.collectors.system.host import Host
from exporter.collectors.system.raid import raid
from exporter.exposition import render
from exporter.metric import Sample

FIXTURE = Path(__file__).parent / "fixtures" / "host"
MDSTAT = "Personalities : [raid1]\n{array}\nunused devices: <none>\n"


def session(root: Path, **settings: str) -> Host:
    return Host(f"{root}/proc", f"{root}/sys", f"{root}/root", replace(HostSettings(), **settings))  # type: ignore[arg-type]


def samples(read: Read, host: Host) -> list[Sample]:
    return [sample for sample in read.function(host) if sample]


def figures(read: Read, host: Host) -> dict[str, dict[str, Any]]:
    """Return the values of metrics with the single label `device`, by metric and device."""
    found: dict[str, dict[str, Any]] = {}
    for sample in samples(read, host):
        if sample.metric.labels == ("device",):
            found.setdefault(sample.metric.name, {})[sample.labels[0]] = sample.value
    return found


@pytest.fixture
def live() -> Host:
    return Host("/proc", "/sys", "/", HostSettings())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the fixture host whose files a test may spoil."""
    return Path(shutil.copytree(FIXTURE, tmp_path / "host"))


def test_the_fixture_host(golden: Callable[[str, str], None]) -> None:
    page = render(sample for read in (disk, disk_info, raid) for sample in samples(read, session(FIXTURE)))
    golden("system_disk.prom", page)


def test_a_kernel_that_counts_less_gives_fewer_metrics_and_no_zeros() -> None:
    found = figures(disk, session(FIXTURE))
    assert set(found["node_disk_reads_completed_total"]) == {
        "sda", "sdb", "md127", "cciss/c0d0", "mmcblk0p1", "dm-0", "nvme0n1"
    }  # fmt: skip
    assert set(found["node_disk_discards_completed_total"]) == {"sda", "sdb", "mmcblk0p1", "dm-0", "nvme0n1"}
    assert set(found["node_disk_flush_requests_total"]) == {"sda", "mmcblk0p1", "nvme0n1"}
    assert found["node_disk_flush_requests_time_seconds_total"] == {"sda": 0.029, "mmcblk0p1": 0, "nvme0n1": 0.002}
    assert found["node_disk_read_bytes_total"]["sda"] == 2869762 * 512
    assert found["node_disk_reads_completed_total"]["sdb"] == 2**64 - 1


def test_the_kernel_of_this_machine(live: Host) -> None:
    before = psutil.disk_io_counters(perdisk=True, nowrap=False)
    found = figures(disk, live)
    after = psutil.disk_io_counters(perdisk=True, nowrap=False)
    devices = found.get("node_disk_reads_completed_total", {})
    for name, attribute in (
        ("node_disk_reads_completed_total", "read_count"),
        ("node_disk_writes_completed_total", "write_count"),
        ("node_disk_read_bytes_total", "read_bytes"),
        ("node_disk_written_bytes_total", "write_bytes"),
    ):
        for device in devices:
            assert getattr(before[device], attribute) <= found[name][device] <= getattr(after[device], attribute)
    for device in devices:
        low, high = before[device].busy_time / 1000, after[device].busy_time / 1000
        assert low <= found["node_disk_io_time_seconds_total"][device] <= high
    assert {sample.labels[0] for sample in samples(disk_info, live) if sample.metric.name == "node_disk_info"} == set(
        devices
    )


def test_which_devices_are_left_out_is_a_setting_and_an_empty_one_leaves_out_none(copy: Path) -> None:
    (copy / "proc" / "diskstats").write_text("7 0 loop0 1 2 3 4 5 6 7 8 9 10 11\n8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n")
    for exclude, shown in (("^sd", {"loop0"}), ("", {"loop0", "sda"}), ("^(loop|sd)", set())):
        host = session(copy, disk_devices_exclude=exclude)
        assert set(figures(disk, host).get("node_disk_io_now", {})) == shown
        assert {
            sample.labels[0] for sample in samples(disk_info, host) if sample.metric.name == "node_disk_info"
        } == shown


@pytest.mark.parametrize("read", [disk, disk_info], ids=["disk", "disk_info"])
@pytest.mark.parametrize(
    "text",
    [
        "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 16 sdb 1 2 3 4 5 6 7 8 9 10 1",
        "8 0 sda 1 2 3 4 5 6 7 8 9 10 eleven\n",
        "8 0 sda 1 2 3 4 5 6 7 8 9 10 -11\n",
        "8 0 sda \x00\x01 2 3 4 5 6 7 8 9 10 11\n",
    ],
    ids=["truncated", "word", "negative", "binary"],
)
def test_malformed_diskstats_are_an_error(copy: Path, read: Read, text: str) -> None:
    (copy / "proc" / "diskstats").write_text(text)
    with pytest.raises(Trouble, match="diskstats"):
        samples(read, session(copy))


def test_no_disks_are_no_error(copy: Path) -> None:
    (copy / "proc" / "diskstats").write_text("")
    assert samples(disk, session(copy)) == []
    (copy / "proc" / "diskstats").unlink()
    with pytest.raises(NotApplicable):
        samples(disk, session(copy))


def test_what_udev_knows_of_a_disk_comes_first(copy: Path) -> None:
    (copy / "sys" / "block" / "sda" / "device").mkdir(parents=True)
    (copy / "sys" / "block" / "sda" / "device" / "model").write_text("From sysfs\n")
    labels = ("device", "major", "minor", "model", "path", "revision", "serial", "wwn")
    sda = next(sample for sample in samples(disk_info, session(copy)) if sample.labels[0] == "sda")
    assert dict(zip(labels, sda.labels, strict=True))["model"] == 'Disk_One_"500"'
    (copy / "root" / "run" / "udev" / "data" / "b8:0").unlink()
    sda = next(sample for sample in samples(disk_info, session(copy)) if sample.labels[0] == "sda")
    assert dict(zip(labels, sda.labels, strict=True)) == {
        **dict.fromkeys(labels, ""), "device": "sda", "major": "8", "minor": "0", "model": "From sysfs"
    }  # fmt: skip


def test_arrays_whose_state_is_not_known_in_full_have_no_zeros() -> None:
    found = figures(raid, session(FIXTURE))
    assert "md3" not in found["node_md_disks_required"]  # inactive: nobody says how many it needs
    assert not {"md3", "md7", "md8"} & found["node_md_blocks_synced"].keys()  # or how far it is in sync
    assert found["node_md_degraded"] == {"md0": 0, "md1": 1}


@pytest.mark.parametrize(
    ("array", "missing"),
    [
        ("md0 : active raid1 sdb1[1] sda1[0]\n      19535 blo [2/2]\n", {"node_md_blocks", "node_md_blocks_synced"}),
        ("md0 : active raid1 sdb1[1] sda1[0]\n      19535 blocks [2/\n", {"node_md_disks_required"}),
        ("md0 : active raid1 sdb1[1]\n      9 blocks [2/1] [U_]\n      recovery = 1% (5/1", {"node_md_blocks_synced"}),
        ("md0 : active raid1 sdb1[1] sda1[0]\n", {"node_md_blocks", "node_md_blocks_synced", "node_md_disks_required"}),
    ],
    ids=["blocks", "disks", "progress", "nothing"],
)
def test_a_damaged_array_has_fewer_metrics(copy: Path, array: str, missing: set[str]) -> None:
    (copy / "proc" / "mdstat").write_text(MDSTAT.format(array=array))
    whole = {
        "node_md_blocks",
        "node_md_blocks_synced",
        "node_md_disks_required",
        "node_md_raid_disks",
        "node_md_degraded",
    }
    assert figures(raid, session(copy)).keys() == whole - missing


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Personalities : [raid1]\nmd0 : active raid1 sda1[0]\n      195 blo",
        "\x00\x01",
        MDSTAT.format(array="md0 :"),
    ],
    ids=["empty", "truncated", "binary", "no state"],
)
def test_a_malformed_mdstat_is_an_error(copy: Path, text: str) -> None:
    (copy / "proc" / "mdstat").write_text(text)
    with pytest.raises(Trouble, match="mdstat"):
        samples(raid, session(copy))


def test_without_arrays_there_is_nothing_and_without_the_driver_it_does_not_apply(copy: Path) -> None:
    (copy / "proc" / "mdstat").write_text("Personalities : \nunused devices: <none>\n")
    assert samples(raid, session(copy)) == []
    (copy / "proc" / "mdstat").unlink()
    with pytest.raises(NotApplicable):
        samples(raid, session(copy))
