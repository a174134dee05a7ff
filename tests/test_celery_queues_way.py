"""Celery's queues the whole way: from Redis through the helper process to the page."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.celery.broker import Broker
from exporter.collectors.celery.queuenames import QueueNames
from exporter.collectors.celery.settings import CelerySettings
from exporter.setting import SecretURL
from tests.celeryapp import make, worker
from tests.onetarget import One, one
from tests.redisserver import PASSWORD, Redis, server
from tests.soak import leaves_nothing
from tests.support import until

WORD = "canary-of-arguments"


@pytest.fixture
def redis() -> Iterator[Redis]:
    with server(settings={"requirepass": PASSWORD}) as running:
        yield running


def lines(redis: Redis, *more: str) -> str:
    return "\n".join([f"url: {redis.url(database=0)}", "broker_interval: 1s", "timeout: 2s", *more])


def send(redis: Redis, count: int = 1, queue: str = "celery") -> None:
    app = make(redis.url(database=0))
    for _ in range(count):
        app.send_task("tests.add", (1, WORD), queue=queue)
    app.close()


def length(target: One, queue: str = "celery") -> str | None:
    return target.page().get(f'celery_queue_length{{queue_name="{queue}"}}')


def oldest(target: One, queue: str = "celery") -> float:
    return float(target.page().get(f'celery_queue_oldest_message_timestamp_seconds{{queue_name="{queue}"}}', "0"))


def test_what_waits_is_on_the_page_and_its_age_outlives_a_restart(redis: Redis, tmp_path: Path) -> None:
    send(redis, 3)
    before = time.time()
    with one("celery", lines(redis), tmp_path) as target:
        until(lambda: length(target) == "3", 20)
        since = oldest(target)
        assert before - 1 <= since <= time.time()
        assert target.page()["celery_unacknowledged_messages"] == "0"
        assert WORD not in target.text()
        assert PASSWORD not in target.text()
    until(lambda: time.time() > since + 2)
    with one("celery", lines(redis), tmp_path) as target:
        until(lambda: length(target) == "3", 20)
        send(redis)
        until(lambda: length(target) == "4", 20)  # so it was looked at after the restart
        assert oldest(target) == since
    assert not any(WORD.encode() in path.read_bytes() or PASSWORD.encode() in path.read_bytes()
                   for path in tmp_path.rglob("*") if path.is_file())  # fmt: skip


@pytest.mark.long
def test_a_server_that_hangs_dies_and_is_emptied(redis: Redis) -> None:
    send(redis, 2)
    with one("celery", lines(redis, "queues: [celery]")) as target:
        until(lambda: length(target) == "2", 20)
        with redis.stopped():
            until(lambda: length(target) is None, 40)
            began = time.monotonic()
            target.page()
            assert time.monotonic() - began < 2
        until(lambda: length(target) == "2", 30)
        redis.stop()
        until(lambda: length(target) is None, 20)
        assert "cannot be reached" in str(target.outcomes())
        redis.start()  # with nothing in it
        until(lambda: "shows no sign of Celery" in target.outcomes()["queues"], 30)
        assert (length(target), oldest(target)) == (None, 0)


@pytest.mark.long
def test_many_rounds_leave_nothing(redis: Redis) -> None:
    with one("celery", lines(redis)) as target:
        send(redis)
        until(lambda: length(target) == "1", 20)
        leaves_nothing(target, 500)
        redis.stop()
        until(lambda: length(target) is None, 20)
        leaves_nothing(target, 500)


def test_workers_take_what_waits(redis: Redis, tmp_path: Path) -> None:
    send(redis, 2)
    with one("celery", lines(redis)) as target:
        until(lambda: length(target) == "2", 20)
        with worker(redis.url(database=0), tmp_path):
            # the queue is one that nobody names, so it is shown as long as something waits
            until(lambda: length(target) in (None, "0"), 30)
            app = make(redis.url(database=0))
            app.send_task("tests.add", (1, 2), countdown=60)  # a worker keeps it until then
            app.close()
            until(lambda: target.page().get("celery_unacknowledged_messages") == "1", 20)
            since = float(target.page()["celery_unacknowledged_oldest_timestamp_seconds"])
            assert time.time() - 10 < since <= time.time()


@pytest.mark.long
def test_a_queue_stays_known_when_its_workers_are_gone(redis: Redis, tmp_path: Path) -> None:
    unconsumed = 'celery_queue_unconsumed_timestamp_seconds{queue_name="orders"}'
    with one("celery", lines(redis, "control_interval: 1s")) as target:
        with worker(redis.url(database=0), tmp_path, queues="orders") as orders:
            until(lambda: length(target, "orders") == "0", 30)  # nobody named it, and it is empty
            orders.stop()  # it says that it goes; one that is killed counts as there for a minute
        began = time.time()
        send(redis, 2, "orders")
        until(lambda: length(target, "orders") == "2" and unconsumed in target.page(), 60)
        assert began - 1 < float(target.page()[unconsumed]) <= time.time()


def names(settings: Mapping[str, Any], kept: Mapping[str, Any], now: float) -> dict[str, tuple[bool, bool | None]]:
    found = QueueNames(CelerySettings(url=SecretURL("redis://127.0.0.1"), **settings), kept).now(now)
    return {name: (known.must, known.consumed_now) for name, known in found.items()}


def test_queues_are_those_that_workers_consume_or_consumed() -> None:
    now = time.time()
    asked = {"control:queues": {"at": now, "queues": ["orders"]}}
    assert names({}, {}, now) == {"celery": (False, None)}
    assert names({}, asked, now) == {"celery": (False, False), "orders": (True, True)}
    assert names({"queues": ("a",)}, asked, now) == {"a": (False, False)}
    # the workers are gone, and were asked
    kept = {"queue:orders": {"length": 0, "consumed": now - 86400}, "control:queues": {"at": now, "queues": []}}
    assert names({}, kept, now) == {"celery": (False, False), "orders": (True, False)}
    # nobody answered the questions for long: that says nothing
    kept["control:queues"] = {"at": now - 600, "queues": []}
    assert names({}, kept, now) == {"celery": (False, None), "orders": (True, None)}
    # after a week it is forgotten, unless something waits in it
    kept["queue:orders"] = {"length": 0, "consumed": now - 8 * 86400}
    kept["queue:full"] = {"length": 2, "consumed": now - 8 * 86400}
    assert names({}, kept, now) == {"celery": (False, None), "full": (True, None)}


def test_queues_that_tasks_are_sent_to_are_looked_at_as_well() -> None:
    now = time.time()
    kept: dict[str, Any] = {
        'tasks:sent:["tests.add", "mail", "host"]': 5, 'tasks:sent:["tests.add", "other", "host"]': 7,
        'tasks:sent:["tests.add", "", "host"]': 1,
    }  # fmt: skip
    found = QueueNames(CelerySettings(url=SecretURL("redis://127.0.0.1")), kept)
    assert list(found.now(now)) == ["celery", "mail"]
    assert list(found.now(now + 8 * 86400)) == ["celery"]  # nothing was sent there for a week
    kept['tasks:sent:["tests.add", "mail", "host"]'] = 6
    assert list(found.now(now + 9 * 86400)) == ["celery", "mail"]


def test_no_more_than_a_thousand_queues_are_known_and_new_ones_come_in() -> None:
    now = time.time()
    kept: dict[str, Any] = {"control:queues": {"at": now, "queues": [f"queue-{number}" for number in range(3000)]},
                            "queue:full": {"length": 2, "consumed": now - 5000}}  # fmt: skip
    found = QueueNames(CelerySettings(url=SecretURL("redis://127.0.0.1")), kept)
    assert len(found.now(now)) == 1001
    assert found.left_out == 2001
    kept["control:queues"] = {"at": now, "queues": ["new"]}
    known = found.now(now)
    assert {"new", "full"} <= known.keys()  # the one that is consumed, and the one in which something waits
    assert len(known) == 1001
    found.found(["declared", "\x00odd"], now + 10000)
    assert "declared" in found.now(now)
    assert found.left_out == 1


@pytest.mark.long
def test_a_queue_that_nobody_ever_consumed_is_found_and_told_of(redis: Redis, tmp_path: Path) -> None:
    unconsumed = 'celery_queue_unconsumed_timestamp_seconds{queue_name="mail"}'
    with worker(redis.url(database=0), tmp_path), one("celery", lines(redis, "control_interval: 1s")) as target:
        until(lambda: length(target) == "0", 30)
        send(redis, 5, "mail")
        until(lambda: length(target, "mail") == "5" and unconsumed in target.page(), 60)


def test_a_queue_that_is_none_has_no_length_and_it_is_said(redis: Redis) -> None:
    send(redis, 9)
    with one("celery", lines(redis, "queues: [celery, celry]")) as target:
        until(lambda: length(target) == "9", 20)
        until(lambda: "not in the broker: the queue celry (nobody consumes it" in target.outcomes()["queues"], 20)
        assert length(target, "celry") is None


def test_workers_that_are_not_asked(redis: Redis, tmp_path: Path) -> None:
    with worker(redis.url(database=0), tmp_path), one("celery", lines(redis, "control: false")) as target:
        until(lambda: target.page().get("celery_workers_online") == "1", 30)
        outcomes = target.outcomes()
        assert all("workers are not asked" in outcomes[read] for read in ("workers", "running", "consumers"))
        assert "failed" not in str(outcomes)
        assert "cmdstat_publish" in redis.ask("INFO", "commandstats")  # the worker's events
        assert redis.ask("KEYS", "*.reply.*") == []
        assert target.read().up


def test_a_queue_that_nobody_consumes_is_told_with_its_time(redis: Redis) -> None:
    kept: dict[str, Any] = {"control:queues": {"at": time.time(), "queues": ["celery"]}}
    broker = Broker(CelerySettings(url=SecretURL(redis.url(database=0))), kept)
    source = broker._source()
    send(redis)

    def looked() -> dict[str, Any]:
        kept.update(broker._looked(source))
        return dict(kept["queue:celery"])

    assert "unconsumed" not in looked()
    kept["control:queues"] = {"at": time.time(), "queues": []}
    before = time.time()
    since = looked()["unconsumed"]
    assert before <= since <= time.time()
    assert looked()["unconsumed"] == since
    kept["control:queues"] = {"at": time.time() - 600, "queues": []}  # whether somebody does is not known now
    assert looked()["unseen"]
    kept["control:queues"] = {"at": time.time(), "queues": ["celery"]}
    assert "unconsumed" not in looked()
    source.close()


def test_a_database_that_was_emptied_while_workers_are_heard_is_not_taken_for_another(redis: Redis) -> None:
    kept: dict[str, Any] = {}
    broker = Broker(CelerySettings(url=SecretURL(redis.url(database=0))), kept)
    source = broker._source()
    assert "shows no sign of Celery" in broker._looked(source)["broker"]["remarks"][0]
    kept["control:workers"] = {"workers": {"one@host": {"answered": time.time(), "answers": True}}}
    assert "remarks" not in broker._looked(source)["broker"]
    kept["control:workers"] = {"workers": {"one@host": {"answered": time.time() - 7200, "answers": False}}}
    assert "shows no sign of Celery" in broker._looked(source)["broker"]["remarks"][0]
    source.close()


def test_what_has_not_changed_is_not_told(redis: Redis) -> None:
    send(redis)
    broker = Broker(CelerySettings(url=SecretURL(redis.url(database=0))), {})
    source = broker._source()
    assert {"broker", "queue:celery"} <= set(broker._looked(source))
    assert set(broker._looked(source)) == {"broker"}
    source.close()
