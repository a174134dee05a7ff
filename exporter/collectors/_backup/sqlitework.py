"""SQLite files: whole by their size, sound by their structure, and every row of them read."""

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote_from_bytes

from exporter.collector import Trouble
from exporter.collectors._backup.found import STRUCTURE, Bad, shortened
from exporter.collectors._backup.reading import Raw
from exporter.collectors._sqlite.header import SIZE, header_of
from exporter.collectors._sqlite.trouble import OVERWRITTEN, Damaged
from exporter.collectors._sqlite.trouble import Trouble as SQLiteTrouble

_MOST_PROBLEMS: Final = 100_000
_VERSION: Final = sum(
    part * scale for part, scale in zip(sqlite3.sqlite_version_info, (1_000_000, 1000, 1), strict=True)
)
# what an application promised itself of its rows is no damage, nor is that we lack what it has
_PROMISE: Final = re.compile(r"(?:NULL|NUMERIC|TEXT|non-\w+) value in |CHECK constraint failed in |.*no such module")
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"


def verify(request: Mapping[str, Any]) -> str:
    """Verify a database; return what that rests on: SQLite has no sums."""
    path = request["path"]
    writer = _check_size(path)
    _check_log(path)
    try:
        with _opened(path) as connection:
            _check_structure(connection)
            tables = [row[0] for row in connection.execute(_TABLES)]
            for name in tables:
                _read(connection, name)
    except sqlite3.Error as error:
        raise _explained(error, writer) from None
    there = {name.decode("utf-8", "replace").lower() for name in tables}
    for table in request["tables"]:
        if table.lower() not in there:
            raise Bad(f"the table {table} is not in it")
    return STRUCTURE


def _check_size(path: str) -> int:
    """Compare the file's size with that of its pages, as SQLite overlooks a cut; return the version that wrote it."""
    with Raw(path) as raw:
        head = raw.read(SIZE) or b""
    if not head:
        raise Bad("it is empty")
    size = os.stat(path).st_size
    try:
        found = header_of(head, size, path)
    except SQLiteTrouble as trouble:
        if isinstance(trouble, Damaged) or trouble.fix == OVERWRITTEN:
            raise Bad("it is no SQLite database") from None
        raise Trouble(str(trouble), trouble.fix) from None
    if size < found.pages * found.page_size:
        raise Bad(f"it has {size:,} bytes, and its {found.pages:,} pages need {found.pages * found.page_size:,}")
    return found.writer


def _check_log(path: str) -> None:
    for ending in ("-wal", "-journal"):
        with contextlib.suppress(OSError):
            if os.stat(path + ending).st_size > 0:
                raise Bad(f"beside it lies a {ending} with content: it was copied while it was written to")


@contextlib.contextmanager
def _opened(path: str) -> Iterator[sqlite3.Connection]:
    # immutable: nothing is locked, and nothing is made beside it
    address = f"file:{quote_from_bytes(os.fsencode(path))}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        connection.text_factory = bytes
        for pragma in (
            "query_only = 1",
            "trusted_schema = 0",
            "temp_store = 2",
            "mmap_size = 0",
            "cache_size = -32000",
        ):
            connection.execute(f"PRAGMA {pragma}").close()
        yield connection


def _check_structure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA ignore_check_constraints = 1").close()
    found = [
        row[0].decode("utf-8", "replace") for row in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})")
    ]
    if found == ["ok"]:
        return
    problems = [line for text in found for line in text.splitlines() if line and not _PROMISE.match(line)]
    problems = [line for line in problems if not line.startswith("*** in database ")]
    if problems:
        raise Bad(f"its structure is damaged: {shortened(problems[0])}")
    if len(found) >= _MOST_PROBLEMS:
        reason = "so many rows break what their tables promise that damage may hide behind them"
        raise Trouble(reason, "verify it by `check_command`")


def _read(connection: sqlite3.Connection, name: bytes) -> None:
    quoted = name.decode("utf-8", "surrogateescape").replace('"', '""')
    rows = connection.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608  # the name is quoted
    while rows.fetchmany(100):
        pass


def _explained(error: sqlite3.Error, writer: int) -> Exception:
    if "malformed database schema" in str(error) and writer > _VERSION:  # it may say what is not known here yet
        return Trouble("it was written by a newer SQLite than the one here", "install a newer Python for the exporter")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED or isinstance(error, sqlite3.DataError) or "malformed" in str(error):
        return Bad(f"it is damaged ({shortened(str(error))})")
    return Trouble(f"it could not be read ({shortened(str(error))})", "try it with sqlite3 as the same user")
