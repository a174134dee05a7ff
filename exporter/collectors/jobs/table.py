"""A table of jobs: which one, what its columns mean, and the queries that are made of that."""

# ruff: noqa: S608  # names are checked with the configuration, words are quoted
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from exporter.collectors._duckdb.settings import WaySettings
from exporter.collectors.sql.settings import QuerySettings, SQLSettings
from exporter.jobmetrics import BUCKETS
from exporter.models import Problems
from exporter.setting import FilePath, Seconds, SecretURL, setting

LIVE: Final = "live"
RUNNING: Final = "running"
ENDED: Final = "ended"
UNTIMED: Final = "ended at no time"
"""The state in which live() tells of jobs that have ended, and when is not told, or not over yet."""
_AHEAD: Final = 300.0  # seconds by which a clock may be ahead
_MOST_ROWS: Final = 2000
_DAY: Final = 86_400.0
_PART: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")
_WORD: Final = re.compile(r"[^\x00-\x1f]{1,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnsSettings:
    """The columns of the table; one that is empty is not there."""

    state: str = setting("status", help="In which state a job is.")
    created: str = setting("created_at", help="When it was put into the table.")
    run_at: str = setting("", help="Not before when it may run, where jobs are planned for later.", example="run_at")
    started: str = setting("started_at", help="When it started.")
    finished: str = setting("finished_at", help="When it ended, well or not. An index on it keeps the counting cheap.")
    kind: str = setting("kind", help="What kind of job it is: its name in the figures.")
    queue: str = setting("", help="Its queue; without it all are in one that is named as the table.", example="queue")

    def check(self) -> Problems:
        """Find names that are none, and columns without which nothing can be told."""
        for key in ("state", "created", "run_at", "started", "finished", "kind", "queue"):
            name = getattr(self, key)
            if name and not _PART.fullmatch(name):
                yield key, "is no name of a column; expected letters, digits and _"
        for key in ("state", "created", "finished", "kind"):
            if not getattr(self, key):
                yield key, "is empty, and nothing can be told without it; expected the name of a column"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatesSettings:
    """The words that the column of states has; upper and lower case are alike."""

    waiting: tuple[str, ...] = setting(("queued", "pending", "waiting", "new", "scheduled", "ready"), help="It waits.")
    running: tuple[str, ...] = setting(
        ("running", "started", "processing", "in_progress", "active"), help="It is being done."
    )
    success: tuple[str, ...] = setting(
        ("success", "succeeded", "finished", "done", "completed", "complete"), help="It ended well."
    )
    failure: tuple[str, ...] = setting(
        ("failure", "failed", "error", "errored", "dead", "timeout", "timed_out"), help="It failed for good."
    )
    dropped: tuple[str, ...] = setting(
        ("canceled", "cancelled", "skipped", "revoked"), help="It will not be done, and counts as no run."
    )

    def check(self) -> Problems:
        """Find words that mean two things, and states without which nothing can be told."""
        seen: dict[str, str] = {}
        for key in ("waiting", "running", "success", "failure", "dropped"):
            for word in getattr(self, key):
                if not _WORD.fullmatch(word):
                    yield key, "has a word that is empty, or too long; expected at most 60 characters"
                elif (other := seen.setdefault(word.lower(), key)) != key:
                    yield key, f"has {word!r}, which `{other}` has too; expected it in one of them"
        for key in ("waiting", "success", "failure"):
            if not getattr(self, key):
                yield key, "is empty, and nothing can be told without it; expected the words of the table"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSettings:
    """Which table, given in exactly one way, and how it is read."""

    postgres: SecretURL | None = setting(
        None, help="A PostgreSQL server and the database, as the collector `sql` takes it.",
        example='"postgresql://figures:${FIGURES_PASSWORD}@127.0.0.1/shop"', shown=True,
    )  # fmt: skip
    duckdb: WaySettings | None = setting(
        None, help="A DuckDB database. Its target needs an `interval`.", example="{path: /srv/app/app.duckdb}"
    )
    sqlite: FilePath = setting("", help="A SQLite database file.", example="/srv/app/app.sqlite")
    table: str = setting("jobs", help="The table or view, as the database spells it; `SCHEMA.TABLE` where needed.")
    columns: ColumnsSettings = setting(ColumnsSettings, help="What its columns are called.")
    states: StatesSettings = setting(StatesSettings, help="What the words in the column of states mean.")
    times: Literal["timestamp", "unix", "unix_ms"] = setting(
        "timestamp",
        help="What its times are: dates with a time (in SQLite text), those without a zone in UTC; or seconds, or "
        "milliseconds, since 1970.",
    )
    settle: Seconds = setting(
        30.0, help="How long after its end a run is counted: what is committed later than that is missed."
    )
    query_timeout: Seconds = setting(2.0, help="How long each of its three queries may take.")

    def check(self) -> Problems:
        """Find none or several databases, a table that is none, and times that cannot be."""
        yield from self.source({LIVE: _query("SELECT 1", 1.0)}).check()
        parts = self.table.split(".")
        if len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts):
            yield "table", "is no name of a table; expected letters, digits and _, and a dot after a schema"
        if not 0 <= self.settle <= 3600:
            yield "settle", "is out of range; expected 0s to 1h"
        if self.query_timeout < 0.1:
            yield "query_timeout", "leaves no time for a query; expected 100ms or more"

    def source(self, queries: Mapping[str, QuerySettings]) -> SQLSettings:
        """Return the database with these queries, as the collector `sql` has it."""
        return SQLSettings(postgres=self.postgres, duckdb=self.duckdb, sqlite=self.sqlite, queries=queries)

    @property
    def dialect(self) -> Literal["postgres", "duckdb", "sqlite"]:
        return "postgres" if self.postgres is not None else "duckdb" if self.duckdb is not None else "sqlite"


class Queries:
    """Writes the queries over one table."""

    def __init__(self, settings: TableSettings) -> None:
        self._settings = settings
        self._table = ".".join(f'"{part}"' for part in settings.table.split("."))
        self._state = f"lower(CAST({self._quoted(settings.columns.state)} AS {self._text}))"

    def live(self, now: float) -> QuerySettings:
        """How many jobs are in each queue and state, and since when the oldest is: what has ended is left out."""
        columns, words = self._settings.columns, self._settings.states
        queue = self._name(columns.queue) if columns.queue else _literal(self._settings.table)
        planned = self._seconds(columns.run_at) if columns.run_at else "NULL"
        waiting = f"{self._state} IN {_listed(words.waiting)}"
        ended = f"{self._state} IN {_listed((*words.success, *words.failure))}"
        finished = self._seconds(columns.finished)
        state = (
            f"CASE WHEN {waiting} AND {planned} > {now:.3f} THEN 'scheduled' WHEN {waiting} THEN 'waiting' "
            f"WHEN {self._state} IN {_listed(words.running)} THEN 'running' WHEN {ended} THEN '{UNTIMED}' "
            "ELSE 'other' END"
        )
        created = self._seconds(columns.created)
        since = f"CASE WHEN {planned} > {created} THEN {planned} ELSE {created} END" if columns.run_at else created
        began = self._seconds(columns.started) if columns.started else "NULL"
        return self._query(
            "SELECT queue, state, count(*) AS jobs, min(CASE WHEN state = 'waiting' THEN since "
            "WHEN state = 'running' THEN began END) AS oldest FROM ("
            f"SELECT {queue} AS queue, {state} AS state, {since} AS since, {began} AS began FROM {self._table} "
            f"WHERE {self._state} IS NULL OR {self._state} NOT IN {_listed(self._ends)} "
            f"OR ({ended} AND ({finished} IS NULL OR {finished} > {now + _AHEAD:.3f}))"
            ") AS jobs GROUP BY queue, state"
        )

    def running(self) -> QuerySettings:
        """How many runs of each job are under way, and when the oldest and the newest began."""
        columns = self._settings.columns
        began = self._seconds(columns.started) if columns.started else "NULL"
        return self._query(
            f"SELECT {self._name(columns.kind)} AS name, count(*) AS jobs, min({began}) AS oldest, "
            f"max({began}) AS newest FROM {self._table} "
            f"WHERE {self._state} IN {_listed(self._settings.states.running)} GROUP BY 1"
        )

    def ended(self, after: float | None, until: float) -> QuerySettings:
        """What ended later than one moment and not later than another: added up by job, in buckets of how long it took.

        Without the first moment all that is there.
        """
        columns, words = self._settings.columns, self._settings.states
        ended = self._seconds(columns.finished)
        began = self._seconds(columns.started) if columns.started else "NULL"
        window = f"{ended} <= {until:.3f}"
        if after is not None:
            # the first condition is one that an index on the column serves, the second is the exact one
            window += f" AND {self._quoted(columns.finished)} >= {self._day_before(after)} AND {ended} > {after:.3f}"
        outcome = f"CASE WHEN {self._state} IN {_listed(words.success)} THEN 'success' ELSE 'failure' END"
        buckets = ", ".join(
            f"sum(CASE WHEN seconds <= {bound:g} THEN 1 ELSE 0 END) AS b{index}" for index, bound in enumerate(BUCKETS)
        )
        return self._query(
            "SELECT name, outcome, count(*) AS runs, max(ended) AS ended, max(began) AS began, "
            f"count(seconds) AS measured, sum(seconds) AS seconds, {buckets} FROM ("
            f"SELECT {self._name(columns.kind)} AS name, {outcome} AS outcome, {ended} AS ended, {began} AS began, "
            f"CASE WHEN {ended} >= {began} THEN {ended} - {began} END AS seconds FROM {self._table} "
            f"WHERE {window} AND {self._state} IN {_listed((*words.success, *words.failure))}) AS runs "
            "GROUP BY name, outcome"
        )

    @property
    def _ends(self) -> Iterator[str]:
        words = self._settings.states
        yield from (*words.success, *words.failure, *words.dropped)

    @property
    def _text(self) -> str:
        return "text" if self._settings.dialect != "duckdb" else "varchar"

    def _quoted(self, column: str) -> str:
        # SQLite takes a column in double quotes that is not there for a text
        return f"`{column}`" if self._settings.dialect == "sqlite" else f'"{column}"'

    def _name(self, column: str) -> str:
        return f"coalesce(CAST({self._quoted(column)} AS {self._text}), '')"

    def _seconds(self, column: str) -> str:
        """Return a time of the table in seconds since 1970."""
        name = self._quoted(column)
        if self._settings.times != "timestamp":
            return f"({name} / {1000.0 if self._settings.times == 'unix_ms' else 1.0})"
        if self._settings.dialect == "postgres":
            return f"CAST(extract(epoch FROM {name}) AS double precision)"
        if self._settings.dialect == "duckdb":
            return f"epoch({name})"
        return f"((julianday({name}) - 2440587.5) * 86400.0)"

    def _day_before(self, moment: float) -> str:
        """Return a moment a day before, as the column has it, whatever its zone and its way of writing times."""
        if self._settings.times != "timestamp":
            return f"{(moment - _DAY) * (1000 if self._settings.times == 'unix_ms' else 1):.0f}"
        return f"'{datetime.fromtimestamp(moment - _DAY, UTC):%Y-%m-%d}'"

    def _query(self, sql: str) -> QuerySettings:
        return _query(sql, self._settings.query_timeout)


def _query(sql: str, timeout: float) -> QuerySettings:
    return QuerySettings(sql=sql, metrics=(), timeout=timeout, max_rows=_MOST_ROWS)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _listed(words: "tuple[str, ...] | Iterator[str]") -> str:
    return "(" + ", ".join(_literal(word.lower()) for word in words) + ")"
