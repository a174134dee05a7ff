"""Which files of a log are followed, and from where on."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

from exporter.collectors.log.files import MOST_FILES
from exporter.collectors.log.follow import Follow
from tests.followed import Followed, followed, of_files, settings_of, write
from tests.support import until

NOTHING_LOST = {"truncated": 0, "vanished": 0}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def test_compressed_files_are_never_read(log: Path) -> None:
    with followed(of_files(f"{log}*")) as it:
        write(log, 1, 2)
        it.settle()
        log.rename(f"{log}.1")
        write(log, 3)
        it.settle()
        with gzip.open(f"{log}.1.gz", "wb") as packed:
            packed.write(Path(f"{log}.1").read_bytes())
        Path(f"{log}.1").unlink()
        it.settle()
        it.kill()
        assert (it.settle()["lines"], it["open"]) == (3, 1)
        assert it["losses"] == NOTHING_LOST


def test_a_copy_that_a_pattern_matches_is_not_read_again(log: Path) -> None:
    with followed(of_files(f"{log}*")) as it:
        write(log, 1, 2)
        it.settle()
        copy = Path(f"{log}.1")
        copy.touch()
        it.settle()
        copy.write_bytes(log.read_bytes()[:20])
        it.settle()
        shutil.copyfile(log, copy)
        it.settle()
        write(log, 3)
        assert it.settle()["lines"] == 3


def test_created_late_in_a_folder_that_is_created_late(tmp_path: Path) -> None:
    log = tmp_path / "later" / "app.log"
    with followed(of_files(log)) as it:
        assert (it["open"], it["problems"]) == (0, [])
        log.parent.mkdir()
        write(log, 1, 2)
        assert (it.settle()["lines"], it["open"]) == (2, 1)


def test_from_the_end_or_from_the_beginning(log: Path) -> None:
    write(log, 1, 2)
    with log.open("ab") as file:
        file.write(b"INFO hal")
    with followed(of_files(log)) as it, followed(of_files(log, start="beginning")) as all_of_it:
        assert (it["lines"], all_of_it["lines"]) == (0, 2)
        with log.open("ab") as file:
            file.write(b"f\nINFO whole\n")
        assert (it.settle()["lines"], it["levels"]["info"]) == (2, 2)
        assert all_of_it.settle()["lines"] == 4


def test_a_pattern_that_is_added_does_not_bring_old_lines(tmp_path: Path, log: Path) -> None:
    other = tmp_path / "other.log"
    write(other, 1, 2, 3)
    with followed(of_files(log)) as it:
        write(log, 1)
        it.settle()
        it.kill(of_files(log, tmp_path / "oth*.log"))
        it.settle()
        write(other, 4)
        write(tmp_path / "other2.log", 1)
        assert it.settle()["lines"] == 3


def test_a_link_that_is_set_to_another_file(tmp_path: Path, log: Path) -> None:
    first, second = tmp_path / "2026-11-24", tmp_path / "2026-11-25"
    write(first, 1)
    log.symlink_to(first)
    with followed(of_files(log, start="beginning")) as it:
        write(first, 2)
        log.unlink()
        write(second, 3)
        log.symlink_to(second)
        write(first, 4)
        assert it.settle()["lines"] == 4


def test_two_names_of_one_file_and_what_is_no_file(tmp_path: Path, log: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "folder.log").mkdir()
    write(log, 1)
    (tmp_path / "link.log").symlink_to(log)
    with followed(of_files(tmp_path / "*.log", log, start="beginning")) as it:
        assert (it["lines"], it["open"], it["problems"]) == (1, 1, [])


def test_more_files_than_can_be_followed_are_said(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 1):
        write(tmp_path / f"{number}.log", 1)
    with followed(of_files(tmp_path / "*.log", start="beginning")) as it:
        assert (it["open"], it["lines"]) == (MOST_FILES, MOST_FILES)
        assert f"{MOST_FILES + 1} files match" in it["problems"][0][0]
        assert it.settle()["lines"] == MOST_FILES


def test_what_is_followed_stays_so_when_more_files_come(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with followed(of_files(tmp_path / "*.log")) as it:
        # files come with lower numbers and higher ones, and with names before and behind
        for number in range(MOST_FILES):
            write(elsewhere / f"{'az'[number % 2]}{number}.log", 1)
        for number in range(MOST_FILES):
            write(tmp_path / f"m{number}.log", 1)
        it.settle()
        followed_before = set(it["files"])
        for path in elsewhere.iterdir():
            path.rename(tmp_path / path.name)
        for number in range(MOST_FILES):
            write(tmp_path / f"a{number}.log" if number % 2 else tmp_path / f"z{number}.log", 1)
        assert set(it.settle()["files"]) == followed_before
        assert (it["lines"], it["losses"]) == (MOST_FILES, NOTHING_LOST)


def test_a_renamed_file_that_the_pattern_still_matches_is_followed_on(log: Path) -> None:
    with followed(of_files(f"{log}*")) as it:
        write(log, 1)
        it.settle()
        log.rename(f"{log}.1")
        write(log, 2)
        it.settle()
        write(Path(f"{log}.1"), 3)
        it.settle()
        it.kill()
        write(Path(f"{log}.1"), 4)
        assert (it.settle()["lines"], it["open"]) == (4, 2)


def test_a_quiet_log_is_told_of_beside_a_busy_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Follow, "BEAT", 0.1)
    logs = {name: {"files": [str(tmp_path / f"{name}.log")]} for name in ("busy", "quiet")}
    with followed(settings_of(json.dumps({"logs": logs}))) as it:
        looked, number = it.of("quiet")["looked"], iter(range(10**6))

        def is_told_again() -> bool:
            write(tmp_path / "busy.log", next(number))
            return bool(it.settle().of("quiet")["looked"] > looked)

        until(is_told_again)
        assert it.of("busy")["lines"] > 0


def test_a_log_that_is_no_longer_configured_is_forgotten(log: Path) -> None:
    with followed(of_files(log)) as it:
        it.kept["log old"] = it.kept["job old"] = it.kept["access old x"] = {}
        it.kill()
        it.settle()
        assert set(it.kept) == {"log it"}


def test_is_the_follower_of_tests_one_that_forgets() -> None:
    it = Followed(of_files("/nowhere/app.log"))
    it.settle()
    it.tell({"log it": None})
    assert it.kept == {}
