"""What workers answer, made into what is told of them: never arguments, and never more than a budget of names."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from exporter.collectors.celery.asking import Replies

OTHER: Final = "other"
_SANE: Final = 1e9  # what is below is no time of the calendar: a worker of an old version told its own clock
_LIMIT: Final = re.compile(r"(soft_time_limit|time_limit)=([0-9.]+)")


@dataclass
class Round:
    """The replies of one round of questions; a missing one is not known."""

    stats: Replies = field(default_factory=dict)
    active: Replies = field(default_factory=dict)
    reserved: Replies = field(default_factory=dict)
    scheduled: Replies = field(default_factory=dict)
    revoked: Replies = field(default_factory=dict)
    queues: Replies = field(default_factory=dict)


def worker_of(name: str, asked: Round) -> dict[str, Any]:
    """Return what is told of a worker; what it did not answer is None."""
    stats = asked.stats.get(name)
    pool = _mapping(_mapping(stats).get("pool"))
    active, size, reserved = _count(asked.active.get(name)), _size(pool), _count(asked.reserved.get(name))
    return {
        "active": active, "reserved": reserved, "size": size, "processes": _processes(pool),
        "scheduled": _count(asked.scheduled.get(name)), "revoked": _count(asked.revoked.get(name)),
        "full": None if active is None or size is None else active >= size,
        "waits": None if reserved is None else reserved > 0,
        "prefetch": _number(_mapping(stats).get("prefetch_count")), "uptime": _number(_mapping(stats).get("uptime")),
        "queues": sorted(_queue_names(asked.queues.get(name))) if name in asked.queues else None,
        "mark": _mark(stats, asked.active.get(name)), "solo": _is_solo(stats),
    }  # fmt: skip


def tasks_of(active: Replies, now: float, top: int, limits: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Return of each name how many tasks run and when the oldest began; beyond `top` names they are `other`."""
    found: dict[str, dict[str, Any]] = {}
    for task in _tasks(active):
        name = str(task.get("name"))
        began = _began(task.get("time_start"), now)
        known = found.setdefault(name, {"running": 0, "oldest": None, "limit": limits.get(name)})
        _add(known, 1, began)
    names = sorted(found, key=lambda name: (-found[name]["running"], name))
    shown = {name: found[name] for name in names[:top]}
    for name in names[top:]:
        rest = shown.setdefault(OTHER, {"running": 0, "oldest": None, "limit": None})
        _add(rest, found[name]["running"], found[name]["oldest"])
    return shown


def limits_of(registered: Any, stats: Any) -> dict[str, float] | None:
    """Return the seconds that each task of a worker may take, where it or the worker has such a limit.

    The strictest holds; None where the worker did not answer.
    """
    if not isinstance(registered, list) or not isinstance(stats, Mapping):
        return None
    timeouts = _mapping(stats.get("pool")).get("timeouts") or ()
    general = [float(seconds) for seconds in timeouts if _number(seconds)]
    found: dict[str, float] = {}
    for text in registered:
        name, _, options = str(text).partition(" ")
        own = [float(seconds) for _, seconds in _LIMIT.findall(options) if float(seconds) > 0]
        if held := own or general:
            found[name] = min(held)
    return found


def strictest(limits: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the limit of each task among those of all workers."""
    found: dict[str, float] = {}
    for own in limits:
        for name, seconds in own.items():
            found[name] = min(seconds, found.get(name, seconds))
    return found


def will_end(active: Any, limits: Mapping[str, float] | None, now: float) -> bool | None:
    """Return whether a time limit will end one of a worker's tasks; None where tasks or limits are not known."""
    if limits is None or not isinstance(active, list):
        return None
    tasks = [task for task in active if isinstance(task, Mapping) and str(task.get("name")) in limits]
    return any(now - (_began(task.get("time_start"), now) or now) <= limits[str(task.get("name"))] for task in tasks)


def _tasks(active: Replies) -> Iterator[Mapping[str, Any]]:
    for tasks in active.values():
        yield from (task for task in tasks if isinstance(task, Mapping)) if isinstance(tasks, list) else ()


def _add(known: dict[str, Any], running: int, oldest: float | None) -> None:
    known["running"] += running
    if oldest is not None:
        known["oldest"] = min(oldest, known["oldest"] or oldest)


def _began(time_start: Any, now: float) -> float | None:
    began = _number(time_start)
    return None if began is None or began < _SANE else min(began, now)


def _mark(stats: Any, active: Any) -> str | None:
    """Return what changes as soon as a worker begins or ends a task; None where it is not known."""
    if not isinstance(stats, Mapping) or not isinstance(active, list):
        return None
    running = sorted(str(task.get("id")) for task in active if isinstance(task, Mapping))
    total = sorted(_mapping(stats.get("total")).items())
    return hashlib.sha256(repr((stats.get("pid"), total, running)).encode()).hexdigest()[:16]


def _processes(pool: Mapping[str, Any]) -> int | None:
    """Return how many processes or threads the pool has, where it tells."""
    found = pool.get("processes")
    return len(found) if isinstance(found, list) else None


def _size(pool: Mapping[str, Any]) -> float | None:
    return _number(pool.get("max-concurrency"))


def _is_solo(stats: Any) -> bool | None:
    """Return whether a worker runs its tasks itself, so that it does nothing else meanwhile."""
    if not isinstance(stats, Mapping):
        return None
    return stats.get("pid") is not None and _mapping(stats.get("pool")).get("processes") == [stats["pid"]]


def _queue_names(queues: Any) -> Iterable[str]:
    return {str(queue.get("name")) for queue in queues or () if isinstance(queue, Mapping)}


def _count(found: Any) -> int | None:
    return len(found) if isinstance(found, list) else None


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _number(found: Any) -> float | None:
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None
