"""Whether SQLite databases are whole: damage is found, and nothing else is called that."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.collectors._sqlite.check import check, tables
from exporter.collectors._sqlite.identity import identity
from exporter.collectors._sqlite.place import Place
from exporter.collectors.sqlite.integrity import look_of
from exporter.collectors.sqlite.looks import _is_same
from exporter.collectors.sqlite.settings import SQLiteSettings
from exporter.deadline import Cancel
from exporter.state import State
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


def test_what_came_later_than_the_rows_is_no_damage(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", rows=5000)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE n (i INTEGER, x)")
        connection.executemany("INSERT INTO n VALUES (?, NULL)", [(row,) for row in range(50)])
        connection.execute("CREATE TABLE s (i ANY) STRICT")
        connection.execute("INSERT INTO s VALUES ('a')")
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE n (i INTEGER, x NOT NULL)' WHERE name = 'n'")
        connection.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE s (i INTEGER) STRICT' WHERE name = 's'")
        connection.execute("PRAGMA schema_version = 99")
    with closing(sqlite3.connect(path)) as connection:
        said = {text for (text,) in connection.execute("PRAGMA quick_check")}
        assert said >= {"NULL value in n.x", "non-INTEGER value in s.i"}
    request = {"path": str(path), "locked": False}
    assert check(request)["problems"] == []
    cut(path)
    problems = check(request)["problems"]
    assert problems
    assert not any("value in" in line or "\n" in line for line in problems)


def test_another_file_with_the_same_inode_is_another(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    before, whole = identity(Place(str(path))), path.read_bytes()
    path.unlink()
    path.write_bytes(whole)
    if _generation_is_told(path):
        assert not _is_same(before, identity(Place(str(path))))
    now = identity(Place(str(path)))
    with closing(sqlite3.connect(path)) as connection:
        for _ in range(3):
            connection.execute("DELETE FROM t0 WHERE id = (SELECT min(id) FROM t0)")
            connection.commit()
    later = identity(Place(str(path)))
    assert _is_same(now, later)
    path.write_bytes(whole)  # a backup is copied over it
    assert not _is_same(later, identity(Place(str(path))))


def _generation_is_told(path: Path) -> bool:
    return identity(Place(str(path)))[2] != 0


def test_rows_are_all_counted_or_none(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", tables=3)
    with pytest.raises(Exception, match="was over after 0 of 3 tables"):
        tables({"path": str(path), "seconds": 0})


def test_a_check_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", rows=60_000)
    settings = SQLiteSettings(path=str(path), integrity_timeout=0.01)
    look = look_of(settings, State(None).shelf("target it"))
    look.make(Cancel())
    with pytest.raises(Trouble, match=r"it took longer than 0\.01 s"):
        look.found(60)


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
        assert said["tables"] == "ok tables that only the application can count: 1"


def test_it_outlives_a_restart_and_a_file_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.longlook._LONGEST_REST", 0.1)
    path = made(tmp_path / "shop.db")
    with one("sqlite", f"path: {path}", state=tmp_path / "state") as target:
        first = checked(target)
    assert first["sqlite_integrity_ok"] == "1"
    flipped(path)
    with one("sqlite", f"path: {path}", state=tmp_path / "state") as target:
        assert checked(target) == first  # it is not due yet
        whole = path.read_bytes()
        path.write_bytes(b"no database at all" * 100)
        assert "sqlite_integrity_ok" not in checked(target)  # what was well is not known to be so
        path.write_bytes(whole)
        assert checked(target) == first
        path.rename(tmp_path / "before.db")
        assert checked(target) == {}
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

    def is_broken_off() -> bool:
        """Tell whether it was; where the writer did not get far meanwhile, it is not."""
        try:
            ask("tests.sqlitefile:check_impatiently", {"path": str(path), "locked": False}, timeout=30)
        except Trouble as trouble:
            return "its WAL grew too much meanwhile" in str(trouble)
        return False

    with hard_writer(path, 0) as told:
        until(is_broken_off, 60)
    assert told[0].refused == 0
