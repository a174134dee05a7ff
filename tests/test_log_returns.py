"""Files that come back, are unpacked, change their number, or never come: nothing twice, and no loss unsaid."""

import gzip
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from exporter.collectors.log import leftovers
from exporter.collectors.log.leftovers import Leftovers
from tests.followed import followed, of_files, settings_of, write
from tests.support import until

NOTHING_LOST = {"truncated": 0, "vanished": 0}
DAY = 86_400.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
@pytest.mark.parametrize("killed", [False, True])
def test_an_old_file_that_is_unpacked_is_not_read_again(
    log: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, killed: bool
) -> None:
    monkeypatch.setattr(Leftovers, "LINGER", 0.0)
    with followed(of_files(log.with_name(pattern))) as it:
        write(log, 1, 2, 3)
        it.settle()
        log.rename(f"{log}.1")
        write(log, 4)
        assert it.settle()["lines"] == 4
        old = Path(f"{log}.1")
        packed = gzip.compress(old.read_bytes())
        old.unlink()
        it.settle()
        if killed:
            it.kill()
        old = Path(f"{log}.2")
        old.write_bytes(gzip.decompress(packed))
        age(old, 10 * DAY)
        it.settle()
        log.rename(f"{log}.1")
        write(log, 5)
        assert it.settle()["lines"] == 5
        assert it["losses"] == NOTHING_LOST


def test_other_numbers_after_a_reboot_do_not_bring_old_files_again(log: Path) -> None:
    for number in (1, 2, 3):
        write(Path(f"{log}.{number}"), *range(50))
        age(Path(f"{log}.{number}"), number * DAY)
    with followed(of_files(log)) as it:
        write(log, 1)
        it.settle()
        it.kill()
        kept = it.kept["log it"]
        for name in ("files", "beside"):
            kept[name] = {f"7777:{key.partition(':')[2]}": value for key, value in kept[name].items()}
        write(log, 2)
        assert (it.settle()["lines"], it["losses"]) == (2, NOTHING_LOST)


def test_written_and_rotated_away_before_the_first_look_after_a_restart(log: Path) -> None:
    with followed(of_files(log)) as it:
        it.settle()
        it.kill()
        write(log, 1, 2)
        log.rename(f"{log}.1")
        assert it.settle()["lines"] == 2


@pytest.mark.parametrize("pattern", ["{0}", "{1}"])
def test_what_nothing_took_the_place_of_is_given_up_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    log, other = tmp_path / "app-20261124.log", tmp_path / "app-20261125.log"
    with followed(of_files(pattern.format(log, tmp_path / "app-*.log"))) as it:
        write(log, 1)
        it.settle()
        it.kill()
        write(log, 2)
        write(other, 9)
        log.unlink()
        assert it.settle()["losses"] == NOTHING_LOST  # its name may just be changing
        monkeypatch.setattr(Leftovers, "LONG_PATIENCE", 0.0)
        until(lambda: it.settle()["losses"]["vanished"] == 1)
        assert not it.follow._logs[0].files.leftovers.sought


def test_an_empty_folder_is_waited_for_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "mounted" / "app.log"
    log.parent.mkdir()
    monkeypatch.setattr(Leftovers, "LONG_PATIENCE", 0.0)
    with followed(of_files(log)) as it:
        write(log, 1)
        it.settle()
        it.kill()
        log.unlink()
        it.settle()
        assert it.settle()["losses"] == NOTHING_LOST
        monkeypatch.setattr(Leftovers, "LONGEST_PATIENCE", 0.0)
        until(lambda: it.settle()["losses"]["vanished"] == 1)


def test_an_empty_file_that_goes_is_no_loss(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leftovers, "LONGEST_PATIENCE", 0.0)
    monkeypatch.setattr(Leftovers, "LONG_PATIENCE", 0.0)
    with followed(of_files(log)) as it:
        log.touch()
        it.settle()
        it.kill()
        log.unlink()
        it.settle()
        assert it.settle()["losses"] == NOTHING_LOST


def test_another_log_beside_does_not_take_the_place_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leftovers, "LINGER", 0.0)
    api, worker = tmp_path / "api.log", tmp_path / "worker.log"
    with followed(of_files(api, worker)) as it:
        write(api, 1)
        write(worker, 1)
        it.settle()
        api.rename(f"{api}.1")
        api.touch()
        it.settle()
        write(Path(f"{api}.1"), 2)  # its writer goes on in the old file
        assert it.settle()["lines"] == 3


def test_a_file_that_came_back_may_be_rotated_away_anew(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr(leftovers, "time", SimpleNamespace(monotonic=lambda: clock, time=time.time))
    with followed(of_files(log)) as it:
        write(log, 1)
        it.settle()
        log.rename(f"{log}.1")
        it.settle()
        Path(f"{log}.1").rename(log)
        it.settle()
        clock += Leftovers.LINGER
        log.rename(f"{log}.1")
        write(log, 2)
        it.settle()
        write(Path(f"{log}.1"), 3)
        assert it.settle()["lines"] == 3


def test_a_path_that_is_no_longer_configured_is_no_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leftovers, "PATIENCE", 0.0)
    kept, first, second = tmp_path / "kept.log", tmp_path / "first.log", tmp_path / "second.log"
    with followed(of_files(kept, first, tmp_path / "sec*.log")) as it:
        for path in (kept, first, second):
            write(path, 1)
        it.settle()
        it.kill(of_files(kept))
        write(kept, 2)
        it.settle()
        assert (it.settle()["lines"], it["losses"]) == (4, NOTHING_LOST)
        assert len(it["files"]) == 1


def test_the_last_run_of_a_job_does_not_go_back(tmp_path: Path) -> None:
    text = json.dumps({
        "logs": {"it": {"files": [str(tmp_path / "*.log")], "start": "beginning", "timezone": "UTC"}},
        "jobs": {"import": {"finished": "done"}},
    })  # fmt: skip
    (tmp_path / "a.log").write_text("2026-11-02 08:00:00 INFO done\n")
    (tmp_path / "b.log").write_text("2026-11-01 08:00:00 INFO done\n")
    with followed(settings_of(text)) as it:
        assert it.kept["job import"]["last"]["success"] == it["last"] == 1793606400.0


def test_a_time_that_was_a_mistake_does_not_stay(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with followed(of_files(log, timezone="UTC")) as it:
        log.write_text("2126-11-02 08:00:00 INFO of the future\n")
        assert it.settle()["last"] > time.time() + DAY
        with log.open("a") as file:
            file.write("2026-11-02 08:00:00 INFO corrected\n")
        assert it.settle()["last"] == 1793606400.0
