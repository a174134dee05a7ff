"""Workers of an older Celery: what they tell is understood, and what they lose of it themselves is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import celeryapp
from tests.celeryapp import Worker, total, value, worker
from tests.onetarget import One, one
from tests.redisserver import Redis, server
from tests.support import until
from tests.test_celery_collector import listens

pytestmark = pytest.mark.long

TASKS = 150


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with server() as running:
        yield running


@pytest.fixture
def place(redis: Redis) -> str:
    """Return the address of an empty database."""
    redis.ask("FLUSHALL")
    return redis.url(database=0)


def work(place: str, target: One, running: Worker) -> None:
    """Have the worker do its tasks, of which one fails, and wait until its log says that all are done."""
    app = celeryapp.make(place)
    listens(target)
    until(lambda: value(target, "celery_workers_online") == 1, 20)
    for number in range(TASKS - 1):
        app.send_task("tests.add", (number, 2))
    app.send_task("tests.fail")
    until(lambda: running.log().count("succeeded in ") == TASKS - 1 and "raised unexpected" in running.log(), 60)


def settings(place: str) -> str:
    return f"url: '{place}'\nmax_age: 0s\ncontrol_interval: 1s"


def test_an_older_celery_is_understood(place: str, tmp_path: Path) -> None:
    program = celeryapp.older()
    with (
        one("celery", settings(place)) as target,
        worker(place, tmp_path, pool="prefork", program=program) as running,
    ):
        work(place, target, running)
        until(lambda: total(target, "celery_task_succeeded_total") == TASKS - 1, 20)
        until(lambda: total(target, "celery_task_failed_total") == 1, 20)
        assert total(target, "celery_task_sent_total") == total(target, "celery_task_started_total") == TASKS
        page = target.page()
        assert page["celery_events_malformed_total"] == "0"
        assert page["celery_workers_answering"] == page['celery_active_worker_count{queue_name="celery"}'] == "1"
        assert page['celery_worker_pool_size{hostname="tests",worker="one@tests"}'] == "2"
        assert page['celery_worker_pool_processes{hostname="tests",worker="one@tests"}'] == "2"
        assert 'celery_worker_info{hostname="tests",worker="one@tests",version="5.3.6"}' in page
        assert not [read for read, said in target.outcomes().items() if said.startswith("failed")]
        assert page["celery_events_lost_total"] == "0"


@pytest.mark.timeout(200)
def test_what_an_older_celery_loses_itself_is_told_to_the_task(place: str, tmp_path: Path) -> None:
    """Before 5.7, what a thread of its pool tells while others' events go out is thrown away."""
    program = celeryapp.older()
    with one("celery", settings(place)) as target, worker(place, tmp_path, pool="threads", program=program) as running:
        work(place, target, running)
        until(lambda: value(target, "celery_events_lost_total") > 0, 60)
        begun = total(target, "celery_task_started_total")
        until(lambda: begun + value(target, "celery_events_lost_total") == TASKS, 60)
        assert begun < TASKS
        assert total(target, "celery_task_succeeded_total") < TASKS
