"""One round over the Redis that RQ keeps its jobs in: bounded commands that only read, and what a job's entry holds."""

import re
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeVar

from exporter.collector import Trouble
from exporter.collectors.jobs.settings import RQSettings
from exporter.collectors.redis.connection import Asking, Server
from exporter.collectors.redis.reply import Command, Refusal
from exporter.collectors.redis.trouble import listed, refused

_CALL: Final = re.compile(r"([A-Za-z_][\w.]{0,99})\(")
_FIELDS: Final = ("enqueued_at", "started_at", "ended_at", "description", "failure_ttl")
_MOST_RUNNING: Final = 500
_AT_ONCE: Final = 1000  # commands on the way, so that the server need not keep many answers

Key = TypeVar("Key", bound=Hashable)


class Job(NamedTuple):
    """When a job was put into its queue, started and ended, what it calls, and for how long its failure is kept."""

    enqueued: float | None
    started: float | None
    ended: float | None
    called: str
    kept: float | None

    @property
    def gone(self) -> bool:
        """Whether nothing is known of it: its entry ended, and its name is left in a registry."""
        return self.enqueued is self.started is self.ended is None


class RQSession:
    """One round over one Redis."""

    def __init__(self, server: Server, settings: RQSettings, database: int) -> None:
        self._server = server
        self._round = server.round
        self._settings = settings
        self._enter(database)
        self.unknown: list[str] = []
        """Queues of the configuration that have no workers and nothing was ever put into, so perhaps none."""
        self.queues = self._queues()

    def key(self, *parts: str) -> str:
        return ":".join((self._settings.prefix, *parts))

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers; one that is refused fails what asks."""
        answers: list[Any] = []
        for start in range(0, len(commands), _AT_ONCE):
            answers += self._server.try_to(commands[start : start + _AT_ONCE], self._server.database)
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, Refusal):
                raise refused(answer, str(command[0]).lower())
        return answers

    def each(self, commands: Mapping[Key, Sequence[Command]]) -> dict[Key, list[Any]]:
        """Return the answers by what the commands are about, asked for together: many queues are not many ways."""
        answers = iter(self.ask([command for several in commands.values() for command in several]))
        return {about: [next(answers) for _ in several] for about, several in commands.items()}

    def jobs(self, names: Mapping[Key, Sequence[str]]) -> dict[Key, list[Job]]:
        """Return what is told of jobs, by what they belong to; of one that has gone nothing is known."""
        asked = {about: [("HMGET", self.key("job", name), *_FIELDS) for name in jobs] for about, jobs in names.items()}
        found = self.each(asked)
        return {about: [_job(listed(answer, "HMGET")) for answer in answers] for about, answers in found.items()}

    @cached_property
    def running(self) -> dict[str, list[Job]]:
        """The jobs of each queue that run: each with its execution in RQ 2 and later."""
        most = str(_MOST_RUNNING - 1)
        found = self.each({queue: [("ZRANGE", self.key("wip", queue), "0", most)] for queue in self.queues})
        return self.jobs({
            queue: list(dict.fromkeys(text(name).partition(":")[0] for name in listed(names, "ZRANGE")))
            for queue, (names,) in found.items()
        })  # fmt: skip

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
            return self._named()
        place, most = self.key("queues"), self._settings.max_queues
        (size,) = self.ask([("SCARD", place)])
        if isinstance(size, int) and size > most:
            fix = "name those that matter as `queues`, or raise `max_queues`"
            raise Trouble(f"there are {size:,} queues, more than {most:,}", fix)
        (names,) = self.ask([("SMEMBERS", place)])
        return sorted(text(name).removeprefix(self.key("queue", "")) for name in listed(names, "SMEMBERS"))

    def _named(self) -> list[str]:
        names, place = self._settings.queues, self.key("queues")
        told = self.each({
            name: [("SISMEMBER", place, self.key("queue", name)), ("EXISTS", self.key("workers", name))]
            for name in names
        })  # fmt: skip
        self.unknown = [name for name in names if not any(told[name])]
        return [name for name in names if any(told[name])]


def _job(fields: Sequence[Any]) -> Job:
    enqueued, started, ended, description, kept = fields
    found = _CALL.match(text(description or b""))
    seconds = text(kept or b"")
    return Job(
        _moment(enqueued), _moment(started), _moment(ended), found[1] if found else "other",
        float(seconds) if seconds.isdecimal() else None,
    )  # fmt: skip


def _moment(value: Any) -> float | None:
    try:
        found = datetime.fromisoformat(text(value or b""))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def text(value: Any) -> str:
    """Return what Redis holds as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
