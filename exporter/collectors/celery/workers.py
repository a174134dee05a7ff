"""What workers say of themselves: what runs and since when, what waits in them, and which queues they consume."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporter.collector import Trouble, read
from exporter.collectors.celery.answers import OTHER
from exporter.collectors.celery.control import WORKERS
from exporter.collectors.celery.fleet import own_series
from exporter.collectors.celery.look import fresh, true_for
from exporter.collectors.celery.presence import QUEUE, presence
from exporter.collectors.celery.standstill import standing_since
from exporter.collectors.celery.tally import host_of
from exporter.metric import Remarking, Sample, Samples, gauge

_SOURCE: Final = "remote control of workers"
_HOST: Final = ("hostname",)
_WORKER: Final = ("hostname", "worker")
_QUEUE: Final = ("queue_name",)
_BACKGROUND: Final = " Asked in the background."

ANSWERING = gauge(
    "celery_workers_answering", f"Workers that answered when they were asked last.{_BACKGROUND}", source=_SOURCE
)
ACTIVE = gauge(
    "celery_worker_tasks_active", f"Tasks that run, by the worker's host.{_BACKGROUND}", labels=_HOST, source=_SOURCE
)
RESERVED = gauge(
    "celery_worker_tasks_reserved",
    "Tasks that a worker has taken from the queue and not begun, without those that are planned for later; asked for in"
    f" every fourth round.{_BACKGROUND}",
    labels=_HOST, source=_SOURCE,
)  # fmt: skip
SCHEDULED = gauge(
    "celery_worker_tasks_scheduled",
    f"Tasks taken from the queue and planned for later; asked for in every fourth round.{_BACKGROUND}",
    labels=_HOST, source=_SOURCE,
)  # fmt: skip
REVOKED = gauge(
    "celery_worker_tasks_revoked",
    f"Tasks that a worker remembers as revoked; asked for in every fourth round.{_BACKGROUND}",
    labels=_HOST, source=_SOURCE,
)  # fmt: skip
SIZE = gauge(
    "celery_worker_pool_size", f"Tasks that a worker can run at a time.{_BACKGROUND}", labels=_WORKER, source=_SOURCE
)
PROCESSES = gauge(
    "celery_worker_pool_processes", f"Processes of a worker's pool, where it has some.{_BACKGROUND}",
    labels=_WORKER, source=_SOURCE,
)  # fmt: skip
PREFETCH = gauge(
    "celery_worker_prefetch_count", f"Messages that a worker may hold without acknowledging them.{_BACKGROUND}",
    labels=_WORKER, source=_SOURCE,
)  # fmt: skip
UPTIME = gauge(
    "celery_worker_uptime_seconds", f"How long a worker had run when it was asked last, where it tells.{_BACKGROUND}",
    labels=_WORKER, source=_SOURCE,
)  # fmt: skip
STUCK = gauge(
    "celery_worker_stuck_since_timestamp_seconds",
    "Since when a worker, as far as was seen, begins and ends nothing though every place in its pool is taken and tasks"
    f" wait in it, or consumes no queue at all; none where it gets on.{_BACKGROUND}",
    labels=_WORKER, source=_SOURCE,
)  # fmt: skip
RUNNING = gauge(
    "celery_active_tasks", f"Tasks that run, by name; none while a worker does not answer.{_BACKGROUND}",
    labels=("name",), source=_SOURCE,
)  # fmt: skip
OLDEST = gauge(
    "celery_active_task_oldest_start_timestamp_seconds",
    f"When the oldest task of a name began that runs, by its worker's clock, of workers that answer.{_BACKGROUND}",
    labels=("name",), source=_SOURCE,
)  # fmt: skip
LIMIT = gauge(
    "celery_active_task_limit_seconds",
    "Seconds that a task of a name may take, of those that run: its own soft or hard limit, or else its worker's; the"
    f" strictest.{_BACKGROUND}",
    labels=("name",), source=_SOURCE,
)  # fmt: skip
QUEUE_WORKERS = gauge(
    "celery_active_worker_count",
    "Workers that consume a queue; 0 for one that none consumes any more, and none where a worker lives whose queues"
    f" are not known.{_BACKGROUND}",
    labels=_QUEUE, source=_SOURCE,
)  # fmt: skip
QUEUE_PROCESSES = gauge(
    "celery_active_process_count", f"Processes, or else threads, of the workers that consume a queue.{_BACKGROUND}",
    labels=_QUEUE, source=_SOURCE,
)  # fmt: skip
STANDSTILL = gauge(
    "celery_queue_standstill_since_timestamp_seconds",
    "Since when, as far as was seen, every place of the workers that consume a queue is taken and none of them begins"
    " or ends a task, while messages wait in the queue or in them; none where a time limit will end one, or where that"
    f" is not known.{_BACKGROUND}",
    labels=_QUEUE, source=f"{_SOURCE}, and the broker",
)  # fmt: skip

Entries = Mapping[str, Any]
Worker = Mapping[str, Any]
_COUNTS: Final = (("active", ACTIVE), ("reserved", RESERVED), ("scheduled", SCHEDULED), ("revoked", REVOKED))
_OF_EACH: Final = (
    ("size", SIZE), ("processes", PROCESSES), ("prefetch", PREFETCH), ("uptime", UPTIME),
)  # fmt: skip


@read
def workers(entries: Entries) -> Remarking:
    """What each worker that answers holds, and since when one gets nowhere."""
    found = _answers(entries)
    yield ANSWERING(found["answering"])
    hosts: dict[str, list[Worker]] = {}
    for name, worker in _own(entries, found["workers"]):
        hosts.setdefault(host_of(name) if name else OTHER, []).append(worker)
        if name:
            yield STUCK(worker.get("stuck"), hostname=host_of(name), worker=name)
        if name and worker["answers"]:
            yield from _of_each(name, worker)
    for host, those in hosts.items():
        for key, metric in _COUNTS:
            yield metric(_sum(worker.get(key) for worker in those), hostname=host)
    silent = sorted(name for name, worker in found["workers"].items() if not worker["answers"])
    return f"{len(silent)} workers live and do not answer, {silent[0]} among them" if silent else ""


@read
def running(entries: Entries) -> Samples:
    """Which tasks run, since when, and how long they may."""
    found = _answers(entries)
    all_answer = all(worker["answers"] and worker.get("active") is not None for worker in found["workers"].values())
    for name, task in found["tasks"].items():
        yield RUNNING(task["running"] if all_answer else None, name=name)  # half a sum is a wrong one
        yield OLDEST(task["oldest"], name=name)
        yield LIMIT(task["limit"], name=name)


@read
def consumers(entries: Entries) -> Samples:
    """How many workers consume each queue that is configured, or was consumed within a week."""
    found = _answers(entries)
    settings = found["settings"]
    some_unknown = any(worker["queues"] is None for worker in found["workers"].values())
    for queue in sorted({*found["consumed"], *settings["queues"]})[: settings["queue_top"]]:
        those = [worker for worker in found["workers"].values() if queue in (worker["queues"] or ())]
        yield QUEUE_WORKERS(len(those) or (None if some_unknown else 0), queue_name=queue)
        if all(worker["answers"] for worker in those) and not some_unknown:
            yield QUEUE_PROCESSES(_sum(worker["processes"] or worker["size"] for worker in those), queue_name=queue)
        waiting = bool((entries.get(QUEUE + queue) or {}).get("length"))
        yield STANDSTILL(None if some_unknown else standing_since(those, waiting), queue_name=queue)


def _answers(entries: Entries) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = entries.get(WORKERS)
    fresh(entries, "control", true_for((found or {}).get("settings", {}).get("interval", 0.0)))
    if found is None:
        raise Trouble("workers were not asked yet", "wait a moment; if it lasts, see the read `watch`", early=True)
    return found


def _own(entries: Entries, found: Mapping[str, Worker]) -> Iterator[tuple[str, Worker]]:
    """Yield workers by name, those beyond the budget without one."""
    own = own_series(entries, presence(entries))
    for name in sorted(found):
        yield name if name in own else "", found[name]


def _of_each(name: str, worker: Worker) -> Iterator[Sample | None]:
    for key, metric in _OF_EACH:
        yield metric(worker[key], hostname=host_of(name), worker=name)


def _sum(values: Any) -> float | None:
    """Return the sum, or None where one is not known: half a sum is a wrong one."""
    found = list(values)
    return None if None in found else sum(found)
