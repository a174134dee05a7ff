"""What was done when and by whom: kept in the state, and never twice."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from exporter.collector import Trouble
from exporter.state import Shelf

KEPT: Final = 500  # entries of a task that are kept one by one
_NAMES: Final = 100  # of people, that are counted one by one beyond that
_DISK_SECONDS: Final = 5.0
AHEAD: Final = 300.0  # seconds that clocks may differ
OTHERS: Final = "other"

_FIX: Final = "it may be of a newer version of this program: run that one, or give the task another name"

_changing: Final = threading.Lock()  # while a reload is under way two checklists have one shelf


@dataclass(frozen=True, slots=True)
class Entry:
    """Once that a task was done: when, who it is said to be, who sent it, in which way, and what was noted."""

    id: str
    at: float
    by: str
    user: str = ""
    via: str = ""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return {"id": self.id, "at": self.at, "by": self.by, "user": self.user, "via": self.via, "note": self.note}


@dataclass(frozen=True, slots=True)
class Record:
    """All that is kept of one task.

    `known` is since when it is configured, `entries` are the newest, the oldest first; `folded` says how often each did
    it before, `held` whether its condition held when it was last looked at, `given` which targets gave its metric then.
    """

    known: float | None = None
    entries: Sequence[Entry] = ()
    folded: Counter[str] = field(default_factory=Counter)
    held: bool | None = None
    given: tuple[str, ...] = ()

    def counts(self) -> Counter[str]:
        """Return how often each did the task."""
        return self.folded + Counter(entry.by for entry in self.entries)

    def last(self, now: float) -> Entry | None:
        """Return the last time that it was done; what is to come was noted by a clock that was wrong."""
        return next((entry for entry in reversed(self.entries) if entry.at <= now + AHEAD), None)

    def is_known(self, now: float) -> bool:
        """Tell whether it is known since when it is configured."""
        return self.known is not None and self.known <= now + AHEAD

    def has(self, id: str) -> bool:
        """Tell whether an entry is there."""
        return any(entry.id == id for entry in self.entries)

    def as_json(self) -> dict[str, Any]:
        """Return what is kept under the task's name."""
        entries = [entry.as_json() for entry in self.entries]
        return {"known": self.known, "entries": entries, "folded": self.folded, "held": self.held,
                "given": list(self.given)}  # fmt: skip


def record_of(kept: Any) -> Record:
    """Return a record as it was kept, an empty one where nothing was."""
    if kept is None:
        return Record()
    entries = [Entry(**entry) for entry in kept["entries"]]
    return Record(kept["known"], entries, Counter(kept["folded"]), kept["held"], tuple(kept.get("given", ())))


class History:
    """The records of one checklist's tasks."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._read: dict[str, tuple[str | None, Record]] = {}  # with the text that it was read from
        self._first_seen: dict[str, float] = {}
        self._missed: dict[str, float] = {}

    def record(self, task: str) -> Record:
        """Return what is known of a task."""
        text = self._shelf.text(task)
        before, record = self._read.get(task, (None, Record()))
        if text != before:
            try:
                record = record_of(None if text is None else json.loads(text))
            except (TypeError, KeyError, ValueError):
                raise Trouble(f"what was kept of the task {task} is not understood", _FIX) from None
            self._read[task] = text, record
        return record

    def text(self, task: str) -> str | None:
        """Return what is kept of a task as text: the same for as long as nothing has changed."""
        return self._shelf.text(task)

    def know(self, tasks: Iterable[str], now: float) -> dict[str, Record]:
        """Return the record of each task; those that are new are known from now on.

        While the state is not kept nothing is put there: what was kept before would be lost.
        """
        self._refuse_unread()
        records = {task: self.record(task) for task in tasks}
        new = [task for task, record in records.items() if record.known is None]
        # what was first seen by a clock that is ahead of ours is not written anew: it may be ours that is wrong
        for task in [task for task, record in records.items() if not record.is_known(now)]:
            records[task] = replace(records[task], known=self._first_sight(task, now))
        if new and not self._shelf.problem:
            with _changing:
                self._shelf.put_all({task: self._known(task, now).as_json() for task in new})
        return records

    def _known(self, task: str, now: float) -> Record:
        record = self.record(task)
        return record if record.known is not None else replace(record, known=self._first_sight(task, now))

    def _first_sight(self, task: str, now: float) -> float:
        """Return when a task was first seen here; a clock that was ahead then tells nothing."""
        known = self._first_seen[task] = min(now, self._first_seen.get(task, now))
        return known

    def add(self, task: str, entry: Entry, held: bool | None = None) -> None:
        """Keep an entry, one of each id, and with it whether the task's condition holds."""
        self._refuse_unread()
        with _changing:
            record = self._known(task, time.time())
            if not record.has(entry.id):
                record = _added(record, entry)
            self._shelf.put(task, replace(record, held=record.held if held is None else held).as_json())

    def hold(self, task: str, held: bool) -> None:
        """Keep whether a task's condition holds."""
        with _changing:
            self._shelf.put(task, replace(self._known(task, time.time()), held=held).as_json())

    def is_missed_for(self, task: str, seconds: float) -> bool:
        """Tell whether a target that gives the metric of a task's condition has been away for so long, as it is now."""
        now = time.monotonic()
        return now - self._missed.setdefault(task, now) >= seconds

    def all_there(self, task: str) -> None:
        """Note that no target is missed."""
        self._missed.pop(task, None)

    def give(self, task: str, given: tuple[str, ...]) -> None:
        """Keep which targets give the metric of a task's condition."""
        with _changing:
            self._shelf.put(task, replace(self._known(task, time.time()), given=given).as_json())

    def is_on_disk(self) -> bool:
        """Wait until all that was added is on disk; return whether it is."""
        return self._shelf.flush(_DISK_SECONDS)

    def _refuse_unread(self) -> None:
        """Raise where nothing is known of what was done: that is not the same as never."""
        if not self.is_read:
            raise Trouble("what was kept before is not known yet", self.problem or "wait until the state was opened")

    @property
    def is_read(self) -> bool:
        """Whether what was kept before is known: what is added until then would take its place."""
        return self._shelf.is_read

    @property
    def problem(self) -> str:
        """Why what is added is not on disk within a moment, or nothing."""
        return self._shelf.problem


def _added(record: Record, entry: Entry) -> Record:
    """Return the record with one more entry; the oldest beyond what is kept are counted, and forgotten."""
    entries = sorted([*record.entries, entry], key=lambda one: one.at)
    old = []
    while len(entries) > KEPT:
        old.append(entries.pop(0).by)
    return replace(record, entries=entries, folded=_few(record.folded + Counter(old)))


def _few(counts: Counter[str]) -> Counter[str]:
    """Return counts by name, of so many names at most; the rest count as others."""
    few = Counter(dict(counts.most_common(_NAMES)))
    if rest := counts.total() - few.total():
        few[OTHERS] += rest
    return few
