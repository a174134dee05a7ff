"""What each event of Celery adds to what is known."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from exporter.collectors.celery.counts import KINDS, UNKNOWN, Counts
from exporter.collectors.celery.heartbeats import Heartbeats
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.underway import Known, Underway

_EXCEPTION: Final = re.compile(r"(\w{1,100})\(")
_FIGURES: Final = ("lost", "gaps", "malformed", "events")
_ENDS: Final = ("succeeded", "failed", "rejected", "revoked")


class Tally:
    """The state of one broker's events, told as entries."""

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any], now: float) -> None:
        self._hostnames = settings.hostnames
        self._counts = Counts((settings.task_top, settings.queue_top, settings.worker_top), kept)
        self._underway = Underway(kept.get("tasks:running") or ())
        self._heartbeats = Heartbeats(kept.get("tasks:workers") or {})
        summary = kept.get("tasks:summary") or {}
        self._since: float = summary.get("since", now)
        self._figures: dict[str, int] = {name: summary.get(name, 0) for name in _FIGURES}
        beats = kept.get("tasks:beat") or {}
        self._beats: dict[str, float] = {name: beats.get(name, now) for name in settings.beat}

    def gap(self) -> None:
        """Events may have been missed: nobody listened for a while."""
        self._figures["gaps"] += 1
        self._underway.doubt()

    @property
    def has_listened(self) -> bool:
        return self._figures["events"] > 0

    def malformed(self) -> None:
        self._figures["malformed"] += 1

    def take(self, event: Mapping[str, Any], now: float) -> None:
        """Count one event; what makes no sense raises KeyError, TypeError or ValueError."""
        group, _, kind = str(event["type"]).partition("-")
        self._figures["events"] += 1
        if group == "worker":
            self._take_worker(kind, event, now)
        elif kind == "sent":
            self._take_sent(event)
        elif group == "task":
            self._take_task(kind, event, now)

    def flush(self, now: float) -> dict[str, Any]:
        """Return all entries that changed."""
        for name in self._heartbeats.forget(now):
            self._underway.worker_idle(name)
        told = self._counts.dirty()
        for running in self._underway.changed(now):
            told["tasks:running"] = running
        told["tasks:oldest"] = self._underway.oldest()
        told["tasks:workers"] = {name: worker.entry() for name, worker in self._heartbeats.workers.items()}
        told["tasks:summary"] = {"since": self._since, "looked": now, **self._figures}
        told["tasks:beat"] = {**self._beats}
        return told

    def _take_worker(self, kind: str, event: Mapping[str, Any], now: float) -> None:
        name = str(event["hostname"])
        if kind == "offline":
            self._heartbeats.offline(name)
            self._underway.worker_idle(name)
            return
        processed, sent = int(event.get("processed") or 0), float(event["timestamp"])
        is_new, lost = self._heartbeats.beat(name, int(event.get("pid") or 0), processed, sent, now)
        self._figures["lost"] += lost
        if is_new:
            self._underway.worker_idle(name)
        elif event.get("active") == 0:
            self._underway.worker_idle(name, sent)

    def _take_sent(self, event: Mapping[str, Any]) -> None:
        name, uuid, moment = str(event["name"]), str(event["uuid"]), float(event["timestamp"])
        due = _moment(event.get("eta")) or moment
        known = self._underway.announce(uuid, name, str(event.get("queue") or ""), max(due, moment))
        self._counts.sent(name, known.queue, self._host(str(event["hostname"])))
        self._see(name, moment)

    def _take_task(self, kind: str, event: Mapping[str, Any], now: float) -> None:
        worker, uuid, moment = str(event["hostname"]), str(event["uuid"]), float(event["timestamp"])
        self._heartbeats.task_event(worker, int(event.get("pid") or 0), now, kind == "started")
        if kind == "received":
            name = str(event["name"])
            task = self._underway.announce(uuid, name, "", _moment(event.get("eta")))
            self._see(name, moment)
        elif kind == "started":
            task = self._underway.start(uuid, worker, moment)
            if task.due is not None and task.name != UNKNOWN:
                self._counts.waited(task.name, task.queue, max(0.0, moment - task.due))
        else:
            task = self._underway.find(uuid)
        self._count(kind, task, self._host(worker), event)
        if kind in _ENDS:
            self._underway.end(uuid)
        elif kind == "retried":
            self._underway.pause(uuid)

    def _count(self, kind: str, task: Known, host: str, event: Mapping[str, Any]) -> None:
        if kind == "failed":
            found = _EXCEPTION.match(str(event.get("exception")))
            self._counts.fail(task.name, task.queue, host, found[1] if found else "UnknownException")
        elif kind in KINDS:
            self._counts.count(kind, task.name, task.queue, host)
            if kind == "succeeded" and event.get("runtime") is not None:
                self._counts.ran(task.name, task.queue, host, float(event["runtime"]))

    def _see(self, name: str, moment: float) -> None:
        if name in self._beats:
            self._beats[name] = max(self._beats[name], moment)

    def _host(self, name: str) -> str:
        return host_of(name) if self._hostnames else ""


def host_of(name: str) -> str:
    """Return the host in a worker's name, as Celery splits it."""
    before, at, host = name.partition("@")
    return host if at else before


def _moment(text: Any) -> float | None:
    return datetime.fromisoformat(str(text)).timestamp() if text else None
