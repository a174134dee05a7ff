"""What real workers on real brokers answer when they are asked, through the helper process to the page."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import celeryapp, rabbitmq
from tests.celeryapp import value, worker
from tests.onetarget import One, one
from tests.redisserver import PASSWORD, Redis, server
from tests.support import until

CANARY = "canary-of-the-arguments"
READS = ("workers", "running", "consumers")
STANDS = 'celery_queue_standstill_since_timestamp_seconds{queue_name="celery"}'


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with server(settings={"requirepass": PASSWORD}) as running:
        yield running


@pytest.fixture(scope="module")
def rabbit() -> Iterator[str]:
    with rabbitmq.node() as running:
        yield running.url()


@pytest.fixture(params=["redis", pytest.param("rabbit", marks=pytest.mark.long)])
def place(request: pytest.FixtureRequest) -> str:
    """Return the address of an empty broker, of either kind."""
    if request.param == "rabbit":
        return str(request.getfixturevalue("rabbit"))
    broker: Redis = request.getfixturevalue("redis")
    broker.ask("FLUSHALL")
    return broker.url(database=0)


def settings(url: str, *more: str) -> str:
    return "\n".join([f"url: '{url}'", "max_age: 0s", "control_interval: 1s", *more])


def asks_again(target: One, times: int) -> None:
    """Wait until workers were asked so many times more."""
    seen: set[float] = set()

    def has_asked() -> bool:
        seen.add(target.target.collector.context.ledger.entries()["control:workers"]["at"])
        return len(seen) > times

    until(has_asked, 60)


def test_what_workers_do_and_hold(place: str, tmp_path: Path) -> None:
    app, end = celeryapp.make(place), tmp_path / CANARY
    with (
        one("celery", settings(place)) as target,
        worker(place, tmp_path, pool="prefork", queues="celery,other"),
    ):
        begun = time.time()
        for _ in range(3):
            app.send_task("tests.hang", args=(str(end),))
        app.send_task("tests.limited", args=(str(end),), countdown=600)
        until(lambda: value(target, 'celery_active_tasks{name="tests.hang"}') == 2, 30)
        assert begun - 1 <= value(target, 'celery_active_task_oldest_start_timestamp_seconds{name="tests.hang"}')
        until(lambda: value(target, 'celery_worker_tasks_reserved{hostname="tests"}') == 1, 30)
        until(lambda: value(target, 'celery_worker_tasks_scheduled{hostname="tests"}') == 1, 20)
        page = target.page()
        assert float(page['celery_worker_tasks_active{hostname="tests"}']) == 2
        assert float(page['celery_worker_pool_size{hostname="tests",worker="one@tests"}']) == 2
        assert float(page['celery_worker_pool_processes{hostname="tests",worker="one@tests"}']) == 2
        assert float(page['celery_active_worker_count{queue_name="other"}']) == 1
        assert float(page['celery_active_process_count{queue_name="celery"}']) == 2
        assert float(page["celery_workers_answering"]) == 1
        stuck = 'celery_worker_stuck_since_timestamp_seconds{hostname="tests",worker="one@tests"}'
        until(lambda: begun <= value(target, stuck) <= time.time(), 20)
        until(lambda: begun <= value(target, STANDS) <= time.time(), 20)
        assert CANARY not in str(page)
        end.touch()
        until(lambda: stuck not in target.page() and value(target, 'celery_worker_tasks_active{hostname="tests"}') == 0)
        assert STANDS not in target.page()
        assert not [series for series in target.page() if series.startswith("celery_active_tasks{")]


@pytest.mark.long
def test_the_limit_of_a_task_that_runs(redis: Redis, tmp_path: Path) -> None:
    url, end = redis.url(database=1), tmp_path / "end"
    app = celeryapp.make(url)
    with one("celery", settings(url)) as target, worker(url, tmp_path):
        for _ in range(3):
            app.send_task("tests.limited", args=(str(end),))
        until(lambda: value(target, 'celery_active_task_limit_seconds{name="tests.limited"}') == 2, 20)
        until(lambda: STANDS in target.page(), 30)  # threads end nothing: the limit passes in vain
        end.touch()


def test_a_queue_whose_last_worker_is_gone_is_consumed_by_none(place: str, tmp_path: Path) -> None:
    count = 'celery_active_worker_count{queue_name="celery"}'
    with one("celery", settings(place, "queues: [celery, never]")) as target:
        until(lambda: value(target, 'celery_active_worker_count{queue_name="never"}') == 0, 30)
        with worker(place, tmp_path) as running:
            until(lambda: value(target, count) == 1, 20)
            running.stop()  # which it tells
        until(lambda: value(target, count) == value(target, "celery_workers_answering") == 0, 20)
        assert value(target, 'celery_active_worker_count{queue_name="never"}') == 0


def test_one_that_has_no_queue_is_stuck_and_one_that_is_busy_and_alone_is_not_known(
    redis: Redis, tmp_path: Path
) -> None:
    url = redis.url(database=2)
    app, end = celeryapp.make(url), tmp_path / "end"
    stuck = 'celery_worker_stuck_since_timestamp_seconds{hostname="tests",worker="one@tests"}'
    count = 'celery_active_worker_count{queue_name="celery"}'
    with one("celery", settings(url)) as target, worker(url, tmp_path, pool="solo", concurrency=1):
        until(lambda: value(target, count) == 1, 20)
        app.control.cancel_consumer("celery", reply=True)
        until(lambda: stuck in target.page(), 20)
        assert value(target, count) == 0
        app.control.add_consumer("celery", reply=True)
        until(lambda: stuck not in target.page() and value(target, count) == 1, 20)
        app.send_task("tests.hang", args=(str(end),))
        until(lambda: value(target, "celery_workers_answering") == 0, 20)  # it has one thread for everything
        page = target.page()
        assert float(page[count]) == 1
        assert not [series for series in page if series.startswith("celery_worker_tasks_active{")]
        assert "1 workers live and do not answer, one@tests among them" in target.outcomes()["workers"]
        end.touch()
        until(lambda: value(target, "celery_workers_answering") == 1, 20)


@pytest.mark.long
def test_a_broker_that_hangs_fails_these_reads_and_comes_back(redis: Redis, tmp_path: Path) -> None:
    url = redis.url(database=3)
    with one("celery", settings(url)) as target, worker(url, tmp_path):
        until(lambda: value(target, "celery_workers_answering") == 1, 20)
        with redis.stopped():
            until(lambda: not any(target.outcomes().get(read) == "ok" for read in READS), 40)
        until(lambda: value(target, "celery_workers_answering") == 1, 40)


@pytest.mark.long
def test_nothing_is_left_in_the_broker_by_many_rounds(redis: Redis, tmp_path: Path) -> None:
    url = redis.url(database=4)

    def keys() -> dict[str, int]:
        """Return the broker's keys, and how much is in those of bindings."""
        found = redis.ask("KEYS", "*", database=4)
        return {key: redis.ask("SCARD", key, database=4) if "binding." in key else 0 for key in found}

    with worker(url, tmp_path):
        before = keys()
        with one("celery", settings(url)) as target:
            settled = ('celery_worker_tasks_revoked{hostname="tests"}', 'celery_worker_up{hostname="tests"}',
                       'celery_queue_length{queue_name="celery"}')  # fmt: skip
            until(lambda: set(settled) <= set(target.page()), 30)
            first = set(target.page())
            asks_again(target, 10)
            assert value(target, "celery_workers_answering") == 1
            assert set(target.page()) == first
        assert before
        until(lambda: keys() == before, 20)


def test_messages_that_an_application_holds_for_long_stay_where_they_are(redis: Redis) -> None:
    """Whoever consumes by kombu puts back what was not acknowledged for an hour; the exporter is not to."""
    url, tag = redis.url(database=5), "a-tag"
    whose = {"exchange": "", "routing_key": "celery"}
    held = {"body": "e30=", "headers": {}, "properties": {"delivery_info": whose, "priority": 0, "delivery_tag": tag}}
    redis.ask("HSET", "unacked", tag, json.dumps([held, "", "celery"]), database=5)
    redis.ask("ZADD", "unacked_index", time.time() - 7200, tag, database=5)
    with one("celery", settings(url)) as target:
        until(lambda: value(target, "celery_workers_answering") == 0, 20)
        asks_again(target, 8)
        assert target.outcomes()["workers"] == "ok"
    assert redis.ask("ZCARD", "unacked_index", database=5) == 1
    assert redis.ask("EXISTS", "celery", database=5) == 0
