"""Queries of the configuration's own to PostgreSQL, DuckDB and SQLite; their columns become metrics."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Protocol

from exporter.appmetrics import METRICS
from exporter.collector import Collector, Context, Read, read
from exporter.collectors.sql.columns import Columns
from exporter.collectors.sql.session import Session
from exporter.collectors.sql.settings import SQLSettings
from exporter.metric import Samples, gauge

__all__ = ["METRICS", "SQL"]

AGE = gauge(
    "runbook_sql_data_timestamp_seconds",
    "Of when the figures are that the queries to a DuckDB gave, in Unix time: of the copy, or of the backup.",
    source="the copy's or the backup's file",
)


class Source(Protocol):
    """Where the queries of a target go."""

    def session(self) -> AbstractContextManager[Session]: ...
    def interrupt(self) -> None: ...
    def close(self) -> None: ...


class SQL(Collector[Session]):
    """Queries of the configuration's own, each a read of its own name, over PostgreSQL, DuckDB or SQLite."""

    Settings = SQLSettings
    settings: SQLSettings

    def __init__(self, settings: SQLSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._columns = {name: Columns(query.metrics) for name, query in settings.queries.items()}
        self._source = _source(settings, context)

    @contextmanager
    def connect(self) -> Iterator[Session]:
        with self._source.session() as session:
            yield session

    @read
    def query(self, session: Session, name: str) -> Samples:
        """The metrics of one query, and how many values of each are missing."""
        yield from self._columns[name].samples(session.table(name))

    @read
    def age(self, session: Session) -> Samples:
        """Of when the figures are, where they are a copy's or a backup's; it works wherever the database answers."""
        time = session.time()
        if self.settings.duckdb is not None:
            yield AGE(time)

    def reads(self) -> list[Read]:
        """Return a read for each query, and the one of their age: where all queries fail, it alone keeps them apart."""
        found = {item.name: item for item in super().reads()}
        queries = [_named(found["query"], name, query.interval) for name, query in self.settings.queries.items()]
        return [*queries, found["age"]]

    def interrupt(self) -> None:
        self._source.interrupt()

    def close(self) -> None:
        self._source.close()


def _named(one: Read, name: str, interval: float | None) -> Read:
    def function(session: Session) -> Samples:
        return one.function(session, name)

    return replace(one, name=name, function=function, interval=interval)


def _source(settings: SQLSettings, context: Context) -> Source:
    if settings.postgres is not None:
        from exporter.collectors.sql.frompostgres import FromPostgres

        return FromPostgres(settings, context)
    from exporter.collectors.sql.fromfile import FromFile

    return FromFile(settings, context)
