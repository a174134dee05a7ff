"""Jobs of RQ: its queues and registries in Redis, looked at with bounded commands that only read."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from exporter.collector import Context, NotApplicable, Trouble
from exporter.collectors.jobs.settings import RQSettings
from exporter.collectors.jobs.tally import Tally, single
from exporter.collectors.redis.connection import Asking, Server
from exporter.collectors.redis.reply import Command, Refusal
from exporter.collectors.redis.trouble import listed, refused, strange
from exporter.jobmetrics import LENGTH, OLDEST, OLDEST_START, WORKERS
from exporter.jobmetrics import RUNNING as UNDER_WAY
from exporter.metric import Remarking, Samples

# RQ's own names of its registries, and the states that they are here
_REGISTRIES: Final = {
    "scheduled": "scheduled", "deferred": "deferred", "wip": "running", "finished": "finished", "failed": "failed",
    "canceled": "canceled",
}  # fmt: skip
_OUTCOMES: Final = {"finished": "success", "failed": "failure"}
_FRONT: Final = 20  # jobs at the front of a queue among which the oldest is looked for, as some are put there
_MOST_RUNNING: Final = 500
_LATE: Final = 300.0  # seconds by which a run may be told later than another that ended later
_CALL: Final = re.compile(r"([A-Za-z_][\w.]{0,99})\(")
_FIELDS: Final = ("enqueued_at", "started_at", "ended_at", "description")

Job = tuple[float | None, float | None, float | None, str]
"""When a job was put into its queue, started and ended, and what it calls."""


class RQSession:
    """One round over one Redis."""

    def __init__(self, server: Server, settings: RQSettings, database: int) -> None:
        self._server = server
        self._round = server.round
        self._settings = settings
        self._enter(database)
        self.queues = self._queues()

    def key(self, *parts: str) -> str:
        return ":".join((self._settings.prefix, *parts))

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers; one that is refused fails what asks."""
        answers = self._server.try_to(commands, self._server.database) if commands else []
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, Refusal):
                raise refused(answer, str(command[0]).lower())
        return answers

    def jobs(self, names: Sequence[str]) -> list[Job]:
        """Return what is told of jobs; of one that has gone nothing is known."""
        found = self.ask([("HMGET", self.key("job", name), *_FIELDS) for name in names])
        return [_job(listed(answer, "HMGET")) for answer in found]

    def cancel(self) -> None:
        """Let go of what is waited for, from another thread."""
        self._server.cancel(self._round)

    def _enter(self, database: int) -> None:
        command = ("SELECT", str(database))
        answer = self._server.gather(lambda _: [Asking("select", command)])[command]
        if isinstance(answer, Refusal):
            raise refused(answer, "select")
        self._server.database = database

    def _queues(self) -> list[str]:
        if self._settings.queues:
            return list(self._settings.queues)
        place, most = self.key("queues"), self._settings.max_queues
        (size,) = self.ask([("SCARD", place)])
        if isinstance(size, int) and size > most:
            fix = "name those that matter as `queues`, or raise `max_queues`"
            raise Trouble(f"there are {size:,} queues, more than {most:,}", fix)
        (names,) = self.ask([("SMEMBERS", place)])
        return sorted(_text(name).removeprefix(self.key("queue", "")) for name in listed(names, "SMEMBERS"))


class FromRQ:
    """Looks at RQ's queues, and counts the runs that have ended by following its registries."""

    def __init__(self, settings: RQSettings, context: Context, tally: Tally) -> None:
        redis = settings.server()
        address = redis.address()
        self._settings = settings
        self._tally = tally
        self._database = address.database
        self._server = Server(address, redis.context, context.timeout)
        self._counted: dict[tuple[str, float], None] = {}  # of late: an identifier, and when that run ended
        self._floor = tally.mark

    @contextmanager
    def session(self) -> Iterator[RQSession]:
        self._server.awaken()
        yield RQSession(self._server, self._settings, self._database)

    def interrupt(self) -> None:
        self._server.cancel(self._server.round)

    def close(self) -> None:
        self._server.close()

    def queues(self, session: RQSession) -> Samples:
        """Yield how much is in each queue and each of its registries, and since when the oldest waits or runs."""
        for queue in session.queues:
            sizes = [("LLEN", session.key("queue", queue)),
                     *(("ZCARD", session.key(name, queue)) for name in _REGISTRIES)]  # fmt: skip
            for state, size in zip(("waiting", *_REGISTRIES.values()), session.ask(sizes), strict=True):
                if not isinstance(size, int):
                    raise strange("LLEN")
                yield LENGTH(size, queue=queue, state=state)
            place = session.key("queue", queue)
            front, last = session.ask([("LRANGE", place, "0", str(_FRONT - 1)), ("LINDEX", place, "-1")])
            names = [_text(name) for name in [*listed(front, "LRANGE"), *([last] if last else [])]]
            yield OLDEST(_oldest(job[0] for job in session.jobs(names)), queue=queue, state="waiting")
            yield OLDEST(_oldest(job[1] for job in session.jobs(_under_way(session, queue))), queue=queue,
                         state="running")  # fmt: skip

    def running(self, session: RQSession) -> Samples:
        """Yield how many runs of each job are under way, and since when."""
        begun: defaultdict[str, list[float | None]] = defaultdict(list)
        for queue in session.queues:
            for _, started, _, called in session.jobs(_under_way(session, queue)):
                name = self._tally.name(called)
                begun[name].append(started)
                self._tally.began(name, started)
        for name in {*begun, *self._tally.names()}:
            yield UNDER_WAY(len(begun[name]), job_name=name)
            yield OLDEST_START(_oldest(begun[name]), job_name=name)

    def ended(self, session: RQSession) -> str:
        """Count the runs that have ended since the last look; return what may be missing."""
        newest, missed = self._floor or 0.0, ""
        before = self._counted.copy()
        for queue in session.queues:
            for registry, outcome in _OUTCOMES.items():
                place, most = session.key(registry, queue), self._settings.max_runs
                (names,) = session.ask([("ZREVRANGE", place, "0", str(most - 1))])
                found = [_text(name) for name in listed(names, "ZREVRANGE")]
                runs = list(zip(found, session.jobs(found), strict=True))
                fresh = [self._see(name, job, outcome) for name, job in runs]
                newest = max([newest, *(job[2] or 0.0 for _, job in runs)])
                if before and len(runs) == most and all(fresh):
                    missed = f"more than {most:,} runs of {queue} ended between two looks, and the rest is not counted"
        self._counted = {run: None for run in self._counted if run[1] > newest - _LATE}
        self._floor = max(self._floor or 0.0, newest - _LATE) if self._tally.mark is not None else newest
        self._tally.keep(newest)
        return missed

    def _see(self, name: str, job: Job, outcome: str) -> bool:
        """Count a run that was not counted yet; tell whether that is so."""
        _, started, ended, called = job
        if ended is None or (name, ended) in self._counted:
            return False
        counts = self._tally.mark is not None and ended > (self._floor or 0.0)
        self._counted[name, ended] = None
        if self._tally.mark is None or counts:
            self._tally.see(single(called, outcome, ended, started), counts=counts)
        return counts

    def workers(self, session: RQSession) -> Remarking:
        """Yield how many workers listen to each queue: those whose own entry is there, which a dead one's is not."""
        for queue in session.queues:
            (names,) = session.ask([("SMEMBERS", session.key("workers", queue))])
            keys = [_text(name) for name in listed(names, "SMEMBERS")]
            (alive,) = session.ask([("EXISTS", *keys)]) if keys else (0,)
            yield WORKERS(alive if isinstance(alive, int) else None, queue=queue)
        if not session.queues:
            raise NotApplicable("RQ has no queues here yet")
        return ""


def _under_way(session: RQSession, queue: str) -> list[str]:
    """Return the jobs that run: each with its execution in RQ 2 and later."""
    (names,) = session.ask([("ZRANGE", session.key("wip", queue), "0", str(_MOST_RUNNING - 1))])
    return list(dict.fromkeys(_text(name).partition(":")[0] for name in listed(names, "ZRANGE")))


def _job(fields: Sequence[Any]) -> Job:
    enqueued, started, ended, description = fields
    found = _CALL.match(_text(description or b""))
    return _moment(enqueued), _moment(started), _moment(ended), found[1] if found else "other"


def _moment(value: Any) -> float | None:
    try:
        found = datetime.fromisoformat(_text(value or b""))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _oldest(moments: "Iterator[float | None] | list[float | None]") -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
