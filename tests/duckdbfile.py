"""DuckDB files, and processes that write or hold them; the tests' own process never opens one."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors._duckdb.asking import request_of
from exporter.collectors._duckdb.settings import WaySettings
from tests.support import until

ROOT = Path(__file__).parents[1]
WRITER = ROOT / "tests" / "duckdbwriter.py"
_DO = """
import json, sys, duckdb
path, statements, options = json.loads(sys.argv[1])
connection = duckdb.connect(path, **options)
for statement in statements:
    found = connection.execute(statement).fetchall()
if not {leave}:
    connection.close()
print(json.dumps(found, default=str), flush=True)
if {hold}:
    sys.stdin.read()
import os; os._exit(0)
"""


def older(version: str) -> str:
    """Return the folder of an older version of the library; without it skip, and fail in CI."""
    folder = ROOT / ".duckdb" / version
    if not (folder / "duckdb").is_dir():
        reason = f"DuckDB {version} is not here: `make test` installs it (.ci/duckdb)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return str(folder)


def environment(library: str = "") -> dict[str, str]:
    return {**os.environ, **({"PYTHONPATH": library} if library else {})}


def _command(path: Path, statements: tuple[str, ...], *, leave: bool, hold: bool, **options: Any) -> list[str]:
    program = _DO.format(leave=leave, hold=hold)
    return [sys.executable, "-P", "-c", program, json.dumps([str(path), statements, options])]


def run(path: Path, *statements: str, library: str = "", leave: bool = False, **options: Any) -> Any:
    """Have statements executed in a process of its own; return the rows of the last.

    Left open, the database keeps its write-ahead log, as after a kill.
    """
    command = _command(path, statements, leave=leave, hold=False, **options)
    done = subprocess.run(command, env=environment(library), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def made(path: Path, *more: str, library: str = "") -> Path:
    """Return a small database: two tables of 1,000 and 10 rows, an index, a view, a sequence, a schema."""
    run(
        path,
        "CREATE TABLE frames AS SELECT range AS id, 'frame ' || range AS name, [range] AS box FROM range(1000)",
        "CREATE UNIQUE INDEX by_id ON frames (id)",
        "CREATE VIEW latest AS SELECT max(id) AS id FROM frames",
        "CREATE SEQUENCE numbers",
        "CREATE SCHEMA extra",
        "CREATE TABLE extra.jobs AS SELECT range AS id, {'state': 'done'} AS fields FROM range(10)",
        *more,
        library=library,
    )
    return path


@contextmanager
def held(path: Path, *statements: str, library: str = "", **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Have a process with the database open, after it has executed the statements."""
    command = _command(path, (*statements, "SELECT 1"), leave=True, hold=True, **options)
    process = subprocess.Popen(
        command, env=environment(library), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline(), "it could not open the database"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@dataclass
class Writing:
    """A writer at work, which can be killed and started again."""

    path: Path
    profile: str
    counted: Path
    library: str = ""
    lives: int = 0
    process: "subprocess.Popen[str] | None" = None

    @property
    def counter(self) -> int:
        """How many transactions were acknowledged."""
        return int.from_bytes(self.counted.read_bytes(), "little")

    def start(self) -> None:
        self.lives += 1
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(WRITER), str(self.path), self.profile, str(self.counted), str(self.lives)],
            env=environment(self.library), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "writing\n"

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.poll() is None, "the writer ended by itself"
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def writing(folder: Path, profile: str, library: str = "") -> Iterator[Writing]:
    """Have a hard writer at work on a database in the folder; see duckdbwriter.py."""
    counted = folder / "counted"
    counted.write_bytes(bytes(8))
    writer = Writing(folder / "written.duckdb", profile, counted, library)
    writer.start()
    try:
        until(lambda: writer.counter > 3, 30)
        yield writer
    finally:
        writer.kill()


def request(path: Path, scratch: Path, **settings: Any) -> dict[str, Any]:
    """Return what a throwaway process is asked."""
    return request_of(WaySettings(path=str(path), scratch=str(scratch), **settings), "it")


def calm() -> None:
    """Wait until the timer has ended that calls a watch ready."""
    until(lambda: not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)])
