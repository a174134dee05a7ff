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
from exporter.collectors._duckdb.blocks import HEADER, HEADERS, are_database_headers, broken_in, is_whole
from exporter.collectors._duckdb.place import LOGS, log_trouble
from exporter.collectors._duckdb.trouble import OVERWRITTEN, Damaged, encrypted, explained
from exporter.privatecopy import Copy, copied
from exporter.scratch import private

_MAGIC: Final = b"DUCK"
_FLAGS: Final = 20  # where they stand, after a checksum, the magic bytes and the storage version
_ENCRYPTED: Final = 1
_READABLE: Final = "let the exporter's user read the file, and enter its folder"
_SPILLED: Final = "256MB"  # of temporary files, where memory does not do
_THROWN_AWAY: Final = "PRAGMA disable_checkpoint_on_shutdown"  # nobody needs what would be written at the end
_CLOSED: Final = ("SET enable_external_access = false", "SET lock_configuration = true")
_AT_REST: Final = 60.0  # seconds since a backup was written last: until then it may not be whole


@dataclass(frozen=True, slots=True)
class Opened:
    """A database open for reading: from when it is (Unix seconds), and whether copy, backup or live.

    `broken` are its blocks without their checksums, where they were asked for.
    """

    connection: Any
    path: str
    time: float
    source: str
    tries: int = 1
    broken: tuple[int, ...] = ()


@contextmanager
def opened(request: Mapping[str, Any], *, closed: bool = True, blocks: bool = False) -> Iterator[Opened]:
    """Open what the request says, a private copy mostly; everything is gone at the end.

    While it is `closed`, whatever is asked of it reads nothing else: no file, no network, no extension. With `blocks`
    the checksums of all blocks of a copy or backup are verified.
    """
    way, path = request["open"], request["path"]
    if way == "copy":
        with _copy(path, request) as copy:
            bad = broken_in(copy.path) if blocks else ()  # before DuckDB has it open: it may write to a copy
            with connected(copy.path, {**request, "folder": copy.folder}, closed=closed) as connection:
                yield Opened(connection, copy.path, copy.time, way, copy.tries, bad)
        return
    found = _newest(request["backup"]) if way == "backup" else path
    check_header(found)
    read = os.stat(found).st_mtime if way == "backup" else time.time()
    # a live file must not be opened and closed where DuckDB has it open
    bad = broken_in(found) if blocks and way == "backup" else ()
    with (
        private(request["folder"]) as own,  # for what is spilled
        connected(found, {**request, "folder": own}, closed=closed) as connection,
    ):
        yield Opened(connection, found, read, way, broken=bad)


@contextmanager
def _copy(path: str, request: Mapping[str, Any]) -> Iterator[Copy]:
    """Have a copy with the name that the application's queries may know it by."""
    check_header(path)
    folder, name, real = request["folder"], os.path.basename(path), os.path.realpath(path)
    _check_apart(path, folder)
    _check_apart(real, folder)
    if (trouble := log_trouble(path)) is not None:
        raise trouble
    with copied(real, LOGS, folder, most=request["most"], header=HEADERS, name=name) as copy:
        yield copy


def _check_apart(path: str, folder: str) -> None:
    if os.path.realpath(os.path.dirname(folder)) == os.path.realpath(os.path.dirname(path)):
        raise Trouble("`scratch` is the database's own folder", "name another one")


def _newest(pattern: str) -> str:
    """Return the newest of the files that is written no more."""
    found = list(_dated(glob.glob(pattern, recursive=True)))
    if not found:
        raise Trouble(f"there is no backup {pattern}", "correct `backup`, or see why none was made")
    whole = [one for one in found if time.time() - one[0] >= _AT_REST]
    if not whole:
        raise Trouble(f"the only backup {max(found)[1]} is being written", "wait until it is whole")
    return max(whole)[1]


def _dated(paths: list[str]) -> Iterator[tuple[float, str]]:
    for path in paths:
        try:
            found = os.stat(path)
        except FileNotFoundError:  # removed meanwhile, or a link to nothing
            continue
        if stat.S_ISREG(found.st_mode):
            yield found.st_mtime, path


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
        raise Trouble(f"{path} is no DuckDB database", OVERWRITTEN)
    if not is_duckdb or not is_whole(beginning[:HEADER]):
        raise Damaged(f"{path} is damaged: its first header does not have its checksum", "restore it from a backup")
    if int.from_bytes(beginning[_FLAGS : _FLAGS + 8], "little") & _ENCRYPTED:
        raise encrypted(path)


@contextmanager
def connected(path: str, request: Mapping[str, Any], *, closed: bool) -> Iterator[Any]:
    """Open a database file for reading, within bounds of memory, disk and processors.

    Only a private copy is opened for writing: where its log has an index, some versions can read it by no other way.
    """
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
        connection = duckdb.connect(path, read_only=request["open"] != "copy", config=config)
        connection.execute(_THROWN_AWAY)
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
