"""What a host is and how its clock goes."""

import ctypes
import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.collector import NotApplicable, Read, Trouble
from exporter.collectors.system import HostSettings, kernel
from exporter.collectors.system.host import Host
from exporter.exposition import render
from exporter.metric import Sample

FIXTURE = Path(__file__).parent / "fixtures" / "host"
LIVE = Host("/proc", "/sys", "/", HostSettings())


def host(root: Path) -> Host:
    return Host(f"{root}/proc", f"{root}/sys", f"{root}/root", HostSettings())


def samples(read: Read, session: Host) -> list[Sample]:
    return [sample for sample in read.function(session) if sample]


def values(read: Read, session: Host) -> dict[str, float]:
    return {sample.metric.name: sample.value for sample in samples(read, session)}  # type: ignore[misc]


def labels(sample: Sample) -> dict[str, str]:
    return dict(zip(sample.metric.labels, sample.labels, strict=True))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_fixture_host(golden: Callable[[str, str], None]) -> None:
    reads = (kernel.os_release, kernel.clocksource, kernel.file_handles, kernel.entropy)
    golden("system_kernel.prom", render(sample for read in reads for sample in samples(read, host(FIXTURE))))


def test_exactly_one_uname_names_the_node() -> None:
    (sample,) = samples(kernel.uname, LIVE)
    found = labels(sample)
    assert (found["nodename"], found["release"]) == (os.uname().nodename, os.uname().release)
    assert found["domainname"] == Path("/proc/sys/kernel/domainname").read_text().strip()


def test_the_node_is_named_where_the_domain_is_hidden(tmp_path: Path) -> None:
    (sample,) = samples(kernel.uname, host(tmp_path))
    assert labels(sample)["domainname"] == ""
    assert labels(sample)["nodename"] == os.uname().nodename


def test_the_clock_and_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        now, zone = samples(kernel.clock, LIVE)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert now.value == pytest.approx(time.time(), abs=5)
    assert (zone.value, zone.labels) == (19800, ("IST",))


def test_a_release_without_a_number_and_an_end(tmp_path: Path) -> None:
    write(tmp_path / "root" / "usr" / "lib" / "os-release", "NAME=Rolling\nID=rolling\n")
    (sample,) = samples(kernel.os_release, host(tmp_path))
    assert labels(sample)["name"] == "Rolling"
    assert labels(sample)["version_id"] == ""


def test_a_system_without_a_release(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="os-release"):
        samples(kernel.os_release, host(tmp_path))


def test_a_release_with_an_open_quote_fails(tmp_path: Path) -> None:
    write(tmp_path / "root" / "etc" / "os-release", 'NAME="Cut sho')
    with pytest.raises(ValueError, match="closing quotation"):
        samples(kernel.os_release, host(tmp_path))


def test_the_kernel_tells_how_its_clock_is_kept() -> None:
    found = values(kernel.timex, LIVE)
    assert len(found) == 17
    assert 0.009 <= found["node_timex_tick_seconds"] <= 0.011  # what the kernel allows
    assert found["node_timex_frequency_adjustment_ratio"] == pytest.approx(1, abs=0.0006)
    assert found["node_timex_sync_status"] in (0, 1)
    assert found["node_timex_maxerror_seconds"] >= 0


def test_the_layout_of_timex_is_the_kernels() -> None:
    _, figures = kernel._adjtimex()
    assert figures[9] == pytest.approx(time.time(), abs=5)  # the seconds of its field `time`
    assert figures[0] == 0  # nothing was set


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.EPERM, NotApplicable), (errno.ENOSYS, NotApplicable), (errno.EFAULT, OSError)]
)
def test_a_sandbox_may_forbid_to_ask_the_clock(
    code: int, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def adjtimex(self, _buffer: object) -> int:
            ctypes.set_errno(code)
            return -1

    monkeypatch.setattr(kernel, "_libc", Refusing)
    with pytest.raises(kind, match=os.strerror(code)):
        samples(kernel.timex, LIVE)


def test_file_handles_and_entropy_of_this_host() -> None:
    handles = values(kernel.file_handles, LIVE)
    assert 0 < handles["node_filefd_allocated"] < handles["node_filefd_maximum"]
    assert values(kernel.entropy, LIVE)["node_entropy_pool_size_bits"] >= 256


@pytest.mark.parametrize("content", ["4512\t0\t92233", ""], ids=["truncated", "empty"])
def test_file_handles_cut_short_fail(content: str, tmp_path: Path) -> None:
    write(tmp_path / "proc" / "sys" / "fs" / "file-nr", content)
    with pytest.raises(Trouble, match="cut short"):
        samples(kernel.file_handles, host(tmp_path))


def test_binary_entropy_fails(tmp_path: Path) -> None:
    write(tmp_path / "proc" / "sys" / "kernel" / "random" / "entropy_avail", "\x00\x01\n")
    with pytest.raises(ValueError, match="invalid literal"):
        samples(kernel.entropy, host(tmp_path))


def test_a_kernel_without_the_files(tmp_path: Path) -> None:
    for read in (kernel.file_handles, kernel.entropy):
        with pytest.raises(NotApplicable, match="this kernel has no"):
            samples(read, host(tmp_path))
    assert samples(kernel.clocksource, host(tmp_path)) == []


def test_the_clock_sources_of_a_host_with_two(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE / "sys" / "devices", tmp_path / "sys" / "devices")
    sources = tmp_path / "sys" / "devices" / "system" / "clocksource"
    shutil.copytree(sources / "clocksource0", sources / "clocksource1")
    found = samples(kernel.clocksource, host(tmp_path))
    assert [sample.labels for sample in found if sample.metric is kernel.CLOCKSOURCE_CURRENT] == [
        ("0", "tsc"),
        ("1", "tsc"),
    ]


@pytest.mark.parametrize("mode", [0, 1])
def test_selinux_in_use(mode: int, tmp_path: Path) -> None:
    write(tmp_path / "sys" / "fs" / "selinux" / "enforce", str(mode))
    assert values(kernel.selinux, host(tmp_path)) == {"node_selinux_enabled": 1, "node_selinux_current_mode": mode}


def test_selinux_not_in_use(tmp_path: Path) -> None:
    (tmp_path / "sys" / "fs" / "ext4").mkdir(parents=True)
    assert values(kernel.selinux, host(tmp_path)) == {"node_selinux_enabled": 0}


@pytest.mark.parametrize("folder", ["sys", "sys/fs/selinux"], ids=["no sysfs", "hidden by a container"])
def test_selinux_not_known(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(NotApplicable):
        samples(kernel.selinux, host(tmp_path))
