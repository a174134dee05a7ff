"""What a backup is, by what it begins with."""

import os
import re
import tarfile
from typing import Final

from exporter.collector import Trouble
from exporter.collectors._backup.found import Bad
from exporter.collectors._backup.reading import unpacked

_HEAD: Final = 4096
# Text from the first byte on: what packs loosely, as lz4 does, has whole lines of it as well.
_SQL: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\r -~]{0,2000}?^-- PostgreSQL database (?:cluster )?dump\r?$", re.MULTILINE
)
_FIX: Final = "say what it is with `format`"


def found(path: str) -> str:
    """Return the format; Bad where it is nothing at all, Trouble where it is not known."""
    if os.path.isdir(path):
        return "pg_directory"
    with unpacked(path, 1 << 30) as content:
        head, packed = _head(content.read), content.packed
    if not head:
        raise Bad("it is empty" if not packed else "nothing is in it")
    if not head.strip(b"\0"):
        raise Bad("it begins with nothing but zeros")
    kind = kind_of(head)
    if packed and kind in ("pg_custom", "zip", "sqlite", "duckdb"):
        raise Trouble(f"it is {kind}, packed by {packed}, and those are read unpacked only",
                      "keep it unpacked (they can be packed within), or verify it by `check_command`")  # fmt: skip
    if not kind:
        raise Trouble("what it is cannot be told by what it begins with", _FIX)
    return "tar" if packed and kind == "pg_tar" else kind


def _head(read: object) -> bytes:
    head = b""
    while len(head) < _HEAD and (piece := read(_HEAD - len(head))):  # type: ignore[operator]
        head += piece
    return head


def kind_of(head: bytes) -> str:
    """Return the format of what begins so, nothing where it is not known."""
    if head.startswith(b"PGDMP"):
        return "pg_custom"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"SQLite format 3\0"):
        return "sqlite"
    if head[8:12] == b"DUCK":
        return "duckdb"
    if is_tar(head):
        return "pg_tar" if head[:100].rstrip(b"\0") == b"toc.dat" else "tar"
    if _SQL.match(head):
        return "sql"
    return "json" if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else ""


def is_tar(head: bytes) -> bool:
    """Tell whether a tar begins so: its first header has its sum."""
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
