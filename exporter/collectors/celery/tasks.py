"""What events tell: tasks by outcome and time, workers, periodic tasks, and what was missed."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble, read
from exporter.collectors.celery.counts import BUCKETS, KINDS, labels_of
from exporter.collectors.celery.heartbeats import SILENT
from exporter.collectors.celery.look import fresh
from exporter.collectors.celery.tally import host_of
from exporter.metric import Histogram, Metric, Remarking, Samples, counter, gauge, histogram

STALE: Final = 30.0
"""Seconds without a sign of life of the broker after which figures are no longer told."""

_EVENTS: Final = "events of workers and senders"
_TASK: Final = ("name", "hostname", "queue_name")
_BEYOND: Final = " Names beyond the budget add up in `other`; `unknown` is what no event named."

SENT = counter("celery_task_sent_total", f"Tasks sent, as senders tell.{_BEYOND}", labels=_TASK, source=_EVENTS)
RECEIVED = counter("celery_task_received_total", "Tasks that a worker took.", labels=_TASK, source=_EVENTS)
STARTED = counter("celery_task_started_total", "Tasks that a worker began.", labels=_TASK, source=_EVENTS)
SUCCEEDED = counter("celery_task_succeeded_total", "Tasks that ended well.", labels=_TASK, source=_EVENTS)
FAILED = counter(
    "celery_task_failed_total", "Tasks that failed, by the class of what they raised.",
    labels=("name", "hostname", "exception", "queue_name"), source=_EVENTS,
)  # fmt: skip
REJECTED = counter("celery_task_rejected_total", "Tasks that a worker rejected.", labels=_TASK, source=_EVENTS)
REVOKED = counter("celery_task_revoked_total", "Tasks that were revoked or expired.", labels=_TASK, source=_EVENTS)
RETRIED = counter("celery_task_retried_total", "Tasks that failed and are tried again.", labels=_TASK, source=_EVENTS)
RUNTIME = histogram("celery_task_runtime", "Seconds that tasks took which ended well.", labels=_TASK, source=_EVENTS)
WAIT = histogram(
    "celery_task_wait_seconds",
    "From when a task was sent, or may begin at the earliest, to when a worker began it; where senders tell that.",
    labels=("name", "queue_name"), source=_EVENTS,
)  # fmt: skip
OLDEST_STARTED = gauge(
    "celery_started_task_oldest_timestamp_seconds",
    "When the oldest task of a name began that has not ended, of those whose beginning was seen.",
    labels=("name",), source=_EVENTS,
)  # fmt: skip
WORKER_UP = gauge(
    "celery_worker_up",
    "Whether a worker on the host was heard of within a minute; one that took its leave has no series, one that"
    " vanished has 0 for an hour.",
    labels=("hostname",), source="heartbeats of workers",
)  # fmt: skip
LAST_HEARTBEAT = gauge(
    "celery_worker_last_heartbeat_timestamp_seconds", "When a worker was last heard of.",
    labels=("hostname", "worker"), source="heartbeats of workers",
)  # fmt: skip
ONLINE = gauge("celery_workers_online", "Workers that were heard of within a minute.", source="heartbeats of workers")
EXPECTED = gauge("celery_workers_expected", "Workers that there should be.", source="the configuration")
ENABLED = gauge(
    "celery_events_enabled",
    "Whether a worker tells of its tasks: 0 where it processed some and told of none. Counts know nothing of those.",
    labels=("hostname", "worker"), source="heartbeats and events of workers",
)  # fmt: skip
LOST = counter(
    "celery_events_lost_total",
    "Tasks begun of which heartbeats tell and no event came, at least; those whose `send_events` is off count too.",
    source="heartbeats and events of workers",
)  # fmt: skip
GAPS = counter("celery_event_gaps_total", "Times that nobody listened for a while.", source="the exporter's listening")
MALFORMED = counter("celery_events_malformed_total", "Events that could not be read.", source=_EVENTS)
EVENTS = counter("celery_events_total", "Events that were read.", source=_EVENTS)
SINCE = gauge("celery_events_since_timestamp_seconds", "Since when events are counted.", source="the exporter")
BEAT_LAST = gauge(
    "celery_beat_task_last_sent_timestamp_seconds",
    "When a periodic task was last seen, sent or received; before the first time, since when it is looked for.",
    labels=("name",), source=_EVENTS,
)  # fmt: skip
BEAT_INTERVAL = gauge(
    "celery_beat_task_interval_seconds", "How often a periodic task should be sent.",
    labels=("name",), source="the configuration",
)  # fmt: skip

Entries = Mapping[str, Any]
_COUNTED: Final[Mapping[str, Metric]] = {
    "received": RECEIVED, "started": STARTED, "succeeded": SUCCEEDED, "rejected": REJECTED, "revoked": REVOKED,
    "retried": RETRIED,
}  # fmt: skip


@read
def tasks(entries: Entries) -> Samples:
    """How many tasks were sent, received, begun, and how they ended."""
    fresh(entries, "events", STALE)
    rows, sent = labels_of("row", entries), labels_of("sent", entries)
    for labels in dict.fromkeys([*rows, *sent]):
        yield SENT(sent.get(labels, 0), **_task(labels))
    for labels, row in rows.items():
        for kind in KINDS:
            yield _COUNTED[kind](row["counts"][kind], **_task(labels))


@read
def failures(entries: Entries) -> Samples:
    """How many tasks failed, by what they raised."""
    fresh(entries, "events", STALE)
    for labels, row in labels_of("row", entries).items():
        # a first failure is an increase only where 0 was there before it; "" is what other exporters begin with
        for exception, count in {"": 0, **row["failed"]}.items():
            yield FAILED(count, exception=exception, **_task(labels))


@read
def runtimes(entries: Entries) -> Samples:
    """How long tasks took that ended well."""
    fresh(entries, "events", STALE)
    for labels, row in labels_of("row", entries).items():
        if row["runtime"]["count"]:
            yield RUNTIME(_histogram(row["runtime"]), **_task(labels))


@read
def waits(entries: Entries) -> Samples:
    """How long tasks waited until a worker began them."""
    fresh(entries, "events", STALE)
    found = labels_of("wait", entries)
    if not found:
        raise NotApplicable("no sender told when it sent a task; `task_send_sent_event = True` has them tell")
    for (name, queue), entry in found.items():
        yield WAIT(_histogram(entry), name=name, queue_name=queue)


@read
def heartbeats(entries: Entries) -> Samples:
    """Which workers are there, by their heartbeats."""
    fresh(entries, "events", STALE)
    now = time.time()
    up: dict[str, int] = {}
    alive = 0
    for name, worker in _workers(entries):
        host, is_up = host_of(name), now - worker["seen"] <= SILENT
        up[host] = max(up.get(host, 0), int(is_up))
        alive += is_up
        yield LAST_HEARTBEAT(worker["seen"], hostname=host, worker=name)
    for host, value in up.items():
        yield WORKER_UP(value, hostname=host)
    yield ONLINE(alive)


@read
def events(entries: Entries) -> Remarking:
    """Whether workers tell of their tasks, and what was missed of it."""
    fresh(entries, "events", STALE)
    summary = _summary(entries)
    silent = []
    for name, worker in _workers(entries):
        if worker["enabled"] is not None:
            yield ENABLED(int(worker["enabled"]), hostname=host_of(name), worker=name)
            silent += [] if worker["enabled"] else [name]
    yield LOST(summary["lost"])
    yield GAPS(summary["gaps"])
    yield MALFORMED(summary["malformed"])
    yield EVENTS(summary["events"])
    yield SINCE(summary["since"])
    if silent:
        how = "start it with -E, or set worker_send_task_events = True"
        return f"{len(silent)} workers tell nothing of their tasks, {silent[0]} among them: {how}"
    return ""


@read
def oldest_started(entries: Entries) -> Samples:
    """When the oldest running task of each name began, by events."""
    fresh(entries, "events", STALE)
    for name, began in (entries.get("tasks:oldest") or {}).items():
        yield OLDEST_STARTED(began, name=name)


@read
def periodic(entries: Entries) -> Samples:
    """When each periodic task was last seen."""
    found = entries.get("tasks:beat") or {}
    if not found:
        raise NotApplicable("no periodic task is configured; `beat` names them")
    fresh(entries, "events", STALE)
    for name, last in found.items():
        yield BEAT_LAST(last, name=name)


def _workers(entries: Entries) -> Iterator[tuple[str, Mapping[str, Any]]]:
    _summary(entries)
    yield from entries["tasks:workers"].items()


def _summary(entries: Entries) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = entries.get("tasks:summary")
    if found is None:
        raise Trouble("no event was looked for yet", "wait a moment; if it lasts, see the read `watch`")
    return found


def _task(labels: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(("name", "queue_name", "hostname"), labels, strict=True))


def _histogram(entry: Mapping[str, Any]) -> Histogram:
    return Histogram(tuple(zip(BUCKETS, entry["buckets"], strict=True)), entry["count"], entry["sum"])
