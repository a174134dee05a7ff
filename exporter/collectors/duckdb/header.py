"""What the first 12 KiB of a DuckDB file say, read without DuckDB."""

import os
import stat
import struct
from typing import Final, NamedTuple

from exporter.collector import Trouble, read
from exporter.collectors._duckdb.blocks import are_database_headers
from exporter.collectors._duckdb.trouble import OVERWRITTEN
from exporter.collectors.duckdb.session import Session
from exporter.metric import Samples, counter, gauge, info

_MAIN: Final = "the main header"
_ACTIVE: Final = "the database header in use"

STORAGE_VERSION = gauge(
    "duckdb_storage_version",
    "Version of the format that the file is written in. Absent where DuckDB 2.0 or later encrypts it.",
    source=f"{_MAIN}; from DuckDB 2.0 on, {_ACTIVE}",
)
ENCRYPTED = gauge("duckdb_encrypted", "Whether DuckDB encrypts the file.", source=_MAIN)
FILE_INFO = info(
    "duckdb_file_info",
    "Which version of DuckDB made the file, and from which version on DuckDB can read it.",
    labels=("made_by", "readable_from"),
    source=_MAIN,
)
CHECKPOINTS = counter(
    "duckdb_checkpoints_total",
    "Checkpoints of the file since it was made. Absent where the file is encrypted.",
    source=_ACTIVE,
)

SIZE: Final = 4096
"""Bytes of each of the three headers: the main one, and two database headers that checkpoints write in turn."""
READABLE_FROM: Final = {64: "0.10", 65: "1.2", 66: "1.3", 67: "1.4", 68: "1.5", 69: "2.0"}
"""The first DuckDB that reads files of a storage version; one of 0.9 and 0.10 each read most files of the other."""
_NEWER: Final = 999  # in the main header, so that DuckDB before 2.0 refuses the file; its version is elsewhere then
_MAGIC: Final = b"DUCK"
_OTHERS: Final = {b"SQLite format 3\0": "an SQLite database", b"PAR1": "a Parquet file"}
# checksum, magic, version, flags, version and commit of the library
_FIRST: Final = struct.Struct("<8s4sQ4Q32s32s")
# checksum, iteration, metadata block, free list, blocks, size of a block, size of a vector, version
_SECOND: Final = struct.Struct("<8Q")
_ENCRYPTED: Final = 1


class Header(NamedTuple):
    """What the headers say; None is what cannot be known of an encrypted file."""

    storage_version: int | None
    made_by: str
    """The version of DuckDB that made the file, as v2.0.1; empty where it does not say."""
    encrypted: bool
    checkpoints: int | None
    block_size: int | None

    @property
    def readable_from(self) -> str:
        """The first version of DuckDB that reads the file, as 1.4; empty where that is not known."""
        if self.storage_version is None:
            return "2.0"
        return READABLE_FROM.get(self.storage_version, "")


def check_is_there(path: str) -> None:
    """Raise why there is no DuckDB database to look at; one with a broken first header is there all the same."""
    try:
        header_of(path)
    except Trouble:
        content = _beginning(path)  # again: it may just have been made, or replaced
        if content[8:12] != _MAGIC and are_database_headers(content):
            return
        header_of(path)


def header_of(path: str) -> Header:
    """Return what the headers of a file say; Trouble where it is no DuckDB file, or cannot be read."""
    content = _beginning(path)
    if content[8:12] != _MAGIC:
        raise Trouble(f"{path} is {_kind(content)}, not a DuckDB database", OVERWRITTEN)
    if len(content) < 3 * SIZE:
        raise Trouble(
            f"{path} ends within its headers", "see whether it is just being made; else restore it from a backup"
        )
    _, _, version, flags, _, _, _, made_by, _ = _FIRST.unpack_from(content)
    encrypted = bool(flags & _ENCRYPTED)
    name = made_by.rstrip(b"\0").decode("ascii", "replace")
    if encrypted:
        return Header(None if version == _NEWER else version, name, True, None, None)
    slots = [_SECOND.unpack_from(content, place) for place in (SIZE, 2 * SIZE)]
    _, checkpoints, _, _, _, block_size, _, serialization = max(slots, key=lambda slot: slot[1])
    return Header(serialization if version == _NEWER else version, name, False, checkpoints, block_size or None)


def _beginning(path: str) -> bytes:
    # only by descriptor, in a process that never has DuckDB open: closing it would drop DuckDB's lock
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would hold the round
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Trouble(f"{path} is no file", "name the database file in `path`")
        return os.pread(handle, 3 * SIZE, 0)
    except OSError as error:
        raise unreadable(path, error) from None
    finally:
        os.close(handle)


def unreadable(path: str, error: OSError) -> Trouble:
    """Return the trouble with a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return Trouble(f"{path}: no such file", "create the database, or correct `path`")
    if isinstance(error, PermissionError):
        return Trouble(f"{path} may not be read", "let the exporter's user read the file, and enter its folder")
    return Trouble(f"{path}: {error.strerror}", "look at the disk, and at the kernel's log")


def _kind(content: bytes) -> str:
    if not content:
        return "empty"
    known = (kind for magic, kind in _OTHERS.items() if content.startswith(magic))
    return next(known, "something else")


@read
def header(session: Session) -> Samples:
    """The file's storage version, whether it is encrypted, and how often it had a checkpoint."""
    found = header_of(session.path)
    yield STORAGE_VERSION(found.storage_version)
    yield ENCRYPTED(found.encrypted)
    yield FILE_INFO(1, made_by=found.made_by, readable_from=found.readable_from)
    yield CHECKPOINTS(found.checkpoints)
