"""Jobs of RQ: its queues and registries in Redis, looked at with bounded commands that only read."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Final

from exporter.collector import Context, NotApplicable
from exporter.collectors.jobs.rqended import RunsEnded
from exporter.collectors.jobs.rqsession import RQSession, text
from exporter.collectors.jobs.settings import RQSettings
from exporter.collectors.jobs.tally import Tally
from exporter.collectors.redis.connection import Server
from exporter.collectors.redis.trouble import listed, strange
from exporter.jobmetrics import LENGTH, OLDEST, OLDEST_START, WORKERS
from exporter.jobmetrics import RUNNING as UNDER_WAY
from exporter.metric import Remarking, Samples

# RQ's own names of its registries, and the states that they are here
_REGISTRIES: Final = {
    "scheduled": "scheduled", "deferred": "deferred", "wip": "running", "finished": "finished", "failed": "failed",
    "canceled": "canceled",
}  # fmt: skip
_FRONT: Final = 20  # jobs at the front of a queue among which the oldest is looked for, as some are put there


class FromRQ:
    """Looks at RQ's queues, their workers, and what runs and has ended."""

    def __init__(self, settings: RQSettings, context: Context, tally: Tally) -> None:
        redis = settings.server()
        address = redis.address()
        self._settings = settings
        self._tally = tally
        self._database = address.database
        self._server = Server(address, redis.context, context.timeout)
        self._ended = RunsEnded(tally, settings.max_runs)

    @contextmanager
    def session(self) -> Iterator[RQSession]:
        self._server.awaken()
        yield RQSession(self._server, self._settings, self._database)

    def interrupt(self) -> None:
        self._server.cancel(self._server.round)

    def close(self) -> None:
        self._server.close()

    def queues(self, session: RQSession) -> Remarking:
        """Yield how much is in each queue and each of its registries, and since when the oldest waits or runs."""
        due, waiting, running = _due(session), session.jobs(_ends(session)), session.running
        for queue, sizes in _sizes(session).items():
            planned, since = due[queue]
            more = {"waiting": planned, "scheduled": -planned}
            for state, size in sizes.items():
                yield LENGTH(max(0, size + more.get(state, 0)), queue=queue, state=state)
            yield OLDEST(_oldest([since, *(job.enqueued for job in waiting[queue])]), queue=queue, state="waiting")
            yield OLDEST(_oldest(job.started for job in running[queue]), queue=queue, state="running")
        unknown = ", ".join(session.unknown)
        return (
            f"RQ has no queue {unknown}: nothing was ever put there, nobody listens, or `queues` is wrong"
            if unknown
            else ""
        )

    def running(self, session: RQSession) -> Samples:
        """Yield how many runs of each job are under way, and since when."""
        begun: defaultdict[str, list[float | None]] = defaultdict(list)
        for job in chain.from_iterable(session.running.values()):
            name = self._tally.name(job.called)
            begun[name].append(job.started)
            self._tally.began(name, job.started)
        for name in {*begun, *self._tally.names()}:
            yield UNDER_WAY(len(begun[name]), job_name=name)
            yield OLDEST_START(_oldest(begun[name]), job_name=name)

    def ended(self, session: RQSession) -> str:
        """Count the runs that have ended since the last look; return what may be missing."""
        return self._ended.look(session)

    def workers(self, session: RQSession) -> Samples:
        """Yield how many workers listen to each queue: those whose own entry is there, which a dead one's is not."""
        if not session.queues:
            raise NotApplicable("RQ has no queues here yet")
        told = session.each({queue: [("SMEMBERS", session.key("workers", queue))] for queue in session.queues})
        names = {queue: [text(name) for name in listed(answer, "SMEMBERS")] for queue, (answer,) in told.items()}
        alive = session.each({queue: [("EXISTS", *keys)] for queue, keys in names.items() if keys})
        for queue in session.queues:
            (count,) = alive.get(queue, [0])
            yield WORKERS(count if isinstance(count, int) else None, queue=queue)


def _sizes(session: RQSession) -> dict[str, dict[str, int]]:
    """Return how many jobs each queue has, by state."""
    found = session.each({
        queue: [("LLEN", session.key("queue", queue)),
                *(("ZCARD", session.key(name, queue)) for name in _REGISTRIES)]
        for queue in session.queues
    })  # fmt: skip
    if not all(isinstance(size, int) for sizes in found.values() for size in sizes):
        raise strange("LLEN")
    states = ("waiting", *_REGISTRIES.values())
    return {queue: dict(zip(states, sizes, strict=True)) for queue, sizes in found.items()}


def _due(session: RQSession) -> dict[str, tuple[int, float | None]]:
    """Return how many jobs were planned for a time that is over, and since when: a scheduler did not see to them."""
    now, places = f"{time.time():.3f}", {queue: session.key("scheduled", queue) for queue in session.queues}
    found = session.each({
        queue: [("ZCOUNT", place, "-inf", now), ("ZRANGE", place, "0", "0", "WITHSCORES")]
        for queue, place in places.items()
    })  # fmt: skip
    if not all(isinstance(due, int) for due, _ in found.values()):
        raise strange("ZCOUNT")
    return {
        queue: (due, float(listed(first, "ZRANGE")[1])) if due and first else (0, None)
        for queue, (due, first) in found.items()
    }


def _ends(session: RQSession) -> dict[str, list[str]]:
    """Return the jobs at the front of each queue, and the last."""
    places = {queue: session.key("queue", queue) for queue in session.queues}
    found = session.each({
        queue: [("LRANGE", place, "0", str(_FRONT - 1)), ("LINDEX", place, "-1")] for queue, place in places.items()
    })  # fmt: skip
    return {
        queue: [text(name) for name in [*listed(front, "LRANGE"), *([last] if last else [])]]
        for queue, (front, last) in found.items()
    }


def _oldest(moments: Iterable[float | None]) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)
