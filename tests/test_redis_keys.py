"""The lengths of keys, those that the configuration names and those that match its patterns."""

from collections.abc import Iterator

import pytest

from tests.onetarget import one
from tests.redisserver import PASSWORD, Redis, server
from tests.redistarget import failed, patient


@pytest.fixture(scope="module")
def watched() -> Iterator[Redis]:
    with server(settings={"requirepass": PASSWORD, "latency-monitor-threshold": "1"}) as running:
        yield running


@pytest.fixture
def emptied(watched: Redis) -> Redis:
    watched.ask("FLUSHALL")
    return watched


def test_chosen_keys_of_each_type_have_their_length(emptied: Redis) -> None:
    emptied.ask("RPUSH", "list", 1, 2, 3)
    emptied.ask("SADD", "set", 1, 2)
    emptied.ask("ZADD", "zset", 1, "a")
    emptied.ask("HSET", "hash", "a", 1, "b", 2)
    emptied.ask("SET", "number", "-12.5e3", database=2)
    emptied.ask("SET", "word", "ok", database=2)
    emptied.ask("SET", "long", "9" * 1000)
    emptied.ask("XADD", "stream", "*", "a", "b")
    emptied.ask("XADD", "stream", "*", "a", "b")
    emptied.ask("XGROUP", "CREATE", "stream", "workers", "0")
    emptied.ask("XREADGROUP", "GROUP", "workers", "one", "COUNT", 1, "STREAMS", "stream", ">")
    names = "keys: [list, set, zset, hash, stream, none, long, db2=number, db2=word, 'db0=with space=1']"
    with one("redis", patient(emptied.url(), names)) as target:
        page = target.page()
        sizes = {series: value for series, value in page.items() if series.startswith("redis_key_size")}
        assert sizes == {
            f'redis_key_size{{db="{db}",key="{key}"}}': size
            for db, key, size in (
                ("db0", "list", "3"), ("db0", "set", "2"), ("db0", "zset", "1"), ("db0", "hash", "2"),
                ("db0", "stream", "2"), ("db0", "none", "0"), ("db0", "long", "1000"), ("db0", "with space=1", "0"),
                ("db2", "number", "7"), ("db2", "word", "2"),
            )
        }  # fmt: skip
        assert {series: value for series, value in page.items() if series.startswith("redis_key_value")} == {
            'redis_key_value{db="db2",key="number"}': "-12500.0"
        }
        place = 'db="db0",stream="stream"'
        assert page[f"redis_stream_length{{{place}}}"] == "2"
        assert page[f"redis_stream_groups{{{place}}}"] == "1"
        group = f'{place},group="workers"'
        assert page[f"redis_stream_group_messages_pending{{{group}}}"] == "1"
        assert page[f"redis_stream_group_consumers{{{group}}}"] == "1"
        assert page[f"redis_stream_group_lag{{{group}}}"] == "1"
        # a queue that was emptied is one of length 0, and it may come back as something else
        emptied.ask("DEL", "list")
        assert target.page()['redis_key_size{db="db0",key="list"}'] == "0"
        emptied.ask("SET", "list", "x")
        assert target.page()['redis_key_size{db="db0",key="list"}'] == "1"
        assert failed(target) == {}


def test_keys_are_in_the_database_of_the_address(emptied: Redis) -> None:
    emptied.ask("RPUSH", "queue", 1, 2, database=5)
    with one("redis", f"url: {emptied.url(database=5)}\nkeys: [queue, db0=queue]") as target:
        page = target.page()
        assert page['redis_key_size{db="db5",key="queue"}'] == "2"
        assert page['redis_key_size{db="db0",key="queue"}'] == "0"
    with one("redis", f"url: {emptied.url(database=99)}\nkeys: [queue]") as target:
        assert "invalid DB index" in failed(target)["keys"] or "out of range" in failed(target)["keys"]
        assert "`databases` in redis.conf" in failed(target)["keys"]
        assert target.read().up


def test_keys_that_match_a_pattern_are_counted_and_measured(emptied: Redis) -> None:
    with emptied.client() as client:
        for number in range(30):
            client.rpush(f"queue:{number}", *range(number + 1))
        client.rpush(b"queue:\xff", 1)
        client.set("other", "x")
    emptied.ask("SADD", "queue:set", 1, 2, database=3)
    lines = ("keys: ['queue:1']", "key_patterns: ['queue:*', 'db3=queue:*', 'none:*']", "top: 5")
    with one("redis", patient(emptied.url(), *lines)) as target:
        page = target.page()
        counts = {series: value for series, value in page.items() if series.startswith("redis_keys_count")}
        assert counts == {
            'redis_keys_count{db="db0",key="queue:*"}': "31",
            'redis_keys_count{db="db0",key="none:*"}': "0",
            'redis_keys_count{db="db3",key="queue:*"}': "1",
        }
        sizes = {series: float(value) for series, value in page.items() if series.startswith("redis_key_size")}
        assert sizes['redis_key_size{db="db0",key="queue:29"}'] == 30
        assert sizes['redis_key_size{db="db0",key="queue:1"}'] == 2
        assert sizes['redis_key_size{db="other",key="other"}'] > 100
        assert sum(sizes.values()) == sum(range(1, 31)) + 1 + 2
        assert failed(target) == {}
    with one("redis", patient(emptied.url(), "key_patterns: ['queue:*']", "scan_most: 10")) as target:
        assert "db0 has more than 10 keys" in failed(target)["matching_keys"]
    with emptied.client() as client:
        client.mset({f"many:{number}": "x" for number in range(1100)})
    with one("redis", patient(emptied.url(), "key_patterns: ['many:*']")) as target:
        assert "matches more than 1,000 keys" in failed(target)["matching_keys"]
