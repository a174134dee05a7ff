"""Whether a program is there: what the machine lacks is not taken for it, and no service of users holds a round up."""

import errno
import os
import pwd
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.command import NotStarted, run
from exporter.program import ProgramSettings
from tests.commands import is_running
from tests.lookups import asides
from tests.onetarget import one
from tests.process import ROOT
from tests.support import until

TRUE = ProgramSettings(command=("true",))


def refused(program: ProgramSettings) -> Trouble:
    with pytest.raises(Trouble) as caught:
        run(program, timeout=5, most=100)
    return caught.value


def test_a_machine_that_has_no_descriptors_left_lacks_no_program() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 8, limits[1]))
        with suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        said = refused(TRUE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in held:
            os.close(descriptor)
    assert str(said) == "true could not be started (Too many open files)"
    assert not isinstance(said, NotStarted)
    assert said.fix
    assert run(TRUE, timeout=5, most=100).status == 0


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EPERM])
def test_a_machine_that_makes_no_more_processes_lacks_no_program(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))  # as fork() says it: of no file

    monkeypatch.setattr(subprocess, "Popen", no_more)
    said = refused(TRUE)
    assert not isinstance(said, NotStarted)
    assert os.strerror(number) in str(said)


def test_a_program_that_is_being_written_is_not_missing(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(Path("/bin/true").read_bytes())
    file.chmod(0o755)
    with file.open("ab"):
        said = refused(ProgramSettings(command=(str(file),)))
    assert "could not be started (Text file busy)" in str(said)
    assert not isinstance(said, NotStarted)


@pytest.mark.parametrize("name", ["no-such-program", "/etc", "/etc/passwd", "/etc/passwd/program", "x" * 300])
def test_what_is_no_program_is_missing(name: str) -> None:
    assert isinstance(refused(ProgramSettings(command=(name,))), NotStarted)


def test_one_that_may_not_become_its_user_is_not_missing() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can lack one of its rights")
    script = (
        "from exporter.command import run; from exporter.program import ProgramSettings\n"
        "run(ProgramSettings(command=('true',), user='nobody'), timeout=5, most=100)"
    )
    asked = ["setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid", sys.executable, "-c", script]
    ended = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr.strip().splitlines()[-1] == "exporter.collector.Trouble: true cannot be run as its user"


def test_what_it_writes_as_errors_is_kept_within_bounds() -> None:
    script = "for number in $(seq 3000); do echo line $number >&2; done"
    ended = run(ProgramSettings(command=("sh", "-c", script)), timeout=10, most=100_000)
    assert 3000 < len(ended.errors) <= 4096
    assert ended.errors.endswith(b"line 3000\n")


def test_one_that_has_made_itself_a_session_of_its_own_is_left_alone(tmp_path: Path) -> None:
    """So docs/command.md says it: what a daemon does is its own affair."""
    script = (
        f"setsid sh -c 'echo $$ >{tmp_path}/pid; exec sleep 60' & while ! test -s {tmp_path}/pid; do sleep 0.01; done"
    )
    assert run(ProgramSettings(command=("sh", "-c", script)), timeout=10, most=100).status == 0
    pid = int((tmp_path / "pid").read_text())
    assert is_running(pid)
    os.kill(pid, 9)
    until(lambda: not is_running(pid))


# ---- users that a service knows, which hangs


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have whoever knows the users not answer."""
    stop = threading.Event()
    monkeypatch.setattr(pwd, "getpwnam", lambda _: stop.wait(30))
    monkeypatch.setattr("exporter.program._PATIENCE", 0.3)
    yield
    stop.set()


@pytest.mark.usefixtures("hanging")
def test_a_service_of_users_that_hangs_holds_nothing_up() -> None:
    began, before = time.monotonic(), asides()
    settings = "commands: {it: {command: ['true'], user: somebody}, next: {command: ['true']}}"
    with one("command", settings) as target:  # it may well be there: no mistake of the configuration
        for _ in range(3):
            said = target.outcomes()
            assert "failed nobody has said within 0.3 s who the user somebody is" in said["it"]
            assert "getent" in said["it"]
            assert said["next"] == "ok"
        assert asides() == before + 1
    assert time.monotonic() - began < 10
