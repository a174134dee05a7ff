"""Real processes that have a DuckDB database open, and files that DuckDB made; this process itself never opens one."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support import until

_PATHS: Final = f"import sys; sys.path[:] = {[path for path in sys.path if path]!r}\n"
_RUN: Final = _PATHS + "import duckdb\ndb = duckdb.connect()\nfor statement in sys.argv[1:]: db.execute(statement)"
_HOLD: Final = (
    _PATHS + "import duckdb\ndb = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'read')\n"
    "db.execute('SET enable_progress_bar = false')\n"
    "{code}\nprint(flush=True)\nsys.stdin.read()"
)
_LOCK: Final = (
    "import fcntl, os, sys\nopen('/proc/self/comm', 'w').write(sys.argv[2])\nfile = open(sys.argv[1], 'rb')\n"
    "os.setresuid(*[int(sys.argv[3])] * 3)\n"
    "fcntl.lockf(file, fcntl.LOCK_SH)\nprint(flush=True)\nsys.stdin.read()"
)


def run(*statements: str) -> None:
    """Have DuckDB run statements, in a process of its own."""
    subprocess.run([sys.executable, "-c", _RUN, *statements], check=True, capture_output=True, timeout=60)


def making(path: Path, options: str = "") -> tuple[str, ...]:
    """Return the statements that make a small database."""
    return (
        f"ATTACH '{path}' AS made {options}",
        "CREATE TABLE made.frames AS SELECT range AS id, hash(range) AS content FROM range(1000)",
        "CHECKPOINT made", "DETACH made",
    )  # fmt: skip


def made(path: Path, options: str = "") -> Path:
    """Make a small database with one table and no write-ahead log; `options` are those of ATTACH."""
    run(*making(path, options))
    return path


@contextmanager
def holding(
    path: Path, mode: str = "write", code: str = "", *, name: str = "", **started: Any
) -> "Iterator[subprocess.Popen[bytes]]":
    """Have a process hold the database for as long as the block lasts, after it has run some code."""
    with _waiting([_HOLD.format(code=code), str(path), mode], name or sys.executable, **started) as process:
        yield process


@contextmanager
def locking(path: Path, name: str, user: int | None = None) -> "Iterator[subprocess.Popen[bytes]]":
    """Have a process of this name and user hold a lock for reading, as DuckDB would; many of these cost little."""
    arguments = ["-I", "-S", "-c", _LOCK, str(path), name, str(os.getuid() if user is None else user)]
    with _waiting(arguments, sys.executable, plain=True) as process:
        yield process


@contextmanager
def _waiting(
    arguments: list[str], program: str, *, plain: bool = False, **started: Any
) -> "Iterator[subprocess.Popen[bytes]]":
    command = [program, *([] if plain else ["-c"]), *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **started
    ) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            if said != b"\n":
                raise AssertionError(f"it did not get so far: {said!r} {process.communicate()[1]!r}")
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def named(folder: Path, name: str) -> str:
    """Return Python as a program of this name."""
    program = folder / name
    program.symlink_to(os.path.realpath(sys.executable))
    return str(program)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop a process as Ctrl-Z does, and wait until it stands."""
    process.send_signal(signal.SIGSTOP)
    until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")


def copied(path: Path, to: Path) -> Path:
    """Return a copy of the file, made by this process, which has DuckDB open on neither."""
    shutil.copyfile(path, to)
    return to
