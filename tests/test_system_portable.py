"""The host by psutil, held against Linux's own figures."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from exporter.collector import Read
from exporter.collectors.system import HostSettings, cpu, kernel, memory, portable
from exporter.collectors.system.host import Host
from exporter.metric import Sample

Series = dict[tuple[str, tuple[str, ...]], float]


def series(read: Read, settings: HostSettings | None = None) -> Series:
    host = Host("/proc", "/sys", "/", settings or HostSettings())
    return by_name([sample for sample in read.function(host) if sample])


def by_name(samples: list[Sample]) -> Series:
    return {(sample.metric.name, sample.labels): sample.value for sample in samples}  # type: ignore[misc]


def test_time_of_processors() -> None:
    linux = series(cpu.cpu)
    found = series(portable.cpu)
    assert found.keys() == {key for key in linux if key[0] == "node_cpu_seconds_total"}
    assert found == pytest.approx({key: linux[key] for key in found}, abs=1)


def test_boot_and_load() -> None:
    assert series(portable.boot)["node_boot_time_seconds", ()] == series(cpu.cpu)["node_boot_time_seconds", ()]
    assert series(portable.load) == pytest.approx(series(cpu.load), abs=0.5)


def test_memory() -> None:
    linux = series(memory.memory)
    found = series(portable.memory)
    assert len(found) == 5
    assert found == pytest.approx({key: linux[key] for key in found}, rel=0.05)


def test_memory_where_node_exporter_has_other_names() -> None:
    ram = SimpleNamespace(total=1000, available=700, free=100, active=400, inactive=300, wired=200)
    swap = SimpleNamespace(total=50, used=20, free=30)
    found = by_name([sample for sample in portable.bsd_memory(ram, swap) if sample])
    assert {name.removeprefix("node_memory_"): value for (name, _), value in found.items()} == {
        "total_bytes": 1000,
        "active_bytes": 400,
        "inactive_bytes": 300,
        "wired_bytes": 200,
        "swap_total_bytes": 50,
        "swap_used_bytes": 20,
    }


def test_space_of_a_file_system() -> None:
    mount = SimpleNamespace(device="/dev/x", fstype="ext4", mountpoint="/", opts="rw,relatime")
    found = by_name([sample for sample in portable.file_system(mount) if sample])
    root = os.statvfs("/")
    labels = ("/dev/x", "", "ext4", "/")
    assert found["node_filesystem_size_bytes", labels] == root.f_blocks * root.f_frsize
    assert found["node_filesystem_free_bytes", labels] == pytest.approx(root.f_bfree * root.f_frsize, rel=0.05)
    assert found["node_filesystem_avail_bytes", labels] == pytest.approx(root.f_bavail * root.f_frsize, rel=0.05)
    assert found["node_filesystem_readonly", labels] == 0
    assert found["node_filesystem_device_error", labels] == 0


def test_a_drive_without_a_disc_is_shown_with_its_error() -> None:
    mount = SimpleNamespace(device="D:", fstype="", mountpoint="/nowhere", opts="ro,cdrom")
    found = by_name([sample for sample in portable.file_system(mount) if sample])
    assert found == {("node_filesystem_device_error", ("D:", "No such file or directory", "", "/nowhere")): 1}


def test_file_systems_but_those_left_out() -> None:
    everything = HostSettings(mount_points_exclude="^$", fs_types_exclude="^$")
    mounts = {mount.mountpoint for mount in psutil.disk_partitions(all=False)}
    assert {labels[3] for _, labels in series(portable.filesystem, everything)} == mounts
    assert series(portable.filesystem, HostSettings(mount_points_exclude=".")) == {}


def test_disks() -> None:
    found = series(portable.disk, HostSettings(disk_devices_exclude="^(loop|ram)"))
    for line in Path("/proc/diskstats").read_text().splitlines():
        _, _, name, reads, merged, sectors, milliseconds, *_ = line.split()
        if not name.startswith(("loop", "ram")):
            assert found["node_disk_reads_completed_total", (name,)] == pytest.approx(int(reads), rel=0.05, abs=50)
            assert found["node_disk_reads_merged_total", (name,)] == pytest.approx(int(merged), rel=0.05, abs=50)
            assert found["node_disk_read_bytes_total", (name,)] == pytest.approx(int(sectors) * 512, rel=0.05, abs=1e6)
            assert found["node_disk_read_time_seconds_total", (name,)] == pytest.approx(
                int(milliseconds) / 1000, rel=0.05, abs=1
            )
    assert not {labels for _, labels in found if labels[0].startswith(("loop", "ram"))}


def test_network_devices() -> None:
    found = series(portable.network)
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    names = {line.partition(":")[0].strip() for line in lines}
    assert {labels[0] for name, labels in found if name == "node_network_transmit_drop_total"} == names
    mtu = int(Path("/sys/class/net/lo/mtu").read_text())
    assert found["node_network_mtu_bytes", ("lo",)] == mtu
    assert ("node_network_speed_bytes", ("lo",)) not in found  # the loopback has none
    for line in lines:
        name, _, figures = line.partition(":")
        received = int(figures.split()[0])
        assert found["node_network_receive_bytes_total", (name.strip(),)] == pytest.approx(received, rel=0.05, abs=1e6)


def test_network_devices_left_out() -> None:
    assert not {labels for _, labels in series(portable.network, HostSettings(network_devices_exclude="^lo$"))} & {
        ("lo",)
    }


def test_drops_that_psutil_does_not_know_are_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "_COUNTS_DROPOUT", False)
    names = {name for name, _ in series(portable.network)}
    assert "node_network_transmit_drop_total" not in names
    assert "node_network_receive_drop_total" in names


def test_one_uname_like_linux_own() -> None:
    ((_, found),) = series(portable.uname)
    ((_, linux),) = series(kernel.uname)
    assert found[1:] == linux[1:]  # all but the domain, which psutil does not know


def test_elsewhere_than_on_linux_nothing_of_linux_is_imported() -> None:
    code = (
        "import os, platform, sys; sys.platform = 'darwin'\n"
        "from exporter.collectors.system import System\n"
        "print(*[group.__name__ for group in System.groups])\n"
        "print(sorted({'psutil', 'exporter.collectors.system.cpu'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.splitlines() == ["exporter.collectors.system.portable", "[]"]
