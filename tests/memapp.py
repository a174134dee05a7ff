"""An application in the shape of Mem: a DuckDB file with frames, pictures, videos, jobs and sessions; its writer."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.process import ROOT

EXAMPLE = ROOT / "tests" / "fixtures" / "sql" / "mem.yml"
_SCHEMA = """
CREATE TABLE videos (id BIGINT, video_seconds DOUBLE, started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ);
CREATE TABLE unique_frames (id BIGINT, hash VARCHAR, first_seen TIMESTAMPTZ);
CREATE TABLE frames (id BIGINT, video_id BIGINT, unique_frame_id BIGINT, taken_at TIMESTAMPTZ);
CREATE TABLE jobs (id BIGINT, state VARCHAR, created_at TIMESTAMPTZ);
CREATE TABLE sessions (user_id BIGINT, last_seen TIMESTAMPTZ);
"""
_DAY = """
INSERT INTO videos SELECT range, 60, now() - INTERVAL 10 MINUTE, now() - INTERVAL 9 MINUTE - INTERVAL 30 SECOND
  FROM range(5);
INSERT INTO frames SELECT range, range % 5, range % 50, now() - INTERVAL 10 MINUTE FROM range(500);
INSERT INTO unique_frames SELECT range, 'hash ' || range, now() - INTERVAL 10 MINUTE FROM range(50);
INSERT INTO jobs SELECT range, if(range < 3, 'queued', 'done'), '2026-11-25T10:00:00Z' FROM range(10);
INSERT INTO sessions SELECT range % 4, now() FROM range(7);
"""


def made(path: Path, *, idle: bool = False) -> Path:
    """Make the database; of an application that has just worked, or of one that never has."""
    with writing(path, _SCHEMA + ("" if idle else _DAY)):
        return path


@contextmanager
def writing(path: Path, sql: str = "SELECT 1") -> Iterator["subprocess.Popen[str]"]:
    """Have a process of its own open the file for writing, and do that; it keeps the file open while the block runs."""
    # this process itself must never have the file open in DuckDB, and a child gives its lock back for certain
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute(sys.argv[2]); print('done', flush=True)"
    code += "; input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path), sql], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "done\n"
            yield process
        finally:
            process.communicate("\n")


def settings(path: Path, source: str = "") -> str:
    """Return the settings of the example for this database, or for another way of reading it."""
    text = EXAMPLE.read_text(encoding="utf-8").replace("{path: MEM}", source or f"{{path: {path}}}")
    mem = yaml.safe_load(text)["targets"]["mem"]
    del mem["collector"]
    return yaml.safe_dump(mem, width=1000, sort_keys=False)
