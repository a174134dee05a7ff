"""Whether SQLite databases are whole: damage is found, and nothing else is called that."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.throwaway import ask
from tests.onetarget import One, one
from tests.sqlitefile import ROWS, Contents, hard_writer, made
from tests.support import until
from tests.test_sqlite import figures
from tests.test_sqlite_trouble import emptied, patched

CHECKED = "sqlite_integrity_checked_timestamp_seconds"


def checked(target: One) -> dict[str, str]:
    """Return the figures of the check."""
    return {series: value for series, value in figures(target).items() if "integrity" in series}


def flipped(path: Path) -> None:
    """Change one bit of what kind of page the second one is."""
    data = path.read_bytes()
    patched(path, 4096, bytes([data[4096] ^ 0x08]))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 4096)


def crossed(path: Path) -> None:
    """Have two cells of a page begin in the same place."""
    data = path.read_bytes()
    patched(path, 2 * 4096 + 8, data[2 * 4096 + 12 : 2 * 4096 + 14])


def lost(path: Path) -> None:
    patched(path, 8192, bytes(4096))


@pytest.mark.parametrize("damage", [flipped, cut, crossed, lost, emptied])
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_damage_is_found(tmp_path: Path, mode: str, damage: Callable[[Path], None]) -> None:
    path = made(tmp_path / "shop.db", mode)
    damage(path)
    with one("sqlite", f"path: {path}") as target:
        assert checked(target)["sqlite_integrity_ok"] == "0"
        assert "damaged: " in target.outcomes()["integrity"]
        assert list(Contents(path)) == ["shop.db"]


def test_what_a_row_says_is_not_checked(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    where = path.read_bytes().index(b"0" * 60)
    patched(path, where, b"1")
    with one("sqlite", f"path: {path}") as target:
        assert checked(target)["sqlite_integrity_ok"] == "1"  # SQLite keeps no checksums


def test_what_the_application_promised_itself_is_no_damage(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE c (x CHECK (x > 0))")
        connection.execute("PRAGMA ignore_check_constraints = 1")
        connection.execute("INSERT INTO c VALUES (-1)")
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("CHECK constraint failed in c",)]
    with one("sqlite", f"path: {path}") as target:
        assert checked(target)["sqlite_integrity_ok"] == "1"


def test_what_only_the_application_can_check(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation("ours", lambda one, other: (one > other) - (one < other))
        connection.execute("CREATE TABLE named (x TEXT COLLATE ours PRIMARY KEY) WITHOUT ROWID")
        connection.execute("INSERT INTO named VALUES ('a'), ('b')")
        connection.commit()
    with one("sqlite", f"path: {path}\ntables_interval: 1h") as target:
        said = target.outcomes()
        assert said["integrity"].startswith("skipped no such collation sequence: ours: it is the application's own")
        assert said["content"] == "ok"
        assert said["tables"] == "ok tables not counted, or not within 60 s: 1"


def test_it_outlives_a_restart_and_a_file_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.longlook._LONGEST_REST", 0.1)
    path = made(tmp_path / "shop.db")
    with one("sqlite", f"path: {path}", state=tmp_path / "state") as target:
        first = checked(target)
    assert first["sqlite_integrity_ok"] == "1"
    flipped(path)
    with one("sqlite", f"path: {path}", state=tmp_path / "state") as target:
        assert checked(target) == first  # it is not due yet
        path.rename(tmp_path / "before.db")
        assert checked(target) == first
        assert figures(target)["sqlite_up"] == "0"
        made(path)
        patched(path, 4096, b"\0")
        assert "another file has taken its place" in target.outcomes()["integrity"]
        until(lambda: checked(target).get("sqlite_integrity_ok") == "0", 15)


def test_what_was_mended_is_found_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.collectors.sqlite.integrity._AGAIN", 0.1)
    monkeypatch.setattr("exporter.longlook._LONGEST_REST", 0.1)
    path = made(tmp_path / "shop.db")
    whole = path.read_bytes()
    flipped(path)
    with one("sqlite", f"path: {path}") as target:
        assert checked(target)["sqlite_integrity_ok"] == "0"
        path.write_bytes(whole)
        until(lambda: checked(target)["sqlite_integrity_ok"] == "1", 15)


def test_what_was_read_while_somebody_wrote_does_not_count(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    assert ask("tests.sqlitefile:count_beside", {"path": str(path), "statement": "SELECT 1"}, timeout=10) == ROWS
    for statement in ("DELETE FROM t0", "VACUUM", "PRAGMA journal_mode = WAL"):
        with pytest.raises(Trouble, match="it was written to while it was read") as caught:
            ask("tests.sqlitefile:count_beside", {"path": str(path), "statement": statement}, timeout=10)
        assert "WAL mode" in caught.value.fix


def test_a_database_without_a_pause_is_locked_on_demand(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    with hard_writer(path, 5) as told, one("sqlite", f"path: {path}\nintegrity_lock: true") as target:
        assert checked(target)["sqlite_integrity_ok"] == "1"
    assert told[0].refused == 0
    assert told[0].commits > 0


def test_a_wal_that_grows_too_much_ends_the_check(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", "wal", rows=60_000)
    with hard_writer(path, 0) as told, pytest.raises(Exception, match="its WAL grew too much meanwhile"):
        ask("tests.sqlitefile:check_impatiently", {"path": str(path), "locked": False}, timeout=30)
    assert told[0].refused == 0
