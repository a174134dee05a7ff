"""The helper process: what it does for toils, and what becomes of them when something dies."""

import os
import pickle
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import psutil
import pytest

from exporter.collector import Trouble
from exporter.helper import Helper
from exporter.helperprocess import Channel, Work
from exporter.ledger import Ledger
from exporter.state import State
from tests.support import until
from tests.toils import Place

ROOT = Path(__file__).parents[1]


@dataclass
class Job:
    """A toil asked for by a thread of its own, as a watcher does."""

    helper: Helper
    toil: str
    settings: Place
    ledger: Ledger = field(default_factory=lambda: Ledger(State(None).shelf("s")))
    stop: Event = field(default_factory=Event)
    ready: Event = field(default_factory=Event)
    trouble: list[Trouble] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self) -> None:
        try:
            self.helper.work(f"tests.toils:{self.toil}", self.settings, self.ledger, self.stop, self.ready.set)
        except Trouble as error:
            self.trouble.append(error)

    def ended(self) -> str:
        """Wait until it has ended, and return why."""
        self.thread.join(20)
        assert not self.thread.is_alive()
        return " ".join(f"{error}; {error.fix}".rstrip("; ") for error in self.trouble)


@contextmanager
def helping() -> Iterator[Helper]:
    helper = Helper()
    try:
        yield helper
    finally:
        helper.close()


def test_a_toil_works_in_a_niced_process_of_its_own_until_it_is_stopped() -> None:
    with helping() as helper:
        assert helper.pid is None  # nothing needed it so far
        job = Job(helper, "Odd", Place())
        until(lambda: "pid" in job.ledger.entries())
        entries = job.ledger.entries()
        assert job.ready.is_set()
        assert entries["pid"] == entries["session"] == helper.pid != os.getpid()
        assert entries["niceness"] >= os.nice(0) + 10 or entries["niceness"] == 19
        assert entries["path"] not in ("", os.getcwd())
        job.stop.set()
        assert job.ended() == ""
        assert job.ledger.entries()["bye"] is True  # its last words count, and forget what they say
        assert "path" not in job.ledger.entries()
    assert helper.pid is None
    assert not psutil.pid_exists(entries["pid"])


@pytest.mark.parametrize(("then", "said"), [
    ("fail", "the disk is gone; look for it"), ("raise", "KeyError: 'odd'"), ("return", "it returned"),
    ("exit", "the helper process ended with exit code 3"),
])  # fmt: skip
def test_how_a_toil_ended_is_told(then: str, said: str) -> None:
    with helping() as helper:
        job = Job(helper, "Odd", Place(then=then))
        assert job.ended() == said


def test_what_ends_by_itself_again_and_again_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.helper._LOOK", 0.01)
    ledger = Ledger(State(None).shelf("s"))
    ledger.tell({"much": "x" * 500_000})
    with helping() as helper:
        for number in range(60):
            assert "the disk is gone" in Job(helper, "Odd", Place(then="fail"), ledger).ended()
            if number == 9:
                before = helper.usage()
        after = helper.usage()
        assert before is not None
        assert after is not None
        assert after.resident - before.resident < 10e6  # 50 of them, kept, are 25 MB


def test_a_toil_that_cannot_be_made_is_told() -> None:
    with helping() as helper:
        assert "has no attribute 'Nothing'" in Job(helper, "Nothing", Place()).ended()


_HALF = """
import sys, time
until = time.monotonic() + 1
while {other!r} not in sys.modules and time.monotonic() < until:
    pass
from {other} import NAME as OTHER
NAME = {name!r}
class Half:
    def __init__(self, settings, kept): pass
"""


def test_two_whose_packages_import_each_other_are_made_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    halves = {"toil_left": "toil_right", "toil_right": "toil_left"}
    for name, other in halves.items():
        text = _HALF.format(name=name, other=other)
        (tmp_path / f"{name}.py").write_text(text if name == "toil_left" else f"NAME = 1\n{text}")
    monkeypatch.syspath_prepend(str(tmp_path))
    nothing = b64encode(pickle.dumps(None)).decode()
    failed: list[str] = []

    def make(name: str, channel: Channel) -> None:
        try:
            Work(channel, {"toil": f"{name}:Half", "begin": 1, "settings": nothing, "kept": {}})._toil()
        except ImportError as error:
            failed.append(str(error))

    with socket.socket() as connection:
        threads = [threading.Thread(target=make, args=(name, Channel(connection))) for name in reversed(halves)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert failed == []
    for name in halves:
        assert sys.modules.pop(name)


def test_one_that_does_not_end_is_left_behind_and_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\n")
    with helping() as helper:
        lingering = Job(helper, "Odd", Place(then="linger"))
        other = Job(helper, "Count", Place(str(tmp_path / "log")))
        until(lambda: other.ledger.entries().get("lines") == 1)
        until(lambda: "pid" in lingering.ledger.entries())
        lingering.stop.set()
        (tmp_path / "log").write_text("one\ntwo\n")
        until(lambda: other.ledger.entries().get("lines") == 2)
        assert lingering.ended() == ""
        other.stop.set()
        assert other.ended() == ""


def test_what_it_prints_harms_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with helping() as helper:
        job = Job(helper, "Odd", Place(then="print"))
        until(lambda: "pid" in job.ledger.entries())
        job.stop.set()
        assert job.ended() == ""
    assert capfd.readouterr() == ("", "")


def test_a_killed_process_is_told_to_all_and_the_next_begins_another(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\n")
    with helping() as helper:
        jobs = [Job(helper, "Count", Place(str(tmp_path / "log"))) for _ in range(3)]
        until(lambda: all(job.ledger.entries().get("lines") == 1 for job in jobs))
        assert helper.pid is not None
        os.kill(helper.pid, signal.SIGKILL)
        assert [job.ended() for job in jobs] == ["the helper process ended with signal 9"] * 3
        again = Job(helper, "Count", Place(str(tmp_path / "log")), jobs[0].ledger)
        until(again.ready.is_set)
        assert helper.begun == 2
        assert again.ledger.entries()["lines"] == 1
        again.stop.set()
        assert again.ended() == ""


def test_one_that_is_stopped_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").write_text("one\n")
    with helping() as helper:
        job = Job(helper, "Count", Place(str(tmp_path / "log")))
        until(job.ready.is_set)
        assert helper.pid is not None
        os.kill(helper.pid, signal.SIGSTOP)
        monkeypatch.setattr("exporter.helper._SILENCE", 0.5)
        assert job.ended() == "the helper process ended with signal 9"
        monkeypatch.undo()
        again = Job(helper, "Count", Place(str(tmp_path / "log")), job.ledger)
        until(again.ready.is_set)
        assert helper.begun == 2
        again.stop.set()
        assert again.ended() == ""


def test_one_that_is_stopped_and_takes_in_no_more_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").write_text("one\n")
    much = Ledger(State(None).shelf("s"))
    much.tell({str(number): "x" * 1000 for number in range(3000)})
    with helping() as helper:
        until(Job(helper, "Count", Place(str(tmp_path / "log"))).ready.is_set)
        assert helper.pid is not None
        os.kill(helper.pid, signal.SIGSTOP)
        monkeypatch.setattr("exporter.helper._SILENCE", 3.0)
        job = Job(helper, "Count", Place(str(tmp_path / "log")), much)
        assert job.ended() == "the helper process ended with signal 9"


def test_another_exporter_that_is_installed_is_not_taken_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other" / "exporter").mkdir(parents=True)
    (tmp_path / "other" / "exporter" / "__init__.py").write_text("raise SystemExit('the other one')")
    (tmp_path / "log").write_text("one\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    with helping() as helper:
        job = Job(helper, "Count", Place(str(tmp_path / "log")))
        until(job.ready.is_set)
        job.stop.set()
        assert job.ended() == ""


def test_it_tells_what_it_costs_over_the_deaths_of_processes(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\n")
    with helping() as helper:
        assert helper.usage() is None
        spent = 0.0
        for _ in range(3):
            job = Job(helper, "Count", Place(str(tmp_path / "log")))
            until(job.ready.is_set)
            usage = helper.usage()
            assert usage is not None
            assert usage.cpu > spent  # to start Python takes some, and nothing of it is forgotten
            assert 5e6 < usage.resident < 100e6
            spent = usage.cpu
            assert helper.pid is not None
            os.kill(helper.pid, signal.SIGKILL)
            assert job.ended() == "the helper process ended with signal 9"


def test_signals_meant_for_the_exporter_leave_it_alone(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\n")
    with helping() as helper:
        job = Job(helper, "Count", Place(str(tmp_path / "log")))
        until(job.ready.is_set)
        assert helper.pid is not None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(helper.pid, number)
        until(lambda: job.ledger.entries().get("lines") == 1)
        assert helper.begun == 1
        job.stop.set()
        assert job.ended() == ""


def test_after_closing_nothing_is_begun() -> None:
    with helping() as helper:
        pass
    assert Job(helper, "Odd", Place()).ended() == "the exporter is stopping"
    assert helper.begun == 0


# An exporter in small: a state, a helper whose process is killed now and then, and what a page would show.
_EXPORTER = """
import contextlib, os, signal, sys, threading, time
from pathlib import Path
from exporter.backoff import Backoff
from exporter.helper import Helper
from exporter.ledger import Ledger
from exporter.state import State
from exporter.watcher import Watcher
from tests.toils import Place

state, helper = State(Path(sys.argv[1])), Helper()
assert not state.problem, state.problem
ledger = Ledger(state.shelf("s"))
watch = lambda stop, ready: helper.work("tests.toils:Count", Place(sys.argv[2]), ledger, stop, ready)
Watcher("t", watch, Backoff(0.001, 0.01)).start()
print(ledger.entries().get("lines", 0), flush=True)
for order in sys.stdin:
    if order == "kill\\n" and (pid := helper.pid):
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGKILL)
    print(ledger.entries().get("lines", 0), helper.pid or 0, flush=True)
"""


def test_killed_at_random_moments_it_counts_each_line_once_and_shows_no_count_that_goes_back(tmp_path: Path) -> None:
    log, written, shown = tmp_path / "log", 0, [0]
    log.touch()
    chance = random.Random(7)
    for life in range(8):
        command = [sys.executable, "-c", _EXPORTER, str(tmp_path / "state"), str(log)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            shown.append(int(process.stdout.readline()))
            helper = 0
            for _ in range(chance.randrange(5, 60)):
                with log.open("a") as file:
                    lines = chance.randrange(400)
                    file.write("a line of the log\n" * lines)
                    written += lines
                process.stdin.write("kill\n" if chance.random() < 0.1 else "look\n")
                process.stdin.flush()
                count, helper = map(int, process.stdout.readline().split())
                shown.append(count)
            if life == 7:
                deadline = time.monotonic() + 20
                while shown[-1] != written and time.monotonic() < deadline:
                    process.stdin.write("look\n")
                    process.stdin.flush()
                    shown.append(int(process.stdout.readline().split()[0]))
            process.send_signal(signal.SIGKILL)
            process.stdin.close()
        until(lambda helper=helper: not helper or not psutil.pid_exists(helper))  # type: ignore[misc]
    assert shown == sorted(shown)
    assert shown[-1] == written > 0
