"""The memory of a host: /proc/meminfo and /proc/vmstat."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from exporter.collector import Read, Trouble
from exporter.collectors.system import HostSettings, memory
from exporter.collectors.system.host import Host
from exporter.exposition import render
from exporter.metric import Sample

FIXTURE = Path(__file__).parent / "fixtures" / "host"
FILES = {memory.memory: "meminfo", memory.vmstat: "vmstat"}


def values(read: Read, procfs: Path | str) -> dict[str, object]:
    return {sample.metric.name: sample.value for sample in samples(read, procfs)}


def samples(read: Read, procfs: Path | str) -> list[Sample]:
    return [sample for sample in read.function(Host(str(procfs), "/sys", "/", HostSettings())) if sample]


def test_the_fixture_host(golden: Callable[[str, str], None]) -> None:
    page = render(sample for read in FILES for sample in samples(read, FIXTURE / "proc"))
    golden("system_memory.prom", page)


def test_names_types_and_units_are_node_exporters() -> None:
    found = {sample.metric.name: sample for sample in samples(memory.memory, FIXTURE / "proc")}
    assert found["node_memory_Active_anon_bytes"].value == 2345678 * 1024
    assert found["node_memory_NFS_Unstable_bytes"].value == 0
    assert found["node_memory_HugePages_Total"].value == 8
    assert {sample.metric.kind for sample in found.values()} == {"gauge"}
    assert {sample.metric.kind for sample in samples(memory.vmstat, FIXTURE / "proc")} == {"untyped"}


def test_an_old_kernel_does_not_know_what_is_available(tmp_path: Path) -> None:
    text = (FIXTURE / "proc" / "meminfo").read_text()
    (tmp_path / "meminfo").write_text("".join(line for line in text.splitlines(True) if "Available" not in line))
    found = values(memory.memory, tmp_path)
    assert "node_memory_MemAvailable_bytes" not in found
    assert "node_memory_MemFree_bytes" in found


def test_the_selection_of_vmstat_is_node_exporters() -> None:
    assert list(values(memory.vmstat, FIXTURE / "proc")) == [
        f"node_vmstat_{name}"
        for name in ("pgpgin", "pgpgout", "pswpin", "pswpout", "pgfault", "pgmajfault", "oom_kill")
    ]


def test_memory_agrees_with_psutil() -> None:
    ram, swap = psutil.virtual_memory(), psutil.swap_memory()
    found = values(memory.memory, "/proc")
    assert found["node_memory_MemTotal_bytes"] == ram.total
    assert found["node_memory_SwapTotal_bytes"] == swap.total
    assert found["node_memory_MemAvailable_bytes"] == pytest.approx(ram.available, rel=0.05)


def test_paging_agrees_with_the_kernel() -> None:
    def now() -> dict[str, int]:
        return {name: int(value) for name, value in map(str.split, Path("/proc/vmstat").read_text().splitlines())}

    before = now()
    found = values(memory.vmstat, "/proc")
    after = now()
    assert found
    for name, value in found.items():
        key = name.removeprefix("node_vmstat_")
        assert before[key] <= value <= after[key]  # type: ignore[operator]


@pytest.mark.parametrize("content", [b"", b"\x7fELF\0\xff\n"], ids=["empty", "binary"])
def test_what_is_no_meminfo_fails(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_bytes(content)
    with pytest.raises(Trouble, match="has no MemTotal"):
        samples(memory.memory, tmp_path)


def test_binary_figures_fail(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_bytes(b"MemTotal: \xff\x00 kB\n")
    with pytest.raises(ValueError, match="invalid literal"):
        samples(memory.memory, tmp_path)


@pytest.mark.parametrize("read", FILES, ids=lambda read: read.name)
def test_a_file_cut_anywhere_gives_no_wrong_figure(read: Read, tmp_path: Path) -> None:
    whole = (FIXTURE / "proc" / FILES[read]).read_bytes()
    right = set(samples(read, FIXTURE / "proc"))
    for length in range(0, len(whole), 3):
        (tmp_path / FILES[read]).write_bytes(whole[:length])
        try:
            assert set(samples(read, tmp_path)) <= right, whole[:length]
        except (Trouble, ValueError):
            continue
