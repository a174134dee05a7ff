"""SQLite databases beside those who use them: writers that never rest, hang, die, or keep the file for themselves."""

import os
import sqlite3
import time
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from tests.onetarget import One, one
from tests.sqlitefile import Contents, hard_writer, made, writer
from tests.test_sqlite import NEVER, WELL, figures, outcomes

SINCE = "sqlite_write_locked_since_timestamp_seconds"
LOCKED = "database is locked"


def watched(path: Path, *more: str) -> AbstractContextManager[One]:
    return one("sqlite", "\n".join([f"path: {path}", *more]))


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_writer_that_never_waits_is_never_refused(tmp_path: Path, mode: str) -> None:
    path = made(tmp_path / "shop.db", mode)
    with watched(path, "integrity_interval: 1m", "tables_interval: 1m") as target, hard_writer(path, 0) as told:
        rounds = [outcomes(target) for _ in range(12)]
    assert [name for name, said in rounds[-1].items() if not said.startswith("ok")] == []
    assert sum(said == WELL for said in rounds) > 8
    assert told[0].refused == 0
    assert told[0].commits > 100


def test_a_reader_beside_a_wal_sees_what_was_committed(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", "wal")
    with writer(path) as application, watched(path, NEVER) as target:
        before = figures(target)["sqlite_pages"]
        application.do("CREATE TABLE more (x)")
        assert float(figures(target)["sqlite_pages"]) == float(before) + 1
        assert figures(target)['sqlite_objects{type="table"}'] == "2"
        application.do("BEGIN")
        application.do("CREATE TABLE never (x)")
        assert figures(target)['sqlite_objects{type="table"}'] == "2"


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_one_transaction_that_does_not_end(tmp_path: Path, mode: str) -> None:
    path = made(tmp_path / "shop.db", mode)
    with writer(path) as application, watched(path, NEVER) as target:
        assert figures(target)["sqlite_write_locked"] == "0"
        application.do("BEGIN IMMEDIATE")
        application.do("DELETE FROM t0 WHERE id = 1")
        began = time.time()
        first = figures(target)
        assert first["sqlite_write_locked"] == "1"
        assert first["sqlite_read_locked"] == "0"
        assert abs(float(first[SINCE]) - began) < 5
        assert figures(target)[SINCE] == first[SINCE]
        assert f"the process {application.process.pid} (python" in target.outcomes()["locks"]
        assert target.outcomes()["content"] == "ok"
        application.do("COMMIT")
        assert SINCE not in figures(target)
        application.do("BEGIN IMMEDIATE")
        second = figures(target)
        assert float(second[SINCE]) > float(first[SINCE])
        application.do("DELETE FROM t0 WHERE id = 2")
        application.do("COMMIT")
        application.do("BEGIN IMMEDIATE")
        assert float(figures(target)[SINCE]) > float(second[SINCE])


def test_a_reader_that_does_not_end_is_no_writer_until_one_waits_for_it(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    with writer(path) as report, writer(path) as application, watched(path, NEVER) as target:
        report.do("BEGIN")
        report.do("SELECT * FROM t0 LIMIT 1")
        assert SINCE not in figures(target)
        application.do("BEGIN")
        application.do("DELETE FROM t0")
        assert application.do("COMMIT") == LOCKED
        assert SINCE in figures(target)


@pytest.mark.parametrize("hangs", [False, True])
def test_one_that_shuts_readers_out(tmp_path: Path, hangs: bool) -> None:
    path = made(tmp_path / "shop.db")
    with writer(path) as application, watched(path, NEVER) as target:
        assert outcomes(target) == WELL
        application.do("BEGIN EXCLUSIVE")
        application.do("DELETE FROM t0")
        if hangs:
            application.stop()
        found = figures(target)
        assert found["sqlite_read_locked"] == found["sqlite_write_locked"] == found["sqlite_up"] == "1"
        assert SINCE in found
        assert "sqlite_pages" not in found
        said = target.outcomes()
        assert said["files"] == "ok"
        assert f"the process {application.process.pid} (python" in said["content"]
        assert "holds it exclusively" in said["content"]
        application.go_on()
        application.do("COMMIT")
        assert outcomes(target) == WELL


def test_one_that_keeps_a_wal_for_itself(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", "wal")
    with writer(path, "locking_mode = EXCLUSIVE") as application:
        application.do("INSERT INTO t0 (text) VALUES ('more')")
        before = Contents(path)
        see_one_that_is_kept(path)
        assert Contents(path) == before


def see_one_that_is_kept(path: Path) -> None:
    with watched(path) as target:
        found = figures(target)
        assert found["sqlite_read_locked"] == found["sqlite_up"] == "1"
        said = target.outcomes()
        assert said["content"].startswith("skipped the process")
        assert "its locking_mode is EXCLUSIVE" in said["content"]
        assert SINCE not in found
        assert said["integrity"].startswith("skipped")


@pytest.mark.parametrize("synchronous", ["OFF", "FULL"])
def test_a_wal_whose_writer_was_killed_is_read_as_it_is(tmp_path: Path, synchronous: str) -> None:
    path = made(tmp_path / "shop.db", "wal")
    with writer(path, f"synchronous = {synchronous}") as application:
        application.do("CREATE TABLE more (x)")
        application.do("BEGIN")
        application.do("CREATE TABLE never (x)")
        application.kill()
    before = Contents(path)
    assert list(before) == ["shop.db", "shop.db-shm", "shop.db-wal"]
    with watched(path) as target:
        assert figures(target)['sqlite_objects{type="table"}'] == "2"
        assert target.outcomes()["integrity"] == "ok"
        assert SINCE not in figures(target)
        assert Contents(path) == before
    (tmp_path / "shop.db-shm").unlink()
    with watched(path) as target:
        assert "shop.db-wal has no index beside it" in target.outcomes()["content"]
        assert figures(target)["sqlite_up"] == "0"
        assert "sqlite_pages" not in figures(target)
        assert list(Contents(path)) == ["shop.db", "shop.db-wal"]
        assert sqlite3_tables(path) == 2  # the remedy
        assert figures(target)["sqlite_up"] == "1"


def test_an_index_that_is_overwritten_costs_what_needs_it(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", "wal")
    with writer(path) as application, watched(path, NEVER) as target:
        application.do("INSERT INTO t0 (text) VALUES ('more')")
        os.truncate(tmp_path / "shop.db-shm", 0)
        said = outcomes(target)
        assert said["files"] == said["locks"] == "ok"
        assert "its log must be recovered first, which reading alone cannot do" in said["content"]
        (tmp_path / "shop.db-shm").write_bytes(os.urandom(32768))
        assert "its log must be recovered first" in outcomes(target)["content"]
        application.kill()
        assert sqlite3_tables(path) == 1  # the remedy
        assert outcomes(target) == WELL


def sqlite3_tables(path: Path) -> int:
    """Open it as an application does, which mends what a kill left; return how many tables there are."""
    with closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
        return count


def test_a_transaction_that_was_broken_off(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", rows=4000)
    with writer(path, "cache_size = 5") as application, watched(path) as target:
        assert outcomes(target) == WELL
        application.do("BEGIN")
        application.do("UPDATE t0 SET text = hex(randomblob(50))")  # more than the cache holds
        assert figures(target)["sqlite_read_locked"] == "1"
        application.kill()
        before = Contents(path)
        assert list(before) == ["shop.db", "shop.db-journal"]
        found = figures(target)
        assert found["sqlite_up"] == found["sqlite_write_locked"] == "0"
        assert float(found["sqlite_journal_size_bytes"]) > 0
        assert "sqlite_pages" not in found
        assert "waits in the journal to be rolled back" in target.outcomes()["content"]
        assert Contents(path) == before
        with watched(path) as checked:
            assert "waits in the journal to be rolled back" in checked.outcomes()["integrity"]
            assert "sqlite_integrity_ok" not in figures(checked)
        assert sqlite3_tables(path) == 1  # the remedy
        assert outcomes(target) == WELL
        assert figures(target)["sqlite_up"] == "1"


def test_a_journal_that_is_kept_means_nothing(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    for mode in ("persist", "truncate"):
        with writer(path, f"journal_mode = {mode}") as application:
            application.do("INSERT INTO t0 (text) VALUES ('more')")
        with watched(path, NEVER) as target:
            assert outcomes(target) == WELL
            assert (float(figures(target)["sqlite_journal_size_bytes"]) > 0) == (mode == "persist")


def test_another_mode_on_the_way(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    with writer(path) as application, watched(path, NEVER) as target:
        for mode, name in (("wal", "wal"), ("delete", "rollback"), ("wal", "wal")):
            assert application.do(f"PRAGMA journal_mode = {mode}") == f"[('{mode}',)]"
            application.do("INSERT INTO t0 (text) VALUES ('more')")
            assert figures(target)[f'sqlite_journal_mode_info{{mode="{name}"}}'] == "1"


def test_vacuum_and_checkpoint_go_on_beside_it(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", "wal", rows=2000)
    with writer(path, "busy_timeout = 5000") as application, watched(path) as target:
        application.do("DELETE FROM t0 WHERE id > 10")
        assert outcomes(target) == WELL
        assert application.do("VACUUM") == "[]"
        assert outcomes(target) == WELL
        assert application.do("PRAGMA wal_checkpoint(TRUNCATE)").startswith("[(0,")
        assert figures(target)["sqlite_wal_size_bytes"] == figures(target)["sqlite_freelist_pages"] == "0"
