"""What listens to Celery: looks that die are begun again, and the same events on a real RabbitMQ."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from exporter.collector import Trouble
from exporter.collectors.celery import listen
from exporter.collectors.celery.amqpline import connect
from exporter.collectors.celery.broker import Broker
from exporter.collectors.celery.control import Control
from exporter.collectors.celery.events import Events
from exporter.collectors.celery.look import Look, fresh
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.trouble import explained
from exporter.secret import Secret, SecretURL
from exporter.toil import Changes, Tell
from tests import celeryapp, rabbitmq
from tests.celeryapp import total, value, worker
from tests.onetarget import one
from tests.process import free_port
from tests.redisserver import PASSWORD, Redis, server
from tests.support import until
from tests.test_celery_collector import CANARY, event_outcomes, listens, settings

GIVEN = CelerySettings(url=SecretURL("redis://:word-of-the-broker@127.0.0.1:1/0"))


class Dies:
    """A look that ends in another way each time, and at last works."""

    name = "dies"
    lives = 0

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any]) -> None:
        self.kept = kept

    def run(self, stop: Event, tell: Tell) -> None:
        type(self).lives += 1
        if self.lives == 1:
            raise ConnectionResetError("redis://:word-of-the-broker@127.0.0.1:1/0 is gone")
        if self.lives == 2:
            raise SystemExit(3)
        if self.lives == 3:
            return
        tell({"told": self.kept.get("told", 0) + 1})
        if self.lives == 4:
            raise KeyError("what")
        while not stop.wait(0.01):
            tell({})


class Hangs:
    """A look that never ends."""

    name = "hangs"

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any]) -> None:
        """Take what every look is given."""

    def run(self, stop: Event, tell: Tell) -> None:
        tell({"hangs": True})
        threading.Event().wait()


def test_a_look_that_dies_is_begun_again_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "LOOKS", (f"{__name__}:Dies", f"{__name__}:Hangs"))
    monkeypatch.setattr(listen, "_LINGERS", 0.5)
    monkeypatch.setattr("exporter.backoff.Backoff.failed", lambda _: 0.01)
    entries: dict[str, Any] = {}
    reasons: list[str] = []

    def tell(changes: Changes) -> None:
        entries.update(changes)
        if "look:dies" in changes:
            reasons.append(changes["look:dies"]["reason"])

    stop, ready = Event(), Event()
    toil = listen.Listen(GIVEN, {})
    thread = threading.Thread(target=toil.run, args=(stop, tell, ready.set), daemon=True)
    thread.start()
    until(lambda: entries.get("told") == 2 and entries["look:dies"]["ok"])
    assert ready.is_set()
    assert entries["hangs"] is True
    assert entries["look:hangs"]["ok"] is True
    assert "cannot be reached, or is lost" in reasons[0]
    assert "word-of-the-broker" not in json.dumps([reasons, entries])
    assert [reason.partition(":")[0] for reason in reasons if reason][1:] == ["SystemExit", "it returned", "KeyError"]
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


class Counts:
    """A look that has something left to tell when it is to stop."""

    name = "counts"

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any]) -> None:
        """Take what every look is given."""

    def run(self, stop: Event, tell: Tell) -> None:
        tell({"counted": 1})
        stop.wait()
        tell({"counted": 2})
        threading.Event().wait(1.0)
        tell({"counted": 3})


@pytest.mark.parametrize(("lingers", "told"), [(5.0, 3), (0.3, 2)], ids=["in time", "too late"])
def test_what_a_look_hands_over_at_its_end_is_kept(monkeypatch: pytest.MonkeyPatch, lingers: float, told: int) -> None:
    monkeypatch.setattr(listen, "LOOKS", (f"{__name__}:Counts",))
    monkeypatch.setattr(listen, "_LINGERS", lingers)
    entries: dict[str, Any] = {}
    stop = Event()
    thread = threading.Thread(
        target=listen.Listen(GIVEN, {}).run, args=(stop, entries.update, Event().set), daemon=True
    )
    thread.start()
    until(lambda: entries.get("counted") == 1)
    stop.set()
    thread.join(10)
    (look,) = [running for running in threading.enumerate() if running.name == "celery Counts"] or [thread]
    look.join(10)
    assert entries["counted"] == told


class FirstWait(Event):
    """Ends the look at its first rest, and keeps how long that would have been."""

    seconds: float | None = None

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds = timeout
        self.set()
        return True


def rest_of(look: type[Look], url: str, **given: Any) -> float | None:
    """Return how long a look rests once it has failed."""
    stop = FirstWait()
    listen.Run(look, CelerySettings(url=SecretURL(url), **given), listen.Kept({}), stop, lambda _: None).run()
    return stop.seconds


LOOKS = pytest.mark.parametrize("look", [Events, Broker, Control], ids=["events", "broker", "control"])


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with server(settings={"requirepass": PASSWORD}) as running:
        running.ask("ACL", "SETUSER", "nothing", "on", ">nothing-it-may-do", "+ping")
        yield running


@LOOKS
def test_a_redis_that_refuses_us_is_left_alone_for_a_minute(redis: Redis, look: type[Look]) -> None:
    place = f"127.0.0.1:{redis.port}"
    for user in ("", ":not-the-one@", "nothing:nothing-it-may-do@"):
        assert rest_of(look, f"redis://{user}{place}/0") == 60.0, user
    sentinel = {"master_name": "mymaster", "sentinel_user": "nothing", "sentinel_password": Secret("not-the-one")}
    assert rest_of(look, f"sentinel://{place}/0", **sentinel) == 60.0
    rest = rest_of(look, f"redis://127.0.0.1:{free_port()}/0")
    assert rest is not None
    assert rest <= 1.0


def test_a_look_without_a_word_is_stale() -> None:
    entry = {"ok": True, "reason": "", "fix": "", "since": 0.0, "at": time.time() - 31}
    with pytest.raises(Trouble, match="has not answered for 31 s"):
        fresh({"look:x": entry}, "x", 30.0)
    with pytest.raises(Trouble, match="has not begun"):
        fresh({}, "x", 30.0)


@pytest.mark.parametrize(("error", "said", "remedy"), [
    (lambda: ModuleNotFoundError("No module named 'amqp'"), "library is missing", "pip install"),
    (lambda: ConnectionError("WRONGPASS invalid"), "refuses us", "rights"),
    (lambda: ConnectionError("NOAUTH " + 290 * "x" + " word-of-the-broker"), "refuses us", "rights"),
    (lambda: TimeoutError("timed out"), "does not answer", "hangs"),
    (lambda: OSError(113, "No route to host"), "cannot be reached", "runs"),
    (lambda: Trouble("as it is", "so"), "as it is", "so"), (lambda: ZeroDivisionError("x"), "ZeroDivisionError", ""),
], ids=["library", "refused", "long", "timeout", "network", "known", "other"])  # fmt: skip
def test_what_broke_is_said_in_words(error: Callable[[], BaseException], said: str, remedy: str) -> None:
    trouble = explained(error(), GIVEN)
    assert said in str(trouble)
    assert remedy in trouble.fix
    assert "word-of" not in str(trouble)  # nor a piece of it


@pytest.fixture(scope="module")
def rabbit() -> Iterator[rabbitmq.RabbitMQ]:
    with rabbitmq.node() as running:
        yield running


@pytest.mark.long
def test_the_same_on_rabbitmq(rabbit: rabbitmq.RabbitMQ, tmp_path: Path) -> None:
    app = celeryapp.make(rabbit.url())
    with one("celery", settings(rabbit.url())) as target:
        listens(target)
        assert value(target, "celery_workers_online") == 0
        with worker(rabbit.url(), tmp_path):
            until(lambda: value(target, "celery_workers_online") == 1, 20)
            for number in range(50):
                app.send_task("tests.add", (number, 2))
            app.send_task("tests.fail", (CANARY,))
            until(lambda: total(target, "celery_task_succeeded_total") == 50, 20)
            until(lambda: total(target, "celery_task_failed_total") == 1, 20)
            assert total(target, "celery_task_sent_total") == 51
            assert CANARY not in target.text()
            with rabbit.stopped():
                until(lambda: "failed" in " ".join(event_outcomes(target).values()), 60)
            until(lambda: total(target, "celery_task_succeeded_total") == 50, 30)


@LOOKS
def test_a_rabbitmq_that_refuses_us_is_left_alone_for_a_minute(rabbit: rabbitmq.RabbitMQ, look: type[Look]) -> None:
    for url in (rabbit.url(password="not-the-one"), rabbit.url(vhost="none")):
        assert rest_of(look, url) == 60.0, url
    if look is not Broker:  # which goes on without a queue that it may not look at
        rabbit.user("nobody")
        with connect(CelerySettings(url=SecretURL(rabbit.url()))) as connection:
            connection.channel().exchange_declare("celeryev", "topic", durable=True, auto_delete=False)
        assert rest_of(look, rabbit.url("nobody")) == 60.0


def test_rabbitmq_that_lets_nobody_in_is_down_and_says_why(rabbit: rabbitmq.RabbitMQ) -> None:
    rabbit.user("stranger")  # may log in, and has no rights
    for url, reason in (
        (rabbit.url(password="not-the-one"), "refuses us"), (rabbit.url(vhost="none"), "refuses us"),
        (f"amqp://127.0.0.1:{free_port()}//", "cannot be reached"),
    ):  # fmt: skip
        with one("celery", settings(url)) as target:
            until(lambda: reason in " ".join(event_outcomes(target).values()), 20)  # noqa: B023
            assert "not-the-one" not in json.dumps(target.outcomes())
