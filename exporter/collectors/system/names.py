"""Metrics of the host that two groups of reads make: one from Linux's files, and portable.py from psutil."""

from typing import Final

from exporter.metric import counter, gauge, info, pattern

_STAT: Final = "/proc/stat; psutil elsewhere than on Linux"
_LOADAVG: Final = "/proc/loadavg; psutil elsewhere than on Linux"
_MEMINFO: Final = "/proc/meminfo; psutil elsewhere than on Linux"
_STATVFS: Final = "statvfs of each mount point; psutil elsewhere than on Linux"
_DISKSTATS: Final = "/proc/diskstats; psutil elsewhere than on Linux"
_NETDEV: Final = "/proc/net/dev; psutil elsewhere than on Linux"
_SYSNET: Final = "/sys/class/net; psutil elsewhere than on Linux"

CPU_SECONDS = counter(
    "node_cpu_seconds_total", "Seconds the processors spent in each mode.", labels=("cpu", "mode"), source=_STAT
)
BOOT_TIME = gauge("node_boot_time_seconds", "When the host was booted, in Unix time.", source=_STAT)
LOAD1 = gauge("node_load1", "Load average over one minute.", source=_LOADAVG)
LOAD5 = gauge("node_load5", "Load average over five minutes.", source=_LOADAVG)
LOAD15 = gauge("node_load15", "Load average over fifteen minutes.", source=_LOADAVG)

MEMORY_BYTES = pattern("node_memory_*_bytes", "gauge", "Memory: the figure *.", source=_MEMINFO)

MEMORY_MINIMUM = gauge(
    "runbook_host_memory_minimum_bytes",
    "How much memory the host's applications ask for; there only where that is configured.",
    source="host.memory_minimum",
)

TIME = gauge("node_time_seconds", "The host's clock, in Unix time.", source="clock_gettime")
TIME_ZONE_OFFSET = gauge(
    "node_time_zone_offset_seconds",
    "How far the host's time zone is ahead of UTC just now.",
    labels=("time_zone",),
    source="localtime",
)
UNAME = info(
    "node_uname_info",
    "What the system calls itself.",
    labels=("domainname", "machine", "nodename", "release", "sysname", "version"),
    source="uname",
)

_MOUNT: Final = ("device", "device_error", "fstype", "mountpoint")
FILESYSTEM_SIZE = gauge("node_filesystem_size_bytes", "Size of the file system.", labels=_MOUNT, source=_STATVFS)
FILESYSTEM_FREE = gauge("node_filesystem_free_bytes", "Free space.", labels=_MOUNT, source=_STATVFS)
FILESYSTEM_AVAIL = gauge(
    "node_filesystem_avail_bytes", "Free space that is there for users other than root.", labels=_MOUNT, source=_STATVFS
)
FILESYSTEM_FILES = gauge("node_filesystem_files", "Inodes in all.", labels=_MOUNT, source=_STATVFS)
FILESYSTEM_FILES_FREE = gauge("node_filesystem_files_free", "Free inodes.", labels=_MOUNT, source=_STATVFS)
FILESYSTEM_READONLY = gauge(
    "node_filesystem_readonly", "1 where the file system is read-only, else 0.", labels=_MOUNT, source=_STATVFS
)
FILESYSTEM_DEVICE_ERROR = gauge(
    "node_filesystem_device_error",
    "1 where the file system gave no figures, for the reason in the label device_error; else 0.",
    labels=_MOUNT,
    source=_STATVFS,
)

_DEVICE: Final = ("device",)
DISK_READS = counter("node_disk_reads_completed_total", "Reads completed.", labels=_DEVICE, source=_DISKSTATS)
DISK_READ_BYTES = counter("node_disk_read_bytes_total", "Bytes read.", labels=_DEVICE, source=_DISKSTATS)
DISK_READ_TIME = counter(
    "node_disk_read_time_seconds_total", "Seconds spent by all reads.", labels=_DEVICE, source=_DISKSTATS
)
DISK_READS_MERGED = counter("node_disk_reads_merged_total", "Reads merged.", labels=_DEVICE, source=_DISKSTATS)
DISK_WRITES = counter("node_disk_writes_completed_total", "Writes completed.", labels=_DEVICE, source=_DISKSTATS)
DISK_WRITTEN_BYTES = counter("node_disk_written_bytes_total", "Bytes written.", labels=_DEVICE, source=_DISKSTATS)
DISK_WRITE_TIME = counter(
    "node_disk_write_time_seconds_total", "Seconds spent by all writes.", labels=_DEVICE, source=_DISKSTATS
)
DISK_WRITES_MERGED = counter("node_disk_writes_merged_total", "Writes merged.", labels=_DEVICE, source=_DISKSTATS)
DISK_IO_TIME = counter(
    "node_disk_io_time_seconds_total", "Seconds during which the device was busy.", labels=_DEVICE, source=_DISKSTATS
)

NETWORK_RECEIVE_BYTES = counter("node_network_receive_bytes_total", "Bytes received.", labels=_DEVICE, source=_NETDEV)
NETWORK_TRANSMIT_BYTES = counter("node_network_transmit_bytes_total", "Bytes sent.", labels=_DEVICE, source=_NETDEV)
NETWORK_RECEIVE_PACKETS = counter(
    "node_network_receive_packets_total", "Packets received.", labels=_DEVICE, source=_NETDEV
)
NETWORK_TRANSMIT_PACKETS = counter(
    "node_network_transmit_packets_total", "Packets sent.", labels=_DEVICE, source=_NETDEV
)
NETWORK_RECEIVE_ERRS = counter(
    "node_network_receive_errs_total", "Errors while receiving.", labels=_DEVICE, source=_NETDEV
)
NETWORK_TRANSMIT_ERRS = counter(
    "node_network_transmit_errs_total", "Errors while sending.", labels=_DEVICE, source=_NETDEV
)
NETWORK_RECEIVE_DROP = counter(
    "node_network_receive_drop_total", "Received packets that were dropped.", labels=_DEVICE, source=_NETDEV
)
NETWORK_TRANSMIT_DROP = counter(
    "node_network_transmit_drop_total", "Packets to send that were dropped.", labels=_DEVICE, source=_NETDEV
)
NETWORK_UP = gauge("node_network_up", "1 where the device's state is `up`, else 0.", labels=_DEVICE, source=_SYSNET)
NETWORK_MTU_BYTES = gauge("node_network_mtu_bytes", "Largest packet of the device.", labels=_DEVICE, source=_SYSNET)
NETWORK_SPEED_BYTES = gauge(
    "node_network_speed_bytes", "Speed of the link in bytes per second.", labels=_DEVICE, source=_SYSNET
)
