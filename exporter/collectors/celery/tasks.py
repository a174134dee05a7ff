"""What events tell: tasks by outcome and time, workers, periodic tasks, and what was missed."""

import itertools
import time
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble, read
from exporter.collectors.celery.byrow import by_row
from exporter.collectors.celery.counts import BUCKETS, OTHER, Key, labels_of
from exporter.collectors.celery.fleet import own_series
from exporter.collectors.celery.look import fresh
from exporter.collectors.celery.presence import TOLD, Presence, living, presence
from exporter.collectors.celery.tally import host_of
from exporter.collectors.celery.underway import MOST_WAITING
from exporter.metric import Histogram, Metric, Remarking, Sample, Samples, counter, gauge, histogram

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
UNDATED = counter(
    "celery_task_wait_unknown_total",
    "Tasks that began, of names that senders tell of, without its being known when they were sent: while nobody"
    " listened, or before more were sent than are remembered.",
    source=_EVENTS,
)  # fmt: skip
OLDEST_STARTED = gauge(
    "celery_started_task_oldest_timestamp_seconds",
    "When the oldest task of a name began that has not ended, of those whose beginning was seen.",
    labels=("name",), source=_EVENTS,
)  # fmt: skip
EXPECTED = gauge("celery_workers_expected", "Workers that there should be.", source="the configuration")
ENABLED = gauge(
    "celery_events_enabled",
    "Whether a worker tells of its tasks: 0 where it processed some and told of none. Counts know nothing of those. Of"
    " those beyond the budget, together in `other`, whether all do.",
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
    "When a periodic task was last seen, sent or received; before the first time, since when it is looked for; where"
    " nobody listened when it was due, when it may have been sent.",
    labels=("name",), source=_EVENTS,
)  # fmt: skip
BEAT_INTERVAL = gauge(
    "celery_beat_task_interval_seconds", "How often a periodic task should be sent.",
    labels=("name",), source="the configuration",
)  # fmt: skip

Entries = Mapping[str, Any]
_Spread = tuple[tuple[int, ...], int, float]
_PLACES: Final = ("name", "queue_name", "hostname")
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
        yield _sent(labels, sent.get(labels, 0))
    counted = [_counted(labels, tuple([row["counts"][kind] for kind in _COUNTED])) for labels, row in rows.items()]
    # one metric after the other, as the page has them: that is the least work
    yield from itertools.chain.from_iterable(zip(*counted, strict=True))


@read
def failures(entries: Entries) -> Samples:
    """How many tasks failed, by what they raised."""
    fresh(entries, "events", STALE)
    for labels, row in labels_of("row", entries).items():
        yield from _failed(labels, tuple(row["failed"].items()))


@read
def runtimes(entries: Entries) -> Samples:
    """How long tasks took that ended well."""
    fresh(entries, "events", STALE)
    for labels, row in labels_of("row", entries).items():
        if row["runtime"]["count"]:
            yield _runtime(labels, _spread(row["runtime"]))


@read
def waits(entries: Entries) -> Remarking:
    """How long tasks waited until a worker began them."""
    fresh(entries, "events", STALE)
    found = labels_of("wait", entries)
    if not found and labels_of("sent", entries):
        raise NotApplicable("no task began yet of which its sender told")
    if not found:
        raise NotApplicable("no sender told when it sent a task; `task_send_sent_event = True` has them tell")
    for labels, entry in found.items():
        yield _wait(labels, _spread(entry))
    if _summary(entries).get("crowded"):
        return (
            f"more than {MOST_WAITING:,} tasks are sent and not begun; how long those waited that were sent before is"
            " not told"
        )
    return ""


@read
def events(entries: Entries) -> Remarking:
    """Whether workers tell of their tasks, and what was missed of it."""
    fresh(entries, "events", STALE)
    summary = _summary(entries)
    heard = presence(entries)
    enabled = _enabled(entries, heard)
    own, silent = own_series(entries, heard), [name for name, tells in enabled.items() if not tells]
    for name in sorted(enabled.keys() & own):
        yield ENABLED(int(enabled[name]), hostname=host_of(name), worker=name)
    if others := enabled.keys() - own:
        yield ENABLED(int(others.isdisjoint(silent)), hostname=OTHER, worker=OTHER)
    yield LOST(summary["lost"])
    yield GAPS(summary["gaps"])
    yield MALFORMED(summary["malformed"])
    yield EVENTS(summary["events"])
    yield UNDATED(summary.get("undated"))
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


def _enabled(entries: Entries, heard: Mapping[str, Presence]) -> dict[str, bool]:
    """Return whether a worker tells of its tasks, of those that live where that is known."""
    there = living(heard, time.time())
    found = {name: worker["enabled"] for name, worker in entries[TOLD].items() if name in there}
    return {name: enabled for name, enabled in found.items() if enabled is not None}


def _summary(entries: Entries) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = entries.get("tasks:summary")
    if found is None:
        raise Trouble("no event was looked for yet", "wait a moment; if it lasts, see the read `watch`", early=True)
    return found


def _task(labels: Key) -> dict[str, str]:
    return dict(zip(_PLACES, labels, strict=False))  # waiting has no host


@by_row
def _sent(labels: Key, count: int) -> Sample | None:
    return SENT(count, **_task(labels))


@by_row
def _counted(labels: Key, counts: tuple[int, ...]) -> tuple[Sample | None, ...]:
    task = _task(labels)
    return tuple([metric(count, **task) for metric, count in zip(_COUNTED.values(), counts, strict=True)])


@by_row
def _failed(labels: Key, counts: tuple[tuple[str, int], ...]) -> tuple[Sample | None, ...]:
    task = _task(labels)
    # a first failure is an increase only where 0 was there before it; "" is what other exporters begin with
    return tuple([FAILED(count, exception=exception, **task) for exception, count in {"": 0, **dict(counts)}.items()])


@by_row
def _runtime(labels: Key, spread: _Spread) -> Sample | None:
    return RUNTIME(_histogram(*spread), **_task(labels))


@by_row
def _wait(labels: Key, spread: _Spread) -> Sample | None:
    return WAIT(_histogram(*spread), **_task(labels))


def _spread(entry: Mapping[str, Any]) -> _Spread:
    return tuple(entry["buckets"]), entry["count"], entry["sum"]


def _histogram(counts: tuple[int, ...], count: int, total: float) -> Histogram:
    return Histogram(tuple(zip(BUCKETS, counts, strict=True)), count, total)
