"""SQLite files that cannot be read: each for its own reason, with its own remedy, and within the time there is."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.hang_fs import mounted, need_fuse
from tests.onetarget import one
from tests.process import ROOT
from tests.sqlitefile import Contents, made, writer
from tests.support import until
from tests.test_sqlite import NEVER, WELL, figures, outcomes


def patched(path: Path, offset: int, data: bytes) -> None:
    """Write over a part of the file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def emptied(path: Path) -> None:
    path.write_bytes(bytes(8192))


def foreign(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 32)


def encrypted(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def newer_file(path: Path) -> None:
    patched(path, 18, b"\3\3")


def newer_schema(path: Path) -> None:
    patched(path, 47, b"\5")


def strange_page_size(path: Path) -> None:
    patched(path, 16, b"\0\7")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


BROKEN = [
    (Path.unlink, "no such file", "start the application that makes it"),
    (folder, "is a directory", "give the path of the database's file"),
    (pipe, "is no regular file", "give the path of the database's file"),
    (emptied, "it begins with zeros", "put a backup in its place"),
    (foreign, "shop.db is no SQLite database, or an encrypted one", "keep it, and put a backup in its place"),
    (encrypted, "is no SQLite database, or an encrypted one", "without its key"),
    (short, "is no SQLite database", "correct `path`"),
    (newer_file, "written for a newer SQLite: its file format is 3", "run the exporter with a newer SQLite than 3."),
    (
        newer_schema,
        "written for a newer SQLite: its schema format is 5",
        "run the exporter with a newer SQLite than 3.",
    ),
    (strange_page_size, "its header is damaged", "put a backup in its place"),
]


@pytest.mark.parametrize(("broken", "reason", "fix"), BROKEN)
def test_each_is_told_apart(tmp_path: Path, broken: Callable[[Path], None], reason: str, fix: str) -> None:
    path = made(tmp_path / "shop.db")
    with one("sqlite", f"path: {path}\n{NEVER}") as target:
        assert figures(target)["sqlite_up"] == "1"
        broken(path)
        found = figures(target)
        assert found["sqlite_up"] == "0"
        assert "sqlite_pages" not in found
        said = target.outcomes()["content"]
        assert said.startswith("failed")
        assert reason in said
        assert fix in said
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        made(path)
        assert figures(target)["sqlite_up"] == "1"
        assert outcomes(target) == WELL


def test_a_part_of_the_path_that_is_no_directory(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    with one("sqlite", f"path: {path}/shop.db\n{NEVER}") as target:
        assert target.outcomes()["files"].startswith(f"failed {path}/shop.db: a part of this path is no directory")
        assert target.page()['runbook_target_up{collector="sqlite"}'] == "0"


def test_another_file_takes_its_place(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db", "wal")
    with writer(path) as application, one("sqlite", f"path: {path}\n{NEVER}") as target:
        application.do("CREATE TABLE more (x)")
        assert figures(target)['sqlite_objects{type="table"}'] == "2"
        application.kill()
        for name in Contents(path):
            (tmp_path / name).unlink()
        made(tmp_path / "other.db", tables=5).rename(path)
        assert figures(target)['sqlite_objects{type="table"}'] == "5"
        path.write_bytes(b"")
        assert figures(target)['sqlite_objects{type="table"}'] == "0"
        made(tmp_path / "other.db", tables=7).rename(path)
        assert figures(target)['sqlite_objects{type="table"}'] == "7"


# ---- permissions


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user can come to."""
    place = Path(tempfile.mkdtemp(prefix="runbook-exporter-sqlite-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


_AS_ANOTHER = """
import fcntl, json, os, pwd, sys  # fcntl: where Python itself is may be closed to that user
from exporter.collectors._sqlite.look import look
if os.geteuid() == 0:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
print(json.dumps(look({"path": sys.argv[1], "wait": 0.5, "known": []})))
"""


def seen_by_another(path: Path) -> dict[str, Any]:
    """Return what a user without rights of his own sees."""
    command = [sys.executable, "-c", _AS_ANOTHER, str(path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        return {"trouble": ended.stderr.splitlines()[-1]}
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_user_who_may_read_and_no_more(reachable: Path, mode: str) -> None:
    path = made(reachable / "shop.db", mode)
    with writer(path) as application:
        application.do("INSERT INTO t0 (text) VALUES ('more')")
        before = Contents(path)
        seen = seen_by_another(path)
        assert [part for part in ("sizes", "locks", "content") if "answer" not in seen[part]] == []
        assert seen["content"]["answer"]["objects"] == {"table": 1, "index": 1}
        assert Contents(path) == before


@pytest.mark.parametrize("closed", ["shop.db", "shop.db-wal", "shop.db-shm"])
def test_a_file_that_may_not_be_read(reachable: Path, closed: str) -> None:
    path = made(reachable / "shop.db", "wal")
    with writer(path) as application:
        application.do("INSERT INTO t0 (text) VALUES ('more')")
        (reachable / closed).chmod(0)
        seen = seen_by_another(path)
        assert seen["sizes"]["answer"]["wal"] > 0
        said = " ".join(seen["content"][key] for key in ("reason", "fix"))
        assert closed in said
        assert "exporter's user read" in said


def test_a_folder_that_may_not_be_passed(reachable: Path) -> None:
    path = made(reachable / "shop.db")
    reachable.chmod(0o600 if os.geteuid() == 0 else 0)
    said = seen_by_another(path)["trouble"]
    reachable.chmod(0o755)
    assert f"{path}: permission denied" in said


# ---- time


def test_a_file_system_that_hangs(tmp_path: Path) -> None:
    need_fuse()
    settings = f"path: {tmp_path}/mount/shop.db\n{NEVER}\ntimeout: 2s\nmax_age: 500ms"
    with mounted(tmp_path / "mount") as system, one("sqlite", settings) as target:
        assert "no such file" in target.outcomes()["files"]
        system.hang()
        threads = threading.active_count()
        for _ in range(3):
            began = time.monotonic()
            assert figures(target)["sqlite_up"] == "0"
            assert time.monotonic() - began < 4
        assert "took longer than 1.6 s" in target.outcomes()["files"]
        assert threading.active_count() <= threads + 2
        system.answer()
        until(lambda: "no such file" in target.outcomes()["files"])


def test_a_schema_of_another_version(tmp_path: Path) -> None:
    path = made(tmp_path / "shop.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE t0 (id) FROM THE FUTURE' WHERE name = 't0'")
        connection.commit()
    patched(path, 96, (4_000_000).to_bytes(4, "big"))
    with one("sqlite", f"path: {path}") as target:
        said = target.outcomes()
        assert "written for a newer SQLite: malformed database schema" in said["content"]
        assert "written for a newer SQLite: malformed database schema" in said["integrity"]
        assert "sqlite_integrity_ok" not in figures(target)
