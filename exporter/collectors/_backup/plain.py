"""Plain dumps of pg_dump and pg_dumpall, read to their closing line."""

import re
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._backup.found import CHECKSUMS, STRUCTURE, Bad
from exporter.collectors._backup.reading import Unpacked, unpacked

_LONGEST: Final = 1 << 20  # of a line that is looked at as a whole; rows may be longer
_CLOSING: Final = 4096  # bytes at the end among which the closing line stands
_HEADS: Final = {
    b"-- PostgreSQL database dump": b"-- PostgreSQL database dump complete",
    b"-- PostgreSQL database cluster dump": b"-- PostgreSQL database cluster dump complete",
}
_HEAD_WITHIN: Final = 100  # lines
_OTHERS: Final = (b"-- MySQL dump ", b"-- MariaDB dump ")
_NAME: Final = rb'(?:"(?:[^"]|"")+"|[^\s"(]+)'
_COPY: Final = re.compile(rb"COPY (" + _NAME + rb") (?:\(.*\) )?FROM stdin;$")
_INSERT: Final = re.compile(rb"INSERT INTO (" + _NAME + rb") ")
_CONNECT: Final = re.compile(rb"\\connect (?:-reuse-previous=on )?(.+)$")
_NAMED: Final = re.compile(rb"dbname='((?:[^'\\]|\\.)*)'")
_ENOUGH: Final = 1000  # names of tables or databases


def verify(request: Mapping[str, Any]) -> str:
    """Verify a plain dump; return what that rests on."""
    with unpacked(request["path"], request["max_bytes"]) as content:
        script = _Script(request["tables"])
        script.take(content)
        has_sums = content.has_sums
    script.check_end()
    _check_contents(script, request)
    return CHECKSUMS if has_sums else STRUCTURE


class _Script:
    """What was read so far."""

    def __init__(self, wanted: list[str]) -> None:
        self.databases: set[bytes] = set()
        self.missing = {table.encode("utf-8", "surrogateescape") for table in wanted}
        self._copying = False
        self._closing = b""
        self._closed_at = -1
        self._key: bytes | None = None
        self._lines = self._place = 0
        self._before = b"--"

    def take(self, content: Unpacked) -> None:
        """Read all of it, line by line; of one that is very long only how it begins counts."""
        begins = True
        while line := content.readline(_LONGEST):
            if b"\0" in line:
                raise Bad(f"it has a zero byte near byte {content.count:,}, where text should be")
            self._place = content.count
            if begins:
                self._line(line.rstrip(b"\r\n"))
            begins = line.endswith(b"\n")

    def _line(self, line: bytes) -> None:
        self._lines += 1
        if self._copying:
            self._copying = line != b"\\."
            return
        if line.startswith(b"--"):
            self._comment(line)
        elif line.startswith(b"\\"):
            self._backslash(line)
        elif line.startswith(b"COPY ") and (not self._before or self._before.startswith(b"--")):
            if (found := _COPY.match(line)) is not None:
                self._copying = True
                self.missing.discard(_plain(found[1]))
        elif self.missing and (found := _INSERT.match(line)) is not None:
            self.missing.discard(_plain(found[1]))
        self._before = line

    def _comment(self, line: bytes) -> None:
        if line.startswith(_OTHERS) and not self._closing:
            raise Trouble("it is a dump of MySQL or MariaDB, which is not read here", "verify it by `check_command`")
        if not self._closing and self._lines <= _HEAD_WITHIN:
            self._closing = _HEADS.get(line, b"")
        elif line == self._closing:
            self._closed_at = self._place

    def _backslash(self, line: bytes) -> None:
        if line.startswith(b"\\restrict "):
            self._key = line.partition(b" ")[2].strip()
        elif line.startswith(b"\\unrestrict "):
            if line.partition(b" ")[2].strip() != self._key:
                raise Bad("its \\restrict and \\unrestrict do not fit each other")
            self._key = None
        elif (found := _CONNECT.match(line)) is not None and len(self.databases) < _ENOUGH:
            inner = _NAMED.search(found[1])
            self.databases.add(inner[1] if inner else _plain(found[1].strip()))

    def check_end(self) -> None:
        """Raise what is missing at its end."""
        if not self._place:
            raise Bad("nothing is in it")
        if not self._closing:
            raise Bad("it does not begin as a dump of PostgreSQL")
        if self._copying:
            raise Bad("it ends within the rows of a table")
        if self._closed_at < 0 or self._place - self._closed_at > _CLOSING:
            raise Bad("it has no closing line: pg_dump did not come to its end, or the end is missing")
        if self._key is not None:
            raise Bad("it has no \\unrestrict at its end")


def _plain(name: bytes) -> bytes:
    """Return a name without the quotes that it may need."""
    return re.sub(rb'"((?:[^"]|"")*)"', lambda found: found[1].replace(b'""', b'"'), name)


def _check_contents(script: _Script, request: Mapping[str, Any]) -> None:
    if script.missing:
        raise Bad(f"the table {min(script.missing).decode('utf-8', 'replace')} is not in it")
    if not request["database"]:
        return
    if not script.databases:
        raise Trouble("it does not tell which database it is of", "have pg_dump write it with --create")
    if request["database"].encode() not in script.databases:
        raise Bad(f"it is not of the database {request['database']}")
