"""SQLite files for tests, and processes that write into them, hold their locks, or die with them."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.process import ROOT
from tests.support import until

ROWS = 400


def made(path: Path, mode: str = "delete", rows: int = ROWS, page_size: int = 4096, tables: int = 1) -> Path:
    """Make a database with tables t0, t1, ... and an index on the first; in WAL mode its log is emptied and gone."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("BEGIN")
        for number in range(tables):
            connection.execute(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, text)")
        connection.execute("CREATE INDEX by_text ON t0 (text)")
        connection.executemany("INSERT INTO t0 (text) VALUES (?)", [(f"{row:0100d}",) for row in range(rows)])
        connection.execute("COMMIT")
    return path


class Writer:
    """A process that has the database open; it does what it is told, line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def do(self, statement: str) -> str:
        """Have a statement made; return what came of it: its rows, or the error."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.process.pid}/stat")
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def writer(path: Path, *pragmas: str, program: str = "_obey") -> Iterator[Writer]:
    """Have a process open the database; it is killed at the end."""
    command = [sys.executable, "-c", f"from tests.sqlitefile import {program}; {program}()", str(path), *pragmas]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as process:
        try:
            yield Writer(process)
        finally:
            process.kill()


def _obey() -> None:
    connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
    for pragma in sys.argv[2:]:
        connection.execute(f"PRAGMA {pragma}")
    for line in sys.stdin:
        try:
            print(connection.execute(line).fetchall(), flush=True)
        except sqlite3.Error as error:
            print(error, flush=True)


class Contents(dict[str, tuple[int, int, int, bytes]]):
    """Of each file that belongs to a database: inode, size, time of its last change, and bytes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        for name in sorted(os.listdir(path.parent)):
            if name.startswith(path.name):
                file = path.parent / name
                found = file.stat()
                self[name] = (found.st_ino, found.st_size, found.st_mtime_ns, file.read_bytes())


class Report:
    """What a hard writer lived through: commits, refusals, and the longest time that one transaction took."""

    def __init__(self, text: str) -> None:
        commits, refused, longest = text.split()
        self.commits, self.refused, self.longest = int(commits), int(refused), float(longest)


def _write_hard() -> None:
    """Write without pause, waiting `timeout` seconds for locks, until standard input ends; tell what it was like."""
    import select
    import time

    timeout = float(sys.argv[2])
    connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=timeout)
    connection.execute("PRAGMA synchronous = OFF")  # as fast as can be
    commits, refused, longest = 0, 0, 0.0
    while not select.select([sys.stdin], [], [], 0)[0]:
        began = time.monotonic()
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE t0 SET text = ? WHERE id = ?", (f"{commits:0100d}", 1 + commits % ROWS))
            connection.execute("COMMIT")
            commits += 1
            if commits == 1:
                print("begun", flush=True)
        except sqlite3.OperationalError:
            refused += 1
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        longest = max(longest, time.monotonic() - began)
    print(commits, refused, longest, flush=True)


@contextmanager
def hard_writer(path: Path, timeout: float) -> Iterator[list[Report]]:
    """Have a process write without pause while the block runs; its report is in the list afterwards."""
    told: list[Report] = []
    with writer(path, str(timeout), program="_write_hard") as process:
        assert process.process.stdout
        assert process.process.stdout.readline() == "begun\n"
        yield told
        told.append(Report(process.do("")))


def check_impatiently(request: dict[str, object]) -> object:
    """Check a database in this process, giving way at once when its log grows."""
    from exporter.collectors._sqlite import check

    check._MOST_GROWTH, check._LOOK = 1 << 16, 0.001  # type: ignore[misc]
    return check.check(request)


def count_beside(request: dict[str, str]) -> int:
    """Count the rows of the first table while another process makes a statement."""
    from exporter.collectors._sqlite.opening import opened

    with opened(request["path"]) as connection:
        count: int = connection.execute("SELECT count(*) FROM t0").fetchone()[0]
        program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute(sys.argv[2])"
        subprocess.run([sys.executable, "-c", program, request["path"], request["statement"]], check=True)
        return count
