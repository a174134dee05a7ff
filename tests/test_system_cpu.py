"""The processors of a host: time, load, scheduling, pressure, frequencies, throttling."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from exporter.collector import NotApplicable, Read, Trouble
from exporter.collectors.system import HostSettings, cpu
from exporter.collectors.system.host import Host
from exporter.collectors.system.names import CPU_SECONDS
from exporter.exposition import render
from exporter.metric import Sample

FIXTURE = Path(__file__).parent / "fixtures" / "host"
READS = (cpu.cpu, cpu.load, cpu.schedstat, cpu.pressure, cpu.cpu_online, cpu.cpu_frequency, cpu.cpu_throttle)
STAT = "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 {user} 0 0 {idle} {iowait} 0 0 0 0 0\n"


def host(root: Path) -> Host:
    return Host(f"{root}/proc", f"{root}/sys", f"{root}/root", HostSettings())


def samples(read: Read, session: Host) -> list[Sample]:
    return [sample for sample in read.function(session) if sample]


def seconds(session: Host) -> dict[str, float]:
    """Return cpu0's seconds by mode."""
    return {
        sample.labels[1]: float(str(sample.value))
        for sample in samples(cpu.cpu, session)
        if sample.metric.name == "node_cpu_seconds_total" and sample.labels[0] == "0"
    }


@pytest.fixture
def live() -> Host:
    return Host("/proc", "/sys", "/", HostSettings())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the fixture host whose files a test may spoil."""
    return Path(shutil.copytree(FIXTURE, tmp_path / "host", symlinks=True))


def test_the_fixture_host(golden: Callable[[str, str], None]) -> None:
    page = render(sample for read in READS for sample in samples(read, host(FIXTURE)))
    golden("system_cpu.prom", page)


def test_a_processor_that_is_switched_off_is_known_and_has_no_time() -> None:
    online = {sample.labels[0]: sample.value for sample in samples(cpu.cpu_online, host(FIXTURE))}
    assert online == {"0": 1, "1": 1, "2": 1, "3": 0}
    assert {sample.labels[0] for sample in samples(cpu.cpu, host(FIXTURE)) if sample.labels} == {"0", "1", "2"}


def test_a_list_of_processors_may_have_gaps() -> None:
    assert list(cpu._listed("0-2,5,8-9")) == [0, 1, 2, 5, 8, 9]


def test_a_small_step_back_of_the_kernel_is_not_shown(copy: Path) -> None:
    stat = copy / "proc" / "stat"
    stat.write_text(STAT.format(user=500, idle=9000, iowait=300))
    session = host(copy)
    before = seconds(session)
    stat.write_text(STAT.format(user=600, idle=8990, iowait=200))
    after = seconds(session)
    assert (after["idle"], after["iowait"]) == (before["idle"], before["iowait"])
    assert after["user"] == before["user"] + 100 / os.sysconf("SC_CLK_TCK")


def test_a_processor_that_was_plugged_again_counts_anew(copy: Path) -> None:
    stat = copy / "proc" / "stat"
    stat.write_text(STAT.format(user=500, idle=9000, iowait=300))
    session = host(copy)
    seconds(session)
    stat.write_text(STAT.format(user=1, idle=2, iowait=3))
    ticks = os.sysconf("SC_CLK_TCK")
    found = seconds(session)
    assert (found["user"], found["idle"], found["iowait"]) == (1 / ticks, 2 / ticks, 3 / ticks)


def test_time_agrees_with_psutil(live: Host) -> None:
    before = psutil.cpu_times(percpu=True)
    found = {sample.labels: sample.value for sample in samples(cpu.cpu, live) if sample.metric is CPU_SECONDS}
    after = psutil.cpu_times(percpu=True)
    assert len(found) == 8 * len(before)
    for (number, mode), value in found.items():
        low, high = getattr(before[int(number)], mode), getattr(after[int(number)], mode)
        assert isinstance(value, float)
        assert low - 1 <= value <= high + 1  # idle and iowait may step back


def test_counts_agree_with_psutil(live: Host) -> None:
    before = psutil.cpu_stats()
    found = {sample.metric.name: sample.value for sample in samples(cpu.cpu, live) if not sample.labels}
    after = psutil.cpu_stats()
    assert before.ctx_switches <= found["node_context_switches_total"] <= after.ctx_switches  # type: ignore[operator]
    assert before.interrupts <= found["node_intr_total"] <= after.interrupts  # type: ignore[operator]
    assert found["node_boot_time_seconds"] == psutil.boot_time()
    assert found["node_procs_running"] >= 1  # type: ignore[operator]  # this test


def test_load_agrees_with_the_system(live: Host) -> None:
    found = [sample.value for sample in samples(cpu.load, live)]
    assert found == pytest.approx(os.getloadavg(), abs=0.5)


def test_the_live_processors_are_online(live: Host) -> None:
    online = [sample.labels[0] for sample in samples(cpu.cpu_online, live) if sample.value == 1]
    assert len(online) == psutil.cpu_count()


def test_pressure_without_interrupts(copy: Path) -> None:
    (copy / "proc" / "pressure" / "irq").unlink()
    names = [sample.metric.name for sample in samples(cpu.pressure, host(copy))]
    assert len(names) == 5
    assert "node_pressure_irq_stalled_seconds_total" not in names


def test_a_kernel_without_pressure(copy: Path) -> None:
    shutil.rmtree(copy / "proc" / "pressure")
    with pytest.raises(NotApplicable, match="pressure"):
        samples(cpu.pressure, host(copy))


def test_a_kernel_where_pressure_is_switched_off() -> None:
    class WithoutPsi(Host):
        def proc(self, path: str) -> str:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), path)

    with pytest.raises(NotApplicable) as caught:
        samples(cpu.pressure, WithoutPsi("/proc", "/sys", "/", HostSettings()))
    assert "psi=1" in caught.value.fix


@pytest.mark.parametrize("read", [cpu.cpu_frequency, cpu.cpu_throttle])
def test_a_virtual_machine_has_neither_frequencies_nor_throttling(read: Read, tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="this kernel"):
        samples(read, host(tmp_path))


@pytest.mark.parametrize("content", [b"", b"cpu  1 2 3 4\n", b"\x7fELF\0\0\xff\xfe\n"], ids=["empty", "sum", "binary"])
def test_a_file_without_processors_fails(content: bytes, copy: Path) -> None:
    (copy / "proc" / "stat").write_bytes(content)
    with pytest.raises(Trouble, match="names no processor"):
        samples(cpu.cpu, host(copy))


def test_a_schedstat_of_another_shape_fails(copy: Path) -> None:
    (copy / "proc" / "schedstat").write_text("version 3\ncpu0 11 22 33\n")
    with pytest.raises(ValueError, match="not enough values"):
        samples(cpu.schedstat, host(copy))


def test_binary_figures_fail(copy: Path) -> None:
    (copy / "proc" / "stat").write_bytes(b"cpu  1 2\ncpu0 1 \xff\x00 3\n")
    with pytest.raises(ValueError, match="invalid literal"):
        samples(cpu.cpu, host(copy))


@pytest.mark.parametrize("read", [cpu.cpu, cpu.schedstat, cpu.load], ids=lambda read: read.name)
def test_a_file_cut_anywhere_gives_no_wrong_figure(read: Read, copy: Path) -> None:
    path = copy / "proc" / {"cpu": "stat", "load": "loadavg"}.get(read.name, read.name)
    whole = path.read_bytes()
    right = set(samples(read, host(copy)))
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            assert set(samples(read, host(copy))) <= right, whole[:length]
        except (Trouble, ValueError):
            continue
