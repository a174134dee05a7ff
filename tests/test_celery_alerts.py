"""Celery's alerts on what a real exporter tells of real workers: how each comes, stays and ends."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from celery import Celery

from tests import celeryapp, redisserver
from tests.alerting import Way, whole_way
from tests.support import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture
def broker() -> Iterator[str]:
    with redisserver.server() as running:
        yield running.url(database=0)


@pytest.fixture
def way(broker: str, tmp_path: Path) -> Iterator[Way]:
    settings = (
        f"{{collector: celery, url: {broker}, workers: 2, max_age: 500ms, control_interval: 1s, broker_interval: 1s}}"
    )
    with whole_way(tmp_path, f"targets:\n  shop: {settings}\n") as running:
        yield running


def value(way: Way, query: str) -> float | None:
    found = way.prometheus.query(query)
    return float(found[0]["value"]) if found else None


def test_a_worker_that_vanished_is_missed_until_another_is_there(broker: str, way: Way, tmp_path: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(celeryapp.worker(broker, tmp_path, name="one@first"))
        second = stack.enter_context(celeryapp.worker(broker, tmp_path, name="two@second"))
        until(lambda: value(way, "runbook:celery_workers_missing:count") == 0, 40)
        second.stop(signal.SIGKILL)
        until(lambda: "CeleryWorkersMissing" in way.firing(), 120)
        assert value(way, "runbook:celery_workers_missing:count") == 1
        stack.enter_context(celeryapp.worker(broker, tmp_path, name="three@third"))
        until(lambda: "CeleryWorkersMissing" not in way.firing(), 40)


def test_messages_that_nobody_takes_call_until_a_worker_is_there(broker: str, way: Way, tmp_path: Path) -> None:
    with celeryapp.worker(broker, tmp_path) as worker:
        until(lambda: value(way, "celery_workers_online") == 1, 40)
        worker.stop()
    app: Celery = celeryapp.make(broker)
    app.send_task("tests.add", (1, 2))
    app.close()
    until(lambda: "CeleryWorkersDown" in way.firing(), 120)
    with celeryapp.worker(broker, tmp_path, name="again@tests"):
        until(lambda: "CeleryWorkersDown" not in way.firing(), 60)
