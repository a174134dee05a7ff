"""The look at workers: what each does, asked over Celery's remote control."""

import time
from collections.abc import Mapping
from threading import Event
from typing import Any, Final

from exporter.collectors.celery.answers import Round, limits_of, tasks_of, worker_of
from exporter.collectors.celery.asking import Asker, Replies
from exporter.collectors.celery.heartbeats import SILENT
from exporter.collectors.celery.settings import CelerySettings
from exporter.toil import Tell

WORKERS: Final = "control:workers"
QUEUES: Final = "control:queues"
_SELDOM: Final = 4  # rounds after which lists are asked for that may be long, with all arguments
_MOST: Final = 500  # workers, and queues
_FORGOTTEN: Final = 7 * 86400.0  # seconds for which a queue that nobody consumes any more is known
_COARSE: Final = 600.0


class Control:
    """Asks workers what they do, again and again."""

    name = "control"

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any]) -> None:
        self._settings = settings
        self._kept = kept  # what other looks tell is in it as well
        self._workers: dict[str, dict[str, Any]] = dict((kept.get(WORKERS) or {}).get("workers") or {})
        self._consumed: dict[str, float] = dict((kept.get(WORKERS) or {}).get("consumed") or {})
        self._limits: dict[str, float] = {}
        self._seldom: dict[str, Replies] = {}

    def run(self, stop: Event, tell: Tell) -> None:
        """Ask until `stop` is set, or the broker is lost."""
        with Asker(self._settings) as asker:
            turn = 0
            while not stop.is_set():
                due = time.monotonic() + self._settings.control_interval
                tell(self._round(asker, turn))
                turn += 1
                stop.wait(max(0.0, due - time.monotonic()))

    def _round(self, asker: Asker, turn: int) -> dict[str, Any]:
        names = sorted(asker.names())[:_MOST]
        asked = self._ask(asker, len(names), turn) if names else Round()
        now = time.time()
        self._workers = {name: self._worker(name, asked, now) for name in names} | self._silent(names, now)
        self._note_queues(now)
        tasks = tasks_of(asked.active, now, self._settings.task_top, self._limits)
        consumed = sorted({queue for worker in self._workers.values() for queue in worker["queues"] or ()})
        return {
            WORKERS: {"at": now, "answering": len(names), "workers": self._workers, "tasks": tasks,
                      "consumed": self._consumed, "settings": self._told_settings()},
            QUEUES: {"at": now, "queues": consumed},
        }  # fmt: skip

    def _told_settings(self) -> dict[str, Any]:
        """Return what readers must know of the settings that these answers belong to."""
        told = self._settings
        return {"queues": list(told.queues), "queue_top": told.queue_top, "worker_top": told.worker_top,
                "interval": told.control_interval}  # fmt: skip

    def _ask(self, asker: Asker, workers: int, turn: int) -> Round:
        stats = asker.ask("stats", workers)
        if turn % _SELDOM == 0:
            self._seldom = {name: asker.ask(name, workers) for name in ("reserved", "scheduled", "revoked")}
            registered = asker.ask("registered", workers, taskinfoitems=["time_limit", "soft_time_limit"])
            self._limits = limits_of(registered, stats)
        return Round(
            stats=stats, active=asker.ask("active", workers, safe=True), queues=asker.ask("active_queues", workers),
            **self._seldom,
        )  # fmt: skip

    def _worker(self, name: str, asked: Round, now: float) -> dict[str, Any]:
        """Return what is told of a worker, and since when it gets nowhere."""
        worker = {**worker_of(name, asked), "answers": True}
        before = self._workers.get(name) or {}
        if worker["queues"] is None:  # what it did not answer this time, it answered before
            worker["queues"] = before.get("queues")
        worker["stuck"] = _stuck_since(worker, before, now)
        return worker

    def _silent(self, names: list[str], now: float) -> dict[str, dict[str, Any]]:
        """Return workers that live by their heartbeats and do not answer: of these nothing is known but their queues.

        One that has a single thread for everything answers nothing while a task runs.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, heard in (self._kept.get("tasks:workers") or {}).items():
            if name not in names and now - heard["seen"] <= SILENT and len(found) < _MOST:
                found[name] = {"answers": False, "queues": (self._workers.get(name) or {}).get("queues")}
        return found

    def _note_queues(self, now: float) -> None:
        """Keep in mind which queues are consumed, so that it can be told when they are no more."""
        for worker in self._workers.values():
            for queue in worker["queues"] or ():
                if queue in self._consumed or len(self._consumed) < _MOST:
                    self._consumed[queue] = now // _COARSE * _COARSE
        self._consumed = {queue: at for queue, at in self._consumed.items() if now - at <= _FORGOTTEN}


def _stuck_since(worker: Mapping[str, Any], before: Mapping[str, Any], now: float) -> float | None:
    """Return since when a worker begins and ends nothing while tasks wait for it, or consumes no queue at all."""
    if worker["queues"] == []:
        return float(before["stuck"]) if before.get("stuck") and before.get("queues") == [] else now
    if worker["mark"] is None or worker["size"] is None or worker["active"] is None:
        return None
    if worker["active"] < worker["size"] or not worker["reserved"]:
        return None
    same = before.get("mark") == worker["mark"]
    return float(before["stuck"]) if same and before.get("stuck") else now
