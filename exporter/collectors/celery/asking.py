"""Questions to workers, as Celery's remote control asks them, on one connection and without its library.

kombu would open several connections, leave a binding in Redis wherever it is killed, and put back what an application
has not acknowledged for an hour. Here a worker is told to answer into a queue that nobody else knows.
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

from exporter.collector import Trouble
from exporter.collectors.celery.settings import CelerySettings

REPLY: Final = 1.0
"""Seconds of silence after which a worker that has not answered does not count."""
_LINGER: Final = 0.2  # seconds for one more, where all have answered to whom the broker has handed the question
_LONGEST: Final = 10.0  # seconds for the answers to one question
_JSON: Final = "application/json"
_MUST_BE_JSON: Final = "have workers answer in JSON: `task_serializer = 'json'` in the application"

Replies = Mapping[str, Any]
"""What each worker answered, by the worker's whole name."""


class Answer(NamedTuple):
    """One message as it came: which question it belongs to, and what it is written in."""

    ticket: str
    kind: str
    body: bytes


class Mailbox(Protocol):
    """How a broker takes a question to all workers, and has their answers."""

    @property
    def reply_to(self) -> Mapping[str, str]:
        """Return where workers are to answer."""

    def send(self, question: bytes, seconds: float) -> int | None:
        """Hand a question to all workers, who forget it after so long; return how many have it, if that is known."""

    def take(self, seconds: float) -> Answer | None:
        """Return the next answer, None where none comes in time."""

    def close(self) -> None: ...


class Asker:
    """Asks all workers, within seconds; what they answer of arguments is dropped by who reads it."""

    def __init__(self, settings: CelerySettings, name: str) -> None:
        self._mailbox = _mailbox(settings, name)

    def close(self) -> None:
        self._mailbox.close()

    def names(self) -> frozenset[str]:
        """Return which workers answer; it takes as long as a worker may take."""
        return frozenset(self.ask("ping", 0))

    def ask(self, command: str, workers: int, **arguments: Any) -> Replies:
        """Return the replies, as soon as so many have come; with 0, those that come in time."""
        ticket = str(uuid.uuid4())
        question = {
            "method": command, "arguments": arguments, "destination": None, "pattern": None, "matcher": None,
            "ticket": ticket, "reply_to": self._mailbox.reply_to,
        }  # fmt: skip
        reached = self._mailbox.send(json.dumps(question).encode(), REPLY)
        found: dict[str, Any] = {}
        for reply in self._replies(ticket, workers, reached):
            found.update({str(name): answer for name, answer in reply.items() if not _is_refusal(answer)})
        return found

    def _replies(self, ticket: str, workers: int, reached: int | None) -> Iterator[Mapping[str, Any]]:
        """Yield the answers to a question; those to one before, which came too late, are dropped."""
        count, until = 0, time.monotonic() + _LONGEST
        while not (workers and count >= workers) and time.monotonic() < until:
            has_all = reached is not None and count >= reached
            answer = self._mailbox.take(_LINGER if has_all else REPLY)
            if answer is None:
                return
            if answer.ticket == ticket:
                count += 1
                yield _read(answer)


def _mailbox(settings: CelerySettings, name: str) -> Mailbox:
    if settings.is_redis:
        from exporter.collectors.celery.redismailbox import RedisMailbox

        return RedisMailbox(settings, name)
    from exporter.collectors.celery.amqpmailbox import AmqpMailbox

    return AmqpMailbox(settings)


def _read(answer: Answer) -> Mapping[str, Any]:
    if answer.kind != _JSON:
        raise Trouble(f"workers answer in {answer.kind[:100]}, which is not read", _MUST_BE_JSON)
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Trouble("a worker's answer is none of Celery's", "see what else publishes to the exchange of replies")
    return found


def _is_refusal(answer: Any) -> bool:
    return isinstance(answer, Mapping) and "error" in answer and len(answer) == 1
