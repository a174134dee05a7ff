"""Which workers are there, and which Celery each is."""

import time
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Trouble, read
from exporter.collectors.celery.counts import OTHER
from exporter.collectors.celery.fleet import own_series
from exporter.collectors.celery.look import fresh
from exporter.collectors.celery.presence import TOLD, presence
from exporter.collectors.celery.tally import host_of
from exporter.collectors.celery.tasks import STALE
from exporter.metric import Samples, gauge, info

_SOURCE: Final = "heartbeats, events and answers of workers"
_PATIENCE: Final = "within a minute, or half an hour where a worker has but one thread for itself and its tasks"

WORKER_UP = gauge(
    "celery_worker_up",
    f"Whether some worker on the host was heard of {_PATIENCE}; one that took its leave has no series, one that"
    " vanished has 0 for an hour. Of those beyond the budget, together in `other`, whether all were.",
    labels=("hostname",), source=_SOURCE,
)  # fmt: skip
LAST_HEARTBEAT = gauge(
    "celery_worker_last_heartbeat_timestamp_seconds",
    "When a worker last told of itself or its tasks; of those beyond the budget, in `other`, when the one that has been"
    " silent for longest did.",
    labels=("hostname", "worker"), source="heartbeats and events of workers",
)  # fmt: skip
WORKER_ONLINE = gauge(
    "celery_worker_online",
    f"Whether a worker was heard of {_PATIENCE}; one that took its leave has no series, one that vanished has 0 for an"
    " hour.",
    labels=("hostname", "worker"), source=_SOURCE,
)  # fmt: skip
ONLINE = gauge("celery_workers_online", f"Workers that were heard of {_PATIENCE}.", source=_SOURCE)
INFO = info(
    "celery_worker_info", "Which Celery a worker is, by its own heartbeats.", labels=("hostname", "worker", "version"),
    source="heartbeats of workers",
)  # fmt: skip

Entries = Mapping[str, Any]


@read
def heartbeats(entries: Entries) -> Samples:
    """Which workers are there, by what they tell and answer."""
    fresh(entries, "events", STALE)
    told: Mapping[str, Any] | None = entries.get(TOLD)
    if told is None:
        raise Trouble("no event was looked for yet", "wait a moment; if it lasts, see the read `watch`", early=True)
    now, heard = time.time(), presence(entries)
    own = own_series(entries, heard)
    lives = {name: present.lives(now) for name, present in heard.items()}
    up: dict[str, list[bool]] = {}
    for name, is_up in lives.items():
        if is_up or name in told:  # what only answered, and does no more, may have done so months ago
            up.setdefault(host_of(name) if name in own else OTHER, []).append(is_up)
            yield WORKER_ONLINE(int(is_up), hostname=host_of(name), worker=name) if name in own else None
    for name in sorted(told.keys() & own):
        yield from _of_each(name, told[name], lives.get(name, False))
    if others := told.keys() - own:
        yield LAST_HEARTBEAT(min(told[name]["seen"] for name in others), hostname=OTHER, worker=OTHER)
    for host, are_up in up.items():
        yield WORKER_UP(int(all(are_up) if host == OTHER else any(are_up)), hostname=host)
    yield ONLINE(sum(lives.values()))


def _of_each(name: str, worker: Mapping[str, Any], lives: bool) -> Samples:
    host, version = host_of(name), worker.get("version")
    yield LAST_HEARTBEAT(worker["seen"], hostname=host, worker=name)
    yield INFO(1 if lives and version else None, hostname=host, worker=name, version=version or "")
