"""Running a program within bounds: its end, its output, its time, and everything that it started."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.command import Ended, NotStarted, run
from exporter.deadline import Cancel
from exporter.program import ProgramSettings
from exporter.secret import Secret
from tests.commands import is_running
from tests.process import ROOT
from tests.support import until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another user")


def ran(
    *command: str, timeout: float = 10.0, cancel: Cancel | None = None, user: str = "", directory: str = "/"
) -> Ended:
    program = ProgramSettings(command=command, user=user, directory=directory)
    return run(program, timeout=timeout, most=100_000, cancel=cancel)


def shell(script: str, timeout: float = 10.0, user: str = "") -> Ended:
    return ran("sh", "-c", script, timeout=timeout, user=user)


def test_the_end_the_output_and_the_time() -> None:
    ended = shell("echo out; echo err >&2; sleep 0.1; exit 3")
    assert (ended.status, ended.output, ended.errors, ended.in_time) == (3, b"out\n", b"err\n", True)
    assert 0.1 <= ended.seconds < 5
    assert ran("true").status == 0


@pytest.mark.parametrize(("signal", "status"), [("KILL", 137), ("TERM", 143), ("SEGV", 139)])
def test_a_signal_is_told_as_a_shell_tells_it(signal: str, status: int) -> None:
    assert shell(f"ulimit -c 0; kill -{signal} $$").status == status


def test_it_has_no_input_and_no_shell() -> None:
    assert ran("cat").output == b""
    assert ran("echo", "$HOME", "*", ";", "ls").output == b"$HOME * ; ls\n"


def test_its_environment_is_clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EXPORTER_OWN", "canary")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    program = ProgramSettings(
        command=("env",),
        environment={"MODE": "test"},
        secret_environment={"WORD": Secret("of-the-command")},
        directory=str(tmp_path),
    )
    lines = dict(line.split("=", 1) for line in run(program, timeout=10, most=10_000).output.decode().splitlines())
    assert lines.keys() - {"PWD"} == {"PATH", "HOME", "TZ", "LANG", "MODE", "WORD"}
    assert (lines["TZ"], lines["MODE"], lines["WORD"]) == ("Europe/Berlin", "test", "of-the-command")
    assert ran("pwd", directory=str(tmp_path)).output.decode() == f"{tmp_path}\n"


def test_it_is_nice_and_leads_a_session_of_its_own() -> None:
    nice, session = shell("sleep 0.2; nice; ps -o sid= -p $$").output.split()
    assert int(nice) == min(19, os.nice(0) + 10) or int(nice) == 10
    assert int(session) != os.getsid(0)


def test_past_its_time_it_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    script = f"trap '' TERM INT; (sleep 60 & echo $! >>{file}; wait) & echo $! >>{file}; sleep 60"
    ended = shell(script, timeout=0.5)
    assert (ended.status, ended.in_time) == (137, False)
    assert 0.5 <= ended.seconds < 5
    pids = [int(line) for line in file.read_text().split()]
    assert len(pids) == 2
    until(lambda: not any(is_running(pid) for pid in pids))


def test_what_it_leaves_behind_does_not_outlive_it(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    began = time.monotonic()
    assert shell(f"echo early; sleep 60 & echo $! >{file}; exit 0").output == b"early\n"
    assert time.monotonic() - began < 5  # although the other one holds the output open
    until(lambda: not is_running(int(file.read_text())))


def test_a_program_that_closes_its_output_is_still_awaited() -> None:
    ended = shell("exec >&- 2>&-; sleep 0.2; exit 4")
    assert (ended.status, ended.seconds >= 0.2) == (4, True)


@pytest.mark.parametrize("script", ["yes", "yes >&2", "head -c 100001 /dev/zero"])
def test_too_much_output_ends_it_at_once(script: str) -> None:
    began = time.monotonic()
    with pytest.raises(Trouble, match="sh was killed, as it wrote more than 100000 bytes") as caught:
        shell(script)
    assert "`max_bytes`" in caught.value.fix
    assert time.monotonic() - began < 5


def test_all_of_a_large_output_is_taken() -> None:
    ended = shell("head -c 90000 /dev/zero; echo end >&2")
    assert (len(ended.output), ended.errors) == (90_000, b"end\n")


@pytest.mark.parametrize(("command", "reason"), [
    ("no-such-program", "no-such-program cannot be run (No such file or directory)"),
    ("/etc/passwd", "/etc/passwd cannot be run (Permission denied)"),
])  # fmt: skip
def test_what_cannot_be_run(command: str, reason: str) -> None:
    with pytest.raises(NotStarted) as caught:
        ran(command)
    assert str(caught.value) == reason
    assert "install it" in caught.value.fix


def test_a_script_without_a_first_line_and_a_directory_that_is_not_there(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"\x00\x01nothing that runs")
    script.chmod(0o755)
    with pytest.raises(NotStarted, match="Exec format error"):
        ran(str(script))
    with pytest.raises(Trouble, match=r"/no/such/place: No such file or directory") as caught:
        ran("true", directory="/no/such/place")
    assert not isinstance(caught.value, NotStarted)
    assert "`directory`" in caught.value.fix


def test_another_thread_ends_it() -> None:
    cancel = Cancel()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Trouble, match="sleep was killed, as the target's timeout was over"):
        ran("sleep", "60", timeout=30, cancel=cancel)
    assert time.monotonic() - began < 5
    with pytest.raises(Trouble, match="was killed"):  # what begins later as well
        ran("sleep", "60", timeout=30, cancel=cancel)
    assert time.monotonic() - began < 5


def test_without_descriptors_of_processes_its_end_is_noticed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    ended = shell("exec >&- 2>&-; sleep 0.2; exit 4")
    assert (ended.status, 0.2 <= ended.seconds < 5) == (4, True)
    assert shell("sleep 60", timeout=0.2).in_time is False


@as_root
def test_it_runs_as_its_user_alone() -> None:
    said = shell("id -u; id -g; id -G; echo $HOME $USER", user="nobody").output.decode().splitlines()
    assert said[:3] == ["65534", "65534", "65534"]
    assert said[3].split()[1] == "nobody"


def test_a_user_that_is_gone() -> None:
    with pytest.raises(Trouble, match="there is no user not-a-user any more"):
        shell("true", user="not-a-user")


@as_root
def test_only_root_runs_programs_as_others() -> None:
    script = (
        "import os; os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
        "from exporter.command import run; from exporter.program import ProgramSettings\n"
        "print(run(ProgramSettings(command=('id', '-u'), user='nobody'), timeout=5, most=100).output)\n"
        "run(ProgramSettings(command=('id', '-u'), user='root'), timeout=5, most=100)"
    )
    code = "import exporter.command, selectors, pwd, encodings.idna\n" + script  # before it may read them no more
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "b'65534\\n'\n"
    assert "only root can run a program as root" in ended.stderr


SYSTEM_PYTHON = Path("/usr/bin/python3")
BECOMES_ROOT = """
import os, shutil, sys
from exporter.collector import Trouble
from exporter.command import run
from exporter import command, program
command._LAST_BREATH = 0.5
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
given = program.ProgramSettings(command=(sys.argv[1], "-c", "import os, time; os.setuid(0); time.sleep(3)"))
for _ in range(3):
    try:
        print(run(given, timeout=0.3, most=1000).in_time)
    except Trouble as error:
        print(str(error).partition(" (process")[0].rpartition("/")[2])
"""


@as_root
@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="a Python that runs from anywhere is needed")
def test_what_cannot_be_killed_is_not_run_again_beside_itself() -> None:
    """A program that has become root's is beyond the reach of another user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        python = Path(folder) / "suid"
        shutil.copy(SYSTEM_PYTHON, python)
        python.chmod(0o4755)
        script = [sys.executable, "-c", BECOMES_ROOT, str(python)]
        ended = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    again = "suid of an earlier run could not be killed, and still runs"
    assert ended.stdout.splitlines() == ["False", again, again], ended.stderr


def test_nothing_is_left_open() -> None:
    ran("true")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        shell("sleep 60", timeout=0.02)
        with pytest.raises(Trouble):
            shell("yes")
        with pytest.raises(NotStarted):
            ran("no-such-program")
    assert len(os.listdir("/proc/self/fd")) == before
