"""A checklist at work: its tasks, and what was done of them."""

import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from exporter.collector import Seen
from exporter.collectors.task import calendar, condition, inbox
from exporter.collectors.task.due import Standing, Task, standing
from exporter.collectors.task.history import OTHERS, Entry, History, Record, record_of
from exporter.collectors.task.settings import ChecklistSettings

_LISTS: Final = "checklist"  # the folder in which commands find how tasks stand
_SHOWN: Final = 20  # entries of a task that they find there


class Checklist:
    """The tasks of one target, with their history."""

    def __init__(
        self, target: str, settings: ChecklistSettings, history: History, storage: Path | None,
        known: Callable[[Collection[str]], dict[str, list[Seen]]] = lambda _: {},
    ) -> None:  # fmt: skip
        self.target = target
        self.settings = settings
        self.history = history
        self.tasks = tasks_of(settings)
        self._storage = storage
        self.known = known
        self._written: list[str | None] = []  # what was kept of each task when that was written down

    def standings(self, now: float) -> list[Standing]:
        """Return how each task stands."""
        records = self.history.know(self.tasks, now)
        return [standing(task, records[name], now) for name, task in self.tasks.items()]

    def standing(self, name: str) -> Standing:
        """Return how one task stands now."""
        now = time.time()
        return standing(self.tasks[name], self.history.know([name], now)[name], now)

    def done(self, name: str, entry: Entry) -> bool:
        """Note a task as done; return whether that is on disk."""
        self.history.add(name, entry)
        return self.history.is_on_disk()

    def may_mark(self, user: str) -> bool:
        """Tell whether this user may mark tasks done over HTTP; nobody may who is not known."""
        return bool(user) and (not self.settings.users or user in self.settings.users)

    def label(self, by: str) -> str:
        """Return what stands for a name in the label `by`."""
        if by.partition(" ")[0] == condition.BY:
            return condition.BY
        return by if by in self.settings.people else OTHERS

    def look_at_metrics(self) -> list[str]:
        """Note tasks that other metrics say are done; return those whose metric nobody gives."""
        conditions = [(name, task.settings.done_when) for name, task in self.tasks.items() if task.settings.done_when]
        if not conditions or not self.history.is_read:
            return []
        seen = self.known({when.metric for _, when in conditions})
        return [
            name for name, when in conditions if not condition.look(name, when, seen.get(when.metric, ()), self.history)
        ]  # fmt: skip

    # ---- what commands leave, and find

    def take(self) -> None:
        """Take over what commands have left, and forget their files once it is on disk."""
        if self._storage is None or not self.history.is_read:
            return
        taken = list(inbox.waiting(inbox.folder_of(self._storage), self.target))
        for message in taken:
            self.history.add(message.task, message.entry)
        if taken and self.history.is_on_disk():
            for message in taken:
                message.path.unlink(missing_ok=True)

    def publish(self) -> None:
        """Write down how the tasks stand, for commands, where that has changed."""
        if self._storage is None or not self.history.is_read:
            return
        kept = [self.history.text(name) for name in self.tasks]
        if kept == self._written:
            return
        records = self.history.know(self.tasks, time.time())
        text = json.dumps({name: _newest(record).as_json() for name, record in records.items()})
        folder = self._storage / _LISTS
        folder.mkdir(mode=0o700, exist_ok=True)
        file, unfinished = folder / f"{self.target}.json", folder / f".{self.target}"
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        unfinished.replace(file)
        self._written = kept


def tasks_of(settings: ChecklistSettings) -> dict[str, Task]:
    """Return the tasks by name, each with its time zone: the same object for one zone."""
    tasks = settings.all_tasks()
    zones = {name: calendar.zone_of(name) for name in {task.timezone for task in tasks.values()}}
    return {name: Task(name, task, zones[task.timezone]) for name, task in tasks.items()}


def published(
    storage: Path, target: str, tasks: Mapping[str, Task], now: float, done: Entry | None = None
) -> Iterator[Standing]:
    """Yield how tasks stand by what the exporter has written, and by what waits for it.

    `done` is an entry of each that counts in any case: the exporter may just have taken it, and not written it yet.
    """
    kept = _published(storage / _LISTS / f"{target}.json")
    folder = inbox.folder_of(storage)
    waiting = list(inbox.waiting(folder, target)) if folder.is_dir() else []
    for name, task in tasks.items():
        record = kept.get(name, Record(now))
        left = {one.entry.id: one.entry for one in waiting if one.task == name} | ({done.id: done} if done else {})
        new = [entry for entry in left.values() if not record.has(entry.id)]
        entries = sorted([*record.entries, *new], key=lambda entry: entry.at)
        yield standing(task, replace(record, entries=entries), now)


def _newest(record: Record) -> Record:
    return replace(record, entries=record.entries[-_SHOWN:])


def _published(path: Path) -> dict[str, Record]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {name: record_of(record) for name, record in kept.items()}
    except (OSError, AttributeError, KeyError, TypeError, ValueError):  # not there, or cut by a power failure
        return {}
