"""DuckDB files: the sums of all their blocks compared, and every row read."""

import os
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble
from exporter.collectors._backup.found import CHECKSUMS, Bad
from exporter.collectors._duckdb.blocks import broken_in
from exporter.collectors._duckdb.contents import TABLES, quoted
from exporter.collectors._duckdb.opening import check_header, connected
from exporter.collectors._duckdb.trouble import OVERWRITTEN, Damaged
from exporter.scratch import private

_MEMORY: Final = 256_000_000


def verify(request: Mapping[str, Any]) -> str:
    """Verify a database; return what that rests on."""
    path = request["path"]
    if os.stat(path).st_size == 0:
        raise Bad("it is empty")
    try:
        check_header(path)
        if bad := broken_in(path):
            raise Bad(f"{len(bad)} blocks in use do not have their checksums")
        _read_all(path, request)
    except (Damaged, NotApplicable) as trouble:
        if isinstance(trouble, Damaged):
            raise Bad(str(trouble).removeprefix(f"{path} is damaged: ")) from None
        raise Trouble(str(trouble), trouble.fix) from None
    except Trouble as trouble:
        if trouble.fix == OVERWRITTEN:
            raise Bad("it is no DuckDB database") from None
        raise
    return CHECKSUMS


def _read_all(path: str, request: Mapping[str, Any]) -> None:
    with private(request["folder"]) as own:
        asked = {"path": path, "open": "backup", "memory": _MEMORY, "folder": own}
        with connected(path, asked, closed=True) as connection:
            tables = connection.execute(TABLES).fetchall()
            for schema, name, _ in tables:
                # a hash of the row needs every column of it, whatever its type
                query = f"SELECT bit_xor(hash(everything)) FROM {quoted(schema)}.{quoted(name)} AS everything"  # noqa: S608
                connection.execute(query).fetchone()
    there = {f"{schema}.{name}".lower() for schema, name, _ in tables} | {name.lower() for _, name, _ in tables}
    for table in request["tables"]:
        if table.lower() not in there:
            raise Bad(f"the table {table} is not in it")
