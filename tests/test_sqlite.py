"""SQLite databases: what is told of them, in either mode, and that nobody notices."""

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from exporter import config
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.sqlitefile import Contents, made, writer

ROUNDS = int(os.environ.get("SQLITE_ROUNDS", "12"))
NEVER = "integrity_interval: 0"
CHANGES = re.compile(r'((?:_timestamp|_duration)_seconds|version=|written_by=)(?:"[^"]*"| \S+)')


def figures(target: One) -> dict[str, str]:
    """Return the database's own series."""
    return {series: value for series, value in target.page().items() if series.startswith("sqlite_")}


def outcomes(target: One) -> dict[str, str]:
    """Return how the reads fared that look each time."""
    return {name: said for name, said in target.outcomes().items() if name in ("files", "content", "locks")}


WELL = {"files": "ok", "content": "ok", "locks": "ok"}


def test_every_figure(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    path = made(tmp_path / "shop.db")
    with closing(sqlite3.connect(path)) as connection:
        for statement in ("PRAGMA user_version = 7", "PRAGMA application_id = 0x53484f50", "CREATE VIEW v AS SELECT 1"):
            connection.execute(statement)
        connection.execute("DELETE FROM t0 WHERE id > 100")
        connection.commit()
    with one("sqlite", f"path: {path}\ntables_interval: 1h") as target:
        assert set(target.outcomes().values()) == {"ok"}
        lines = [line for line in target.text().splitlines(keepends=True) if "sqlite_" in line]
        golden("sqlite.prom", CHANGES.sub(r"\1 ...", "".join(lines)))


@pytest.mark.parametrize("page_size", [512, 65536])
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_same_as_sqlite_says(tmp_path: Path, mode: str, page_size: int) -> None:
    path = made(tmp_path / "shop.db", mode, page_size=page_size)
    with writer(path) as application, one("sqlite", f"path: {path}\n{NEVER}") as target:
        application.do("DELETE FROM t0 WHERE id > 40")
        found = figures(target)
        for name, pragma in (("pages", "page_count"), ("freelist_pages", "freelist_count"),
                             ("page_size_bytes", "page_size"), ("schema_version", "schema_version")):  # fmt: skip
            assert f"[({float(found[f'sqlite_{name}']):.0f},)]" == application.do(f"PRAGMA {pragma}"), name
        assert found['sqlite_objects{type="index"}'] == "1"
        assert found[f'sqlite_journal_mode_info{{mode="{"wal" if mode == "wal" else "rollback"}"}}'] == "1"
        assert (float(found["sqlite_wal_size_bytes"]) > 0) == (mode == "wal")
        assert outcomes(target) == WELL


def test_a_thousand_tables(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", tables=1000)
    with one("sqlite", f"path: {path}\ntables_interval: 1h\ntop: 10") as target:
        found = figures(target)
        assert found['sqlite_objects{type="table"}'] == "1000"
        assert found['sqlite_table_rows{table="t0"}'] == "400"
        assert found['sqlite_table_size_bytes{table="other"}'] == str(990 * 4096)
        assert len(found) < 70


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    path.touch()
    with one("sqlite", f"path: {path}\n{NEVER}") as target:
        found = figures(target)
        assert (
            found["sqlite_pages"] == found["sqlite_database_size_bytes"] == found['sqlite_objects{type="table"}'] == "0"
        )
        assert "sqlite_page_size_bytes" not in found
        assert found["sqlite_up"] == "1"
        assert "the file is empty" in target.outcomes()["content"]


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "wal"])
def test_files_are_left_as_they_are(tmp_path: Path, mode: str) -> None:
    path = made(tmp_path / "shop.db", mode)
    with one("sqlite", f"path: {path}\ntables_interval: 1h") as target:
        before = Contents(path)
        assert set(target.outcomes().values()) == {"ok"}
        assert Contents(path) == before  # of a WAL and its index nothing is made
        with writer(path, f"journal_mode = {mode}") as application:
            assert application.do("INSERT INTO t0 (text) VALUES ('more')") == "[]"
            before = Contents(path)
            assert outcomes(target) == WELL
            assert Contents(path) == before
            assert len(before) == {"wal": 3, "delete": 1}.get(mode, 2)


def test_an_application_that_ends_takes_its_log_away(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", "wal")
    with one("sqlite", f"path: {path}\n{NEVER}") as target:
        for row in range(3):
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("INSERT INTO t0 (text) VALUES (?)", (str(row),))
                connection.commit()
                assert outcomes(target) == WELL
            assert [file.name for file in sorted(tmp_path.iterdir())] == ["shop.db"]


def test_a_link_and_a_strange_name(tmp_path: Path) -> None:
    path = made(tmp_path / "a b?c#d%41é.db", "wal")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "current.db").symlink_to(path)
    with writer(path) as application, one("sqlite", f"path: {tmp_path}/link/current.db\n{NEVER}") as target:
        application.do("INSERT INTO t0 (text) VALUES ('more')")
        assert outcomes(target) == WELL
        assert float(figures(target)["sqlite_wal_size_bytes"]) > 0
        assert [file.name for file in (tmp_path / "link").iterdir()] == ["current.db"]


def test_two_targets_on_one_file_and_one_in_this_process(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", "wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM t0")
        with one("sqlite", f"path: {path}") as first, one("sqlite", f"path: {path}") as second:
            assert outcomes(first) == outcomes(second) == WELL
            with writer(path) as application:
                assert application.do("DELETE FROM t0") == "database is locked"  # this process' lock still holds
        connection.execute("COMMIT")


@pytest.mark.long
def test_nothing_is_left(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", "wal")
    with writer(path) as application, one("sqlite", f"path: {path}\n{NEVER}") as target:
        application.do("INSERT INTO t0 (text) VALUES ('more')")
        leaves_nothing(target, ROUNDS, warm=6)
        path.unlink()
        leaves_nothing(target, ROUNDS, warm=6)


@pytest.mark.parametrize(("settings", "problem"), [
    ('path: ":memory:"', "path: is a database in memory"),
    ("path: /srv/data/", "path: is a directory"),
    ("path: shop.db-wal", "path: is what lies beside a database"),
    ("path: shop.db\nintegrity_interval: 5s", "integrity_interval: is shorter than 1m"),
    ("path: shop.db\ntables_interval: 5s", "tables_interval: is shorter than 1m"),
    ("path: shop.db\nintegrity_timeout: 0", "integrity_timeout: leaves no time"),
    ("path: shop.db\ntop: 0", "top: leaves nothing"),
])  # fmt: skip
def test_a_mistake_is_found_before_it_runs(settings: str, problem: str) -> None:
    with pytest.raises(config.ConfigError) as caught, one("sqlite", settings):
        raise AssertionError("it was taken")
    assert problem in str(caught.value)
