"""What is in the database: blocks, tables and their rows. Read in the background, from a private copy."""

import math
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Members, read
from exporter.collectors.duckdb.session import Session
from exporter.metric import Metric, Remarking, Samples, gauge

SOURCE: Final = "a private copy, a backup or the file itself, as `open` says; in the background"
_TABLE: Final = ("schema", "table")

READ = gauge(
    "duckdb_read_timestamp_seconds",
    "Of when the figures from inside the database are: when the copy was begun, or the backup was written.",
    labels=("source",), source=SOURCE, fact=True,
)  # fmt: skip
TRIES = gauge(
    "duckdb_copy_tries", "Copies that were begun for the last look: all but one were thrown away, as somebody wrote.",
    source=SOURCE,
)  # fmt: skip
# in the order of the columns of the query
_BLOCKS: Final = (
    gauge("duckdb_block_size_bytes", "Size of a block of the file.", source=SOURCE),
    gauge("duckdb_total_blocks", "Blocks of the file, as of the last checkpoint.", source=SOURCE),
    gauge("duckdb_used_blocks", "Blocks that hold something.", source=SOURCE),
    gauge("duckdb_free_blocks", "Blocks that are free for what is written next.", source=SOURCE),
)
_COUNTS: Final[Mapping[str, Metric]] = {
    "tables": gauge("duckdb_tables", "Tables.", source=SOURCE),
    "views": gauge("duckdb_views", "Views.", source=SOURCE),
    "indexes": gauge("duckdb_indexes", "Indexes made by CREATE INDEX; those of keys are not among them.",
                     source=SOURCE),
    "schemas": gauge("duckdb_schemas", "Schemas.", source=SOURCE),
    "sequences": gauge("duckdb_sequences", "Sequences.", source=SOURCE),
}  # fmt: skip
ROWS = gauge("duckdb_table_rows", "Rows of the table, counted.", labels=_TABLE, source=SOURCE)
COLUMNS = gauge("duckdb_table_columns", "Columns of the table.", labels=_TABLE, source=SOURCE)


def found(session: Session) -> Any:
    """Return what the last look found: a few looks may fail before it is too old."""
    settings = session.settings
    return session.looks.contents.found(3 * settings.read_interval + settings.read_timeout).value


@read
def contents(session: Session) -> Remarking:
    """Blocks, and how many tables, views, indexes, schemas and sequences there are."""
    told = found(session)
    for metric, value in zip(_BLOCKS, told["blocks"], strict=True):
        yield metric(value)
    for name, metric in _COUNTS.items():
        yield metric(told["counts"][name])
    return session.looks.contents.remark


@read(members=Members(_TABLE, 100, ROWS))
def tables(session: Session) -> Samples:
    """Rows and columns of the tables; beyond the hundred with the most rows they are added up."""
    for schema, table, columns, rows in found(session)["tables"]:
        yield ROWS(rows, schema=schema, table=table)
        yield COLUMNS(columns, schema=schema, table=table)


@read
def reading(session: Session) -> Samples:
    """Of when the figures from inside the database are, which stays known while no new look works."""
    told = session.looks.contents.found(math.inf).value
    yield READ(told["time"], source=told["source"])
    yield TRIES(told["tries"] if told["source"] == "copy" else None)
