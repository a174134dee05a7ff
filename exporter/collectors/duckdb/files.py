"""The files of a DuckDB database: how large they are, when they were written, and whose they are."""

import os
import stat
from collections.abc import Iterator
from typing import Final

from exporter.collector import NotApplicable, Trouble, read
from exporter.collectors._duckdb.place import LOGS, log_trouble, strays
from exporter.collectors.duckdb.header import unreadable
from exporter.collectors.duckdb.session import Session
from exporter.collectors.path.permissions import group_of, owner_of
from exporter.lookup import looked_up
from exporter.metric import Remarking, Samples, gauge, info

_STAT: Final = "stat of the file"
_WALS: Final = "stat of the files .wal, .wal.checkpoint and .wal.recovery"
_TEMPORARY: Final = "stat of what is in the folder `temporary`"

SIZE = gauge("duckdb_database_size_bytes", "Size of the database file, without its WAL.", source=_STAT)
ALLOCATED = gauge(
    "duckdb_database_allocated_bytes", "What the database file takes of its file system, without its WAL.", source=_STAT
)
MODIFIED = gauge(
    "duckdb_database_modified_timestamp_seconds",
    "When the database file was last written to; what is committed goes to the WAL first.",
    source=_STAT,
)
WAL_SIZE = gauge(
    "duckdb_wal_size_bytes",
    "Size of the write-ahead log: what was committed since the last checkpoint. 0 where there is none.",
    source=_WALS,
)
WAL_MODIFIED = gauge(
    "duckdb_wal_modified_timestamp_seconds",
    "When the write-ahead log was last written to; absent where there is none.",
    source=_WALS,
)
TEMPORARY_SIZE = gauge(
    "duckdb_temporary_size_bytes",
    "What DuckDB has moved out of its memory to temporary files. 0 where there are none.",
    source=_TEMPORARY,
)
TEMPORARY_FILES = gauge("duckdb_temporary_files", "How many temporary files of DuckDB there are.", source=_TEMPORARY)
MODE = gauge(
    "duckdb_file_mode_octal",
    "Permissions of the file, in octal digits: 640 is rw-r-----.",
    labels=("file",),
    source=_STAT,
)
OWNER = info("duckdb_file_owner_info", "Whom the file belongs to.", labels=("file", "owner", "group"), source=_STAT)

_TEMPORARY_NAME: Final = "duckdb_temp_"
_MOST_ENTRIES: Final = 20_000
_LOOKUP: Final = 1.0  # seconds that the name of an owner may take


@read
def files(session: Session) -> Remarking:
    """Sizes of database and write-ahead log, and when they were written to."""
    status = _status(session.path)
    if status is None:
        raise unreadable(session.path, FileNotFoundError())
    yield SIZE(status.st_size)
    yield ALLOCATED(status.st_blocks * 512)
    yield MODIFIED(status.st_mtime)
    if (trouble := log_trouble(session.path)) is not None:
        return f"{trouble}; {trouble.fix}"
    logs = list(_logs(os.path.realpath(session.path)))
    yield WAL_SIZE(sum(log.st_size for log in logs))
    yield WAL_MODIFIED(max((log.st_mtime for log in logs), default=None))
    return ""


@read
def temporary_files(session: Session) -> Samples:
    """Temporary files: what did not fit into the memory of the application's DuckDB."""
    own = {f"{path}.tmp" for path in (session.path, os.path.realpath(session.path))}  # which one, by its version
    folders = {session.settings.temporary} if session.settings.temporary else {*map(os.path.realpath, own)}
    sizes = [size for folder in folders for size in _temporary(folder)]
    yield TEMPORARY_SIZE(sum(sizes))
    yield TEMPORARY_FILES(len(sizes))


@read(interval=60)
def permissions(session: Session) -> Samples:
    """Permissions and owners of database and write-ahead log."""
    for file, path in (("database", session.path), *_wal(session.path)):
        status = _status(path)
        if status is not None:
            yield MODE(int(f"{stat.S_IMODE(status.st_mode):o}"), file=file)
            owner, group = _names(status.st_uid, status.st_gid)
            yield OWNER(1, file=file, owner=owner, group=group)


def _status(path: str) -> os.stat_result | None:
    """Return what the file system says of a file, None where there is none."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from None


def _logs(path: str) -> Iterator[os.stat_result]:
    for suffix in LOGS:
        status = _status(path + suffix)
        if status is not None:
            yield status


def _wal(path: str) -> tuple[tuple[str, str], ...]:
    return () if strays(path) else (("wal", f"{os.path.realpath(path)}.wal"),)


def _temporary(folder: str) -> Iterator[int]:
    """Yield the sizes of DuckDB's temporary files in a folder."""
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_ENTRIES:
                    raise Trouble(f"{folder} has more than {_MOST_ENTRIES:,} files", "give DuckDB a folder of its own")
                if entry.name.startswith(_TEMPORARY_NAME):
                    status = _status(entry.path)
                    yield from () if status is None else (status.st_size,)
    except (FileNotFoundError, NotADirectoryError):  # DuckDB makes it when it needs it, and removes it
        return
    except PermissionError:
        fix = "let the exporter's user read the folder, if this is of interest"
        raise NotApplicable(f"{folder} may not be looked into", fix) from None
    except OSError as error:
        raise unreadable(folder, error) from None


def _names(uid: int, gid: int) -> tuple[str, str]:
    try:
        return looked_up(("owner", uid, gid), lambda: (owner_of(uid), group_of(gid)), _LOOKUP)
    except TimeoutError:
        raise Trouble("the name of the file's owner was not found in time", "look at the name service (LDAP)") from None
