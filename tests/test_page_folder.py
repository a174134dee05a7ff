"""The folders of browsers, their turns, and what is left where a round ends early."""

import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.collectors import page
from exporter.collectors.page import folder as folders
from exporter.collectors.page.folder import private_folder
from exporter.deadline import Cancel, Deadline
from tests.onetarget import one
from tests.soak import leaves_nothing


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
    with page._in_turn(Deadline(60), Cancel()):
        said: list[str] = []

        def wait(seconds: float, cancel: Cancel) -> None:
            with pytest.raises(Trouble) as refused, page._in_turn(Deadline(seconds), cancel):
                pass
            said.append(str(refused.value))

        cancel = Cancel()
        other = threading.Thread(target=wait, args=(60, cancel))
        other.start()
        wait(5, Cancel())
        cancel.cancel()
        other.join(10)
    assert said == ["the browsers of other pages took all of the time",
                    "given up, as the round took longer than the target's timeout"]  # fmt: skip


def test_many_rounds_that_fail_leave_nothing() -> None:
    with one("page", "url: http://127.0.0.1/\nbrowser: /nowhere/chromium") as target:
        leaves_nothing(target, 200)
