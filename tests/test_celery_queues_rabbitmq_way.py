"""Celery's queues the whole way from a real RabbitMQ to the page: with a worker, hung, killed and started again."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.celeryapp import make, worker
from tests.onetarget import one
from tests.rabbitmq import PASSWORD, RabbitMQ, emptied, node
from tests.support import until

pytestmark = pytest.mark.long

LENGTH = 'celery_queue_length{queue_name="%s"}'
CONSUMERS = 'celery_active_consumer_count{queue_name="%s"}'


@pytest.fixture(scope="module")
def running() -> Iterator[RabbitMQ]:
    with node() as rabbit:
        yield rabbit


@pytest.fixture
def rabbit(running: RabbitMQ) -> Iterator[RabbitMQ]:
    with emptied(running) as rabbit:
        yield rabbit


def test_the_page_when_the_broker_hangs_dies_and_comes_again(rabbit: RabbitMQ) -> None:
    rabbit.declare("celery")
    rabbit.publish("celery", 2, delivery_mode=2)
    lines = f"url: {rabbit.url()}\nqueues: [celery, gone]\nbroker_interval: 1s\ntimeout: 2s"
    with one("celery", lines) as target:
        until(lambda: target.page().get(LENGTH % "celery") == "2", 20)
        page = target.page()
        assert page[CONSUMERS % "celery"] == "0"
        assert LENGTH % "gone" not in page
        assert "not in the broker: the queue gone" in str(target.outcomes()["queues"])
        assert any(name.startswith("celery_queue_unconsumed_timestamp_seconds") for name in page)
        with rabbit.stopped():
            until(lambda: LENGTH % "celery" not in target.page(), 60)
            assert PASSWORD not in target.text()
        until(lambda: target.page().get(LENGTH % "celery") == "2", 40)
        rabbit.kill()
        until(lambda: LENGTH % "celery" not in target.page(), 30)
        assert "cannot be reached" in str(target.outcomes())
        assert PASSWORD not in str(target.outcomes())
        rabbit.start()
        until(lambda: target.page().get(LENGTH % "celery") == "2", 40)


def test_a_worker_at_work(rabbit: RabbitMQ, tmp_path: Path) -> None:
    lines = f"url: {rabbit.url()}\nqueues: [celery]\nbroker_interval: 1s\nmanagement: {rabbit.management()}"
    app = make(rabbit.url())
    with one("celery", lines) as target, worker(rabbit.url(), tmp_path, "--prefetch-multiplier", "1"):
        until(lambda: target.page().get(CONSUMERS % "celery") == "1", 20)
        for _ in range(5):
            app.send_task("tests.add", (1, 2), countdown=600)  # a worker keeps them until then
        until(lambda: target.page().get("celery_unacknowledged_messages") == "5", 30)
        page = target.page()
        assert page[LENGTH % "celery"] == "0"
        assert page['celery_queue_unacknowledged_messages{queue_name="celery"}'] == "5"
        assert time.time() - 30 < float(page["celery_unacknowledged_oldest_timestamp_seconds"]) <= time.time()
    app.close()
