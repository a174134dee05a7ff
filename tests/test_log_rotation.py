"""Logs are followed through every rotation, by real rotators too."""

import logging
import logging.handlers
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from exporter.collectors.log.leftovers import Leftovers
from tests.followed import followed, of_files, write
from tests.support import until

NOTHING_LOST = {"truncated": 0, "vanished": 0}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def test_renamed_and_made_anew(log: Path) -> None:
    with followed(of_files(log)) as it:
        write(log, 1, 2)
        assert it.settle()["lines"] == 2
        write(log, 3)
        log.rename(f"{log}.1")
        write(log, 4)
        assert it.settle()["lines"] == 4
        write(Path(f"{log}.1"), 5)  # by a writer that has not noticed
        write(log, 6)
        assert it.settle()["lines"] == 6
        assert it["losses"] == NOTHING_LOST


def test_a_rotated_file_is_let_go_of_when_nothing_more_comes(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leftovers, "LINGER", 0.05)
    with followed(of_files(log)) as it:
        write(log, 1)
        it.settle()
        with log.open("ab") as file:
            file.write(b"ERROR without an end")
        log.rename(f"{log}.1")
        it.settle()
        assert it["lines"] == 1
        write(log, 2)
        until(lambda: it.settle() and len(it["files"]) == 1)
        assert (it["lines"], it["levels"]["error"]) == (3, 1)
        it.kill()
        assert it.settle()["lines"] == 3


def test_a_rotated_file_is_kept_as_long_as_nothing_has_taken_its_place(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Leftovers, "LINGER", 0.0)
    with followed(of_files(log)) as it:
        write(log, 1)
        log.rename(f"{log}.1")
        log.touch()
        for number in range(2, 5):
            write(Path(f"{log}.1"), number)  # its writer goes on in the old file
            it.settle()
        assert it["lines"] == 4


@pytest.mark.parametrize("killed", [False, True])
def test_emptied_and_the_copy_read_to_its_end(log: Path, killed: bool) -> None:
    with followed(of_files(log)) as it:
        write(log, 1, 2)
        it.settle()
        if killed:
            it.kill()
        write(log, 3)
        shutil.copyfile(log, f"{log}.1")
        os.truncate(log, 0)
        write(log, 4)
        assert it.settle()["lines"] == 4
        assert it["losses"] == NOTHING_LOST


def test_emptied_without_a_copy_is_said(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leftovers, "PATIENCE", 0.0)
    with followed(of_files(log)) as it:
        write(log, 1, 2)
        it.settle()
        write(log, 3)
        it.follow._logs[0].files.look()
        it.follow._logs[0].files.newest().look()  # type: ignore[union-attr]  # the third line is seen, and not read
        write(log, 4, mode="wb")
        it.settle()
        until(lambda: it.settle()["losses"]["truncated"])
        assert (it["lines"], it["losses"]["vanished"], it["lost_bytes"]) == (3, 0, 34)


def test_emptied_and_grown_beyond_where_it_was(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leftovers, "PATIENCE", 0.0)
    with followed(of_files(log)) as it:
        write(log, 1, 2)
        it.settle()
        write(log, *range(10, 20), mode="wb")
        until(lambda: it.settle()["losses"]["truncated"] == 1)
        assert it["lines"] == 12


def test_emptied_under_a_writer_that_goes_on_at_its_old_place(log: Path) -> None:
    with followed(of_files(log)) as it, log.open("wb", buffering=0) as writer:
        writer.write(b"INFO one\n" * 100_000)
        it.settle()
        shutil.copyfile(log, f"{log}.1")
        os.truncate(log, 0)
        writer.write(b"ERROR two\n")
        it.settle()
        assert (it["lines"], it["levels"]["error"], it["cut"], it["unparsed"]) == (100_001, 1, 0, 0)


def test_deleted_and_made_anew(log: Path) -> None:
    with followed(of_files(log)) as it:
        write(log, 1, 2)
        it.turn()
        write(log, 3)
        log.unlink()
        write(log, 4)
        assert it.settle()["lines"] == 4
        assert it["losses"] == NOTHING_LOST


def test_deleted_while_nobody_looked_is_said(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leftovers, "PATIENCE", 0.0)
    with followed(of_files(log)) as it:
        write(log, 1, 2)
        it.settle()
        it.kill()
        log.unlink()
        assert it.settle()["losses"] == NOTHING_LOST  # it may yet come back
        write(log, 3)
        until(lambda: sum(it.settle()["losses"].values()) == 1)
        assert it["lines"] == 3


def test_what_is_not_there_after_a_restart_is_gone_on_with_when_it_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    with followed(of_files(folder / "app.log")) as it:
        write(folder / "app.log", 1, 2)
        it.settle()
        it.kill()
        folder.rename(tmp_path / "elsewhere")
        assert (it.settle()["lines"], it["open"]) == (2, 0)
        (tmp_path / "elsewhere").rename(folder)
        write(folder / "app.log", 3)
        assert it.settle()["lines"] == 3
        assert it["losses"] == NOTHING_LOST


def test_several_rotations_while_nobody_looked(log: Path) -> None:
    with followed(of_files(log)) as it:
        write(log, 1)
        it.settle()
        it.kill()
        for number in range(2, 8):
            write(log, number)
            log.rename(f"{log}-2026112{number}")
        write(log, 8)
        assert it.settle()["lines"] == 8
        assert it["losses"] == NOTHING_LOST


def test_real_logrotate(log: Path, tmp_path: Path) -> None:
    if (rotate := shutil.which("logrotate", path="/usr/sbin:/usr/bin")) is None:
        pytest.skip("logrotate is not installed")
    status, rules = tmp_path / "status", tmp_path / "rules"
    ways = ["create", "copytruncate", "create\ncompress\ndelaycompress", "copytruncate\ncompress", "create\ndateext"]
    number = 0
    with followed(of_files(log)) as it:
        for way in ways:
            rules.write_text(f"{log} {{\nrotate 30\nmissingok\nnotifempty\n{way}\n}}\n")
            rules.chmod(0o644)
            for _ in range(1 if "dateext" in way else 3):  # a date can be given once a day
                write(log, *range(number, number + 10))
                it.settle()
                # of what is compressed at once nothing is left to read
                late = 0 if "copytruncate\ncompress" in way else 2
                write(log, *range(number + 10, number + 10 + late))
                number += 10 + late
                subprocess.run([rotate, "--force", "--state", status, rules], check=True, capture_output=True)
                write(log, number)
                number += 1
                assert it.settle()["lines"] == number, way
        assert it["lost_bytes"] == 0


def test_real_python_handlers(log: Path) -> None:
    rotating = logging.handlers.RotatingFileHandler(log, maxBytes=2000, backupCount=50)
    rotating.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.Logger("shop")
    logger.addHandler(rotating)
    with followed(of_files(log)) as it:
        for number in range(500):
            logger.error("number %d", number)
            if number % 37 == 0:
                it.settle()
            if number % 101 == 0:
                it.kill()
        assert (it.settle()["lines"], it["levels"]["error"], it["losses"]) == (500, 500, NOTHING_LOST)
    rotating.close()
