"""What the reads of a DuckDB database share."""

from dataclasses import dataclass

from exporter.collectors.duckdb.looks import Looks
from exporter.collectors.duckdb.settings import DuckDBSettings
from exporter.state import Shelf


@dataclass(frozen=True, slots=True)
class Session:
    """One round: where the database is, what is kept of it, and when the round began (Unix seconds).

    `looks` are those into the database, made in the background.
    """

    path: str
    settings: DuckDBSettings
    shelf: Shelf
    time: float
    looks: Looks
