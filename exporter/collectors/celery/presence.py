"""Which workers are there: when each was last heard of, by what it tells and by what it answers."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from exporter.collectors.celery.heartbeats import BUSY, SILENT

TOLD: Final = "tasks:workers"
LEFT: Final = "tasks:left"
MUTE: Final = "tasks:mute"
ASKED: Final = "control:workers"
CONSUMED: Final = "control:queues"
QUEUE: Final = "queue:"
"""What the entry of each queue begins with."""


class Presence(NamedTuple):
    """A worker that was heard of."""

    heard: float
    patience: float
    """Seconds of silence after which it has vanished."""

    def lives(self, now: float) -> bool:
        return now - self.heard <= self.patience


def presence(entries: Mapping[str, Any]) -> dict[str, Presence]:
    """Return who was heard of, by name, those that have vanished since as well.

    A worker without heartbeats is there while it answers. One that took its leave is not, though it has just answered.
    """
    told: Mapping[str, Any] = entries.get(TOLD) or {}
    asked, left = asked_of(entries), entries.get(LEFT) or {}
    quiet = solo(entries)
    between_answers = max(SILENT, 3 * _interval(entries))
    found: dict[str, Presence] = {}
    for name in sorted({*told, *asked}):
        patience = BUSY if name in quiet else SILENT
        answered = asked.get(name, {}).get("answered") or 0.0
        if name in left and answered - left[name] <= SILENT:
            answered = 0.0
        beats = told.get(name, {}).get("processed") is not None  # of one with heartbeats these tell first
        ways = (Presence(told.get(name, {}).get("seen") or 0.0, patience),
                Presence(answered, patience if beats else max(patience, between_answers)))  # fmt: skip
        last = max(ways, key=lambda way: (bool(way.heard), way.heard + way.patience))
        if last.heard:
            found[name] = last
    return found


def living(heard: Mapping[str, Presence], now: float) -> set[str]:
    """Return those that have not vanished."""
    return {name for name, present in heard.items() if present.lives(now)}


def solo(entries: Mapping[str, Any]) -> set[str]:
    """Return the workers that have one thread for everything: while a task runs, they neither tell nor answer.

    One says so where it answers; otherwise its heartbeats show it. One of which neither is known is taken for one where
    there are others: it may have been busy ever since it was started.
    """
    asked, told = asked_of(entries), entries.get(TOLD) or {}
    some = bool((entries.get(MUTE) or {}).get("some"))
    return {
        name for name in {*asked, *told}
        if _first(asked.get(name, {}).get("solo"), told.get(name, {}).get("mute"), some)
    }  # fmt: skip


def some_answered_so(entries: Mapping[str, Any]) -> bool:
    """Return whether a worker said that it is one of them."""
    return any(worker.get("solo") for worker in asked_of(entries).values())


def _first(*known: bool | None) -> bool:
    """Return the first that is known."""
    return next((answer for answer in known if answer is not None), False)


def asked_of(entries: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is told of each worker by what it answers, or answered."""
    found: Mapping[str, Any] = (entries.get(ASKED) or {}).get("workers") or {}
    return found


def _interval(entries: Mapping[str, Any]) -> float:
    """Return how often workers are asked."""
    return float(((entries.get(ASKED) or {}).get("settings") or {}).get("interval") or 0.0)
