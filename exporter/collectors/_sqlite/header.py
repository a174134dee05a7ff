"""The first hundred bytes of a SQLite file, which say much of it without a lock: https://www.sqlite.org/fileformat.html"""

import struct
from typing import Final, NamedTuple

from exporter.collectors._sqlite.trouble import OVERWRITTEN, Damaged, Trouble, too_new

SIZE: Final = 100
_MAGIC: Final = b"SQLite format 3\0"
_SHAPE: Final = struct.Struct(">16sHBB4x12I20xII")
_WAL: Final = 2
_NEWEST: Final = 2  # of the formats of the file
_NEWEST_SCHEMA: Final = 4
_ENCODINGS: Final = {1: "UTF-8", 2: "UTF-16le", 3: "UTF-16be"}
AUTO_VACUUM: Final = ("none", "full", "incremental")


class Header(NamedTuple):
    """What the header says; in WAL mode what is committed last may stand in the WAL yet."""

    page_size: int
    write_version: int
    read_version: int
    changes: int
    pages: int
    first_free: int
    free_pages: int
    schema_version: int
    schema_format: int
    cache_size: int
    largest_root: int
    encoding: int
    user_version: int
    incremental: int
    application_id: int
    changes_then: int
    writer: int

    @property
    def is_wal(self) -> bool:
        return self.read_version == _WAL

    @property
    def auto_vacuum(self) -> str:
        return AUTO_VACUUM[0 if not self.largest_root else 2 if self.incremental else 1]

    @property
    def text_encoding(self) -> str:
        return _ENCODINGS.get(self.encoding, "none")

    @property
    def written_by(self) -> str:
        """The version of the SQLite library that wrote last, such as 3.40.1."""
        major, rest = divmod(self.writer, 1_000_000)
        return f"{major}.{rest // 1000}.{rest % 1000}" if self.writer else ""


def header_of(begin: bytes, size: int, path: str) -> Header:
    """Return the header in a file's first bytes, `size` being that of the file; Trouble where it is none."""
    if len(begin) < SIZE or not begin.startswith(_MAGIC):
        raise _no_database(begin, path)
    found = _understood(begin)
    if found.read_version > _NEWEST:
        raise too_new(f"its file format is {found.read_version}")
    if found.schema_format > _NEWEST_SCHEMA:
        raise too_new(f"its schema format is {found.schema_format}")
    if found.page_size < 512 or found.page_size & (found.page_size - 1):
        raise Damaged(f"{path}: its header is damaged: a page has no such size", "put a backup in its place")
    # SQLite before 3.7.0 did not keep the number of pages; then the size of the file says it
    if not found.pages or found.changes != found.changes_then:
        found = found._replace(pages=size // found.page_size)
    return found


def _understood(begin: bytes) -> Header:
    (_, page, write, read, changes, pages, first, free, cookie, schema, cache, root, encoding, user, incremental,
     application, then, writer) = _SHAPE.unpack(begin[:SIZE])  # fmt: skip
    return Header(65536 if page == 1 else page, write, read, changes, pages, first, free, cookie, schema, cache, root,
                  encoding, _signed(user), incremental, application, then, writer)  # fmt: skip


def _signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number


def _no_database(begin: bytes, path: str) -> Trouble:
    if begin and not begin.strip(b"\0"):
        fix = "put a backup in its place; see what befell the disk, as a loss of power"
        return Damaged(f"{path}: it begins with zeros: what stood there is lost", fix)
    return Trouble(f"{path} is no SQLite database, or an encrypted one", OVERWRITTEN)
