"""The look at workers: what each does, asked over Celery's remote control."""

import contextlib
import socket
import time
import uuid
from collections.abc import Mapping
from threading import Event
from typing import Any, Final

from exporter.collectors.celery.answers import Round, limits_of, strictest, tasks_of, will_end, worker_of
from exporter.collectors.celery.asking import Asker, Replies
from exporter.collectors.celery.look import true_for
from exporter.collectors.celery.presence import ASKED, CONSUMED, LEFT, MUTE, TOLD, living, presence
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.standstill import judged, kept_of
from exporter.toil import Tell

WORKERS: Final = ASKED
_NAME: Final = "control:name"
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
        self._limits: dict[str, dict[str, float]] = {}  # by worker
        self._seldom: dict[str, Replies] = {}
        self._secret = str(kept.get(_NAME) or uuid.uuid4())

    def run(self, stop: Event, tell: Tell) -> None:
        """Ask until `stop` is set, or the broker is lost."""
        # the same after a kill, so that nothing piles up in the broker, and no other exporter's: it would take answers
        name = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self._secret}.{socket.gethostname()}"))
        with contextlib.closing(Asker(self._settings, name)) as asker:
            tell({_NAME: self._secret})
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
        tasks = tasks_of(asked.active, now, self._settings.task_top, strictest(self._limits.values()))
        is_whole = all(worker["queues"] is not None for worker in self._workers.values())
        consumed = sorted({queue for worker in self._workers.values() for queue in worker["queues"] or ()})
        return {
            WORKERS: {"at": now, "answering": len(names), "workers": self._workers, "tasks": tasks,
                      "consumed": self._consumed, "settings": self._told_settings()},
            CONSUMED: {"at": now, "queues": consumed, "whole": is_whole},
        }  # fmt: skip

    def _told_settings(self) -> dict[str, Any]:
        """Return what readers must know of the settings that these answers belong to."""
        told = self._settings
        return {"queues": list(told.queues), "queue_top": told.queue_top, "interval": told.control_interval}

    def _ask(self, asker: Asker, workers: int, turn: int) -> Round:
        stats = asker.ask("stats", workers)
        if turn % _SELDOM == 0:
            self._seldom = {name: asker.ask(name, workers) for name in ("reserved", "scheduled", "revoked")}
            registered = asker.ask("registered", workers, taskinfoitems=["time_limit", "soft_time_limit"])
            self._note_limits(registered, stats)
        return Round(
            stats=stats, active=asker.ask("active", workers, safe=True), queues=asker.ask("active_queues", workers),
            **self._seldom,
        )  # fmt: skip

    def _note_limits(self, registered: Replies, stats: Replies) -> None:
        """Keep in mind how long tasks may take; a worker that did not answer this time has what it had."""
        told = {name: limits_of(registered.get(name), stats.get(name)) for name in {*registered, *stats}}
        known = {name: limits for name, limits in self._limits.items() if name in self._workers or name in told}
        self._limits = known | {name: limits for name, limits in told.items() if limits is not None}

    def _worker(self, name: str, asked: Round, now: float) -> dict[str, Any]:
        """Return what is told of a worker, and since when it gets nowhere."""
        ends = will_end(asked.active.get(name), self._limits.get(name), now)
        worker = {**worker_of(name, asked), "answers": True, "answered": now, "ends": ends}
        return judged(worker, self._workers.get(name) or {}, now)

    def _silent(self, names: list[str], now: float) -> dict[str, dict[str, Any]]:
        """Return workers that were heard of and do not answer: of these little is known but what they are."""
        asked = {"workers": self._workers, "settings": self._told_settings()}
        heard = {key: self._kept.get(key) for key in (TOLD, LEFT, MUTE)} | {ASKED: asked}
        patience = true_for(self._settings.control_interval)
        found: dict[str, dict[str, Any]] = {}
        for name in sorted(living(presence(heard), now).difference(names))[:_MOST]:
            found[name] = {"answers": False, **kept_of(self._workers.get(name) or {}, now, patience)}
        return found

    def _note_queues(self, now: float) -> None:
        """Keep in mind which queues are consumed, so that it can be told when they are no more."""
        for worker in self._workers.values():
            for queue in worker["queues"] or ():
                if queue in self._consumed or len(self._consumed) < _MOST:
                    self._consumed[queue] = now // _COARSE * _COARSE
        self._consumed = {queue: at for queue, at in self._consumed.items() if now - at <= _FORGOTTEN}
