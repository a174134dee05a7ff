"""Celery at work on a real Redis: tasks that end, fail, hang and wait, and beat; for the tests of dashboards."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from celery import Celery

from tests import celeryapp, redisserver
from tests.livestores import at_work


@contextmanager
def celery_at_work(folder: Path) -> Iterator[str]:
    """Have workers and a sender at work; yield the lines of YAML of their target."""
    with ExitStack() as stack:
        broker = stack.enter_context(redisserver.server()).url(database=0)
        stack.enter_context(celeryapp.worker(broker, folder, name="one@live", concurrency=4))
        stack.enter_context(celeryapp.worker(broker, folder, name="mute@live", queues="mute", events=False))
        app = celeryapp.make(broker)
        stack.callback(app.close)
        app.send_task("tests.hang")
        app.send_task("tests.limited")  # a pool of threads holds nobody to its limit
        for _ in range(3):
            app.send_task("tests.add", (1, 2), queue="nobody")
        stack.enter_context(at_work(partial(_send, app)))
        yield f"""
  tasks:
    collector: celery
    url: {broker}
    max_age: 500ms
    workers: 3
    queues: [celery, mute, nobody]
    control_interval: 1s
    broker_interval: 1s
    beat: {{tests.add: {{interval: 1s}}}}
"""


def _send(app: Celery, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        app.send_task("tests.add", (1, 2))
        app.send_task("tests.fail")
        app.send_task("tests.add", (1, 2), queue="mute")
