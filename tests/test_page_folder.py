"""The folders of browsers, their turns, and what is left where a round ends early."""

import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.collectors.page import Page
from exporter.collectors.page import folder as folders
from exporter.collectors.page.folder import private_folder
from exporter.collectors.page.turns import Turns
from exporter.deadline import Cancel, Deadline
from tests.onetarget import one
from tests.soak import leaves_nothing
from tests.support import until

NOWHERE = "url: http://127.0.0.1/\nbrowser: /nowhere/chromium"


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, however long its path."""
    monkeypatch.setattr(folders, "LONGEST", 1000)
    return tmp_path


def test_a_folder_is_private_and_gone_at_the_end(short: Path) -> None:
    with private_folder(str(short), {}) as made:
        assert os.stat(f"{made}/p").st_mode & 0o777 == 0o700
        Path(made, "p", "file").touch()
    with pytest.raises(ValueError, match="wrong"), private_folder(str(short), {}) as made:
        raise ValueError("wrong")
    assert list(short.iterdir()) == []


def test_what_killed_exporters_left_is_removed_and_nothing_else(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("runbook-page-abcd1234", "runbook-page-other", "other")
    for name in names:
        (short / name / "p").mkdir(parents=True)
    with private_folder(str(short), {}):
        assert (short / names[0]).exists()  # it may be another exporter's, made this moment
    monkeypatch.setattr(folders, "_FRESH", -1.0)
    with private_folder(str(short), {}) as first, private_folder(str(short), {}):
        assert sorted(path.name for path in short.iterdir() if path.name in names) == sorted(names[1:])
        assert os.path.exists(f"{first}/p")


def test_a_path_that_is_too_long_for_sockets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="too long a path"), private_folder(f"{tmp_path}/{'x' * 60}", {}):
        pass


def broken_off(above: Path) -> "subprocess.Popen[bytes]":
    """Have a round break off, and return what looks like its browser, and is not of the process that ends browsers."""
    with suppress(ValueError), private_folder(str(above), {}) as made:
        stray = subprocess.Popen(["sh", "-c", f"sleep 60; : --user-data-dir={made}/p"])
        until(Path(f"/proc/{stray.pid}/cmdline").read_bytes)  # it is empty for a moment
        raise ValueError
    return stray


def test_what_still_runs_where_a_round_broke_off_is_killed(short: Path) -> None:
    assert broken_off(short).wait(10) == -signal.SIGKILL


def test_beside_one_that_cannot_be_killed_no_other_is_begun(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_TRIES", 2)
    with monkeypatch.context() as nothing:
        nothing.setattr("exporter.collectors.page.folder.os.kill", lambda *_: None)  # as one that hangs in the kernel
        stray = broken_off(short)
    with pytest.raises(Trouble, match=f"still hangs .process {stray.pid}"), private_folder(str(short), {}):
        pass
    stray.kill()
    stray.wait(10)
    with private_folder(str(short), {}) as made:
        assert os.path.exists(made)


def test_a_browser_waits_for_its_turn_and_not_for_ever() -> None:
    said: list[str] = []

    def wait(collector: Page, seconds: float, cancel: Cancel) -> None:
        with pytest.raises(Trouble) as refused, collector._in_turn(Deadline(seconds), cancel):
            pass
        said.append(str(refused.value))

    with one("page", NOWHERE) as target:
        collector = target.target.collector
        assert isinstance(collector, Page)
        with collector._in_turn(Deadline(60), Cancel()):
            cancel = Cancel()
            other = threading.Thread(target=wait, args=(collector, 60, cancel))
            other.start()
            wait(collector, 5, Cancel())
            cancel.cancel()
            other.join(10)
    assert said == ["the browsers of other pages took all of the time",
                    "given up, as the round took longer than the target's timeout"]  # fmt: skip


def test_whoever_had_the_turn_longest_ago_is_next() -> None:
    turns, had, order = Turns(), {"often": 9.0, "once": 5.0, "never": 0.0, "also never": 0.0}, list[str]()

    def take(name: str) -> None:
        with turns.turn(had[name], lambda: None):
            order.append(name)

    with turns.turn(0.0, lambda: None):
        others = []
        for number, name in enumerate(had, 1):
            others.append(threading.Thread(target=take, args=(name,)))
            others[-1].start()
            until(lambda number=number: len(turns._waiting) == number)  # type: ignore[misc]
    for other in others:
        other.join(10)
    assert order == ["never", "also never", "once", "often"]


def test_where_no_browser_is_nothing_is_said_of_the_page() -> None:
    with one("page", NOWHERE) as target:
        page, snapshot = target.page(), target.target.view()
    assert (page['runbook_target_up{collector="page"}'], page.get("probe_success")) == ("0", None)
    assert "is no program that can be run" in snapshot.reason


def test_many_rounds_that_fail_leave_nothing() -> None:
    with one("page", NOWHERE) as target:
        leaves_nothing(target, 200)
