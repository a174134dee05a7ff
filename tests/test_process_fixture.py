"""Groups on a machine that stands in a folder: every figure, and files that are not what they should be."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.onetarget import One, one

FIXTURE = Path(__file__).parent / "fixtures" / "process"
GROUPS = """
web: {name: nginx, memory_limit: 100MB, open_files_limit: 40}
worker: {command: celery .* worker, cpu_limit: 2}
units: {systemd_unit: web.service}
nobody: {name: absent, memory_limit: 1GB, cpu_limit: 1, open_files_limit: 10}
"""


def settings(machine: Path) -> str:
    groups = "".join(f"  {line}\n" for line in GROUPS.strip().splitlines())
    return f"procfs: {machine}/proc\ncgroupfs: {machine}/cgroup\ngroups:\n{groups}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the machine whose files a test may spoil."""
    return Path(shutil.copytree(FIXTURE, tmp_path / "machine"))


def failed(target: One) -> dict[str, str]:
    return {read: said for read, said in target.outcomes().items() if said.startswith("failed")}


def shown(target: One) -> str:
    """Return the page without what the exporter says of itself: times differ."""
    lines = target.text().splitlines(keepends=True)
    return "".join(line for line in lines if "namedprocess_" in line or "runbook_process_" in line)


def test_the_fixture_machine(golden: Callable[[str, str], None], tmp_path: Path) -> None:
    machine = Path(shutil.copytree(FIXTURE, tmp_path / "machine", ignore=shutil.ignore_patterns("[12]?[0-9]")))
    with one("process", settings(machine)) as target:
        assert target.read().up  # what begins after the first look counts in full
        shutil.copytree(FIXTURE, machine, dirs_exist_ok=True)
        golden("process.prom", shown(target))


def test_no_command_line_and_no_pid_is_shown() -> None:
    with one("process", settings(FIXTURE)) as target:
        lines = [line for line in shown(target).splitlines() if not line.startswith("#")]
    assert [line for line in lines if "hunter2" in line or "python" in line] == []
    labels = {name for line in lines for name in re.findall(r"[{,](\w+)=", line)}
    assert labels == {"groupname", "mode", "memtype", "state", "ctxswitchtype", "limit", "read"}


@pytest.mark.parametrize(("file", "read"), [
    ("io", "io"), ("status", "threads"), ("limits", "limits"), ("smaps_rollup", "memory_proportional"),
])  # fmt: skip
@pytest.mark.parametrize(
    "content", [b"\n", b"what: is this\n", b"\x7fELF\0\xff\xfe\n"], ids=["empty", "text", "binary"]
)
def test_a_file_that_is_not_understood_fails_its_read_alone(file: str, read: str, content: bytes, copy: Path) -> None:
    (copy / "proc" / "100" / file).write_bytes(content)
    with one("process", settings(copy)) as target:
        said = failed(target)
    assert set(said) <= {read, "descriptors"}
    assert said[read] == f"failed /proc/PID/{file} of a process is not understood"


@pytest.mark.parametrize("content", [b"", b"100 (nginx", b"100 (nginx) S 1\n", b"\xff\n"])
def test_a_stat_that_is_not_understood_is_no_target(content: bytes, copy: Path) -> None:
    (copy / "proc" / "100" / "stat").write_bytes(content)
    with one("process", settings(copy)) as target:
        assert target.read().reason == "/proc/PID/stat of a process is not understood"


def test_a_stat_cut_anywhere_gives_no_wrong_figure(copy: Path) -> None:
    stat = copy / "proc" / "100" / "stat"
    whole = stat.read_bytes()
    with one("process", settings(copy)) as target:
        for length in range(len(whole)):
            stat.write_bytes(whole[:length])
            assert target.read().up is False, whole[:length]


@pytest.mark.parametrize("name", ["memory.max", "memory.current", "cpu.max", "cpu.stat", "memory.stat"])
def test_a_control_group_s_file_that_is_not_understood_fails_the_read_cgroup(name: str, copy: Path) -> None:
    text = "inactive_file x\nnr_periods x\nnr_throttled 1\n" if name.endswith("stat") else "a lot\n"
    (copy / "cgroup" / "system.slice" / "web.service" / name).write_text(text)
    with one("process", settings(copy)) as target:
        assert list(failed(target)) == ["cgroup"]


def test_processes_that_vanish_in_the_middle_are_no_failure(copy: Path) -> None:
    for name in ("status", "limits", "io", "smaps_rollup", "cgroup", "cmdline"):
        (copy / "proc" / "101" / name).unlink()
    shutil.rmtree(copy / "proc" / "101" / "fd")
    with one("process", settings(copy)) as target:
        assert failed(target) == {}
