"""Jobs of a table: what waits, what runs, and what has ended since the last look."""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from exporter.collector import Context, NotApplicable, Trouble
from exporter.collectors._sql.cell import plain
from exporter.collectors.jobs.queuesseen import QueuesSeen
from exporter.collectors.jobs.table import ENDED, LIVE, RUNNING, UNTIMED, Queries, TableSettings
from exporter.collectors.jobs.tally import Ended, Tally
from exporter.collectors.sql import Source
from exporter.collectors.sql.session import Session
from exporter.collectors.sql.settings import QuerySettings
from exporter.jobmetrics import LENGTH, OLDEST, OLDEST_START
from exporter.jobmetrics import RUNNING as UNDER_WAY
from exporter.mappingvalue import label_of
from exporter.metric import Remarking, Samples

UNNAMED: Final = "unnamed"
_FIX: Final = "correct what is said of the columns, or `times`"
# The queries are made here, so what helps is in the settings of the table; by the first words of what helps a query.
_REMEDIES: Final = {
    "make the query quicker": "raise `query_timeout`, or give the columns of states and of ends an index",
    "let the query add up": "name columns of few different words as `kind` and `queue`, or a view that has such",
    "correct the query": "correct `table`, `columns`, `states` or `times`, which the query is made of",
}


class FromTable:
    """Looks into one table over the machinery of `sql`, and counts what has ended."""

    def __init__(self, settings: TableSettings, context: Context, tally: Tally) -> None:
        self._settings = settings
        self._tally = tally
        self._writes = Queries(settings)
        self._wanted: dict[str, QuerySettings] = {}
        self._source = _source(settings, self._wanted, context)
        self._seen = QueuesSeen(context.shelf)
        self._time: float | None = None
        """Of when the table was at the last look, by the clock of what was read; None before the first."""
        self._until = 0.0

    @contextmanager
    def session(self) -> Iterator[Session]:
        with self._source.session() as session:
            if self._settings.postgres is not None:  # of a file it is known once that was read
                self._time = session.time()
            now = time.time() if self._time is None else self._time
            self._wanted |= {LIVE: self._writes.live(now), RUNNING: self._writes.running()}
            if self._time is None:
                self._time = session.time()
            self._until = self._time - self._settings.settle
            self._wanted[ENDED] = self._writes.ended(self._tally.mark, self._until)
            yield session
            self._time = session.time()

    def interrupt(self) -> None:
        self._source.interrupt()

    def close(self) -> None:
        self._source.close()

    def queues(self, session: Session) -> Remarking:
        """Yield how much is in each queue; one that was seen and is empty has 0."""
        rows = _rows(session, LIVE)
        untimed = sum(int(_number(jobs) or 0) for _, state, jobs, _ in rows if state == UNTIMED)
        found = {
            (_label(queue), _label(state)): (int(_number(jobs) or 0), _number(oldest))
            for queue, state, jobs, oldest in rows if state != UNTIMED
        }  # fmt: skip
        named = bool(self._settings.columns.queue)
        queues = self._seen.names({queue for queue, _ in found}) if named else [self._settings.table]
        standing = ("waiting", "running", *(("scheduled",) if self._settings.columns.run_at else ()))
        for key in {*found, *((queue, state) for queue in queues for state in standing)}:
            jobs, since = found.get(key, (0, None))
            yield LENGTH(jobs, queue=key[0], state=key[1])
            yield OLDEST(since, queue=key[0], state=key[1])
        return (
            f"{untimed:,} jobs have ended at no time, or at one that is not over yet: they are not counted. See that "
            f"`{self._settings.columns.finished}` is written, in UTC where it has no zone"
        ) if untimed else ""  # fmt: skip

    def running(self, session: Session) -> Samples:
        """Yield how many runs of each job are under way, and since when."""
        if not self._settings.columns.started:
            raise NotApplicable("no column says when a job started")
        runs: defaultdict[str, int] = defaultdict(int)
        oldest: dict[str, float] = {}
        for job, jobs, first, last in _rows(session, RUNNING):
            name = self._tally.name(_label(job) or UNNAMED)
            runs[name] += int(_number(jobs) or 0)
            self._tally.began(name, _number(last))
            oldest[name] = min(oldest.get(name, math.inf), _number(first) or math.inf)
        for name in {*runs, *self._tally.names()}:
            yield UNDER_WAY(runs[name], job_name=name)
            begun = oldest.get(name, math.inf)
            yield OLDEST_START(None if begun == math.inf else begun, job_name=name)

    def ended(self, session: Session) -> None:
        """Count what has ended since the last look, once it has settled; before the first nothing is counted."""
        runs = [_ended(row) for row in _rows(session, ENDED)]  # one that cannot be told must not count the others twice
        counts = self._tally.mark is not None
        for run in runs:
            self._tally.see(run, counts=counts)
        self._tally.keep(max(self._tally.mark or 0.0, self._until))

    def workers(self, session: Session) -> Samples:  # noqa: ARG002  # as other presets have it
        """Yield nothing: a table does not say who works."""
        yield from ()


def _source(settings: TableSettings, queries: dict[str, QuerySettings], context: Context) -> Source:
    wanted = settings.source(queries)
    if settings.postgres is not None:
        from exporter.collectors.sql.frompostgres import FromPostgres

        return FromPostgres(wanted, context)
    from exporter.collectors.sql.fromfile import FromFile

    return FromFile(wanted, context)


def _rows(session: Session, query: str) -> Sequence[Sequence[Any]]:
    try:
        return session.table(query).rows
    except Trouble as trouble:
        fix = next((ours for words, ours in _REMEDIES.items() if trouble.fix.startswith(words)), trouble.fix)
        raise Trouble(str(trouble), fix) from None


def _ended(row: Sequence[Any]) -> Ended:
    name, outcome, runs, ended, began, measured, seconds, *buckets = row
    return Ended(
        _label(name) or UNNAMED, _label(outcome), int(_number(runs) or 0), _number(ended) or 0.0, _number(began),
        int(_number(measured) or 0), _number(seconds) or 0.0, tuple(int(_number(one) or 0) for one in buckets),
    )  # fmt: skip


def _label(value: Any) -> str:
    try:
        return label_of(plain(value))
    except ValueError as error:
        raise Trouble(f"a name in the table is no text of a label; expected {error}", _FIX) from None


def _number(value: Any) -> float | None:
    found = plain(value)
    if found is None:
        return None
    if not isinstance(found, int | float) or isinstance(found, bool) or not math.isfinite(found):
        raise Trouble("a time or a count of the table is no number", _FIX)
    return round(float(found), 3)  # SQLite's days are no more exact
