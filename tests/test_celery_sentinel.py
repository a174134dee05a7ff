"""Celery on a Redis that sentinels watch: the primary is found, and followed when it is another."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from exporter import config
from tests import celeryapp
from tests.celeryapp import total, value, worker
from tests.onetarget import One, one
from tests.process import free_port
from tests.redisserver import PASSWORD, Redis, replica_of, sentinel_of, server
from tests.support import until

pytestmark = pytest.mark.long

LOOKS = {"events", "workers", "queues"}

OPTIONS = json.dumps({"master_name": "mymaster"})
BOTH = json.dumps({"master_name": "mymaster", "sentinel_fanout_compat": True})


def settings(sentinel: Redis, *more: str, password: str = PASSWORD) -> str:
    word = f":{password}@" if password else ""
    url = f"sentinel://{word}127.0.0.1:{free_port()}/0;sentinel://127.0.0.1:{sentinel.port}"
    return "\n".join([f"url: '{url}'", "max_age: 0s", "control_interval: 1s", "broker_interval: 1s",
                      "queues: [celery]", *more])  # fmt: skip


def well(target: One) -> None:
    until(lambda: all(target.outcomes().get(read, "").startswith("ok") for read in LOOKS), 40)


def is_primary(running: Redis) -> bool:
    try:
        return bool(running.ask("ROLE")[0] == "master")
    except redis.exceptions.ConnectionError:  # the sentinel has the clients hung up on
        return False


@contextmanager
def watched(password: str = "") -> Iterator[tuple[Redis, Redis]]:
    """Run a server and a sentinel that watches it."""
    with (
        server(settings={"requirepass": PASSWORD}) as primary,
        sentinel_of(primary, password=password) as sentinel,
    ):
        yield primary, sentinel


def application(sentinel: Redis) -> str:
    return f"sentinel://:{PASSWORD}@127.0.0.1:{sentinel.port}/0"


def test_the_primary_is_found_and_followed(tmp_path: Path) -> None:
    with watched() as (primary, sentinel), replica_of(primary) as replica:
        until(lambda: sentinel.ask("SENTINEL", "REPLICAS", "mymaster"), 30)
        broker = application(sentinel)
        with (
            one("celery", settings(sentinel, "master_name: mymaster")) as target,
            worker(broker, tmp_path, CELERYAPP_TRANSPORT=OPTIONS),
        ):
            well(target)
            until(lambda: value(target, "celery_workers_answering") == 1, 20)
            until(lambda: value(target, "celery_workers_online") == 1, 20)
            primary.stop()  # killed
            until(lambda: is_primary(replica), 40)
            app = celeryapp.make(f"redis://:{PASSWORD}@127.0.0.1:{replica.port}/0")
            until(lambda: value(target, "celery_workers_answering") == 1, 60)
            app.send_task("tests.add", (1, 2))
            until(lambda: total(target, "celery_task_succeeded_total") == 1, 40)
            well(target)
            app.send_task("tests.add", (1, 2), queue="nobody")
            app.close()


def test_workers_of_an_older_kombu_have_other_channels(tmp_path: Path) -> None:
    with (
        watched() as (_, sentinel),
        one("celery", settings(sentinel, "master_name: mymaster")) as target,
        worker(application(sentinel), tmp_path, program=celeryapp.older(), CELERYAPP_TRANSPORT=OPTIONS),
    ):
        until(lambda: value(target, "celery_workers_answering") == 1, 40)
        until(lambda: value(target, "celery_workers_online") == 1, 20)


def test_events_that_come_twice_are_counted_once(tmp_path: Path) -> None:
    """An application in between tells the old and the new."""
    with (
        watched() as (primary, sentinel),
        one("celery", settings(sentinel, "master_name: mymaster")) as target,
        worker(application(sentinel), tmp_path, CELERYAPP_TRANSPORT=BOTH),
    ):
        until(lambda: value(target, "celery_workers_answering") == 1, 40)
        app = celeryapp.make(primary.url(database=0))
        app.send_task("tests.add", (1, 2))
        app.close()
        until(lambda: total(target, "celery_task_succeeded_total") == 1, 20)
        assert total(target, "celery_task_received_total") == 1
        assert value(target, "celery_events_malformed_total") == 0


@pytest.mark.parametrize(("change", "said"), [
    ("name", "knows no `another`"), ("gone", "no sentinel names the primary"), ("password", "WRONGPASS"),
    ("no password", "NOAUTH"), ("no sentinel", "unknown command"),
])  # fmt: skip
def test_what_goes_wrong_is_said(change: str, said: str) -> None:
    with watched() as (primary, sentinel):
        lines = {
            "name": settings(sentinel, "master_name: another"),
            "password": settings(sentinel, "master_name: mymaster", password="not-the-one"),
            "no password": settings(sentinel, "master_name: mymaster", password=""),
            "gone": f"url: 'sentinel://:{PASSWORD}@127.0.0.1:{free_port()}/0'\nmaster_name: mymaster\nmax_age: 0s",
            "no sentinel": f"url: 'sentinel://127.0.0.1:{primary.port}/0'\nmaster_name: it\nmax_age: 0s\n"
            f"sentinel_password: {PASSWORD}",
        }[change]
        with one("celery", lines) as target:
            until(lambda: all(said in target.outcomes().get(read, "") for read in LOOKS), 30)
            text = f"{target.outcomes()}{target.text()}"
            assert PASSWORD not in text
            assert "not-the-one" not in text


def test_sentinels_that_ask_for_a_password(tmp_path: Path) -> None:
    with watched("word-of-the-sentinel") as (_, sentinel):
        with one("celery", settings(sentinel, "master_name: mymaster")) as target:
            until(lambda: all("sentinel_password" in target.outcomes().get(read, "") for read in LOOKS), 30)
        with one(
            "celery", settings(sentinel, "master_name: mymaster", "sentinel_password: word-of-the-sentinel")
        ) as it:
            well(it)
            assert "word-of-the-sentinel" not in f"{it.outcomes()}{it.text()}"


@pytest.mark.parametrize(("lines", "said"), [
    ("url: sentinel://h:26379", "master_name.* is missing"), ("url: redis://h\nmaster_name: x", "is for sentinels"),
    ("url: sentinel://h;redis://h\nmaster_name: x", "no sentinel"), ("url: sentinel://\nmaster_name: x", "no sentinel"),
    ("url: sentinel://h/x\nmaster_name: x", "no number for the database"),
    ("url: sentinel://h\nmaster_name: x\nca_file: x", "without TLS"),
    ("url: redis://a;redis://b", "several brokers"), ("url: amqp://a//;amqp://b//", "several brokers"),
    ("url: amqp://u:p@a//;amqp://u:p@b//", "several brokers"),
    ("url: redis://:p@a/0;redis://:p@b/0", "several brokers"),
    ("url: redis+socket://x/y", "names no socket"),
], ids=lambda text: text.replace("\n", ","))  # fmt: skip
def test_what_cannot_be_meant_is_refused(lines: str, said: str) -> None:
    text = "targets:\n  it:\n    collector: celery\n" + "".join(f"    {line}\n" for line in lines.splitlines())
    with pytest.raises(config.ConfigError, match=said):
        config.read(text.encode(), "config.yml", config.INSTALLED, {})


def test_a_socket_in_the_file_system(tmp_path: Path) -> None:
    with server(settings={"requirepass": PASSWORD}) as running:
        broker = f"redis+socket://:{PASSWORD}@{running.socket}?virtual_host=3"
        lines = f"url: '{broker}'\nmax_age: 0s\ncontrol_interval: 1s\nqueues: [celery]"
        with one("celery", lines) as target, worker(broker, tmp_path):
            until(lambda: value(target, "celery_workers_answering") == 1, 30)
            until(lambda: value(target, "celery_workers_online") == 1, 20)
            running.ask("LPUSH", "celery", "x", database=4)
            running.ask("LPUSH", "other", "x", database=3)
            well(target)
