"""What is counted of tasks: rows by name, queue and host, with a budget, in figures that JSON can hold."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

OTHER: Final = "other"
UNKNOWN: Final = "unknown"
KINDS: Final = ("received", "started", "succeeded", "rejected", "revoked", "retried")
BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0)
"""Seconds: from tasks that only touch a database to those that run for hours."""
MOST_ROWS: Final = 1000
_MOST_EXCEPTIONS: Final = 50
_LONGEST: Final = 200  # characters of a name

Key = tuple[str, ...]


class Names:
    """A budget of names: those that come first are admitted, and none is ever put out."""

    def __init__(self, top: int, known: Iterable[str] = ()) -> None:
        self._top = top
        self._known = {name for name in known if name != OTHER}

    def admit(self, name: str) -> str:
        """Return the name, or `other` where there are too many already."""
        name = name[:_LONGEST]
        if name in self._known:
            return name
        if len(self._known) >= self._top:
            return OTHER
        self._known.add(name)
        return name


class Spread:
    """How long things took: a count for each bucket, and the sum."""

    __slots__ = ("buckets", "count", "sum")

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        fits = kept is not None and len(kept["buckets"]) == len(BUCKETS)
        self.buckets: list[int] = [*kept["buckets"]] if kept is not None and fits else [0] * len(BUCKETS)
        self.count: int = kept["count"] if kept is not None and fits else 0
        self.sum: float = kept["sum"] if kept is not None and fits else 0.0

    def measure(self, seconds: float) -> None:
        self.count += 1
        self.sum += seconds
        for index in range(len(BUCKETS) - 1, -1, -1):
            if seconds > BUCKETS[index]:
                return
            self.buckets[index] += 1

    def entry(self) -> dict[str, Any]:
        return {"buckets": [*self.buckets], "count": self.count, "sum": self.sum}


class Row:
    """The counts of one task name on one queue and one host."""

    __slots__ = ("counts", "failed", "runtime")

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        kept = kept or {}
        self.counts: dict[str, int] = {kind: kept.get("counts", {}).get(kind, 0) for kind in KINDS}
        self.failed: dict[str, int] = dict(kept.get("failed", {}))
        self.runtime = Spread(kept.get("runtime"))

    def entry(self) -> dict[str, Any]:
        return {"counts": {**self.counts}, "failed": {**self.failed}, "runtime": self.runtime.entry()}


def key_of(kind: str, labels: Key) -> str:
    return f"tasks:{kind}:{json.dumps(labels)}"


def labels_of(kind: str, entries: Mapping[str, Any]) -> dict[Key, Any]:
    """Return the entries of one kind by their labels, in their order."""
    start = f"tasks:{kind}:"
    found = sorted(key for key in entries if key.startswith(start))
    return {_parsed(key[len(start) :]): entries[key] for key in found}


@lru_cache(maxsize=8192)  # the same at each scrape, and half of its time
def _parsed(text: str) -> Key:
    return tuple(json.loads(text))


class Counts:
    """All rows of one broker; dirty() gives what changed since it was last asked."""

    def __init__(self, tops: tuple[int, int, int], kept: Mapping[str, Any]) -> None:
        self._rows = {labels: Row(entry) for labels, entry in labels_of("row", kept).items()}
        self._sent: dict[Key, int] = labels_of("sent", kept)
        self._waits = {labels: Spread(entry) for labels, entry in labels_of("wait", kept).items()}
        seen = [*self._rows, *self._sent]
        self._names = Names(tops[0], (labels[0] for labels in seen))
        self._queues = Names(tops[1], (labels[1] for labels in seen))
        self._hosts = Names(tops[2], (labels[2] for labels in self._rows))
        self._senders = Names(tops[2], (labels[2] for labels in self._sent))
        self._exceptions = Names(_MOST_EXCEPTIONS, (name for row in self._rows.values() for name in row.failed))
        self._dirty: set[tuple[str, Key]] = set()

    def sent(self, name: str, queue: str, host: str) -> None:
        labels = self._place(self._sent, name, queue, self._senders.admit(host))
        self._sent[labels] = self._sent.get(labels, 0) + 1
        self._dirty.add(("sent", labels))

    def count(self, kind: str, name: str, queue: str, host: str) -> None:
        self._row(name, queue, host).counts[kind] += 1

    def fail(self, name: str, queue: str, host: str, exception: str) -> None:
        failed, exception = self._row(name, queue, host).failed, self._exceptions.admit(exception)
        failed[exception] = failed.get(exception, 0) + 1

    def ran(self, name: str, queue: str, host: str, seconds: float) -> None:
        self._row(name, queue, host).runtime.measure(seconds)

    def waited(self, name: str, queue: str, seconds: float) -> None:
        labels = self._place(self._waits, name, queue)
        self._waits.setdefault(labels, Spread()).measure(seconds)
        self._dirty.add(("wait", labels))

    def named(self, task: str) -> str:
        """Return the name that a task has series of."""
        return self._names.admit(task)

    def dirty(self) -> dict[str, Any]:
        """Return what changed, as entries by key."""
        changed: dict[str, Any] = {}
        for kind, labels in self._dirty:
            value = {"row": self._rows, "sent": self._sent, "wait": self._waits}[kind][labels]  # type: ignore[index]
            changed[key_of(kind, labels)] = value if isinstance(value, int) else value.entry()
        self._dirty.clear()
        return changed

    def _row(self, name: str, queue: str, host: str) -> Row:
        labels = self._place(self._rows, name, queue, self._hosts.admit(host))
        row = self._rows.get(labels)
        if row is None:
            row = self._rows[labels] = Row()
        self._dirty.add(("row", labels))
        return row

    def _place(self, rows: Mapping[Key, Any], name: str, queue: str, *host: str) -> Key:
        """Return the labels to count under: beyond the budget of rows a task has one more, for all the others."""
        labels = (self._names.admit(name), self._queues.admit(queue), *host)
        return labels if labels in rows or len(rows) < MOST_ROWS else (labels[0], OTHER, *[OTHER for _ in host])
