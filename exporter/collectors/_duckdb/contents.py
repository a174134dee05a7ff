"""What a look into a DuckDB database finds; made in a throwaway process."""

from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._duckdb.opening import Opened, opened
from exporter.collectors._duckdb.trouble import Damaged
from exporter.deadline import Deadline

_MOST_TABLES: Final = 10_000
_BLOCKS: Final = "SELECT block_size, total_blocks, used_blocks, free_blocks FROM pragma_database_size()"
TABLES: Final = (
    "SELECT schema_name, table_name, column_count FROM duckdb_tables() "
    "WHERE database_name = current_database() AND NOT internal AND NOT temporary"
)
_COUNTS: Final = {
    "tables": "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal",
    "views": "SELECT count(*) FROM duckdb_views() WHERE database_name = current_database() AND NOT internal",
    "indexes": "SELECT count(*) FROM duckdb_indexes() WHERE database_name = current_database()",
    "schemas": "SELECT count(*) FROM duckdb_schemas() WHERE database_name = current_database() "
    "AND schema_name NOT IN ('information_schema', 'pg_catalog')",
    "sequences": "SELECT count(*) FROM duckdb_sequences() WHERE database_name = current_database()",
}
_EXTENSIONS: Final = (
    "SELECT extension_name, coalesce(extension_version, ''), loaded FROM duckdb_extensions() "
    "WHERE installed OR loaded ORDER BY 1"
)
# What opening.connected() sets for itself says nothing of the library's own, nor do its aliases.
_SETTINGS: Final = """
SELECT name, value FROM duckdb_settings()
WHERE value IS NOT NULL AND name NOT LIKE 'debug_%' AND name NOT IN (
    'autoinstall_known_extensions', 'enable_external_access', 'lock_configuration', 'max_memory',
    'max_temp_directory_size', 'memory_limit', 'preserve_insertion_order', 'threads', 'worker_threads')
"""


def read(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is read of the database that the request names."""
    try:
        return _read(request)
    except Damaged as damage:
        return {"damage": str(damage)}


def _read(request: Mapping[str, Any]) -> dict[str, Any]:
    # nothing of the users' is evaluated, and the list of extensions is read from files
    with opened(request, closed=False) as database:
        return {
            "time": database.time,
            "source": database.source,
            "tries": database.tries,
            "library": database.connection.execute("SELECT library_version FROM pragma_version()").fetchone()[0],
            "blocks": database.connection.execute(_BLOCKS).fetchone(),
            "counts": {name: database.connection.execute(query).fetchone()[0] for name, query in _COUNTS.items()},
            "extensions": database.connection.execute(_EXTENSIONS).fetchall(),
            "settings": database.connection.execute(_SETTINGS).fetchall(),
            "tables": _tables(database, Deadline(request["seconds"])),
        }


def _tables(database: Opened, deadline: Deadline) -> list[list[Any]]:
    """Return schema, name, columns and rows of every table; count(*), as DuckDB's own estimate is none of the rows."""
    found = database.connection.execute(TABLES).fetchall()
    if len(found) > _MOST_TABLES:
        raise Trouble(f"there are {len(found)} tables, and the rows of {_MOST_TABLES} are counted at most")
    rows: list[list[Any]] = []
    for schema, name, columns in found:
        try:
            deadline.left()
        except TimeoutError:
            reason = f"after {deadline.seconds:g} s the rows of {len(rows)} tables of {len(found)} were counted"
            raise Trouble(reason, "raise `read_timeout`") from None
        query = f"SELECT count(*) FROM {quoted(schema)}.{quoted(name)}"  # noqa: S608  # names, quoted
        rows.append([schema, name, columns, database.connection.execute(query).fetchone()[0]])
    return rows


def quoted(name: str) -> str:
    """Return a name as SQL writes it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'
