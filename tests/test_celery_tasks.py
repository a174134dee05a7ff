"""What each event of Celery adds: budgets, what a later event is about, heartbeats, losses, memory."""

import json
import time
import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.celery import online, tasks
from exporter.collectors.celery.counts import BUCKETS, Names, Spread, labels_of
from exporter.collectors.celery.look import look_key, standing
from exporter.collectors.celery.settings import Beat, CelerySettings
from exporter.collectors.celery.tally import Tally, host_of
from exporter.metric import Histogram, Samples
from exporter.secret import SecretURL

URL = SecretURL("redis://127.0.0.1:6379/0")
NOW = time.time()


@pytest.fixture(autouse=True)
def _now() -> None:
    """Have the tests begin now, and not when they were collected."""
    global NOW
    NOW = time.time()


class Stream:
    """Events for one tally, a moment after each other."""

    def __init__(self, kept: Mapping[str, Any] | None = None, **given: Any) -> None:
        self.settings = CelerySettings(url=URL, **given)
        self.now = NOW
        self.tally = Tally(self.settings, kept or {}, self.now)
        self.entries: dict[str, Any] = dict(kept or {})

    def event(self, kind: str, worker: str = "w@one", after: float = 0.0, **more: Any) -> None:
        self.now += after
        event = {"type": kind, "hostname": worker, "pid": 7, "timestamp": self.now, "utcoffset": 0, "clock": 1, **more}
        self.tally.take(event, self.now)

    def task(self, uuid: str, name: str = "t", worker: str = "w@one", *, end: str = "succeeded", **more: Any) -> None:
        self.event("task-received", worker, uuid=uuid, name=name, args="(1,)", kwargs="{}", eta=None)
        self.event("task-started", worker, uuid=uuid)
        if end:
            self.event(f"task-{end}", worker, uuid=uuid, **({"runtime": 0.2} if end == "succeeded" else {}), **more)

    def beat(self, processed: int, worker: str = "w@one", after: float = 2.0, **more: Any) -> None:
        self.event("worker-heartbeat", worker, after, **{"processed": processed, "active": 1, "freq": 2.0, **more})

    def flush(self) -> dict[str, Any]:
        told = json.loads(json.dumps(self.tally.flush(self.now)))
        self.entries.update(told)
        self.entries[look_key("events")] = standing(True, self.now, NOW)
        return self.entries

    def rows(self) -> dict[tuple[str, ...], Any]:
        return labels_of("row", self.flush())

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = self.flush()["tasks:summary"]
        return found


def shown(samples: Samples) -> dict[tuple[str, ...], Any]:
    return {(sample.metric.name, *sample.labels): sample.value for sample in samples if sample is not None}


def test_a_task_is_counted_from_its_sending_to_its_end() -> None:
    stream = Stream()
    stream.event("task-sent", "gen1@web", uuid="1", name="t", queue="fast", eta=None)
    stream.event("task-received", after=2.0, uuid="1", name="t", eta=None)
    stream.event("task-started", after=1.0, uuid="1")
    stream.event("task-succeeded", after=0.2, uuid="1", runtime=0.2, result="'secret'")
    entries = stream.flush()
    assert labels_of("sent", entries) == {("t", "fast", "web"): 1}
    ((labels, row),) = labels_of("row", entries).items()
    assert labels == ("t", "fast", "one")
    assert {kind: count for kind, count in row["counts"].items() if count} == {
        "received": 1, "started": 1, "succeeded": 1
    }  # fmt: skip
    assert labels_of("wait", entries)["t", "fast"]["sum"] == pytest.approx(3.0)
    assert row["runtime"]["count"] == 1
    assert "secret" not in json.dumps(entries)


def test_a_wait_begins_when_the_task_may_begin() -> None:
    stream = Stream()
    soon = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(NOW + 60))
    stream.event("task-sent", uuid="1", name="t", queue="q", eta=soon)
    stream.event("task-received", after=1.0, uuid="1", name="t", eta=soon)
    stream.event("task-started", after=60.0, uuid="1")
    assert labels_of("wait", stream.flush())["t", "q"]["sum"] == pytest.approx(1.0, abs=1.1)


def test_where_senders_tell_nothing_the_queue_is_unknown_and_no_wait_is_told() -> None:
    stream = Stream()
    stream.task("1")
    entries = stream.flush()
    assert list(labels_of("row", entries)) == [("t", "unknown", "one")]
    with pytest.raises(NotApplicable, match="task_send_sent_event"):
        list(tasks.waits.function(entries))


def test_the_queue_of_a_task_that_goes_to_one_alone_is_known() -> None:
    stream = Stream()
    stream.event("task-sent", uuid="0", name="t", queue="q")
    stream.task("1")
    assert list(stream.rows()) == [("t", "q", "one")]
    stream.event("task-sent", uuid="2", name="t", queue="r")
    stream.task("3")
    assert ("t", "unknown", "one") in stream.rows()


def test_failures_are_told_by_class_and_nothing_of_their_text() -> None:
    stream = Stream()
    for number, text in enumerate(["ValueError('key=abc123')", "KeyError('x')", "what is this", "KeyError('y')"]):
        stream.task(str(number), end="failed", exception=text, traceback="abc123")
    entries = stream.flush()
    failed = labels_of("row", entries)["t", "unknown", "one"]["failed"]
    assert failed == {"ValueError": 1, "KeyError": 2, "UnknownException": 1}
    assert "abc123" not in json.dumps(entries)
    found = shown(tasks.failures.function(entries))
    assert found["celery_task_failed_total", "t", "one", "", "unknown"] == 0
    assert found["celery_task_failed_total", "t", "one", "KeyError", "unknown"] == 2


def test_what_fails_and_is_rejected_then_keeps_its_name() -> None:
    stream = Stream()
    stream.task("1", end="failed", exception="Reject()")
    stream.event("task-rejected", uuid="1", requeue=False)
    assert {labels[0] for labels in stream.rows()} == {"t"}


def test_names_beyond_the_budget_add_up_in_other_and_none_moves() -> None:
    stream = Stream(task_top=3, worker_top=2)
    for number in range(50):
        stream.task(str(number), name=f"t{number % 10}", worker=f"w@h{number % 5}")
    before = stream.rows()
    assert {labels[0] for labels in before} == {"t0", "t1", "t2", "other"}
    assert {labels[2] for labels in before} == {"h0", "h1", "other"}
    assert sum(row["counts"]["succeeded"] for row in before.values()) == 50
    again = Stream(stream.flush(), task_top=3, worker_top=2)
    for number in range(50):
        again.task(f"n{number}", name=f"t{9 - number % 10}", worker=f"w@h{number % 5}")
    after = again.rows()
    assert after.keys() >= before.keys()
    assert {labels[0] for labels in after} == {"t0", "t1", "t2", "other"}
    assert {labels[2] for labels in after} == {"h0", "h1", "other"}
    assert all(after[labels]["counts"]["succeeded"] >= row["counts"]["succeeded"] for labels, row in before.items())
    assert sum(row["counts"]["succeeded"] for row in after.values()) == 100


def test_hosts_that_come_and_go_leave_no_more_series_than_the_budget() -> None:
    stream = Stream()
    for number in range(3000):
        stream.beat(0, worker=f"w@pod-{number}", after=0.01)
        stream.event("task-sent", f"gen@web-{number}", uuid=f"s{number}", name="t", queue="q")
        stream.task(str(number), worker=f"w@pod-{number}")
        stream.event("worker-offline", f"w@pod-{number}")
    entries = stream.flush()
    assert len(labels_of("row", entries)) == 51
    assert len(labels_of("sent", entries)) == 51
    assert sum(row["counts"]["succeeded"] for row in labels_of("row", entries).values()) == 3000
    assert entries["tasks:workers"] == {}


def test_where_hosts_are_not_told_apart_there_is_one_row() -> None:
    stream = Stream(hostnames=False)
    for number in range(5):
        stream.task(str(number), worker=f"w@h{number}")
    assert list(stream.rows()) == [("t", "unknown", "")]


def test_a_task_that_runs_for_long_survives_many_others() -> None:
    stream = Stream()
    stream.task("long", name="hang", end="")
    began = stream.now
    for number in range(20_000):
        stream.task(str(number))
    assert stream.flush()["tasks:oldest"] == {"hang": pytest.approx(began)}
    stream.event("task-succeeded", uuid="long", runtime=9.0)
    assert stream.rows()["hang", "unknown", "one"]["counts"]["succeeded"] == 1
    assert stream.flush()["tasks:oldest"] == {}


def test_after_a_gap_nobody_knows_what_still_runs() -> None:
    stream = Stream()
    stream.task("1", name="hang", end="")
    stream.tally.listens(stream.now)
    assert stream.flush()["tasks:oldest"] == {}
    stream.event("task-succeeded", uuid="1", runtime=1.0)
    assert ("hang", "unknown", "one") in stream.rows()
    assert stream.summary()["gaps"] == 1


@pytest.mark.parametrize("what", ["offline", "vanished", "another", "idle"])
def test_what_ran_in_a_worker_that_is_no_more_runs_no_more(what: str) -> None:
    stream = Stream()
    stream.beat(0)
    stream.task("1", name="hang", end="")
    stream.now += 1
    if what == "offline":
        stream.event("worker-offline")
    elif what == "vanished":
        stream.now += 120
    elif what == "another":
        stream.beat(0, pid=8)
    else:
        stream.beat(1, active=0)
    assert stream.flush()["tasks:oldest"] == {}


def test_lost_events_are_seen_by_what_heartbeats_tell() -> None:
    stream = Stream()
    stream.beat(10)
    for number in range(5):
        stream.task(str(number))
    for _ in range(20):
        stream.beat(15)
    assert stream.summary()["lost"] == 0
    for _ in range(20):
        stream.beat(22)  # seven of which no event came
    assert stream.summary()["lost"] == 7
    for _ in range(20):
        stream.beat(22)
    assert stream.summary()["lost"] == 7


def test_what_was_lost_while_nobody_listened_is_counted_after_a_restart() -> None:
    stream = Stream()
    stream.beat(0)
    stream.task("1")
    stream.beat(1)
    again = Stream(stream.flush())
    again.now = stream.now + 30
    for _ in range(20):
        again.beat(41)
    assert again.summary()["lost"] == 40


def test_a_worker_that_began_anew_has_lost_nothing() -> None:
    stream = Stream()
    stream.beat(0)
    stream.task("1")
    stream.beat(500, after=0.1)
    for processed in [0] * 20:  # in a container the process has the same number
        stream.beat(processed)
    assert stream.summary()["lost"] == 0


def test_events_that_are_late_are_not_lost() -> None:
    stream = Stream()
    stream.beat(0)
    stream.task("0")
    stream.beat(4)
    stream.now += 1
    for number in range(1, 4):
        stream.task(str(number))
    for _ in range(20):
        stream.beat(4)
    assert stream.summary()["lost"] == 0


def test_a_worker_that_tells_nothing_of_its_tasks_is_told() -> None:
    stream = Stream()
    stream.beat(0)
    assert not any(name == "celery_events_enabled" for name, *_ in shown(tasks.events.function(stream.flush())))
    for processed in [3] * 20:
        stream.beat(processed)
    entries = stream.flush()
    remarks: list[str] = []
    found = shown(_noting(tasks.events.function(entries), remarks))
    assert found["celery_events_enabled", "one", "w@one"] == 0
    assert found["celery_events_lost_total",] == 0  # they were never sent
    assert "w@one among them: start it with -E" in remarks[0]
    stream.task("1")  # switched on while it runs
    for _ in range(20):
        stream.beat(4)
    assert stream.flush()["tasks:workers"]["w@one"]["enabled"] is True
    assert stream.summary()["lost"] == 0


def test_a_worker_that_vanished_is_not_said_to_tell_nothing() -> None:
    stream = Stream()
    stream.beat(0)
    for processed in [3] * 20:
        stream.beat(processed)
    assert stream.flush()["tasks:workers"]["w@one"]["enabled"] is False
    stream.now += 61
    stream.flush()
    remarks: list[str] = []
    found = shown(_noting(tasks.events.function(_as_of(stream)), remarks))
    assert not [labels for labels in found if labels[0] == "celery_events_enabled"]
    assert remarks == [""]


def _noting(samples: Any, remarks: list[str]) -> Samples:
    remarks.append((yield from samples))


def test_a_worker_that_vanished_has_0_for_an_hour_and_one_that_took_its_leave_nothing() -> None:
    stream = Stream()
    stream.beat(0, "w@gone")
    stream.beat(0, "w@left")
    stream.event("worker-offline", "w@left")
    for minutes, expected in ((0, {"gone": 1}), (2, {"gone": 0}), (55, {"gone": 0}), (61, {})):
        stream.now = NOW + 4 + minutes * 60
        stream.flush()
        entries = _as_of(stream)
        found = shown(online.heartbeats.function(entries))
        ups = {labels[0]: value for (name, *labels), value in found.items() if name == "celery_worker_up"}
        assert ups == expected
        assert found["celery_workers_online",] == (minutes == 0)


def _as_of(stream: Stream) -> dict[str, Any]:
    """Return the entries as if the stream's moment were now."""
    back = time.time() - stream.now
    entries = json.loads(json.dumps(stream.entries))
    for worker in entries["tasks:workers"].values():
        worker["seen"] += back
    entries[look_key("events")]["at"] = time.time()
    return entries  # type: ignore[no-any-return]


def test_two_workers_of_a_host_are_up_while_one_is() -> None:
    stream = Stream()
    stream.beat(0, "a@host", after=0)
    stream.now += 120
    stream.beat(0, "b@host", after=0)
    stream.flush()
    found = shown(online.heartbeats.function(_as_of(stream)))
    assert found["celery_worker_up", "host"] == 1
    assert found["celery_workers_online",] == 1


def test_a_periodic_task_was_last_seen_when_an_event_named_it() -> None:
    stream = Stream(beat={"t": Beat(60.0), "never": Beat(60.0)})
    stream.event("task-sent", after=30.0, uuid="1", name="t", queue="q")
    found = shown(tasks.periodic.function(stream.flush()))
    assert found["celery_beat_task_last_sent_timestamp_seconds", "t"] == pytest.approx(NOW + 30)
    assert found["celery_beat_task_last_sent_timestamp_seconds", "never"] == pytest.approx(NOW)
    again = Stream(stream.flush(), beat={"t": Beat(60.0), "never": Beat(60.0)})
    again.now += 500
    assert again.flush()["tasks:beat"] == stream.flush()["tasks:beat"]


@pytest.mark.parametrize("read", [tasks.tasks, tasks.failures, tasks.runtimes, online.heartbeats, tasks.events])
@pytest.mark.parametrize(("entry", "reason"), [
    (None, "not begun yet"), (standing(False, NOW, NOW, "it is gone"), "it is gone"),
    (standing(True, NOW - 100, NOW), r"has not answered for \d"),
])  # fmt: skip
def test_what_is_old_or_broken_is_not_told(read: Any, entry: Any, reason: str) -> None:
    stream = Stream()
    stream.task("1")
    entries = stream.flush()
    entries[look_key("events")] = entry
    if entry is None:
        del entries[look_key("events")]
    with pytest.raises(Trouble, match=reason):
        list(read.function(entries))


def test_a_spread_is_a_histogram() -> None:
    spread = Spread()
    for seconds in (0.0, 0.01, 0.011, 59.0, 100_000.0):
        spread.measure(seconds)
    entry = Spread(spread.entry()).entry()
    made = Histogram(tuple(zip(BUCKETS, entry["buckets"], strict=True)), entry["count"], entry["sum"])
    assert (made.count, made.buckets[0], made.buckets[1]) == (5, (0.01, 2), (0.05, 3))
    assert made.buckets[-1][1] == 4
    assert Spread({**entry, "buckets": [1, 2]}).count == 0  # of other buckets than these


def test_a_name_is_admitted_once_and_for_all() -> None:
    names = Names(2, ["a", "other"])
    assert [names.admit(name) for name in ("b", "c", "a", "b", "x" * 500)] == ["b", "other", "a", "b", "other"]


@pytest.mark.parametrize(("worker", "host"), [("celery@web-1", "web-1"), ("a@b@c", "b@c"), ("plain", "plain")])
def test_the_host_is_what_stands_after_the_first_at(worker: str, host: str) -> None:
    assert host_of(worker) == host


@pytest.mark.parametrize("count", [20_000, pytest.param(200_000, marks=pytest.mark.long)])
def test_memory_is_flat_over_many_events(count: int) -> None:
    stream = Stream()

    def work(start: int, tasks: int) -> None:
        for number in range(start, start + tasks):
            stream.event("task-sent", f"gen@web{number}", uuid=f"uuid-{number:032}", name=f"t{number % 300}", queue="q")
            stream.task(f"uuid-{number:032}", name=f"t{number % 300}", worker=f"w@h{number % 70}")
            if number % 1000 == 0:
                stream.flush()

    work(0, 15_000)  # what is remembered is full by then
    tracemalloc.start()
    try:
        work(15_000, 1000)
        before = tracemalloc.get_traced_memory()[0]
        work(16_000, count // 4)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after - before < 4e6


@pytest.mark.parametrize("read", ["tasks", "failures", "runtimes", "waits"])
def test_only_tasks_that_ran_since_the_last_scrape_have_other_figures(read: str) -> None:
    stream = Stream()
    for name in ("rests", "runs"):
        stream.event("task-sent", uuid=name, name=name, queue="q")
        stream.task(name, name)
    before = shown(getattr(tasks, read).function(stream.flush()))
    stream.event("task-sent", uuid="more", name="runs", queue="q")
    stream.task("more", "runs")
    stream.task("fails", "runs", end="failed", exception="KeyError('x')")
    after = shown(getattr(tasks, read).function(stream.flush()))
    changed = {series for series, value in after.items() if before.get(series) != value}
    assert {series[1] for series in changed} == {"runs"}
    assert {series[1] for series in before} == {"runs", "rests"}
