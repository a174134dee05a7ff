"""Fifty workers at once on a real Redis, and real ones among them: who answers, and what deployments leave."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import celeryapp
from tests.celeryapp import total, value, worker
from tests.onetarget import One, one
from tests.process import ROOT, environment
from tests.redisserver import server
from tests.support import until
from tests.test_celery_collector import listens

pytestmark = pytest.mark.long

MANY = 50
TASKS = 4
COUNT = 'celery_active_worker_count{queue_name="celery"}'


@contextmanager
def crowd(broker: str, prefix: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Have many workers speak, each of so many tasks, for as long as the context."""
    command = [sys.executable, "-m", "tests.celerycrowd", broker, prefix, str(MANY), str(TASKS)]
    log = folder / f"crowd-{prefix}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment({"PYTHONWARNINGS": "ignore"}), stdout=output,
                                   stderr=output)  # fmt: skip
    try:
        until(lambda: b"ready" in log.read_bytes() or process.poll() is not None, 40)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.kill()
        process.wait(10)


def are_there(target: One, count: int) -> None:
    """Wait until so many workers are heard of, answer, and consume."""
    series = ("celery_workers_online", "celery_workers_answering", COUNT)
    until(lambda: all(value(target, name) == count for name in series), 120)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("real", "crowds"), [(1, "a"), (5, "abc")],
                         ids=["once", "deployed twice"])  # fmt: skip
def test_fifty_workers_and_two_deployments(real: int, crowds: str, tmp_path: Path) -> None:
    with server() as broker, ExitStack() as stack:
        place = broker.url(database=0)
        app = celeryapp.make(place)
        given = f"url: '{place}'\nmax_age: 0s\ncontrol_interval: 5s\nworkers: {MANY + real}"
        target = stack.enter_context(one("celery", given))
        listens(target)
        for number in range(real):
            stack.enter_context(worker(place, tmp_path, name=f"w@real{number}", wait=number == 0))
        app.send_task("tests.add", (1, 2))  # from then on it is known where such tasks go
        until(lambda: total(target, "celery_task_succeeded_total") == 1, 20)
        widths = []
        for turn, prefix in enumerate(crowds, start=1):
            with crowd(place, prefix, tmp_path) as running:
                are_there(target, MANY + real)
                done = 1 + turn * MANY * TASKS
                until(lambda: total(target, "celery_task_succeeded_total") == done, 60)  # noqa: B023
                # what is asked for seldom has come as well
                until(lambda: len([s for s in target.page() if "tasks_reserved" in s]) > MANY, 60)
                widths.append(len(target.page()))
                assert not [said for said in target.outcomes().values() if said.startswith("failed")]
                running.send_signal(signal.SIGTERM)
                running.wait(60)
            until(lambda: value(target, "celery_workers_online") == real, 60)
            assert total(target, "celery_task_succeeded_total") == done
        page = target.page()
        assert page["celery_events_lost_total"] == page["celery_events_malformed_total"] == "0"
        counted = [series for series in page if series.startswith("celery_task_succeeded_total")]
        assert len(counted) <= 51  # one for each host within the budget, and `other`
        assert len(set(widths[1:])) <= 1  # the first fifty have rows of their own, all others one
