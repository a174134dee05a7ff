"""Queries to a database that is a file, DuckDB's or SQLite's: all that are due in a round in one throwaway process."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from exporter.backoff import Backoff
from exporter.collector import Context, Trouble
from exporter.collectors._duckdb.asking import look
from exporter.collectors._duckdb.settings import WaySettings
from exporter.collectors._sql.cell import Table, unpacked
from exporter.collectors._sql.wording import took_too_long
from exporter.collectors.sql.settings import QuerySettings, SQLSettings
from exporter.collectors.sql.statement import single
from exporter.deadline import Cancel, Deadline, within
from exporter.throwaway import ask

Ask = Callable[[Mapping[str, Any], float, Cancel], Any]
"""Has a process make queries: the request, the seconds that it has, and what ends it sooner."""

_END: Final = 0.3  # seconds that a process is left to tell what it has, and to end
# A query with an interval is due a little sooner or later than the round in which the engine wants it.
_NEARLY: Final = 0.9


class FromFile:
    """The queries of a target, and when each was made last."""

    def __init__(self, settings: SQLSettings, context: Context) -> None:
        self._ask = _duckdb(settings.duckdb, context.target) if settings.duckdb else _sqlite(settings.sqlite)
        self._timeout = within(context.timeout)
        self._cancel = Cancel()
        # when a query is due again; one that failed rests as long as the engine may leave it alone
        self._rests = {
            name: Backoff(min(15.0, query.interval), query.interval, chance=lambda: 0.0)
            for name, query in settings.queries.items()
            if query.interval is not None
        }
        self._due: dict[str, float] = {}
        self.queries = settings.queries
        self.time: float | None = None
        """Of when the figures are that were read last, in Unix seconds."""

    @contextmanager
    def session(self) -> Iterator["FileSession"]:
        self._cancel = Cancel()
        yield FileSession(self, Deadline(self._timeout), self._cancel)

    def interrupt(self) -> None:
        self._cancel.cancel()

    def close(self) -> None:
        """Nothing outlives a round."""

    def due(self) -> list[str]:
        """Return the queries that this round will want."""
        now = time.monotonic()
        return [name for name in self.queries if now >= self._due.get(name, now)]

    def answers(self, names: list[str], seconds: float, cancel: Cancel) -> dict[str, Table | Trouble]:
        """Make these queries, and return what each gave; Trouble where the database cannot be read at all."""
        began = time.monotonic()
        queries = {name: _asked(self.queries[name]) for name in names}
        told = self._ask({"seconds": seconds - _END, "queries": queries}, seconds, cancel)
        self.time = told["time"]
        found = {name: _answer(answer) for name, answer in told["answers"].items()}
        for name, rest in self._rests.items():
            if name in found:
                self._due[name] = began + self._rest(rest, self.queries[name], found[name])
        return found

    def _rest(self, rest: Backoff, query: QuerySettings, answer: Table | Trouble) -> float:
        if isinstance(answer, Trouble):
            return rest.failed()
        rest.succeeded()
        return (query.interval or 0.0) * _NEARLY


class FileSession:
    """One round: what the queries gave that were made together with the first that was asked for."""

    def __init__(self, source: FromFile, deadline: Deadline, cancel: Cancel) -> None:
        self._source = source
        self._deadline = deadline
        self._cancel = cancel
        self._answers: dict[str, Table | Trouble] = {}
        self._trouble: Trouble | None = None
        """Why the database could not be read at all in this round."""
        self._has_read = False

    def table(self, query: str) -> Table:
        """Return what the query gave."""
        if query not in self._answers:
            due = [name for name in self._source.due() if name not in self._answers]
            self._ask(list(dict.fromkeys([query, *due])))
        answer = self._answers[query]
        if isinstance(answer, Trouble):
            raise answer.with_traceback(None)
        return answer

    def time(self) -> float:
        """Return of when the figures are; Trouble where the database could not be read in this round."""
        due = self._source.due()
        if not self._answers and due:
            self._ask(due)
        if self._trouble is not None and not self._has_read:
            raise self._trouble.with_traceback(None)
        if self._source.time is None:
            raise Trouble("nothing was read yet")
        return self._source.time

    def cancel(self) -> None:
        self._cancel.cancel()

    def _ask(self, names: list[str]) -> None:
        seconds = self._deadline.seconds - self._deadline.spent()
        try:
            if seconds <= _END:
                raise took_too_long(seconds, own=False)
            self._answers |= self._source.answers(names, seconds, self._cancel)
            self._has_read = True
        except Trouble as trouble:  # each of the reads that wanted it fails by it
            self._answers |= dict.fromkeys(names, trouble)
            self._trouble = trouble


def _duckdb(settings: WaySettings, target: str) -> Ask:
    def ask_duckdb(request: Mapping[str, Any], timeout: float, cancel: Cancel) -> Any:
        work = "exporter.collectors._sql.duckdbwork:answers"
        return look(work, settings, f"{target}-sql", timeout=timeout, cancel=cancel, **request)

    return ask_duckdb


def _sqlite(path: str) -> Ask:
    def ask_sqlite(request: Mapping[str, Any], timeout: float, cancel: Cancel) -> Any:
        work = "exporter.collectors._sql.sqlitework:answers"
        return ask(work, {"database": {"path": path}, **request}, timeout=timeout, cancel=cancel)

    return ask_sqlite


def _asked(query: QuerySettings) -> dict[str, Any]:
    return {"sql": single(query.sql), "timeout": query.timeout, "rows": query.max_rows}


def _answer(told: Mapping[str, Any]) -> Table | Trouble:
    if "reason" in told:
        return Trouble(told["reason"], told["fix"])
    return Table(tuple(told["columns"]), unpacked(told["rows"]))
