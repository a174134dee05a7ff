"""Groups of real processes: which belong to which, and what is told of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.config import INSTALLED, ConfigError
from exporter.config import read as read_config
from tests.onetarget import One, one
from tests.support import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read on Linux only")

BURNS = "while time.process_time() < 0.3: pass"
GROUPS = "namedprocess_namegroup"


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, and what it starts, for as long as the block lasts."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextmanager
def ready(code: str = "", mark: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Run Python code until it sleeps, with a mark in its command line."""
    whole = f"import os, resource, signal, threading, time\n{code}\nprint(flush=True)\nsignal.pause()"
    with started(sys.executable, "-c", whole, mark) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


def procs(target: One, group: str = "it") -> str | None:
    return target.page().get(f'{GROUPS}_num_procs{{groupname="{group}"}}')


def figure(page: dict[str, str], name: str, **labels: str) -> float:
    inner = ",".join(f'{label}="{value}"' for label, value in {"groupname": "it", **labels}.items())
    return float(page[f"{name}{{{inner}}}"])


def test_by_name(tmp_path: Path) -> None:
    program = tmp_path / "a-program-of-some-length"
    program.symlink_to("/bin/sleep")
    with one("process", "groups: {it: {name: a-program-of-some-length}, cut: {name: a-program}}") as target:
        assert (procs(target), procs(target, "cut")) == ("0", "0")
        with started(str(program), "100"):
            until(lambda: procs(target) == "1")
            assert procs(target, "cut") == "0"
        assert procs(target) == "0"


def test_by_command_line_and_the_first_group_wins() -> None:
    settings = "groups: {first: {command: 'mark-[0-9]+x$'}, it: {command: mark-}}"
    with ready(mark="mark-12x"), ready(mark="mark-12"), one("process", settings) as target:
        assert (procs(target, "first"), procs(target)) == ("1", "1")
        assert "mark-12" not in target.text()


def test_by_pid_file_with_its_descendants_whatever_children_says(tmp_path: Path) -> None:
    file = tmp_path / "it.pid"
    with one("process", f"children: false\ngroups: {{it: {{pid_file: {file}}}}}") as target:
        assert procs(target) == "0"
        with started("/bin/sh", "-c", "sleep 100 & echo; wait") as process:
            assert process.stdout is not None
            process.stdout.readline()
            file.write_text(f"{process.pid}\n")
            until(lambda: procs(target) == "2")
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for child in children:
                os.kill(int(child), signal.SIGKILL)
        until(lambda: procs(target) == "0")
        assert target.outcomes()["pid_files"] == "ok"


@pytest.mark.parametrize(
    ("text", "reason"), [("none\n", "does not begin with a process's number"), (None, "Is a directory")]
)
def test_a_pid_file_that_is_none_leaves_its_group_unknown(tmp_path: Path, text: str | None, reason: str) -> None:
    file = tmp_path / "it.pid"
    if text is None:
        file.mkdir()
    else:
        file.write_text(text)
    with one("process", f"groups: {{it: {{pid_file: {file}}}, other: {{name: no-such-program}}}}") as target:
        assert (procs(target), procs(target, "other")) == (None, "0")
        said = target.outcomes()["pid_files"]
        assert str(file) in said
        assert reason in said
        assert "correct `pid_file`" in said


@pytest.mark.parametrize(("children", "count"), [("true", "2"), ("false", "1")])
def test_children_belong_to_the_group_of_their_parent(children: str, count: str) -> None:
    forks = "os.fork() or os.execv('/bin/sleep', ['sleep', '60'])"
    with one("process", f"children: {children}\ngroups: {{it: {{command: mark-parent}}}}") as target:
        with ready(forks, "mark-parent") as process:
            until(lambda: procs(target) == count)
            process.kill()
            process.wait()
            assert procs(target) == ("1" if children == "true" else "0")  # an orphan stays where its parent was
        until(lambda: procs(target) == "0")


def test_memory_threads_and_times_are_the_kernel_s() -> None:
    two = "threading.Thread(target=signal.pause, daemon=True).start()"
    with ready(two, "mark-figures") as process, one("process", "groups: {it: {command: mark-figures}}") as target:
        until(lambda: figure(target.page(), f"{GROUPS}_num_threads") == 2)
        page = target.page()
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        resident = int(status["VmRSS"].split()[0]) * 1024
        assert abs(figure(page, f"{GROUPS}_memory_bytes", memtype="resident") - resident) <= resident * 0.1
        assert figure(page, f"{GROUPS}_memory_bytes", memtype="virtual") == int(status["VmSize"].split()[0]) * 1024
        assert figure(page, f"{GROUPS}_memory_bytes", memtype="swapped") == int(status["VmSwap"].split()[0]) * 1024
        assert 0 < figure(page, f"{GROUPS}_memory_bytes", memtype="proportionalResident") <= resident * 1.1
        assert figure(page, f"{GROUPS}_states", state="Sleeping") == 2
        started = figure(page, f"{GROUPS}_oldest_start_time_seconds")
        assert abs(started - Path(f"/proc/{process.pid}").stat().st_mtime) < 5


def test_descriptors_and_the_limits_beside_them() -> None:
    limited = (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))\n"
        "copies = [os.dup(0) for _ in range(50)]"
    )
    settings = "groups: {it: {command: mark-files, open_files_limit: 100, memory_limit: 1GiB, cpu_limit: 1.5}}"
    with one("process", settings) as target, ready(limited, "mark-files") as process:
        page = target.page()
        count = len(os.listdir(f"/proc/{process.pid}/fd"))
        assert count > 50
        assert figure(page, f"{GROUPS}_open_filedesc") == count
        assert figure(page, f"{GROUPS}_worst_fd_ratio") == count / 200
        assert figure(page, "runbook_process_group_open_files_limit") == 100
        assert figure(page, "runbook_process_group_open_files_used_ratio") == count / 100
        assert figure(page, "runbook_process_group_cpu_limit_cpus", limit="configured") == 1.5
        assert figure(page, "runbook_process_group_memory_limit_bytes", limit="configured") == 1 << 30
        assert figure(page, "runbook_process_group_memory_limit_bytes", limit="rlimit") == 1 << 40
        virtual = figure(page, f"{GROUPS}_memory_bytes", memtype="virtual")
        assert figure(page, "runbook_process_group_memory_used_bytes", limit="rlimit") == virtual
        proportional = figure(page, f"{GROUPS}_memory_bytes", memtype="proportionalResident")
        used = figure(page, "runbook_process_group_memory_used_bytes", limit="configured")
        assert used == pytest.approx(proportional, rel=0.2)


def test_a_group_without_processes_has_a_count_and_no_gauge_that_nobody_measured() -> None:
    settings = "groups: {it: {name: no-such-program, memory_limit: 1GB, open_files_limit: 10}}"
    with one("process", settings) as target:
        page = target.page()
        assert procs(target) == "0"
        for name in ("memory_bytes", "open_filedesc", "worst_fd_ratio", "oldest_start_time_seconds"):
            assert not [series for series in page if series.startswith(f"{GROUPS}_{name}")]
        ours = [series for series in page if series.startswith("runbook_process_group_")]
        assert [series for series in ours if "denied" not in series] == []


def test_counters_keep_what_vanished_processes_counted() -> None:
    with one("process", "groups: {it: {command: mark-burns}}") as target:
        assert _cpu(target.page()) == 0
        with ready(BURNS, "mark-burns"):
            burnt = _cpu(target.page())
            assert burnt >= 0.25
        assert (procs(target), _cpu(target.page())) == ("0", burnt)
        with ready(BURNS, "mark-burns"):
            assert _cpu(target.page()) >= burnt + 0.25


def test_what_was_counted_before_the_first_look_is_left_out() -> None:
    with ready(BURNS, "mark-before"), one("process", "groups: {it: {command: mark-before}}") as target:
        assert procs(target) == "1"
        assert _cpu(target.page()) == 0


def _cpu(page: dict[str, str]) -> float:
    return figure(page, f"{GROUPS}_cpu_seconds_total", mode="user") + figure(
        page, f"{GROUPS}_cpu_seconds_total", mode="system"
    )


@pytest.mark.parametrize(("group", "problem"), [
    ("{}", "targets.it.groups.web.name: the group does not say which processes it has; expected exactly one of name, "),
    ("{name: a, command: b}", "has name and command; expected exactly one of"),
    ("{command: '('}", "targets.it.groups.web.command"),
    ("{systemd_unit: nginx}", "is no unit's full name"),
    ("{name: a, cpu_limit: 0}", "targets.it.groups.web.cpu_limit: leaves nothing"),
])  # fmt: skip
def test_a_group_is_told_in_one_way(group: str, problem: str) -> None:
    text = f"targets: {{it: {{collector: process, groups: {{web: {group}}}}}}}"
    with pytest.raises(ConfigError) as caught:
        read_config(text.encode(), "config.yml", INSTALLED, {})
    assert problem in str(caught.value)


def test_no_groups_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="is empty; expected a group"):
        read_config(b"targets: {it: {collector: process, groups: {}}}", "config.yml", INSTALLED, {})


def test_a_proc_that_is_none_is_told(tmp_path: Path) -> None:
    with one("process", f"procfs: {tmp_path}\ngroups: {{it: {{name: a}}}}") as target:
        snapshot = target.read()
        assert (snapshot.up, procs(target)) == (False, None)
        assert snapshot.reason.endswith(f"{tmp_path} is no /proc: it has no file `stat`")
        assert snapshot.fix == "mount the host's, or correct `procfs`"


def test_a_proc_that_hides_processes_is_told_instead_of_counted(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("btime 1\n")
    with one("process", f"procfs: {tmp_path}\ngroups: {{it: {{name: a}}}}") as target:
        snapshot = target.read()
        assert (snapshot.up, procs(target)) == (False, None)
        assert "hides processes" in snapshot.reason
        assert "hidepid" in snapshot.fix


AS_NOBODY = """
import os
from tests.onetarget import one
with one("process", "groups: {other: {command: mark-closed}}") as target:
    target.text()  # what it imports may be closed to another user
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
with one("process", "groups: {other: {command: mark-closed}, own: {command: mark-open}}") as target:
    print(target.text())
    for name, outcome in target.outcomes().items():
        print("outcome", name, outcome)
with one("process", "groups: {other: {command: mark-closed}}") as target:
    for name, outcome in target.outcomes().items():
        print("alone", name, outcome)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run what follows as another user")
def test_without_privileges_a_group_of_others_lacks_only_what_needs_them() -> None:
    own = "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)"
    # what a process that changed its user may be asked is root's alone until it runs another program
    own += "\nos.fork() or os.execv('/bin/sh', ['sh', '-c', 'sleep 60; : mark' + '-open'])"
    with ready(mark="mark-closed") as closed, ready(own):
        ended = subprocess.run(
            [sys.executable, "-"],
            input=AS_NOBODY,
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=60,
        )
        count = len(os.listdir(f"/proc/{closed.pid}/fd"))
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert f'{GROUPS}_num_procs{{groupname="other"}} 1' in lines
    assert not [line for line in lines if line.startswith(f'{GROUPS}_read_bytes_total{{groupname="other"')]
    assert [line for line in lines if line.startswith(f'{GROUPS}_read_bytes_total{{groupname="own"')]
    assert 'runbook_process_group_denied_processes{groupname="other",read="io"} 1' in lines
    assert "outcome io ok" in lines
    alone = {line.split()[1]: line for line in lines if line.startswith("alone ")}
    assert alone["io"].startswith("alone io skipped /proc/PID/io of these processes may not be read")
    assert "AmbientCapabilities=CAP_SYS_PTRACE" in alone["io"]
    assert "CAP_SYS_PTRACE" in alone["memory_proportional"]
    if os.stat("/proc/self/fd").st_size:
        assert f'{GROUPS}_open_filedesc{{groupname="other"}} {count}' in lines
    else:
        assert "CAP_DAC_READ_SEARCH" in alone["descriptors"]
