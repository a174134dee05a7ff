"""Reads everything that a DuckDB database holds, to see whether it can be read; made in a throwaway process."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from exporter.collectors._duckdb.blocks import identity_of
from exporter.collectors._duckdb.contents import TABLES, quoted
from exporter.collectors._duckdb.opening import Opened, opened
from exporter.collectors._duckdb.trouble import Damaged

_NAMED: Final = 5  # of the blocks that are broken


def check(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read every row of every table, and every block that is in use; return whether all of it could be read."""
    began = time.monotonic()
    found: dict[str, Any] = {"ok": True, "reason": "", "rows": None, "file": _identity(request)}
    try:
        with opened(request, blocks=True) as database:
            found["rows"] = _rows(database)
            _check_blocks(database.broken)
    except Damaged as damage:
        found |= {"ok": False, "reason": str(damage)}
    return found | {"seconds": time.monotonic() - began}


def _identity(request: Mapping[str, Any]) -> list[int] | None:
    """Return what tells the database file from another in its place; a backup is none that is replaced."""
    if request["open"] == "backup":
        return None
    with suppress(OSError):  # opened() says why it cannot be read
        return identity_of(request["path"])
    return None


def _rows(database: Opened) -> int:
    rows = 0
    for schema, name, _ in database.connection.execute(TABLES).fetchall():
        # a hash of the row needs every column of it, whatever its type
        query = f"SELECT count(*), bit_xor(hash(everything)) FROM {quoted(schema)}.{quoted(name)} AS everything"  # noqa: S608
        rows += database.connection.execute(query).fetchone()[0]
    return rows


def _check_blocks(bad: tuple[int, ...]) -> None:
    """Tell of broken blocks that no query reads: those of indexes, say."""
    if bad:
        named = ", ".join(str(number) for number in bad[:_NAMED]) + (", ..." if len(bad) > _NAMED else "")
        raise Damaged(f"{len(bad)} blocks in use do not have their checksums ({named})", "restore it from a backup")
