"""What the broker tells: how long queues are, since when messages wait in them, and what is not acknowledged."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporter.collector import Members, NotApplicable, Trouble, read
from exporter.collectors.celery.look import fresh, look_key, true_for
from exporter.collectors.celery.presence import ASKED, CONSUMED, QUEUE
from exporter.metric import Remarking, Samples, gauge

_BROKER: Final = "the broker"
_QUEUE: Final = ("queue_name",)
_MANAGEMENT: Final = "give RabbitMQ's management API as `management`"

LENGTH = gauge(
    "celery_queue_length",
    "Messages that wait in the queue, of all priorities; those that workers have taken in advance are not among them.",
    labels=_QUEUE, source=_BROKER,
)  # fmt: skip
OF_PRIORITY = gauge(
    "celery_queue_priority_length",
    "Messages that wait in the queue by priority (Redis; 0 is taken first), where not all have the first.",
    labels=("queue_name", "priority"), source=_BROKER,
)  # fmt: skip
CONSUMERS = gauge(
    "celery_active_consumer_count", "Consumers of the queue (RabbitMQ; Redis does not know them).",
    labels=_QUEUE, source=_BROKER,
)  # fmt: skip
OLDEST = gauge(
    "celery_queue_oldest_message_timestamp_seconds",
    "Since when the message that has waited longest in the queue was seen to wait: it waits at least that long."
    " None where the queue is empty, or where that cannot be known.",
    labels=_QUEUE, source=_BROKER, fold="min",
)  # fmt: skip
UNCONSUMED = gauge(
    "celery_queue_unconsumed_timestamp_seconds",
    "Since when messages were seen to wait in the queue with no worker that consumes it; none where one does, or where"
    " nothing waits.",
    labels=_QUEUE, source="the broker; with Redis, the workers", fold="min",
)  # fmt: skip
UNACKED = gauge(
    "celery_unacknowledged_messages",
    "Messages that workers have taken and not acknowledged: taken in advance, due later (`eta`), or running where tasks"
    " have `acks_late`. With Redis of the whole database, with RabbitMQ of the queues that are looked at.",
    source="unacked_index in Redis, or RabbitMQ's management API",
)  # fmt: skip
UNACKED_OLDEST = gauge(
    "celery_unacknowledged_oldest_timestamp_seconds",
    "When the first of them was taken, by the worker's clock (Redis), or since when one was seen to be (RabbitMQ).",
    source="unacked_index in Redis, or RabbitMQ's management API",
)  # fmt: skip
OF_QUEUE_UNACKED = gauge(
    "celery_queue_unacknowledged_messages",
    "Messages of the queue that workers have taken and not acknowledged (RabbitMQ).",
    labels=_QUEUE, source="RabbitMQ's management API",
)  # fmt: skip
OF_QUEUE_UNACKED_OLDEST = gauge(
    "celery_queue_unacknowledged_oldest_timestamp_seconds",
    "Since when one of them was seen to be: it is at least that long (RabbitMQ).",
    labels=_QUEUE, source="RabbitMQ's management API", fold="min",
)  # fmt: skip

Entries = Mapping[str, Any]


@read(members=Members(_QUEUE, 200, LENGTH))
def queues(entries: Entries) -> Remarking:
    """How many messages wait in each queue, and who consumes it."""
    whole = _whole(entries)
    found = dict(_queues(entries))
    if not found and not whole.get("remarks"):
        raise _none_is_known(entries)
    for name, queue in found.items():
        yield LENGTH(queue["length"], queue_name=name)
        yield CONSUMERS(queue.get("consumers"), queue_name=name)
        if not queue.get("unseen"):
            yield UNCONSUMED(queue.get("unconsumed"), queue_name=name)
    return "; ".join(whole.get("remarks", ()))


@read(members=Members(_QUEUE, 200, OF_PRIORITY))
def priorities(entries: Entries) -> Samples:
    """How many messages of each priority wait in a queue."""
    _whole(entries)
    found = [(name, queue["priorities"]) for name, queue in _queues(entries) if queue.get("priorities")]
    if not found:
        raise NotApplicable("no queue has messages of other priorities than the first, as far as that is told")
    for name, lengths in found:
        for priority, length in lengths.items():
            yield OF_PRIORITY(length, queue_name=name, priority=priority)


@read(members=Members(_QUEUE, 200, OLDEST))
def oldest_messages(entries: Entries) -> Samples:
    """Since when messages wait in each queue."""
    whole = _whole(entries)
    _of_management(whole)
    for name, queue in _queues(entries):
        yield OLDEST(queue.get("since"), queue_name=name)


@read
def unacknowledged(entries: Entries) -> Samples:
    """What workers have taken and not acknowledged."""
    whole = _whole(entries)
    _of_management(whole)
    if trouble := whole.get("troubles", {}).get("unacknowledged"):
        raise Trouble(*trouble)
    if "unacked" not in whole:
        raise NotApplicable("only RabbitMQ's management API tells what is not acknowledged", _MANAGEMENT)
    yield UNACKED(whole["unacked"])
    yield UNACKED_OLDEST(whole.get("unacked_since"))


@read(members=Members(_QUEUE, 200, OF_QUEUE_UNACKED))
def unacknowledged_by_queue(entries: Entries) -> Samples:
    """What workers have taken of each queue and not acknowledged."""
    whole = _whole(entries)
    _of_management(whole)
    if whole["redis"]:
        raise NotApplicable("in Redis, what is not acknowledged lies in one place for all queues")
    if "unacked" not in whole:
        raise NotApplicable("only RabbitMQ's management API tells what is not acknowledged", _MANAGEMENT)
    for name, queue in _queues(entries):
        yield OF_QUEUE_UNACKED(queue.get("unacked"), queue_name=name)
        yield OF_QUEUE_UNACKED_OLDEST(queue.get("unacked_since"), queue_name=name)


def _none_is_known(entries: Entries) -> Trouble:
    """Return why no queue is known."""
    control, asked = entries.get(look_key("control")) or {"ok": True}, entries.get(ASKED)
    is_asking = control["ok"] and not control.get("off")
    if (entries.get(CONSUMED) or {}).get("queues") or (is_asking and asked is None):
        fix = "wait a moment; if it lasts, see the read `watch`"
        return Trouble("the queues that workers consume were not looked at yet", fix, early=True)
    if not is_asking:
        return NotApplicable("no queue is known, and workers do not answer which", "name the queues in `queues`")
    return NotApplicable("no worker that answers consumes a queue", "start one, or name the queues in `queues`")


def _whole(entries: Entries) -> Mapping[str, Any]:
    """Return what goes for all queues; Trouble where the look fails, or was made too long ago."""
    whole: Mapping[str, Any] = entries.get("broker", {})
    fresh(entries, "broker", true_for(whole.get("interval", 0)))
    return whole


def _of_management(whole: Mapping[str, Any]) -> None:
    """Raise the trouble with the management API, where there is one."""
    if trouble := whole.get("troubles", {}).get("management"):
        raise Trouble(*trouble)


def _queues(entries: Entries) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, entry in entries.items():
        if key.startswith(QUEUE) and "length" in entry:
            yield key.removeprefix(QUEUE), entry
