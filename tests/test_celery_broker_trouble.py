"""Brokers that are slow, hang, die, come again empty: both kinds, all three looks, and a page that never waits."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests import celeryapp, rabbitmq, redisserver
from tests.celeryapp import Worker, worker
from tests.onetarget import One, one
from tests.slowline import SlowLine, slow_line
from tests.soak import leaves_nothing
from tests.support import until

LOOKS = ("heartbeats", "workers", "queues")
Kind = redisserver.Redis | rabbitmq.RabbitMQ
pytestmark = pytest.mark.long


class Place:
    """A broker, and the same behind a line that can be slow."""

    def __init__(self, broker: Kind, line: SlowLine) -> None:
        self.broker, self.line = broker, line

    @property
    def url(self) -> str:
        return self.broker.url(database=0) if isinstance(self.broker, redisserver.Redis) else self.broker.url()

    @property
    def slow_url(self) -> str:
        return self.url.replace(f":{self.broker.port}", f":{self.line.port}")

    def empty(self) -> None:
        """Take all away that it has, while everybody is connected."""
        if isinstance(self.broker, redisserver.Redis):
            self.broker.ask("FLUSHALL")
        else:
            self.broker.api("DELETE", "queues/%2F/celery")

    def kill(self) -> None:
        if isinstance(self.broker, redisserver.Redis):
            self.broker.stop()
        else:
            self.broker.kill()


@pytest.fixture(scope="module")
def redis() -> Iterator[redisserver.Redis]:
    with redisserver.server() as running:
        yield running


@pytest.fixture(scope="module")
def rabbit() -> Iterator[rabbitmq.RabbitMQ]:
    with rabbitmq.node() as running:
        yield running


@pytest.fixture(params=["redis", "rabbit"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    broker: Kind = request.getfixturevalue(request.param)
    with slow_line(broker.port) as line:
        yield Place(broker, line)


def settings(url: str) -> str:
    return "\n".join([f"url: '{url}'", "max_age: 0s", "timeout: 2s", "control_interval: 1s", "broker_interval: 1s",
                      "queues: [celery]"])  # fmt: skip


def value(target: One, series: str) -> float:
    return float(page(target).get(series, "nan"))


def page(target: One) -> dict[str, str]:
    """Return the page, which nothing may keep waiting."""
    began = time.monotonic()
    found = target.page()
    assert time.monotonic() - began < 1.5
    return found


def well(target: One, workers: int = 1) -> Callable[[], bool]:
    def is_so() -> bool:
        found, told = page(target), target.outcomes()
        counts = [float(found.get(name, "nan")) for name in ("celery_workers_answering", "celery_workers_online")]
        return all(told.get(read) == "ok" for read in LOOKS) and counts == [workers, workers]

    return is_so


def failing(target: One, *words: str) -> Callable[[], bool]:
    def is_so() -> bool:
        page(target)
        told = [target.outcomes().get(read, "") for read in LOOKS]
        return all(said.startswith(("failed", "down")) and any(word in said for word in words) for said in told)

    return is_so


@pytest.fixture
def busy(place: Place, tmp_path: Path) -> Iterator[Worker]:
    with worker(place.url, tmp_path) as running:
        yield running


def succeeded(target: One) -> float:
    return sum(float(value) for name, value in page(target).items() if name.startswith("celery_task_succeeded_total{"))


def test_slow(place: Place, busy: Worker) -> None:
    app = celeryapp.make(place.url)
    with one("celery", settings(place.slow_url)) as target:
        until(well(target), 40)
        place.line.delay = 0.7
        for _ in range(3):
            app.send_task("tests.add", (1, 2))
        until(lambda: succeeded(target) == 3, 40)
        begun = time.monotonic()
        while time.monotonic() - begun < 20:
            assert value(target, "celery_workers_answering") == 1, target.outcomes()
        assert well(target)(), target.outcomes()
    app.close()


def test_a_line_that_swallows_all(place: Place, busy: Worker) -> None:
    with one("celery", settings(place.slow_url)) as target:
        until(well(target), 40)
        place.line.swallows = True
        until(failing(target, "does not answer", "has not answered", "cannot be reached", "timed out"), 60)
        place.line.swallows = False
        place.line.hang_up()
        until(well(target), 60)


def test_hung_killed_begun_again_and_emptied(place: Place, busy: Worker) -> None:
    with one("celery", settings(place.url)) as target:
        until(well(target), 40)
        with place.broker.stopped():
            until(failing(target, "does not answer", "has not answered", "cannot be reached"), 60)
        until(well(target), 60)
        place.kill()
        until(failing(target, "cannot be reached"), 60)
        leaves_nothing(target, 200)
        place.broker.start()
        until(well(target), 90)
        place.empty()
        until(well(target), 60)


def test_each_look_has_one_connection_to_rabbitmq_and_a_kill_leaves_nothing(
    rabbit: rabbitmq.RabbitMQ, tmp_path: Path
) -> None:
    def queues() -> set[str]:
        return {queue["name"] for queue in rabbit.api("GET", "queues/%2F?columns=name")}

    def connections() -> int:
        told = rabbit.api("GET", "connections?columns=client_properties.connection_name")
        return sum("runbook-exporter" in str(each) for each in told)

    with worker(rabbit.url(), tmp_path):
        before = queues()
        with one("celery", settings(rabbit.url())) as target:
            until(well(target), 40)
            until(lambda: connections() == 3, 20)
            assert len(queues() - before) == 2
            (helper,) = [child for child in psutil.Process().children() if "helperprocess" in str(child.cmdline())]
            helper.kill()
            until(lambda: queues() == before or connections() == 3, 20)
            until(well(target), 60)
            until(lambda: connections() == 3 and len(queues() - before) == 2, 20)
        until(lambda: queues() == before and connections() == 0, 20)


def test_rabbitmq_that_takes_no_messages_says_so(rabbit: rabbitmq.RabbitMQ, tmp_path: Path) -> None:
    with worker(rabbit.url(), tmp_path), one("celery", settings(rabbit.url())) as target:
        until(well(target), 40)
        rabbit.control("set_disk_free_limit", "100000GB")
        try:
            until(lambda: "takes no messages" in target.outcomes()["workers"], 60)
            assert target.outcomes()["queues"] == "ok"
        finally:
            rabbit.control("set_disk_free_limit", "1MB")
        until(well(target), 60)
