"""The commands of the runbook pages on SQLite, on a real database, with the real sqlite3."""

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from exporter import pack
from tests.sqlitefile import Contents, writer

PAGES = sorted(path.stem for path in pack.runbooks_folder().glob("SQLite*.md"))
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("journalctl", "runbook-exporter", "findmnt", "df", "setpriv")
"""What tells of the machine, or may not be had here; `setpriv` is tried where this is root."""


def blocks(page: str) -> list[str]:
    return [re.sub(f"^{indent}", "", code, flags=re.MULTILINE) for indent, code in BLOCK.findall(pack.runbook(page))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shop with its database, a backup of it, and programs that only say that they were called."""
    (tmp_path / "srv/shop").mkdir(parents=True)
    (tmp_path / "srv/backups").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ELSEWHERE if os.geteuid() else ELSEWHERE[:-1]:
        stub = tmp_path / "bin" / name
        stub.write_text("#!/bin/sh\nexit 0\n")
        stub.chmod(0o755)
    with closing(sqlite3.connect(tmp_path / "srv/shop/shop.sqlite")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, placed TEXT)")
        days = [(f"-{day} days",) for day in range(200)]
        connection.executemany("INSERT INTO orders (placed) VALUES (date('now', ?))", days)
        connection.commit()
    shutil.copy(tmp_path / "srv/shop/shop.sqlite", tmp_path / "srv/backups")
    return tmp_path


def run(folder: Path, code: str, *, damaged: bool = False) -> str:
    """Run a block below this folder; return what it says. Of a damaged database sqlite3 complains by its status."""
    if shutil.which("sqlite3") is None:
        reason = "sqlite3 is not here: `make test` installs it (.ci/packages)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    path = f"{folder}/bin:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", *(() if damaged else ("-eu", "-o", "pipefail")), "-c", code.replace("/srv/", f"{folder}/srv/")],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    harmless = "grep" in code and ended.returncode == 1  # it found nothing
    assert ended.returncode == 0 or harmless or damaged, ended.stderr + ended.stdout
    assert ended.stderr == "" or damaged
    return ended.stdout


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("page", PAGES)
def test_every_command_works(folder: Path, page: str, mode: str) -> None:
    with closing(sqlite3.connect(folder / "srv/shop/shop.sqlite")) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
    said = [run(folder, code) for code in blocks(page)]
    assert [text for text in said if "error" in text.lower()] == []
    assert len(said) > 1


def test_the_holder_of_the_lock_is_named(folder: Path) -> None:
    path = folder / "srv/shop/shop.sqlite"
    for mode in ("delete", "wal"):
        with writer(path, f"journal_mode = {mode}") as application:
            application.do("SELECT count(*) FROM orders")
            application.do("BEGIN IMMEDIATE")
            told = run(folder, blocks("SQLiteLocked")[0])
            assert re.search(rf"POSIX +ADVISORY +WRITE +{application.process.pid} ", told), told


def test_old_rows_are_deleted_and_the_room_given_back(folder: Path) -> None:
    path = folder / "srv/shop/shop.sqlite"
    delete = next(code for code in blocks("SQLiteFreelistLarge") if "DELETE FROM" in code)
    assert run(folder, delete).strip() == "109"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (91,)


def test_what_can_be_read_is_saved(folder: Path) -> None:
    path = folder / "srv/shop/shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO orders (placed) VALUES (?)", [("2020-01-01",)] * 5000)
        connection.commit()
    with path.open("r+b") as file:
        file.seek(10 * 4096)
        file.write(bytes(4096))  # one page of the table
    keep, *_ = blocks("SQLiteIntegrityFailed")
    assert "Page 11: btreeInitPage() returns error code 11" in run(folder, keep, damaged=True)
    save = next(code for code in blocks("SQLiteIntegrityFailed") if ".dump" in code)
    assert run(folder, save, damaged=True) == "ok\n"
    with closing(sqlite3.connect(folder / "srv/backups/saved.sqlite")) as connection:
        assert 4500 < connection.execute("SELECT count(*) FROM orders").fetchone()[0] < 5200
    assert list(Contents(path)) == ["shop.sqlite"]
