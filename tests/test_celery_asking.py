"""Questions to workers: what they cost a real broker, and what is left of them where the exporter is killed."""

import contextlib
import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from exporter.collector import Trouble
from exporter.collectors.celery.asking import Asker
from exporter.collectors.celery.settings import CelerySettings
from exporter.setting import SecretURL
from tests.celeryapp import older, worker
from tests.onetarget import One, one
from tests.redisserver import PASSWORD, Redis, server
from tests.support import until

ASKING = ("+ping", "+client|setname", "+select", "+publish", "&/0.celery.pidbox", "+brpop", "+del",
          "~*.reply.celery.pidbox*")  # fmt: skip
SECRET = "canary-of-arguments"


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with server(settings={"requirepass": PASSWORD}) as running:
        yield running


@pytest.fixture
def place(redis: Redis) -> str:
    redis.ask("FLUSHALL")
    return redis.url(database=0)


@contextlib.contextmanager
def asker(url: str, **more: Any) -> Iterator[Asker]:
    with contextlib.closing(Asker(CelerySettings(url=SecretURL(url), **more), str(uuid.uuid4()))) as made:
        yield made


def lines(url: str, *more: str) -> str:
    return "\n".join([f"url: '{url}'", "max_age: 0s", "control_interval: 1s", "broker_interval: 1s", *more])


def answering(target: One) -> float:
    return float(target.page().get("celery_workers_answering", "nan"))


def connections(redis: Redis) -> int:
    """Return how many the helper process has to the broker."""
    found = psutil.Process(_helper_of()).net_connections("tcp")
    return sum(bool(each.raddr) and each.raddr.port == redis.port for each in found)


def keys(redis: Redis) -> set[str]:
    return set(redis.ask("KEYS", "*"))


def test_each_look_has_one_connection(redis: Redis, place: str, tmp_path: Path) -> None:
    with worker(place, tmp_path), one("celery", lines(place, "queues: [celery]")) as target:
        until(lambda: answering(target) == 1, 30)
        until(lambda: target.page().get('celery_queue_length{queue_name="celery"}') == "0", 20)
        until(lambda: target.page().get("celery_workers_online") == "1", 20)
        assert connections(redis) == 3


def test_questions_change_no_key(redis: Redis, place: str, tmp_path: Path) -> None:
    with worker(place, tmp_path), asker(place) as asks:
        until(lambda: asks.names() == {"one@tests"}, 20)
        before = keys(redis)
        redis.ask("CONFIG", "RESETSTAT")
        for command in ("stats", "active", "reserved", "scheduled", "revoked", "active_queues"):
            assert asks.ask(command, 1).keys() == {"one@tests"}
        assert keys(redis) == before
        did = {name.removeprefix("cmdstat_").lower() for name in redis.ask("INFO", "commandstats")}
        assert not {name for name in did if name.startswith(("sadd", "eval", "hset", "set", "zrem", "zadd"))}, did


def test_these_rights_are_enough(redis: Redis, place: str, tmp_path: Path) -> None:
    url = redis.user("monitor", "resetchannels", *ASKING) + "/0"
    with worker(place, tmp_path), asker(url) as asks:
        until(lambda: asks.names() == {"one@tests"}, 20)
        assert asks.ask("stats", 1).keys() == {"one@tests"}


@pytest.mark.parametrize(("lacking", "said"), [
    ("+publish", "ACL SETUSER <user> +publish"), ("&/0.celery.pidbox", "ACL SETUSER <user> &/0.celery.pidbox"),
    ("+brpop", "ACL SETUSER <user> +brpop"), ("+del", "ACL SETUSER <user> +del"),
    ("~*.reply.celery.pidbox*", "ACL SETUSER <user> ~*.reply.celery.pidbox*"),
])  # fmt: skip
def test_rights_that_are_lacking_fail_these_reads_alone(
    redis: Redis, place: str, tmp_path: Path, lacking: str, said: str
) -> None:
    others = ("+psubscribe", "&/0.celeryev", "&/0.celeryev/*", "+llen", "+lindex", "+zcard", "+zrange", "+exists",
              "%R~celery*", "%R~unacked_index", "%R~_kombu.binding.*")  # fmt: skip
    rights = [right for right in ASKING if right != lacking]
    url = redis.user("monitor", "resetchannels", *others, *rights) + "/0"
    with one("celery", lines(url, "queues: [celery]")) as target:
        until(lambda: said in target.outcomes()["workers"], 30)
        until(lambda: target.outcomes()["heartbeats"] == "ok" and target.outcomes()["queues"].startswith("ok"), 20)
        assert target.read().up
        assert PASSWORD not in str(target.outcomes())


@pytest.mark.long
def test_a_kill_leaves_one_list_at_most_which_the_next_takes_away(redis: Redis, place: str, tmp_path: Path) -> None:
    with worker(place, tmp_path) as mute:
        until(lambda: "_kombu.binding.celery.pidbox" in keys(redis), 20)
        with one("celery", lines(place), tmp_path / "state") as target:
            until(lambda: answering(target) == 1, 30)
            before = {key for key in keys(redis) if ".reply." not in key}
            for _ in range(3):
                with mute.stopped():  # it answers once nobody is there any more
                    until(lambda: answering(target) == 0, 20)
                    os.kill(_helper_of(), signal.SIGKILL)
                until(lambda: answering(target) == 1, 40)
            assert len(keys(redis) - before) <= 1
        until(lambda: keys(redis) == before, 20)


def _helper_of() -> int:
    (found,) = [child.pid for child in psutil.Process().children() if "helperprocess" in " ".join(child.cmdline())]
    return int(found)


def test_what_came_too_late_for_one_before_is_dropped(redis: Redis, place: str) -> None:
    given, name = CelerySettings(url=SecretURL(place)), "its-name"
    with contextlib.closing(Asker(given, name)) as asks:
        redis.ask("LPUSH", f"{name}.reply.celery.pidbox", reply("another-ticket", {"late@host": {"ok": "pong"}}))
        assert asks.names() == frozenset()
        redis.ask("LPUSH", f"{name}.reply.celery.pidbox", reply("another-ticket", {"late@host": {"ok": "pong"}}))
    assert keys(redis) == set()


def reply(ticket: str, body: Any, kind: str = "application/json") -> str:
    return json.dumps({"body": json.dumps(body), "content-type": kind, "content-encoding": "utf-8",
                       "headers": {"ticket": ticket}, "properties": {}})  # fmt: skip


@pytest.mark.parametrize("text", ["", "what is this", "[]", "{}", "[" * 100_000, '{"body": 1, "properties": {}}'],
                         ids=["empty", "text", "list", "mapping", "deep", "body"])  # fmt: skip
def test_what_is_no_answer_fails_and_is_not_shown(redis: Redis, place: str, text: str) -> None:
    with asker(place) as asks:
        redis.ask("LPUSH", _list(asks), text)
        with pytest.raises(Trouble, match="is none"):
            asks.names()


@pytest.mark.parametrize(("body", "kind", "said"), [
    ([SECRET], "application/json", "none of Celery's"), (SECRET, "application/x-python-serialize", "in JSON"),
], ids=["list", "pickle"])  # fmt: skip
def test_an_answer_that_cannot_be_read(
    redis: Redis, place: str, monkeypatch: pytest.MonkeyPatch, body: Any, kind: str, said: str
) -> None:
    monkeypatch.setattr("exporter.collectors.celery.asking.uuid.uuid4", lambda: "the-ticket")
    with asker(place) as asks:
        redis.ask("LPUSH", _list(asks), reply("the-ticket", body, kind))
        with pytest.raises(Trouble) as raised:
            asks.names()
    assert said in f"{raised.value} {raised.value.fix}"
    assert SECRET not in f"{raised.value} {raised.value.fix}"


def _list(asks: Asker) -> str:
    return asks._mailbox.reply_to["routing_key"]


def test_a_large_answer_is_read_and_one_without_measure_is_not(
    redis: Redis, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.collectors.celery.asking.uuid.uuid4", lambda: "the-ticket")
    with asker(place) as asks:
        redis.ask("LPUSH", _list(asks), reply("the-ticket", {"one@host": "x" * (20 << 20)}))
        assert asks.names() == {"one@host"}
        redis.ask("LPUSH", _list(asks), reply("the-ticket", {"one@host": "x" * (65 << 20)}))
        with pytest.raises(Trouble, match="has more than 64 MiB"):
            asks.names()
        assert asks.names() == frozenset()  # the line is opened anew


@pytest.mark.long
def test_two_that_ask_at_once_take_nothing_of_each_other(redis: Redis, place: str, tmp_path: Path) -> None:
    with (
        worker(place, tmp_path),
        one("celery", lines(place)) as target,
        one("celery", lines(place)) as other,
    ):
        until(lambda: answering(target) == answering(other) == 1, 30)
        begun = time.monotonic()
        while time.monotonic() - begun < 6:
            assert (answering(target), answering(other)) == (1, 1)


@pytest.mark.long
@pytest.mark.parametrize("pool", ["threads", "prefork", "gevent"])
def test_workers_of_an_older_celery(redis: Redis, place: str, tmp_path: Path, pool: str) -> None:
    with worker(place, tmp_path, program=older(), pool=pool), asker(place) as asks:
        until(lambda: asks.names() == {"one@tests"}, 30)
        for command in ("stats", "active", "reserved", "scheduled", "revoked", "active_queues", "registered"):
            assert asks.ask(command, 1).keys() == {"one@tests"}, command
    assert not [key for key in keys(redis) if ".reply." in key]
