"""What is counted stays true: with a backlog, an application's own events, nonsense, and many of a kind."""

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import psutil
import pytest

from exporter.collectors.celery import online, raised, tasks, underway, workers
from exporter.collectors.celery.counts import labels_of
from exporter.collectors.celery.events import Events
from exporter.collectors.celery.fleet import own_series
from exporter.collectors.celery.look import look_key, standing
from exporter.collectors.celery.presence import ASKED, LEFT, TOLD, presence
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.table import Known, Table
from exporter.collectors.celery.underway import MOST_WAITING, Underway
from exporter.metric import Histogram
from tests import celeryapp
from tests.onetarget import one
from tests.redisserver import server
from tests.support import until
from tests.test_celery_tasks import URL, Stream, shown


def waited(stream: Stream, name: str = "t", queue: str = "q") -> dict[str, Any]:
    found: dict[str, Any] = labels_of("wait", stream.flush())[name, queue]
    return found


def send(stream: Stream, uuid: str, **more: Any) -> None:
    stream.event("task-sent", "gen@web", **{"uuid": uuid, "name": "t", "queue": "q", **more})


def told(read: Any, stream: Stream) -> tuple[dict[tuple[str, ...], Any], str]:
    """Return what a read shows of the stream as if its moment were now, and its remark."""
    back, entries = time.time() - stream.now, json.loads(json.dumps(stream.flush()))
    for worker in entries["tasks:workers"].values():
        worker["seen"] += back
    entries[look_key("events")]["at"] = time.time()
    remarks: list[str] = []

    def noting() -> Any:
        remarks.append((yield from read.function(entries)))

    return shown(noting()), remarks[0] or ""


def undated(stream: Stream) -> float:
    return float(told(tasks.events, stream)[0]["celery_task_wait_unknown_total",])


# How long tasks waited


def test_a_backlog_loses_no_wait() -> None:
    """Tasks come and go while more wait than what is remembered of those that ended."""
    stream = Stream()
    for number in range(30_000):
        send(stream, str(number))
        if number >= 12_000:
            stream.task(str(number - 12_000))
    assert waited(stream)["count"] == 18_000
    stream.now += 60
    assert undated(stream) == 0
    assert told(tasks.waits, stream)[1] == ""


def test_waits_that_are_forgotten_are_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(underway, "MOST_WAITING", 100)
    stream = Stream()
    for number in range(150):
        send(stream, str(number))
    for number in range(150):
        stream.task(str(number))
    stream.now += 11
    assert undated(stream) == 51  # the first that was received took another's place
    assert waited(stream)["count"] == 99
    assert told(tasks.waits, stream)[1].startswith(f"more than {MOST_WAITING:,} tasks are sent and not begun; ")
    again = Stream(stream.flush())
    again.now = stream.now + 601
    assert undated(again) == 51
    assert told(tasks.waits, again)[1] == ""


def test_what_was_sent_before_anybody_listened_is_counted_without_a_remark() -> None:
    stream = Stream()
    send(stream, "seen")
    stream.task("before")
    stream.task("seen")
    stream.now += 11
    assert undated(stream) == 1
    assert told(tasks.waits, stream)[1] == ""


def test_the_wait_is_known_where_the_sending_is_told_last() -> None:
    stream = Stream()
    send(stream, "0")
    stream.task("0")
    began = stream.now = stream.now + 5
    stream.task("1")
    stream.task("2", end="")
    send(stream, "1", timestamp=began - 0.3)
    send(stream, "2", timestamp=began + 0.01)
    stream.now += 11
    assert waited(stream)["count"] == 3
    assert waited(stream)["sum"] == pytest.approx(0.3)
    assert undated(stream) == 0
    assert labels_of("sent", stream.flush()) == {("t", "q", "web"): 3}


def test_the_queue_is_known_where_the_sending_is_told_last() -> None:
    stream = Stream()
    send(stream, "0", queue="r")
    send(stream, "1")  # so the name alone does not say it
    stream.task("2", end="")
    send(stream, "2", queue="r")
    stream.event("task-succeeded", uuid="2", runtime=0.1)
    assert stream.rows()["t", "r", "one"]["counts"]["succeeded"] == 1


def test_a_retry_waits_from_its_own_sending() -> None:
    stream = Stream()
    send(stream, "1")
    stream.task("1", end="")
    stream.now += 100
    send(stream, "1", retries=1)  # the child sends before the worker says so
    stream.event("task-retried", uuid="1", exception="KeyError('x')")
    stream.now += 2
    stream.task("1")
    assert waited(stream)["count"] == 2
    assert waited(stream)["sum"] == pytest.approx(2.0)
    assert stream.rows()["t", "q", "one"]["counts"]["succeeded"] == 1


def test_what_is_given_again_to_another_worker_waits_once() -> None:
    stream = Stream()
    send(stream, "1")
    stream.task("1", worker="w@dies", end="")
    stream.event("worker-offline", "w@dies")
    stream.now += 3600
    stream.task("1", worker="w@two")
    stream.now += 11
    assert waited(stream)["count"] == 1
    assert undated(stream) == 0
    assert ("t", "q", "two") in stream.rows()


def test_one_revoked_in_the_queue_keeps_its_name_and_is_not_waited_for() -> None:
    stream = Stream()
    send(stream, "1")
    stream.event("task-received", uuid="1", name="t", eta=None)
    stream.event("task-revoked", uuid="1", terminated=False)
    stream.event("task-rejected", uuid="1", requeue=False)
    assert list(stream.rows()) == [("t", "q", "one")]
    assert stream.rows()["t", "q", "one"]["counts"]["revoked"] == 1


def test_a_full_table_of_what_waits_takes_little_memory() -> None:
    table = Table(20_000)
    tracemalloc.start()
    try:
        for number in range(40_000):
            table.put(f"{number:036}", Known("some.module.of.tasks" + str(number % 100), "q", float(number)))
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert table.has_forgotten
    assert f"{19_999:036}" not in table
    assert table.find(f"{20_000:036}") == ("some.module.of.tasks0", "q", 20_000.0)
    assert size / 20_000 < 330


# Events of an application's own


@pytest.mark.parametrize("kind", ["task-progress", "task-", "worker-resized", "worker-", "mail-sent", "mail-started"])
def test_an_event_of_the_application_changes_nothing_but_the_count_of_events(kind: str) -> None:
    stream = Stream()
    stream.beat(0)
    stream.task("1", name="hang", end="")
    before = stream.flush()
    stream.event(kind, uuid="1", pid=4711, percent=30)
    stream.beat(1)
    stream.beat(1)
    after = stream.flush()
    assert after["tasks:oldest"] == before["tasks:oldest"] != {}
    assert stream.rows() == labels_of("row", before)
    assert after["tasks:workers"]["w@one"]["pid"] == 7
    assert (stream.summary()["events"], stream.summary()["malformed"]) == (6, 0)


def test_lost_events_are_seen_beside_an_applications_own() -> None:
    stream = Stream()
    stream.beat(0)
    for number in range(20):
        stream.task(str(number), end="")
        stream.event("task-progress", uuid=str(number), pid=4711)
        stream.event("task-succeeded", uuid=str(number), runtime=0.1)
        stream.beat(number + 4)  # three of which no event came
    for _ in range(20):
        stream.beat(23)
    assert stream.summary()["lost"] == 3


def test_an_applications_own_events_do_not_say_that_the_worker_tells_of_its_tasks() -> None:
    stream = Stream()
    stream.beat(0)
    for number in range(20):
        stream.event("task-progress", uuid=str(number), pid=4711)  # which comes without -E as well
        stream.beat(number + 1)
    assert stream.flush()["tasks:workers"]["w@one"]["enabled"] is False
    assert stream.summary()["lost"] == 0


def test_another_process_of_the_same_name_is_judged_by_its_heartbeat() -> None:
    stream = Stream()
    stream.beat(5)
    stream.task("old", name="hang", end="")
    stream.event("task-received", pid=8, uuid="new", name="t", eta=None)
    assert stream.flush()["tasks:oldest"].keys() == {"hang"}
    stream.beat(0, pid=8)
    assert stream.flush()["tasks:oldest"] == {}
    assert stream.flush()["tasks:workers"]["w@one"]["pid"] == 8


def test_one_that_is_cancelled_runs_no_longer() -> None:
    stream = Stream()
    stream.task("1", name="hang", end="")
    stream.event("task-cancelled", uuid="1")
    assert stream.flush()["tasks:oldest"] == {}
    stream.task("1", name="hang")
    assert stream.rows()["hang", "unknown", "one"]["counts"]["succeeded"] == 1


# Many that run


def test_among_too_many_that_run_the_oldest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(underway, "_MOST_RUNNING", 100)
    running = Underway()
    for number in range(300):
        running.announce(str(number), "hang" if number == 0 else "t", "", None)
        running.start(str(number), "w", float(number), float(number))
    assert running.oldest() == {"hang": 0.0, "t": 1.0}
    assert [running.find(str(number)).name for number in (0, 150, 299)] == ["hang", "t", "t"]


def test_among_too_many_that_run_the_doubtful_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(underway, "_MOST_RUNNING", 100)
    running = Underway([f"doubted-{number}", "d", "q", "w", float(number)] for number in range(60))
    for number in range(100):
        running.announce(str(number), f"t{number}", "", None)
        running.start(str(number), "w", float(number), float(number))
    assert running.oldest() == {f"t{number}": float(number) for number in range(100)}
    running.end("doubted-3")
    assert running.find("doubted-3").name == "d"


# Budgets


def test_the_oldest_starts_of_names_beyond_the_budget_are_told_as_one() -> None:
    stream = Stream(task_top=3)
    for number in range(40):
        stream.event("task-received", after=1.0, uuid=str(number), name=f"t{number}", eta=None)
        stream.event("task-started", uuid=str(number))
    began = stream.flush()["tasks:oldest"]
    assert began.keys() == {"t0", "t1", "t2", "other"}
    assert began["other"] == pytest.approx(began["t2"] + 1)


def test_a_name_that_is_too_long_is_cut_everywhere_alike() -> None:
    stream = Stream()
    stream.event("task-received", uuid="1", name="x" * 305, eta=None)
    stream.event("task-started", uuid="1")
    assert list(stream.flush()["tasks:oldest"]) == [next(iter(stream.rows()))[0]] == ["x" * 200]


def test_workers_beyond_the_budget_are_told_as_one_and_put_nobody_out() -> None:
    stream = Stream(worker_top=2)
    for name in ("w@z", "w@y", "w@b", "w@a"):
        stream.beat(0, name, after=1.0, sw_ver="5.4.0")
        stream.task(name, worker=name)
    shows, _ = told(online.heartbeats, stream)
    assert {labels: value for labels, value in shows.items() if labels[0] == "celery_worker_up"} == {
        ("celery_worker_up", "z"): 1, ("celery_worker_up", "y"): 1, ("celery_worker_up", "other"): 1
    }  # fmt: skip
    assert shows["celery_workers_online",] == 4
    assert {labels[2] for labels in shows if labels[0] == "celery_worker_info"} == {"w@z", "w@y"}
    heard = {labels[2]: value for labels, value in shows.items() if "last_heartbeat" in labels[0]}
    assert heard["w@y"] - heard["w@z"] == pytest.approx(1.0)
    assert heard["other"] - heard["w@y"] == pytest.approx(1.0)
    enabled = {labels[2]: value for labels, value in told(tasks.events, stream)[0].items() if "enabled" in labels[0]}
    assert enabled == {"w@z": 1, "w@y": 1, "other": 1}


def test_the_same_workers_have_series_of_their_own_by_what_they_answer() -> None:
    stream = Stream(worker_top=2)
    stream.now = time.time()
    asked = {name: {"answers": True, "answered": stream.now, "queues": ["q"]} for name in ("w@a", "w@b", "w@y", "w@z")}
    figures = dict.fromkeys(("size", "processes", "prefetch", "uptime", "active"), 3)
    stream.entries[ASKED] = {"answering": 4, "workers": {name: {**one, **figures} for name, one in asked.items()},
                             "settings": {"interval": 15.0}}  # fmt: skip
    stream.entries[look_key("control")] = standing(True, stream.now, stream.now)

    def own() -> set[str]:
        shows, _ = told(workers.workers, stream)
        assert sum(value for labels, value in shows.items() if labels[0] == "celery_worker_tasks_active") == 12
        return {labels[2] for labels in shows if labels[0] == "celery_worker_pool_size"}

    for name in ("w@z", "w@y", "w@b", "w@a"):
        stream.beat(0, name, after=1.0)
    assert own() == {"w@z", "w@y"}
    stream.event("worker-offline", "w@z")  # it answered before, and is there until all were asked again
    assert own() == {"w@y", "w@b"}
    stream.event("worker-offline", "w@b")
    stream.event("worker-offline", "w@a")
    assert own() == {"w@y", "w@a"}
    entries = {key: entry for key, entry in stream.entries.items() if key not in ("tasks:summary", TOLD, LEFT)}
    assert len(own_series(entries, presence(entries))) == 4  # nothing was told of events yet


def test_more_rows_than_most_have_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(worker_top=1000)
    for number in range(900):
        stream.task(str(number), worker=f"w@many{number}")
    before, _ = told(tasks.runtimes, stream)

    def made(*_: Any) -> Histogram:
        raise AssertionError("what is as it was is made anew")

    monkeypatch.setattr(tasks, "_histogram", made)
    assert told(tasks.runtimes, stream)[0] == before
    assert len(before) == 900
    stream.task("again", worker="w@many7")
    with pytest.raises(AssertionError):
        told(tasks.runtimes, stream)


def test_one_of_the_others_that_vanished_is_seen() -> None:
    stream = Stream(worker_top=1)
    for name in ("w@z", "w@gone", "w@a"):
        stream.beat(0, name, after=0.1)
    stream.now += 61
    stream.beat(0, "w@z")
    stream.beat(0, "w@a")
    shows, _ = told(online.heartbeats, stream)
    assert (shows["celery_worker_up", "z"], shows["celery_worker_up", "other"]) == (1, 0)
    assert shows["celery_workers_online",] == 2


# Nonsense


@pytest.mark.parametrize("runtime", ["NaN", "Infinity", "-Infinity", "-0.5", "1e300", '"long"', "[]"])
def test_a_time_that_no_task_can_take_is_malformed_and_the_task_is_counted(runtime: str) -> None:
    events = Events(CelerySettings(url=URL), {})
    stream = Stream()
    stream.tally = events._tally
    stream.task("0")
    stream.task("1", name="t", end="")
    given = {"type": "task-succeeded", "hostname": "w@one", "pid": 7, "uuid": "1", "timestamp": stream.now}
    events._take({**given, "runtime": json.loads(runtime)}, stream.now)
    row = stream.rows()["t", "unknown", "one"]
    assert row["runtime"]["count"] == 1
    assert row["runtime"]["sum"] == pytest.approx(0.2)
    assert row["counts"]["succeeded"] == 2
    assert stream.summary()["malformed"] == 1
    assert stream.flush()["tasks:oldest"] == {}


@pytest.mark.parametrize("kind", ["task-sent", "task-received", "task-started", "worker-heartbeat"])
@pytest.mark.parametrize("moment", [float("nan"), float("inf")], ids=str)
def test_an_event_without_a_moment_is_malformed(kind: str, moment: float) -> None:
    stream = Stream()
    with pytest.raises(ValueError, match="no moment"):
        stream.event(kind, uuid="1", name="t", queue="q", processed=0, timestamp=moment)
    assert stream.rows() == {}
    assert stream.flush()["tasks:workers"] == {}


def test_a_task_whose_worker_was_lost_took_a_time_that_nobody_knows() -> None:
    stream = Stream()
    stream.task("1", end="")
    stream.event("task-succeeded", uuid="1", runtime=None)
    assert stream.rows()["t", "unknown", "one"]["counts"]["succeeded"] == 1
    assert stream.rows()["t", "unknown", "one"]["runtime"]["count"] == 0


# What was raised

WRAPPED = "ExceptionWithTraceback()"
LOST = """Traceback (most recent call last):
  File "/venv/billiard/pool.py", line 1265, in mark_as_worker_lost
    raise WorkerLostError(
        'Worker exited prematurely: {0} Job: {1}.'.format(
billiard.exceptions.WorkerLostError: Worker exited prematurely: signal 9 (SIGKILL) Job: 3.
"""
CHAINED = """Traceback (most recent call last):
  File "a.py", line 1, in a
KeyError: 'abc123'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 2, in b
app.errors.Refused: abc123
Also: abc123
  Wrong: abc123
"""


@pytest.mark.parametrize(("exception", "traceback", "expected"), [
    (WRAPPED, LOST, "WorkerLostError"),
    (WRAPPED, CHAINED, "Refused"),
    (WRAPPED, "Traceback (most recent call last):\n  File\nTimeLimitExceeded\n", "TimeLimitExceeded"),
    ("<HttpError 403 when asking abc123>", CHAINED, "Refused"),
    ("KeyError('x')", LOST, "KeyError"),
    (WRAPPED, None, "UnknownException"),
    (WRAPPED, "ValueError: abc123", "UnknownException"),
    (WRAPPED, "Traceback (most recent call last):\n  File\nabc 123: x\n", "UnknownException"),
    (WRAPPED, "Traceback (most recent call last):\n", "UnknownException"),
    (None, ["abc"], "UnknownException"),
])  # fmt: skip
def test_what_is_raised_is_told_by_its_class_alone(exception: Any, traceback: Any, expected: str) -> None:
    assert raised.class_of(exception, traceback) == expected


def test_celery_wraps_what_its_own_process_raises_as_it_is_read() -> None:
    """The library's own text of a lost worker is read, as each release has it."""
    einfo, exceptions = pytest.importorskip("billiard.einfo"), pytest.importorskip("billiard.exceptions")
    try:
        raise exceptions.WorkerLostError("Worker exited prematurely: signal 9 (SIGKILL) Job: 3.")
    except exceptions.WorkerLostError:
        wrapped = einfo.ExceptionInfo()
    stream = Stream()
    stream.task("1", end="failed", exception=repr(wrapped.exception), traceback=wrapped.traceback)
    entries = stream.flush()
    assert labels_of("row", entries)["t", "unknown", "one"]["failed"] == {"WorkerLostError": 1}
    assert "SIGKILL" not in json.dumps(entries)


# The real thing


@pytest.mark.long
def test_a_child_that_tells_of_itself_and_is_killed(tmp_path: Path) -> None:
    with server() as broker, one("celery", f"url: '{broker.url(database=0)}'\nmax_age: 0s") as target:
        app = celeryapp.make(broker.url(database=0))
        until(lambda: broker.ask("PUBSUB", "NUMPAT"), 30)
        with celeryapp.worker(broker.url(database=0), tmp_path, pool="prefork") as worker:
            task = app.send_task("tests.hang")
            oldest = 'celery_started_task_oldest_timestamp_seconds{name="tests.hang"}'
            until(lambda: oldest in target.page(), 30)
            with app.events.default_dispatcher(hostname=worker.name) as telling:  # as a task's own send_event
                telling.send("task-progress", uuid=task.id)
            heard = f'celery_worker_last_heartbeat_timestamp_seconds{{hostname="tests",worker="{worker.name}"}}'
            for _ in range(2):
                before = float(target.page()[heard])
                until(lambda: float(target.page()[heard]) > before, 10)  # noqa: B023  # it is called at once
                assert oldest in target.page()
            for child in psutil.Process(worker.pid).children(recursive=True):
                child.kill()
            labels = 'name="tests.hang",hostname="tests",exception="WorkerLostError",queue_name="celery"'
            lost = f"celery_task_failed_total{{{labels}}}"
            until(lambda: target.page().get(lost), 30)
            assert oldest not in target.page()
