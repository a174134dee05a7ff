"""What an application sets in `broker_transport_options` that moves its keys: all looks find them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests import celeryapp
from tests.celeryapp import total, value, worker
from tests.onetarget import one
from tests.redisserver import Redis, server
from tests.support import until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with server() as running:
        yield running


def application(url: str, options: Mapping[str, Any]) -> Celery:
    app = celeryapp.make(url)
    app.conf.broker_transport_options = dict(options)
    return app


ALL = {"global_keyprefix": "a.b/", "fanout_prefix": "/mine-{db}.", "priority_steps": [1, 5], "sep": ":",
       "queue_order_strategy": "priority", "unacked_key": "mine", "unacked_index_key": "mine_index"}  # fmt: skip
GIVEN = ["global_keyprefix: a.b/", "fanout_prefix: '/mine-{db}.'", "priority_steps: [1, 5]", "priority_separator: ':'",
         "unacked_index_key: mine_index"]  # fmt: skip


@pytest.mark.parametrize(("options", "lines"), [
    pytest.param(ALL, GIVEN, id="all"),
    pytest.param({"global_keyprefix": "shop:"}, ["global_keyprefix: 'shop:'"], id="prefix"),
    pytest.param({"fanout_prefix": False, "fanout_patterns": False}, ["fanout_prefix: ''"], id="no prefix"),
    pytest.param({"priority_steps": list(range(10)), "queue_order_strategy": "sorted", "visibility_timeout": 7200},
                 ["priority_steps: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"], id="ten steps"),
])  # fmt: skip
def test_all_looks_find_them(redis: Redis, tmp_path: Path, options: dict[str, Any], lines: list[str]) -> None:
    redis.ask("FLUSHALL")
    url = redis.url(database=2)
    app = application(url, options)
    given = [f"url: '{url}'", "max_age: 0s", "control_interval: 1s", "broker_interval: 1s",
             "queues: [celery, nobody]", *lines]  # fmt: skip
    with (
        one("celery", "\n".join(given)) as target,
        worker(url, tmp_path, CELERYAPP_TRANSPORT=json.dumps(options)),
    ):
        until(lambda: value(target, "celery_workers_answering") == 1, 30)
        until(lambda: value(target, "celery_workers_online") == 1, 20)
        app.send_task("tests.add", (1, 2))
        until(lambda: total(target, "celery_task_succeeded_total") == 1, 20)
        for priority in (0, 0, 9):
            app.send_task("tests.add", (1, 2), queue="nobody", priority=priority)
        until(lambda: value(target, 'celery_queue_length{queue_name="nobody"}') == 3, 20)
        assert value(target, 'celery_queue_oldest_message_timestamp_seconds{queue_name="nobody"}') > 0
        app.send_task("tests.add", (1, 2), countdown=60)
        until(lambda: value(target, "celery_unacknowledged_messages") == 1, 20)
        assert target.outcomes()["queues"] == "ok"
        kept = set(redis.ask("KEYS", "*", database=2))
    app.close()
    assert not [key for key in kept if key.startswith("runbook") or ".reply." in key]


def test_where_they_are_not_given_it_is_said_that_nothing_is_seen(redis: Redis, tmp_path: Path) -> None:
    redis.ask("FLUSHALL")
    url = redis.url(database=2)
    with (
        one("celery", f"url: '{url}'\nmax_age: 0s\nbroker_interval: 1s\nqueues: [celery]") as target,
        worker(url, tmp_path, CELERYAPP_TRANSPORT=json.dumps({"global_keyprefix": "shop:"})),
    ):
        until(lambda: "`global_keyprefix`" in target.outcomes()["queues"], 20)
