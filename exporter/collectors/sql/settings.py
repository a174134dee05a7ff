"""What a target of the collector `sql` can be told: which database, which queries, and what their columns become."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.collectors._duckdb.settings import WaySettings
from exporter.collectors._libpq import address_problems
from exporter.collectors.sql.statement import problems
from exporter.mapping import Convert, Mapped
from exporter.mappingclash import named_twice
from exporter.models import Problems, TargetSettings
from exporter.names import NAME, NAMES
from exporter.setting import FilePath, Seconds, SecretURL, setting

SOURCES: Final = ("postgres", "duckdb", "sqlite")
AGE: Final = "age"
"""The read that tells whether the database answers, and how old a DuckDB's figures are; no query has its name."""
_REMEDY: Final = "expected it in one query alone, with `labels` for several series"
_MOST_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SQLMetric(Mapped):
    """A metric, and the columns that its values and labels stand in."""

    value: str = setting(
        "",
        help="The column that its values are in; each row gives a series. A value that is NULL has no sample, and is "
        "counted.",
        example="jobs",
    )
    labels: tuple[str, ...] = setting(
        (), help="The columns that are its labels, under their own names; `AS` in the query gives them others.",
        example="[state]",
    )  # fmt: skip
    convert: Convert = setting(
        "number",
        help="What the values are: numbers, true or false, intervals, and times that know their zone (these become "
        "seconds); `text` that holds numbers; or, as `time`, text such as 2026-11-25T10:00:00Z. `time_utc` and "
        "`time_local` are for dates and times that do not say their time zone.",
    )

    @property
    def wanted(self) -> str:
        return "expected the name of a column, such as `value: jobs`"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySettings:
    """A query, how often it is made, and the metrics that its columns become."""

    sql: str = setting(
        help="One statement that reads: a SELECT, or what begins with WITH, VALUES, TABLE or FROM. Whoever may see the "
        "configuration sees it: no secrets in it.",
        example="SELECT state, count(*) AS jobs FROM jobs GROUP BY state",
    )
    metrics: tuple[SQLMetric, ...] = setting(
        help="The metrics that are made of what it gives.",
        example="[{name: app_jobs, help: Jobs by state., value: jobs, labels: [state]}]",
    )
    interval: Seconds | None = setting(
        None, help="How often it is made at most; else in each round over the target.", example="1h"
    )
    timeout: Seconds = setting(
        2.0, help="How long it may take; then it is cut, and the others go on. The target's `timeout` must leave that."
    )
    max_rows: int = setting(
        1000, help="How many rows it may give; with more it fails, as half of them would be a wrong figure."
    )

    def check(self) -> Problems:
        """Find what is no query, times and limits that cannot be, and metrics that stand twice."""
        yield from (("sql", problem) for problem in problems(self.sql))
        if not self.metrics:
            yield "metrics", "is empty; expected such as [{name: app_jobs, help: Jobs., value: jobs}]"
        if self.interval is not None and self.interval < 1:
            yield "interval", "is shorter than 1s; expected 1s or more, or leave it out"
        if self.timeout < 0.1:
            yield "timeout", "leaves no time for a query; expected 100ms or more"
        if not 1 <= self.max_rows <= _MOST_ROWS:
            yield "max_rows", f"is out of range; expected 1 to {_MOST_ROWS}: let the query add up what belongs together"


@dataclass(frozen=True, slots=True, kw_only=True)
class SQLSettings:
    """Which database, given in exactly one way, and the queries."""

    postgres: SecretURL | None = setting(
        None,
        help="A PostgreSQL server and the database, as `postgresql://USER:PASSWORD@HOST:PORT/DATABASE` or in libpq's "
        "keyword form. Give it a role that may read what the queries name, and nothing else.",
        example='"postgresql://figures:${FIGURES_PASSWORD}@127.0.0.1/shop"',
        shown=True,
    )
    duckdb: WaySettings | None = setting(
        None,
        help="A DuckDB database. Its target needs an `interval`: all queries of a round are made over one copy.",
        example="{path: /srv/app/app.duckdb}",
    )
    sqlite: FilePath = setting("", help="A SQLite database file.", example="/srv/app/app.sqlite")
    queries: Mapping[str, QuerySettings] = setting(
        help="The queries by name; each is a read of that name.",
        example="{jobs: {sql: SELECT count(*) AS n FROM jobs, metrics: [{name: app_jobs, help: Jobs., value: n}]}}",
    )

    def check(self) -> Problems:
        """Find none or several databases, names that are none, and metrics that two queries make."""
        yield from self._check_source()
        if not self.queries:
            yield "queries", "is empty; expected such as {jobs: {sql: SELECT ..., metrics: [...]}}"
        for name in self.queries:
            if not NAME.fullmatch(name):
                yield f"queries.{name}", f"cannot have this name; {NAMES}"
            elif name == AGE:
                yield f"queries.{name}", "is the name of a read of this program; expected another"
        yield from named_twice([metric for _, metric in self.mapped()], "queries", _REMEDY)

    def _check_source(self) -> Problems:
        given = [source for source in SOURCES if getattr(self, source)]
        if len(given) != 1:
            said = f"has {' and '.join(given)}" if given else "does not say where its queries go"
            place = given[1] if given else "postgres"
            yield place, f"the target {said}; expected exactly one of {', '.join(SOURCES)}"
        if self.postgres is not None:
            yield from (("postgres", problem) for problem in address_problems(self.postgres))
        if self.duckdb is not None and self.duckdb.open == "never":
            yield "duckdb.open", "leaves nothing to ask; expected copy, backup or live"
        if os.path.basename(self.sqlite) == ":memory:" or "file:" in self.sqlite:
            yield "sqlite", "is no path of a file; expected such as /srv/app/app.sqlite"

    def check_in(self, target: TargetSettings) -> Problems:
        """Find queries that may take longer than a round of their target, and copies that each scrape would make."""
        if self.duckdb is not None and target.interval is None:
            yield "interval", "is missing, and a database of DuckDB is copied for each round; expected such as 5m"
        for name, query in self.queries.items():
            if query.timeout > target.timeout:
                remedy = f"expected at most the target's timeout ({target.timeout:g}s), or raise that"
                yield f"queries.{name}.timeout", f"is longer than a round over the target may take; {remedy}"

    def mapped(self) -> Iterator[tuple[str, SQLMetric]]:
        """Yield the metrics that this target makes, with the keys where they stand."""
        for name, query in self.queries.items():
            yield from ((f"queries.{name}.metrics", metric) for metric in query.metrics)
