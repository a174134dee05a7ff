"""Jobs, wherever they are kept: what waits and since when, what runs, and how runs ended."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from exporter.collector import Collector, Context, Members, Read, limited, read
from exporter.collectors.jobs.settings import JobsSettings
from exporter.collectors.jobs.tally import Tally
from exporter.jobmetrics import LENGTH, METRICS, expected
from exporter.metric import Remarking, Samples

__all__ = ["METRICS", "Jobs"]


class Source(Protocol):
    """A place where jobs are kept."""

    def session(self) -> AbstractContextManager[Any]: ...
    def interrupt(self) -> None: ...
    def close(self) -> None: ...
    def queues(self, session: Any, /) -> Remarking: ...
    def running(self, session: Any, /) -> Samples: ...
    def ended(self, session: Any, /) -> str | None: ...
    def workers(self, session: Any, /) -> Samples: ...


class Jobs(Collector[Any]):
    """Jobs of RQ, or of a table in PostgreSQL, DuckDB or SQLite."""

    Settings = JobsSettings
    settings: JobsSettings

    def __init__(self, settings: JobsSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._tally = Tally(context.shelf, settings.jobs, settings.top)
        self._source = _source(settings, context, self._tally)

    @contextmanager
    def connect(self) -> Iterator[Any]:
        with self._source.session() as session:
            yield session

    @read(members=Members(("queue",), 100, LENGTH))
    def queues(self, session: Any) -> Remarking:
        """How many jobs are in each queue, by state, and since when the oldest waits."""
        return (yield from self._source.queues(session))

    @read
    def running(self, session: Any) -> Samples:
        """Runs that are under way, by job, and since when the oldest is."""
        yield from self._source.running(session)

    @read
    def runs(self, session: Any) -> Remarking:
        """Runs that have ended, by job and outcome, how long they took, and which jobs are expected."""
        remark = self._source.ended(session)
        yield from self._tally.samples()
        return remark or ""

    @read
    def workers(self, session: Any) -> Samples:
        """How many workers listen to each queue; none are added up, as a queue without any would be hidden."""
        yield from self._source.workers(session)

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002  # it is so whether the target answers or not
        """Which jobs are expected, and since when."""
        yield from expected(self.settings.jobs)

    def reads(self) -> list[Read]:
        """Return the reads of this place: a table does not say who works."""
        found = [one for one in super().reads() if one.name != "workers" or self.settings.table is None]
        return limited(found, self.settings.top)

    def interrupt(self) -> None:
        self._source.interrupt()

    def close(self) -> None:
        self._source.close()


def _source(settings: JobsSettings, context: Context, tally: Tally) -> Source:
    if settings.rq is not None:
        from exporter.collectors.jobs.fromrq import FromRQ

        return FromRQ(settings.rq, context, tally)
    from exporter.collectors.jobs.fromtable import FromTable

    assert settings.table is not None  # noqa: S101  # checked with the configuration
    return FromTable(settings.table, context, tally)
