"""Opens a DuckDB database for reading; only ever called in a throwaway process."""

import errno
import glob
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._duckdb.blocks import HEADER, HEADERS, are_database_headers, is_whole
from exporter.collectors._duckdb.trouble import Damaged, encrypted, explained
from exporter.privatecopy import copied

# The write-ahead log, and what takes its place while a checkpoint is written.
LOGS: Final = (".wal", ".wal.checkpoint", ".wal.recovery")
_MAGIC: Final = b"DUCK"
_FLAGS: Final = 20  # where they stand, after a checksum, the magic bytes and the storage version
_ENCRYPTED: Final = 1
_READABLE: Final = "let the exporter's user read the file, and enter its folder"
_SPILLED: Final = "256MB"  # of temporary files, where memory does not do
_CLOSED: Final = ("SET enable_external_access = false", "SET lock_configuration = true")
_AT_REST: Final = 60.0  # seconds since a backup was written last: until then it may not be whole


@dataclass(frozen=True, slots=True)
class Opened:
    """A database open for reading: from when it is (Unix seconds), and whether copy, backup or live."""

    connection: Any
    path: str
    time: float
    source: str
    tries: int = 1


@contextmanager
def opened(request: Mapping[str, Any], *, closed: bool = True) -> Iterator[Opened]:
    """Open what the request says, a private copy mostly; everything is gone at the end.

    While it is `closed`, whatever is asked of it reads nothing else: no file, no network, no extension.
    """
    way, path = request["open"], request["path"]
    if way == "copy":
        check_header(path)
        _check_apart(path, request["folder"])
        with (
            copied(path, LOGS, request["folder"], most=request["most"], header=HEADERS) as copy,
            connected(copy.path, request, closed=closed) as connection,
        ):
            yield Opened(connection, copy.path, copy.time, way, copy.tries)
        return
    found = _newest(request["backup"]) if way == "backup" else path
    check_header(found)
    read = os.stat(found).st_mtime if way == "backup" else time.time()
    with connected(found, request, closed=closed) as connection:
        yield Opened(connection, found, read, way)


def _check_apart(path: str, folder: str) -> None:
    if os.path.realpath(os.path.dirname(folder)) == os.path.realpath(os.path.dirname(path)):
        raise Trouble("`scratch` is the database's own folder", "name another one")


def _newest(pattern: str) -> str:
    """Return the newest of the files that is written no more."""
    found = [(os.stat(path).st_mtime, path) for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
    if not found:
        raise Trouble(f"there is no backup {pattern}", "correct `backup`, or see why none was made")
    whole = [one for one in found if time.time() - one[0] >= _AT_REST]
    if not whole:
        raise Trouble(f"the only backup {max(found)[1]} is being written", "wait until it is whole")
    return max(whole)[1]


def check_header(path: str) -> None:
    """Refuse what DuckDB could not open, before it is copied; live files are read before DuckDB has them open."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # of a pipe nobody need be the other end
    except OSError as error:
        fix = "create the database, or correct `path`" if error.errno == errno.ENOENT else _READABLE
        raise Trouble(f"{path}: {error.strerror}", fix) from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise Trouble(f"{path} is no file", "correct `path`")
        beginning = os.pread(file, HEADERS, 0)
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}", "see its disk, and the kernel's log") from None
    finally:
        os.close(file)
    is_duckdb = beginning[8:12] == _MAGIC
    if not is_duckdb and not are_database_headers(beginning):
        raise Trouble(f"{path} is no DuckDB database", "correct `path`")
    if not is_duckdb or not is_whole(beginning[:HEADER]):
        raise Damaged(f"{path} is damaged: its first header does not have its checksum", "restore it from a backup")
    if int.from_bytes(beginning[_FLAGS : _FLAGS + 8], "little") & _ENCRYPTED:
        raise encrypted(path)


@contextmanager
def connected(path: str, request: Mapping[str, Any], *, closed: bool) -> Iterator[Any]:
    """Open a database file for reading, within bounds of memory, disk and processors."""
    try:
        import duckdb
    except ImportError:
        fix = "install it with: pip install 'runbook-exporter[duckdb]'"
        raise Trouble("the library duckdb is not installed", fix) from None
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{request['memory'] // 1000}KB",
        "threads": 1,
        "temp_directory": os.path.join(request["folder"], "spilled"),
        "max_temp_directory_size": _SPILLED,
        "autoinstall_known_extensions": False,
        "preserve_insertion_order": False,
    }
    try:
        connection = duckdb.connect(path, read_only=True, config=config)
        for statement in _CLOSED if closed else ():
            connection.execute(statement)
    except duckdb.Error as error:
        raise explained(error, request["path"], path) from None
    try:
        yield connection
    except duckdb.Error as error:
        raise explained(error, request["path"], path) from None
    finally:
        connection.close()
