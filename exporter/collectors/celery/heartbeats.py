"""Which workers are there by their heartbeats, whether they tell of their tasks, and how many events were lost."""

from collections.abc import Mapping
from typing import Any, Final

SILENT: Final = 60.0
"""Seconds without a heartbeat, of which there is one every two, after which a worker has vanished."""
FORGOTTEN: Final = 3600.0
"""Seconds for which one that vanished is still told as 0: longer than any alert waits."""
_MOST: Final = 500
_SETTLED: Final = 30.0  # seconds in which the events of tasks that a heartbeat counts have come


class Worker:
    """One worker process: what its heartbeats and its tasks' events have told."""

    __slots__ = ("base", "checks", "enabled", "pid", "processed", "seen", "since", "started")

    def __init__(self, pid: int, now: float, kept: Mapping[str, Any] | None = None) -> None:
        kept = kept or {}
        self.pid = pid
        self.since: float = kept.get("since", now)
        self.seen: float = kept.get("seen", now)
        self.base: int | None = kept.get("base")  # tasks processed when counting began
        self.processed: int | None = kept.get("processed")
        self.started: int = kept.get("started", 0)  # events of started tasks since then
        self.enabled: bool | None = kept.get("enabled")
        self.checks: list[tuple[float, int]] = []  # heartbeats that wait until their tasks' events have come

    def entry(self) -> dict[str, Any]:
        return {
            "pid": self.pid, "since": self.since, "seen": self.seen, "base": self.base, "processed": self.processed,
            "started": self.started, "enabled": self.enabled,
        }  # fmt: skip


class Heartbeats:
    """All workers by their names."""

    def __init__(self, kept: Mapping[str, Any]) -> None:
        self.workers = {name: Worker(entry["pid"], entry["seen"], entry) for name, entry in kept.items()}

    def beat(self, name: str, pid: int, processed: int, sent: float, now: float) -> tuple[bool, int]:
        """Note a heartbeat; return whether it is of another process than before, and how many events it shows lost."""
        worker = self.workers.get(name)
        # in a container each process has the same number
        is_new = worker is None or worker.pid != pid or processed < (worker.processed or 0)
        if worker is None or is_new:
            worker = self._add(name, pid, now)
        worker.seen = now
        if worker.base is None:
            worker.base = processed
        worker.processed = processed
        worker.checks.append((sent, processed))
        return is_new, self._check(worker, sent)

    def task_event(self, name: str, pid: int, now: float, started: bool) -> None:
        """Note that a worker told of a task."""
        worker = self.workers.get(name)
        if worker is None or worker.pid != pid:
            worker = self._add(name, pid, now)
        worker.seen = max(worker.seen, now)
        if worker.enabled is False:  # switched on while it runs: what went before was not lost but never sent
            worker.base, worker.started, worker.checks = worker.processed, 0, []
        worker.enabled = True
        worker.started += started

    def offline(self, name: str) -> None:
        """A worker took its leave: it is missed by nobody."""
        self.workers.pop(name, None)

    def forget(self, now: float) -> list[str]:
        """Forget who vanished long ago; return all who have vanished."""
        vanished = [name for name, worker in self.workers.items() if now - worker.seen > SILENT]
        for name in vanished:
            if now - self.workers[name].seen > FORGOTTEN:
                del self.workers[name]
        return vanished

    def _add(self, name: str, pid: int, now: float) -> Worker:
        if name not in self.workers and len(self.workers) >= _MOST:
            oldest = min(self.workers, key=lambda other: self.workers[other].seen)
            del self.workers[oldest]
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
