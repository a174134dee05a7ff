"""Celery's queues in a real Redis: how long they are, and since when messages wait."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from kombu.connection import Connection

from exporter.collector import Trouble
from exporter.collectors.celery.found import Found
from exporter.collectors.celery.redisqueues import RedisQueues
from exporter.collectors.celery.settings import CelerySettings
from exporter.setting import SecretURL
from tests.celeryapp import make
from tests.redisserver import Redis, server

READING = (
    "+llen", "+lindex", "+zcard", "+zrange", "+exists", "+scan", "+sscan", "+select", "+client|setname", "%R~*"
)  # fmt: skip
WORD = "canary-of-arguments"


@pytest.fixture(scope="module")
def running() -> Iterator[Redis]:
    with server() as redis:
        yield redis


@pytest.fixture
def redis(running: Redis) -> Redis:
    running.ask("FLUSHALL")
    return running


def settings(redis: Redis, url: str = "", **more: Any) -> CelerySettings:
    return CelerySettings(url=SecretURL(url or redis.url(database=0)), **more)


def look(queues: RedisQueues, now: float, *names: str) -> Found:
    return queues.look(dict.fromkeys(names or ("celery",), True), now)


def send(redis: Redis, count: int = 1, **options: Any) -> None:
    app: Celery = make(redis.url(database=0))
    for number in range(count):
        app.send_task("tests.add", (number, WORD), **options)
    app.close()


def take(redis: Redis, queue: str = "celery", options: dict[str, Any] | None = None, *, ack: bool = True) -> Any:
    """Take a message as a worker does."""
    with Connection(redis.url(database=0), transport_options=options or {}) as connection:  # type: ignore[no-untyped-call]
        simple = connection.SimpleQueue(queue)
        message = simple.get(timeout=5)
        if ack:
            message.ack()
        taken = message.headers["id"]
        # closing puts back what is not acknowledged, and a worker that died does not
        if not ack:
            connection.default_channel.qos._delivered.clear()
            simple.consumer.channel.qos._delivered.clear()
            simple.consumer.channel.qos.restore_at_shutdown = False
        simple.close()
        return taken


def test_messages_are_counted_and_the_oldest_is_followed(redis: Redis) -> None:
    queues = RedisQueues(settings(redis))
    assert look(queues, 100.0).queues["celery"].since is None
    send(redis, 2)
    first = look(queues, 110.0).queues["celery"]
    assert (first.length, first.since, first.priorities) == (2, 110.0, {})
    send(redis, 3)
    assert look(queues, 200.0).queues["celery"].since == 110.0
    take(redis)
    assert look(queues, 300.0).queues["celery"].since == 300.0  # it was not seen to be the next before
    for _ in range(4):
        take(redis)
    last = look(queues, 400.0).queues["celery"]
    assert (last.length, last.since) == (0, None)


def test_what_workers_take_next_is_at_the_end(redis: Redis) -> None:
    send(redis, 3)
    tail = redis.ask("LINDEX", "celery", -1)
    assert f'"id": "{take(redis)}"' in tail


def test_a_message_put_back_hides_the_one_before_for_a_while(redis: Redis) -> None:
    queues = RedisQueues(settings(redis))
    send(redis)
    look(queues, 100.0)
    redis.ask("RPUSH", "celery", '{"body": "", "properties": {"delivery_tag": "of-another-time"}}')
    assert look(queues, 200.0).queues["celery"].since == 200.0
    redis.ask("RPOP", "celery")
    assert look(queues, 300.0).queues["celery"].since == 100.0


def test_priorities_are_added_up_and_the_oldest_is_of_any(redis: Redis) -> None:
    queues = RedisQueues(settings(redis))
    send(redis, 2, priority=9)
    assert look(queues, 100.0).queues["celery"].since == 100.0
    send(redis, 3, priority=0)
    found = look(queues, 200.0).queues["celery"]
    assert (found.length, found.since) == (5, 100.0)
    assert found.priorities == {"0": 3, "3": 0, "6": 0, "9": 2}
    redis.ask("LPUSH", "celery\x06\x167", "{}")  # a step that nobody told of
    assert look(queues, 300.0).queues["celery"].length == 6


def test_steps_separator_and_prefix_are_those_of_the_application(redis: Redis) -> None:
    redis.ask("LPUSH", "mine:celery:20", '{"properties": {"delivery_tag": "12345678"}}')
    redis.ask("ZADD", "mine:unacked_index", 55.5, "tag")
    given = settings(redis, global_keyprefix="mine:", priority_separator=":", priority_steps=(0, 20))
    found = look(RedisQueues(given), 100.0)
    assert found.queues["celery"].priorities == {"0": 0, "20": 1}
    assert (found.unacked, found.unacked_since) == (1, 55.5)


def test_what_is_not_acknowledged_and_since_when(redis: Redis) -> None:
    queues = RedisQueues(settings(redis))
    send(redis, 2)
    found = look(queues, 100.0)
    assert (found.unacked, found.unacked_since) == (0, None)
    before = time.time()
    take(redis, ack=False)
    found = look(queues, 200.0)
    assert found.unacked == 1
    assert found.unacked_since is not None
    assert before <= found.unacked_since <= time.time()


def test_ages_outlive_a_restart_as_digests(redis: Redis) -> None:
    queues = RedisQueues(settings(redis))
    send(redis, priority=3)
    look(queues, 100.0)
    kept = queues.kept("celery")
    assert WORD not in str(kept)
    assert len(str(kept)) < 200
    again = RedisQueues(settings(redis))
    again.remember("celery", kept)
    assert look(again, 500.0).queues["celery"].since == 100.0
    take(redis, options={"priority_steps": [3]})
    send(redis, priority=3)
    other = RedisQueues(settings(redis))
    other.remember("celery", kept)
    assert look(other, 600.0).queues["celery"].since == 600.0


def test_a_message_too_large_is_not_read_again_and_again(redis: Redis) -> None:
    queues = RedisQueues(settings(redis))
    for name, size in (("large", 9 << 20), ("small", 10), ("middle", 3 << 20)):
        redis.ask("LPUSH", name, '{"body": "%s", "properties": {"delivery_tag": "12345678"}}' % ("x" * size))
    names = ("large", "small", "middle")
    found = look(queues, 100.0, *names)
    assert {name: queue.since for name, queue in found.queues.items()} == {
        "large": None,
        "small": 100.0,
        "middle": 100.0,
    }
    assert "next message of the queue large is larger than 4 MiB" in found.remarks[0]
    before = int(redis.ask("INFO", "stats")["total_net_output_bytes"])
    for second in range(1, 11):
        found = look(queues, 100.0 + second, *names)
    assert found.queues["large"].length == 1
    assert found.queues["middle"].since == 100.0
    assert int(redis.ask("INFO", "stats")["total_net_output_bytes"]) - before < 1 << 20


def test_what_is_none_of_celerys_has_no_age(redis: Redis) -> None:
    redis.ask("LPUSH", "celery", "hello")
    found = look(RedisQueues(settings(redis)), 100.0)
    assert (found.queues["celery"].length, found.queues["celery"].since) == (1, None)
    assert "is none of Celery's" in found.remarks[0]


def test_a_key_of_another_type_hides_no_other_queue(redis: Redis) -> None:
    redis.ask("SET", "text", "x")
    send(redis)
    found = look(RedisQueues(settings(redis)), 100.0, "text", "celery")
    assert list(found.queues) == ["celery"]
    assert "without the queue text: its key is no list" in found.remarks[0]


def test_a_database_without_celery_is_remarked_upon(redis: Redis) -> None:
    queues = RedisQueues(settings(redis))
    found = queues.look({"celery": False}, 100.0)
    assert (found.queues, found.is_bare) == ({}, True)  # nobody said that there is such a queue
    assert not look(queues, 101.0).is_bare  # workers consume it, or did: the database was emptied meanwhile
    send(redis)
    take(redis)
    found = queues.look({"celery": False}, 102.0)
    assert (found.queues["celery"].length, found.is_bare, found.remarks) == (0, False, [])  # it was declared


def test_queues_that_nobody_names_are_found_by_their_declaration(redis: Redis) -> None:
    for number in range(3000):
        redis.ask("SET", f"result-{number}", "x")
    redis.ask("SET", "_kombu.binding.odd", "x")
    redis.ask("SADD", "_kombu.binding.celery.pidbox", "\x06\x16\x06\x16one@host.celery.pidbox")
    redis.ask("SADD", "_kombu.binding.celeryev", "worker.#\x06\x16\x06\x16celeryev.its-number")
    redis.ask("SADD", "_kombu.binding.routed", "a.#\x06\x16a.*\x06\x16reports")
    send(redis, 5, queue="mail")
    queues = RedisQueues(settings(redis))
    assert queues.look({"celery": False}, 100.0).names == {"mail", "reports"}
    redis.ask("DEL", "_kombu.binding.routed")
    assert queues.look({"celery": False}, 110.0).names == {"mail", "reports"}  # all keys are not gone through each time
    assert queues.look({"celery": False}, 131.0).names == {"mail"}


def test_a_large_database_is_gone_through_bit_by_bit(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.collectors.celery.bindings._STEPS", 2)
    with redis.client() as client, client.pipeline() as pipe:
        for number in range(6000):
            pipe.set(f"result-{number}", "x")
        pipe.execute()
    send(redis, queue="letters")
    queues = RedisQueues(settings(redis, queues=("typo",)))
    redis.ask("CONFIG", "RESETSTAT")
    first = queues.look({"typo": False}, 100.0)
    assert (int(redis.ask("INFO", "commandstats")["cmdstat_scan"]["calls"]), first.unsure) == (2, {"typo"})
    for second in range(101, 140):
        last = queues.look({"typo": False}, float(second))
    assert (last.names, last.unsure, last.queues) == ({"letters"}, set(), {})


def test_who_may_not_go_through_keys_is_told_and_asked_seldom(redis: Redis) -> None:
    send(redis, queue="orders")
    url = redis.user("monitor", *(right for right in READING if right != "+scan")) + "/0"
    queues = RedisQueues(settings(redis, url))
    redis.ask("CONFIG", "RESETSTAT")
    for second in range(20):
        found = queues.look({"celery": False, "orders": False}, 100.0 + second)
    assert found.queues["orders"].length == 1
    assert "which queues nobody consumes is not looked for" in found.remarks[0]
    assert "+scan" in found.remarks[0]
    assert int(redis.ask("INFO", "commandstats")["cmdstat_scan"]["rejected_calls"]) == 1


def test_a_number_without_database(redis: Redis) -> None:
    with pytest.raises(Trouble, match="DB index is out of range"):
        look(RedisQueues(settings(redis, redis.url(database=99))), 100.0)


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("+llen", "no permissions to run the 'llen' command"),
        ("+lindex", "may not be read"),
        ("+zcard", "no permissions to run the 'zcard' command"),
        ("+select", "no permissions to run the 'select' command"),
        ("%R~*", "access"),
    ],
    ids=["llen", "lindex", "zcard", "select", "keys"],
)
def test_rights_that_are_lacking_are_named(redis: Redis, lacking: str, said: str) -> None:
    send(redis)
    url = redis.user("monitor", *(right for right in READING if right != lacking))
    queues = RedisQueues(settings(redis, f"{url}/{1 if lacking == '+select' else 0}"))
    try:
        found = look(queues, 100.0)
        problem = " ".join([*found.remarks, *(reason for reason, _ in found.troubles.values())])
    except Trouble as trouble:
        problem = str(trouble)
    assert said in problem


def test_these_rights_are_enough(redis: Redis) -> None:
    send(redis)
    found = look(RedisQueues(settings(redis, redis.user("monitor", *READING) + "/0")), 100.0)
    assert (found.queues["celery"].since, found.unacked, found.remarks, found.troubles) == (100.0, 0, [], {})


def test_three_hundred_looks_change_nothing(redis: Redis) -> None:
    send(redis, 5)
    send(redis, 2, priority=9)
    take(redis, ack=False)
    before = redis.ask("DEBUG", "DIGEST")
    redis.ask("CONFIG", "RESETSTAT")
    queues = RedisQueues(settings(redis))
    for second in range(300):
        look(queues, 100.0 + second)
    assert redis.ask("DEBUG", "DIGEST") == before
    asked = {name.removeprefix("cmdstat_").lower() for name in redis.ask("INFO", "commandstats")}
    own = {"config|resetstat", "debug", "info"}  # what this test asked
    assert asked - own == {
        "llen", "lindex", "zcard", "zrange", "client|setname", "select", "scan", "sscan"
    }  # fmt: skip


def test_a_thousand_queues(redis: Redis) -> None:
    names = [f"queue-{number}" for number in range(1000)]
    with redis.client() as client, client.pipeline() as pipe:
        for name in names:
            pipe.lpush(name, f'{{"properties": {{"delivery_tag": "{name}-of-it"}}}}')
        pipe.execute()
    queues = RedisQueues(settings(redis))
    found = look(queues, 100.0, *names)
    # so much is read at a look: of lists of which nothing is known yet, 16 KiB are allowed for each
    seen = [queue.since for queue in found.queues.values()]
    assert (len(seen), seen.count(100.0)) == (1000, 257)
    for second in range(1, 5):
        found = look(queues, 100.0 + second, *names)
    assert all(queue.since for queue in found.queues.values())


def test_a_lost_line_is_opened_again(redis: Redis) -> None:
    queues = RedisQueues(settings(redis))
    send(redis)
    look(queues, 100.0)
    redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises(Trouble, match="cannot be reached"):
        look(queues, 101.0)
    assert look(queues, 102.0).queues["celery"].since == 100.0
    redis.ask("FLUSHALL")
    emptied = look(queues, 103.0).queues["celery"]
    assert (emptied.length, emptied.since) == (0, None)
