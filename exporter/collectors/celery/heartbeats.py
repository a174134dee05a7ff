"""Which workers are there by their heartbeats, whether they tell of their tasks, and how many events were lost."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

SILENT: Final = 60.0
"""Seconds without a heartbeat, of which there is one every two, after which a worker has vanished."""
BUSY: Final = 1800.0
"""The same for a worker that has one thread for everything: while a task runs, it says nothing at all."""
FORGOTTEN: Final = 3600.0
"""Seconds for which one that vanished is still told as 0: longer than any alert waits."""
_MOST: Final = 500
_VERSION: Final = re.compile(r"[\w.+-]{1,40}")
_NOTICED: Final = 10.0  # seconds of a task in which five heartbeats should have come
_REMEMBERED: Final = 7 * 86400.0
_SETTLED: Final = 30.0  # seconds in which the events of tasks that a heartbeat counts have come


class Worker:
    """One worker process: what its heartbeats and its tasks' events have told."""

    __slots__ = ("base", "checks", "enabled", "mute", "pid", "processed", "seen", "sent", "since", "started", "version")

    def __init__(self, pid: int, now: float, kept: Mapping[str, Any] | None = None) -> None:
        kept = kept or {}
        self.pid = pid
        self.since: float = kept.get("since", now)
        self.seen: float = kept.get("seen", now)
        self.base: int | None = kept.get("base")  # tasks processed when counting began
        self.processed: int | None = kept.get("processed")
        self.started: int = kept.get("started", 0)  # events of started tasks since then
        self.enabled: bool | None = kept.get("enabled")
        self.version: str = kept.get("version", "")
        self.mute: bool | None = kept.get("mute")  # whether it says nothing while a task runs
        self.sent: float | None = None  # when its last heartbeat was, by its own clock
        self.checks: list[tuple[float, int]] = []  # heartbeats that wait until their tasks' events have come

    def entry(self) -> dict[str, Any]:
        return {
            "pid": self.pid, "since": self.since, "seen": self.seen, "base": self.base, "processed": self.processed,
            "started": self.started, "enabled": self.enabled, "version": self.version,
            "mute": self.mute,
        }  # fmt: skip


class Heartbeats:
    """All workers by their names."""

    def __init__(self, kept: Mapping[str, Any], mute_seen: float = 0.0) -> None:
        self.mute_seen = mute_seen
        self.workers = {name: Worker(entry["pid"], entry["seen"], entry) for name, entry in kept.items()}
        self.left: dict[str, float] = {}
        """Who took their leave within an hour, and when: longer than an answer holds."""

    def beat(self, name: str, pid: int, processed: int, sent: float, now: float) -> tuple[bool, int]:
        """Note a heartbeat; return whether it is of another process than before, and how many events it shows lost."""
        worker = self.workers.get(name)
        # in a container each process has the same number
        is_new = worker is None or worker.pid != pid or processed < (worker.processed or 0)
        if worker is None or is_new:
            worker = self._add(name, pid, now)
        worker.seen, worker.sent = now, sent
        if worker.base is None:
            worker.base = processed
        worker.processed = processed
        worker.checks.append((sent, processed))
        return is_new, self._check(worker, sent)

    def task_event(self, name: str, pid: int, now: float, started: bool) -> None:
        """Note that a worker told of a task."""
        # which process it is, heartbeats alone say
        worker = self.workers.get(name) or self._add(name, pid, now)
        worker.seen = max(worker.seen, now)
        if worker.enabled is False:  # switched on while it runs: what went before was not lost but never sent
            worker.base, worker.started, worker.checks = worker.processed, 0, []
        worker.enabled = True
        worker.started += started

    def runs(self, name: str, version: Any) -> None:
        """Note which version a worker says that it is."""
        if (worker := self.workers.get(name)) and isinstance(version, str) and _VERSION.fullmatch(version):
            worker.version = version

    def speaks(self, name: str) -> None:
        """Note that a worker told of itself while a task ran."""
        if worker := self.workers.get(name):
            worker.mute = False

    def ran(self, name: str, began: float, seconds: float, now: float) -> None:
        """Note that a task ended, and whether its worker told anything of itself meanwhile."""
        worker = self.workers.get(name)
        if worker and seconds > _NOTICED and worker.sent is not None and worker.sent <= began:
            worker.mute, self.mute_seen = True, now

    def gap(self) -> None:
        """Heartbeats may have been missed."""
        for worker in self.workers.values():
            worker.sent = None

    def some_are_mute(self, now: float) -> bool:
        """Return whether there were such workers within a week: one of which nothing is known may be so too."""
        return now - self.mute_seen < _REMEMBERED

    def offline(self, name: str, now: float) -> None:
        """A worker took its leave: it is missed by nobody."""
        self.workers.pop(name, None)
        self.left.pop(name, None)
        self.left[name] = now
        if len(self.left) > _MOST:
            del self.left[next(iter(self.left))]

    def forget(self, now: float, solo: Collection[str] = ()) -> list[str]:
        """Forget who vanished long ago; return all who have vanished. Those in `solo` may be silent for longer."""
        self.left = {name: at for name, at in self.left.items() if now - at <= FORGOTTEN}
        patience = {True: BUSY, False: SILENT}
        vanished = [name for name, worker in self.workers.items() if now - worker.seen > patience[name in solo]]
        for name in vanished:
            if now - self.workers[name].seen > FORGOTTEN:
                del self.workers[name]
        return vanished

    def _add(self, name: str, pid: int, now: float) -> Worker:
        if name not in self.workers and len(self.workers) >= _MOST:
            oldest = min(self.workers, key=lambda other: self.workers[other].seen)
            del self.workers[oldest]
        self.left.pop(name, None)
        worker = self.workers[name] = Worker(pid, now)
        return worker

    def _check(self, worker: Worker, sent: float) -> int:
        """Compare heartbeats of a while ago with the events that have come since; return how many are lost."""
        settled = [processed for moment, processed in worker.checks if moment <= sent - _SETTLED]
        if not settled or worker.base is None:
            return 0
        worker.checks = [check for check in worker.checks if check[0] > sent - _SETTLED]
        missing = settled[-1] - worker.base - worker.started
        if missing <= 0:
            return 0
        if not worker.enabled:
            worker.enabled = False
            return 0
        worker.base += missing
        return missing
