"""Workers of each pool, and started in other ways than most: what is told of them, and what of one that is silent."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.celery import online
from exporter.collectors.celery.control import Control
from exporter.collectors.celery.heartbeats import BUSY, FORGOTTEN, SILENT, Heartbeats
from exporter.collectors.celery.look import look_key, standing
from exporter.collectors.celery.presence import ASKED, LEFT, MUTE, TOLD, presence, solo
from exporter.collectors.celery.settings import CelerySettings
from exporter.secret import SecretURL
from tests import celeryapp, rabbitmq
from tests.celeryapp import value, worker
from tests.onetarget import one
from tests.redisserver import Redis, server
from tests.support import until

pytestmark = pytest.mark.long

UP = 'celery_worker_up{hostname="tests"}'
COUNT = 'celery_active_worker_count{queue_name="celery"}'
SIZE = 'celery_worker_pool_size{hostname="tests",worker="one@tests"}'
PROCESSES = 'celery_worker_pool_processes{hostname="tests",worker="one@tests"}'
STUCK = 'celery_worker_stuck_since_timestamp_seconds{hostname="tests",worker="one@tests"}'
INFO = 'celery_worker_info{hostname="tests",worker="one@tests",version='
OLDEST = 'celery_active_task_oldest_start_timestamp_seconds{name="tests.hang"}'


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with server() as running:
        yield running


@pytest.fixture
def place(redis: Redis) -> str:
    """Return the address of an empty database."""
    redis.ask("FLUSHALL")
    return redis.url(database=0)


def settings(url: str) -> str:
    return f"url: '{url}'\nmax_age: 0s\ncontrol_interval: 1s\nbroker_interval: 1s"


def program_of(pool: str) -> Path | None:
    """Return the Python that has what the pool needs; None for our own."""
    return celeryapp.older() if pool == "gevent" else None


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_a_pool_tells_what_it_runs_while_it_runs(pool: str, place: str, tmp_path: Path) -> None:
    app, end = celeryapp.make(place), tmp_path / "end"
    with one("celery", settings(place)) as target, worker(place, tmp_path, pool=pool, program=program_of(pool)):
        until(lambda: value(target, "celery_workers_answering") == value(target, UP) == 1, 30)
        begun = time.time()
        for _ in range(3):
            app.send_task("tests.hang", args=(str(end),))
        until(lambda: value(target, 'celery_active_tasks{name="tests.hang"}') == 2, 20)
        until(lambda: begun - 1 <= value(target, STUCK), 20)  # the third waits
        page = target.page()
        assert begun - 1 <= float(page[OLDEST]) <= time.time()
        assert page[SIZE] == "2"
        assert page.get(PROCESSES) == ("2" if pool == "prefork" else None)  # others have none
        assert page['celery_active_process_count{queue_name="celery"}'] == "2"
        assert [series for series in page if series.startswith(INFO)]
        end.touch()
        until(lambda: OLDEST not in target.page() and STUCK not in target.page(), 20)
        until(lambda: value(target, "celery_events_lost_total") == 0)


def test_a_worker_alone_with_its_task_is_known_to_be_so(place: str, tmp_path: Path) -> None:
    app, end = celeryapp.make(place), tmp_path / "end"
    with one("celery", settings(place)) as target, worker(place, tmp_path, pool="solo", concurrency=1):
        until(lambda: value(target, SIZE) == value(target, PROCESSES) == value(target, COUNT) == 1, 30)
        entries = target.target.collector.context.ledger.entries
        until(lambda: solo(entries()) == {"one@tests"})
        app.send_task("tests.hang", args=(str(end),))
        until(lambda: value(target, "celery_workers_answering") == 0, 20)
        assert value(target, UP) == value(target, COUNT) == value(target, "celery_workers_online") == 1
        assert presence(entries())["one@tests"].patience == BUSY  # also while it does not answer
        end.touch()
        until(lambda: value(target, "celery_workers_answering") == 1, 20)


def test_a_worker_alone_with_its_task_has_not_vanished_after_a_minute(place: str, tmp_path: Path) -> None:
    app, end = celeryapp.make(place), tmp_path / "end"
    with (
        one("celery", settings(place)) as target,
        worker(place, tmp_path, pool="solo", concurrency=1),
        worker(place, tmp_path, name="two@prefork", pool="prefork", queues="other") as other,
    ):
        until(lambda: value(target, COUNT) == 1 and value(target, "celery_workers_answering") == 2, 30)
        app.send_task("tests.hang", args=(str(end),))
        app.send_task("tests.hang", args=(str(end),))
        until(lambda: value(target, "celery_workers_answering") == 1, 20)
        with other.stopped():
            until(lambda: value(target, 'celery_worker_up{hostname="prefork"}') == 0, SILENT + 30)
            assert value(target, UP) == value(target, COUNT) == value(target, "celery_workers_online") == 1
            until(lambda: value(target, 'celery_active_worker_count{queue_name="other"}') == 0, 20)
        end.touch()
        until(lambda: value(target, "celery_workers_answering") == 2, 40)


def test_a_worker_that_was_never_idle_is_known_by_its_silence(place: str, tmp_path: Path) -> None:
    app = celeryapp.make(place)
    app.send_task("tests.sleep", (12.0,))
    app.send_task("tests.sleep", (12.0,))
    seldom = settings(place).replace("control_interval: 1s", "control_interval: 300s")
    with one("celery", seldom) as target:
        entries = target.target.collector.context.ledger.entries
        until(lambda: look_key("control") in entries() and look_key("events") in entries(), 20)
        with (
            worker(place, tmp_path, pool="solo", concurrency=1),
            worker(place, tmp_path, name="two@others", pool="threads", queues="other"),
        ):
            app.send_task("tests.sleep", (12.0,), queue="other")
            until(lambda: solo(entries()) >= {"one@tests"}, 60)
            assert solo(entries()) == {"one@tests"}  # the other one spoke while it worked


def test_rabbitmq_knows_the_consumer_of_a_worker_alone_with_its_task(tmp_path: Path) -> None:
    consumers = 'celery_active_consumer_count{queue_name="celery"}'
    with rabbitmq.node() as node:
        place = node.url()
        app, end = celeryapp.make(place), tmp_path / "end"
        with worker(place, tmp_path, pool="solo", concurrency=1), one("celery", settings(place)) as target:
            until(lambda: value(target, COUNT) == value(target, consumers) == 1, 60)
            for _ in range(9):
                app.send_task("tests.hang", args=(str(end),))
            until(lambda: value(target, "celery_workers_answering") == 0, 20)
            until(lambda: value(target, 'celery_queue_length{queue_name="celery"}') > 0, 20)
            page = target.page()
            assert page[UP] == page[COUNT] == page[consumers] == "1"
            assert 'celery_queue_unconsumed_timestamp_seconds{queue_name="celery"}' not in page
            end.touch()
            until(lambda: value(target, "celery_workers_answering") == 1, 40)


@pytest.mark.parametrize(("options", "events", "told"), [
    (["--without-heartbeat"], True, True), (["--without-gossip", "--without-mingle"], True, True),
    (["--without-heartbeat", "--without-gossip", "--without-mingle"], False, False),
], ids=["heartbeat", "gossip and mingle", "all and no events"])  # fmt: skip
def test_a_worker_without_this_or_that_is_there(
    place: str, tmp_path: Path, options: list[str], events: bool, told: bool
) -> None:
    app = celeryapp.make(place)
    with one("celery", settings(place)) as target:
        with worker(place, tmp_path, *options, events=events):
            until(lambda: value(target, UP) == value(target, "celery_workers_online") == value(target, COUNT) == 1, 30)
            app.send_task("tests.add", (1, 2))
            done = 'celery_task_succeeded_total{name="tests.add",hostname="tests",queue_name="celery"}'
            if told:
                until(lambda: value(target, done) == 1, 20)
            page = target.page()
            assert page["celery_events_lost_total"] == "0"
            assert any(series.startswith(INFO) for series in page) == ("--without-heartbeat" not in options)
        until(lambda: value(target, COUNT) == 0 or value(target, "celery_workers_answering") == 0, 20)


def test_one_that_takes_its_leave_is_gone_though_it_has_just_answered(place: str, tmp_path: Path) -> None:
    with one("celery", settings(place)) as target, worker(place, tmp_path) as leaving:
        until(lambda: value(target, "celery_workers_answering") == value(target, UP) == 1, 30)
        leaving.stop()
        until(lambda: value(target, "celery_workers_online") == 0)
        assert UP not in target.page()


NOW = 1_800_000_000.0


def entries_of(**workers: Mapping[str, Any]) -> dict[str, Any]:
    """Return entries of a worker `w`: what it told, and what it answered."""
    told, asked = workers.get("told"), workers.get("asked")
    return {TOLD: {"w": told} if told else {}, ASKED: {"workers": {"w": asked} if asked else {}}, LEFT: {}}


@pytest.mark.parametrize(("entries", "lives"), [
    (entries_of(told={"seen": NOW - SILENT}), True), (entries_of(told={"seen": NOW - SILENT - 1}), False),
    (entries_of(told={"seen": NOW - 500}, asked={"answered": NOW - SILENT}), True),
    (entries_of(asked={"answered": NOW - SILENT, "answers": False}), True),
    (entries_of(asked={"answered": NOW - SILENT - 1, "answers": False}), False),
    (entries_of(told={"seen": NOW - BUSY}, asked={"answered": NOW - BUSY, "solo": True}), True),
    (entries_of(told={"seen": NOW - BUSY - 1}, asked={"answered": NOW - BUSY - 1, "solo": True}), False),
    ({**entries_of(asked={"answered": NOW}), LEFT: {"w": NOW}}, None), (entries_of(asked={"answers": True}), None),
], ids=["told", "silent", "answers", "answered", "answered once", "busy", "too long", "left", "older"])  # fmt: skip
def test_who_is_there(entries: Mapping[str, Any], lives: bool | None) -> None:
    found = presence(entries).get("w")
    assert (found and found.lives(NOW)) == lives


def test_a_silent_worker_that_is_alone_with_its_task_keeps_its_queues() -> None:
    given = CelerySettings(url=SecretURL("redis://127.0.0.1:1/0"))
    before = {"answers": True, "answered": NOW - 100, "queues": ["celery"], "solo": True, "size": 1}
    other = {**before, "solo": False}
    kept = {ASKED: {"workers": {"w": before, "other": other, "left": before}}, LEFT: {"left": NOW}, TOLD: {}}
    silent = Control(given, kept)._silent(["another"], NOW)
    assert silent == {"w": {"answers": False, "queues": ["celery"], "solo": True, "answered": NOW - 100}}


def test_who_took_their_leave_is_known_for_an_hour() -> None:
    heartbeats = Heartbeats({})
    for number in range(1000):
        heartbeats.beat(f"w{number}", 1, 0, NOW, NOW)
        heartbeats.offline(f"w{number}", NOW)
    assert len(heartbeats.left) == 500
    assert "w999" in heartbeats.left
    heartbeats.beat("w999", 2, 0, NOW, NOW)
    assert "w999" not in heartbeats.left
    heartbeats.forget(NOW + FORGOTTEN)
    assert len(heartbeats.left) == 499
    heartbeats.forget(NOW + FORGOTTEN + 1)
    assert heartbeats.left == {}


def test_what_runs_in_a_silent_worker_is_known_for_as_long_as_it_may_be_busy() -> None:
    heartbeats = Heartbeats({})
    heartbeats.beat("w", 1, 0, NOW, NOW)
    assert heartbeats.forget(NOW + BUSY, {"w"}) == []
    assert heartbeats.forget(NOW + BUSY, set()) == ["w"]
    assert heartbeats.forget(NOW + BUSY + 1, {"w"}) == ["w"]
    assert heartbeats.forget(NOW + FORGOTTEN + 1, {"w"}) == ["w"]
    assert heartbeats.workers == {}


@pytest.mark.parametrize(("version", "kept"), [
    ("5.7.0", "5.7.0"), ("5.6.0rc1", "5.6.0rc1"), ("x" * 41, ""), ("a b\n", ""), (None, ""), (7, ""),
])  # fmt: skip
def test_a_version_is_a_version(version: Any, kept: str) -> None:
    heartbeats = Heartbeats({})
    heartbeats.beat("w", 1, 0, NOW, NOW)
    heartbeats.runs("w", version)
    assert heartbeats.workers["w"].version == kept
    assert Heartbeats({"w": heartbeats.workers["w"].entry()}).workers["w"].version == kept


def test_which_celery_it_is_is_told_where_it_says_so() -> None:
    now = time.time()
    worker = {"seen": now, "since": now, "pid": 1}
    entries = {
        TOLD: {"a@h": {**worker, "version": "5.7.0"}, "b@h": worker},
        look_key("events"): standing(True, now, now),
    }
    found = [sample for sample in online.heartbeats.function(entries) if sample and sample.metric is online.INFO]
    assert [sample.labels for sample in found] == [("h", "a@h", "5.7.0")]


def test_a_worker_that_tells_nothing_while_its_task_runs_is_known_by_that() -> None:
    heartbeats = Heartbeats({})
    for name in ("mute", "speaks", "quick", "missed"):
        heartbeats.beat(name, 1, 0, NOW, NOW)
    heartbeats.beat("speaks", 1, 0, NOW + 30, NOW + 30)
    heartbeats.ran("quick", NOW + 1, 9.0, NOW + 10)
    heartbeats.ran("speaks", NOW + 1, 60.0, NOW + 61)
    assert not heartbeats.some_are_mute(NOW)
    heartbeats.ran("mute", NOW + 1, 60.0, NOW + 61)
    heartbeats.gap()  # whatever was told meanwhile was not heard
    heartbeats.ran("missed", NOW + 1, 60.0, NOW + 61)
    assert {name for name, worker in heartbeats.workers.items() if worker.mute} == {"mute"}
    again = Heartbeats({name: worker.entry() for name, worker in heartbeats.workers.items()}, heartbeats.mute_seen)
    assert again.workers["mute"].mute is True
    assert again.some_are_mute(NOW + 6 * 86400)
    assert not again.some_are_mute(NOW + 8 * 86400)
    again.speaks("mute")
    assert again.workers["mute"].mute is False


@pytest.mark.parametrize(("answered", "mute", "some", "alone"), [
    (True, False, False, True), (False, True, True, False), (None, True, False, True), (None, False, True, False),
    (None, None, True, True), (None, None, False, False),
])  # fmt: skip
def test_who_is_alone_with_its_tasks(answered: bool | None, mute: bool | None, some: bool, alone: bool) -> None:
    entries = {**entries_of(told={"seen": NOW, "mute": mute}, asked={"solo": answered}), MUTE: {"some": some}}
    assert solo(entries) == ({"w"} if alone else set())


def test_who_answered_once_and_tells_nothing_leaves_no_series() -> None:
    now = time.time()
    asked = {"a@now": {"answered": now}, "b@once": {"answered": now - BUSY}, "c@never": {"answers": False}}
    entries = {TOLD: {}, ASKED: {"workers": asked}, look_key("events"): standing(True, now, now)}
    found = {
        (sample.metric.name, sample.labels): sample.value for sample in online.heartbeats.function(entries) if sample
    }
    assert found == {("celery_worker_up", ("now",)): 1, ("celery_worker_online", ("now", "a@now")): 1,
                     ("celery_workers_online", ()): 1}  # fmt: skip
