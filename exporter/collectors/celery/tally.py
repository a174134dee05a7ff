"""What each event of Celery adds to what is known."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from exporter.collectors.celery.counts import KINDS, UNKNOWN, Counts
from exporter.collectors.celery.heartbeats import Heartbeats
from exporter.collectors.celery.presence import LEFT, MUTE, TOLD, solo, some_answered_so
from exporter.collectors.celery.raised import class_of
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.table import Known
from exporter.collectors.celery.underway import Underway

_FIGURES: Final = ("lost", "gaps", "malformed", "events")
_OVERDUE: Final = 2  # intervals after which a periodic task is not merely late
_LATE: Final = 5.0  # seconds by which beat may be late
_ENDS: Final = ("succeeded", "failed", "rejected", "revoked")
_PAUSES: Final = ("retried", "cancelled")
_OWN: Final = frozenset((*KINDS, *_ENDS, *_PAUSES))
"""What a worker tells of a task; any other kind is an application's, which may come from a child of the worker."""
_LONGEST: Final = 1e9  # seconds that a task may have taken; no sum recovers from more


class Tally:
    """The state of one broker's events, told as entries."""

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any], now: float) -> None:
        self._hostnames, self._worker_top = settings.hostnames, settings.worker_top
        self._kept = kept  # what other looks tell is in it as well
        self._counts = Counts((settings.task_top, settings.queue_top, settings.worker_top), kept)
        self._heartbeats = Heartbeats(kept.get(TOLD) or {}, (kept.get(MUTE) or {}).get("seen", 0.0))
        summary = kept.get("tasks:summary") or {}
        self._since: float = summary.get("since", now)
        self._figures: dict[str, int] = {name: summary.get(name, 0) for name in _FIGURES}
        self._underway = Underway(kept.get("tasks:running") or (), summary.get("undated", 0))
        beats = kept.get("tasks:beat") or {}
        self._beats: dict[str, float] = {name: beats.get(name, now) for name in settings.beat}
        self._intervals = {name: beat.interval for name, beat in settings.beat.items()}
        self._looked: float = summary.get("looked", now)

    def listens(self, now: float) -> None:
        """Note that listening begins: nobody did for a while."""
        self._beats = {
            name: seen_after_gap(last, self._intervals[name], self._looked, now) for name, last in self._beats.items()
        }
        if self._figures["events"]:  # some may have been missed
            self._figures["gaps"] += 1
            self._heartbeats.gap()
            self._underway.doubt()

    def malformed(self) -> None:
        self._figures["malformed"] += 1

    def take(self, event: Mapping[str, Any], now: float) -> None:
        """Count one event; what makes no sense raises KeyError, TypeError or ValueError."""
        group, _, kind = str(event["type"]).partition("-")
        self._figures["events"] += 1
        if group == "worker" and kind in ("online", "heartbeat", "offline"):
            self._take_worker(kind, event, now)
        elif group == "task" and kind == "sent":
            self._take_sent(event)
        elif group == "task" and kind in _OWN:
            self._take_task(kind, event, now)

    def flush(self, now: float) -> dict[str, Any]:
        """Return all entries that changed."""
        self._forget(now)
        self._looked = now
        told = self._counts.dirty()
        for running in self._underway.changed(now):
            told["tasks:running"] = running
        told["tasks:oldest"] = self._oldest()
        told[TOLD] = {name: worker.entry() for name, worker in self._heartbeats.workers.items()}
        told[LEFT] = self._heartbeats.left
        told[MUTE] = {"seen": self._heartbeats.mute_seen, "some": self._heartbeats.some_are_mute(now)}
        told["tasks:summary"] = {
            "since": self._since, "looked": now, "worker_top": self._worker_top, **self._figures, **self._undated(now)
        }  # fmt: skip
        told["tasks:beat"] = {**self._beats}
        return told

    def _oldest(self) -> dict[str, float]:
        """Return when the oldest task began, by the names that have series."""
        oldest: dict[str, float] = {}
        for task, began in self._underway.oldest().items():
            name = self._counts.named(task)
            oldest[name] = min(began, oldest.get(name, began))
        return oldest

    def _undated(self, now: float) -> dict[str, Any]:
        """Return of how many it is not known how long they waited, and whether because too many wait."""
        self._underway.settle(now)
        return {"undated": self._underway.undated, "crowded": self._underway.is_crowded(now)}

    def _forget(self, now: float) -> None:
        """Let go of who has vanished, as far as it is not alone with a task."""
        if some_answered_so(self._kept):
            self._heartbeats.mute_seen = now
        for name in self._heartbeats.forget(now, solo(self._kept)):
            self._underway.worker_idle(name)

    def _take_worker(self, kind: str, event: Mapping[str, Any], now: float) -> None:
        name = str(event["hostname"])
        if kind == "offline":
            self._heartbeats.offline(name, now)
            self._underway.worker_idle(name)
            return
        processed, sent = int(event.get("processed") or 0), _timestamp(event)
        is_new, lost = self._heartbeats.beat(name, int(event.get("pid") or 0), processed, sent, now)
        self._figures["lost"] += lost
        self._heartbeats.runs(name, event.get("sw_ver"))
        if is_new:
            self._underway.worker_idle(name)
        elif event.get("active") == 0:
            self._underway.worker_idle(name, sent)
        if event.get("active"):
            self._heartbeats.speaks(name)

    def _take_sent(self, event: Mapping[str, Any]) -> None:
        name, uuid, moment = str(event["name"]), str(event["uuid"]), _timestamp(event)
        due, queue, host = _moment(event.get("eta")) or moment, str(event.get("queue") or ""), str(event["hostname"])
        self._see(name, moment)
        # a sender tells of a task when it has sent it: an idle worker may have begun it by then
        waited = None if event.get("retries") else self._underway.sent_late(uuid, name, queue, max(due, moment))
        if waited is None:
            queue = self._underway.announce(uuid, name, queue, max(due, moment)).queue
        else:
            queue = queue or self._underway.find(uuid).queue
            self._counts.waited(name, queue, waited)
        self._counts.sent(name, queue, self._host(host))

    def _take_task(self, kind: str, event: Mapping[str, Any], now: float) -> None:
        worker, uuid, moment = str(event["hostname"]), str(event["uuid"]), _timestamp(event)
        self._heartbeats.task_event(worker, int(event.get("pid") or 0), now, kind == "started")
        if kind == "received":
            name = str(event["name"])
            task = self._underway.announce(uuid, name, "", _moment(event.get("eta")))
            self._see(name, moment)
        elif kind == "started":
            task = self._underway.start(uuid, worker, moment, now)
            if task.due is not None and task.name != UNKNOWN:
                self._counts.waited(task.name, task.queue, max(0.0, moment - task.due))
        else:
            task = self._underway.find(uuid)
        self._count(kind, task, self._host(worker), event)
        if kind in _ENDS:
            self._underway.end(uuid)
        elif kind in _PAUSES:
            self._underway.pause(uuid)
        if kind == "succeeded" and event.get("runtime") is not None:
            self._take_runtime(task, worker, event, now)

    def _count(self, kind: str, task: Known, host: str, event: Mapping[str, Any]) -> None:
        if kind == "failed":
            exception = class_of(event.get("exception"), event.get("traceback"))
            self._counts.fail(task.name, task.queue, host, exception)
        elif kind in KINDS:
            self._counts.count(kind, task.name, task.queue, host)

    def _take_runtime(self, task: Known, worker: str, event: Mapping[str, Any], now: float) -> None:
        """Measure what a task took; that it ended well is true even where this is nonsense."""
        seconds = float(event["runtime"])
        if not 0.0 <= seconds < _LONGEST:
            raise ValueError("no time that a task can have taken")
        self._counts.ran(task.name, task.queue, self._host(worker), seconds)
        self._heartbeats.ran(worker, _timestamp(event) - seconds, seconds, now)

    def _see(self, name: str, moment: float) -> None:
        if name in self._beats:
            self._beats[name] = max(self._beats[name], moment)

    def _host(self, name: str) -> str:
        return host_of(name) if self._hostnames else ""


def seen_after_gap(last: float, interval: float, gap: float, now: float) -> float:
    """Return what counts as the last time of a periodic task, where nobody listened from `gap` until now.

    Where it was due meanwhile, it may have been sent then; one that was long overdue before is so still.
    """
    if gap - last > _OVERDUE * interval:
        return last
    if now - gap >= interval:
        return now
    due = last + interval
    return due if gap - _LATE <= due <= now else last


def host_of(name: str) -> str:
    """Return the host in a worker's name, as Celery splits it."""
    before, at, host = name.partition("@")
    return host if at else before


def _timestamp(event: Mapping[str, Any]) -> float:
    moment = float(event["timestamp"])
    if not math.isfinite(moment):
        raise ValueError("no moment")
    return moment


def _moment(text: Any) -> float | None:
    return datetime.fromisoformat(str(text)).timestamp() if text else None
