"""What is in the database: blocks, tables and their rows. Read in the background, from a private copy."""

import math
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Members, read
from exporter.collectors.duckdb.session import Session
from exporter.metric import Metric, Remarking, Samples, gauge, info

_SOURCE: Final = "a private copy, a backup or the file itself, as `open` says; in the background"
_TABLE: Final = ("schema", "table")

READ = gauge(
    "duckdb_read_timestamp_seconds",
    "Of when the figures from inside the database are: when the copy was begun, or the backup was written.",
    labels=("source",), source=_SOURCE, fact=True,
)  # fmt: skip
TRIES = gauge(
    "duckdb_copy_tries", "Copies that were begun for the last look: all but one were thrown away, as somebody wrote.",
    source=_SOURCE,
)  # fmt: skip
LIBRARY = info("duckdb_library_info", "The DuckDB library that read it; not the application's.",
               labels=("version",), source=_SOURCE)  # fmt: skip
EXTENSION = info(
    "duckdb_extension_info", "Extensions that the library that read it has; the application may have others.",
    labels=("extension", "version", "loaded"), source=_SOURCE,
)  # fmt: skip
# in the order of the columns of the query
_BLOCKS: Final = (
    gauge("duckdb_block_size_bytes", "Size of a block of the file.", source=_SOURCE),
    gauge("duckdb_total_blocks", "Blocks of the file, as of the last checkpoint.", source=_SOURCE),
    gauge("duckdb_used_blocks", "Blocks that hold something.", source=_SOURCE),
    gauge("duckdb_free_blocks", "Blocks that are free for what is written next.", source=_SOURCE),
)
_COUNTS: Final[Mapping[str, Metric]] = {
    "tables": gauge("duckdb_tables", "Tables.", source=_SOURCE),
    "views": gauge("duckdb_views", "Views.", source=_SOURCE),
    "indexes": gauge("duckdb_indexes", "Indexes made by CREATE INDEX; those of keys are not among them.",
                     source=_SOURCE),
    "schemas": gauge("duckdb_schemas", "Schemas.", source=_SOURCE),
    "sequences": gauge("duckdb_sequences", "Sequences.", source=_SOURCE),
}  # fmt: skip
ROWS = gauge("duckdb_table_rows", "Rows of the table, counted.", labels=_TABLE, source=_SOURCE)
COLUMNS = gauge("duckdb_table_columns", "Columns of the table.", labels=_TABLE, source=_SOURCE)


def _found(session: Session) -> Any:
    """Return what the last look found: a few looks may fail before it is too old."""
    settings = session.settings
    return session.looks.contents.found(3 * settings.read_interval + settings.read_timeout).value


@read
def contents(session: Session) -> Remarking:
    """Blocks, and how many tables, views, indexes, schemas and sequences there are."""
    found = _found(session)
    for metric, value in zip(_BLOCKS, found["blocks"], strict=True):
        yield metric(value)
    for name, metric in _COUNTS.items():
        yield metric(found["counts"][name])
    return session.looks.contents.remark


@read(members=Members(_TABLE, 100, ROWS))
def tables(session: Session) -> Samples:
    """Rows and columns of the tables; beyond the hundred with the most rows they are added up."""
    for schema, table, columns, rows in _found(session)["tables"]:
        yield ROWS(rows, schema=schema, table=table)
        yield COLUMNS(columns, schema=schema, table=table)


@read
def library(session: Session) -> Samples:
    """The DuckDB library that reads the database, and its extensions."""
    found = _found(session)
    yield LIBRARY(1, version=found["library"])
    for name, version, loaded in found["extensions"]:
        yield EXTENSION(1, extension=name, version=version, loaded=str(loaded).lower())


@read
def reading(session: Session) -> Samples:
    """Of when the figures from inside the database are, which stays known while no new look works."""
    found = session.looks.contents.found(math.inf).value
    yield READ(found["time"], source=found["source"])
    yield TRIES(found["tries"] if found["source"] == "copy" else None)
