"""The lengths of keys, those that the configuration names and those that match its patterns."""

import ssl
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.collectors.redis import keys, patterns
from exporter.collectors.redis.address import parse
from exporter.collectors.redis.connection import Server
from exporter.collectors.redis.glob import compiled
from exporter.collectors.redis.session import Session
from exporter.collectors.redis.settings import RedisSettings
from tests.onetarget import one
from tests.redisserver import LEAST_RIGHTS, PASSWORD, Redis, server
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
    with one("redis", patient(emptied.url(), "key_patterns: ['queue:*', 'db3=queue:*']", "scan_most: 10")) as target:
        assert "ok without db0=queue:*: db0 has more than 10 keys" in target.outcomes()["matching_keys"]
        assert target.page()['redis_keys_count{db="db3",key="queue:*"}'] == "1"
    with one("redis", patient(emptied.url(), "key_patterns: ['queue:*']", "scan_most: 10")) as target:
        assert "db0 has more than 10 keys" in failed(target)["matching_keys"]
    with emptied.client() as client:
        client.mset({f"many:{number}": "x" for number in range(1100)})
    with one("redis", patient(emptied.url(), "key_patterns: ['many:*']")) as target:
        assert "matches more than 1,000 keys" in failed(target)["matching_keys"]


def test_a_database_is_searched_once_for_all_its_patterns(emptied: Redis) -> None:
    with emptied.client() as client:
        client.mset({f"many:{number}": "x" for number in range(1400)})
        client.rpush("queue", 1, 2)
    emptied.ask("CONFIG", "RESETSTAT")
    lines = "key_patterns: ['many:*', 'qu[d-f]ue', 'none*', 'm?ny:1', '*:*9']"
    with one("redis", patient(emptied.url(), lines)) as target:
        page = target.page()
        counts = {series.split('"')[3]: value for series, value in page.items() if "redis_keys_count" in series}
        assert counts == {"qu[d-f]ue": "1", "none*": "0", "m?ny:1": "1", "*:*9": "140"}
        assert page['redis_key_size{db="db0",key="queue"}'] == "2"
        said = {outcome.read: outcome.reason for outcome in target.target.view().outcomes}
        assert "'many:*' matches more than 1,000 keys" in said["matching_keys"]
        assert "'many:*' matches more than 1,000 keys" in said["pattern_counts"]
    # of 500 keys a step; both reads together
    assert 3 <= emptied.ask("INFO", "commandstats")["cmdstat_scan"]["calls"] <= 4


def test_a_search_that_takes_too_long_says_so_and_leaves_the_rest_of_the_round(
    emptied: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "_PATIENCE", 0.0)
    with one("redis", patient(emptied.url(), "key_patterns: ['queue:*']")) as target:
        said = failed(target)["matching_keys"]
        assert "db0 has more keys than can be searched through within the target's timeout" in said
        assert "list the keys by name" in said
        assert target.read().up


_LETTERS: Final = (b"a", b"b", b"c", b"-", b"]", b"^", b"\\", b"*", b"?", b"[", b"\n")
# what lies in a range with letters beyond ASCII is another with each processor, in Redis
_PATTERNS = st.lists(st.sampled_from(_LETTERS), min_size=1, max_size=8).map(b"".join)
_NAMES = st.lists(st.sampled_from((*_LETTERS, b"\xff")), min_size=1, max_size=5).map(b"".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(_PATTERNS, st.lists(_NAMES, min_size=1, max_size=8, unique=True))
def test_patterns_match_as_in_redis_itself(watched: Redis, pattern: bytes, names: list[bytes]) -> None:
    with watched.client(database=9, decode_responses=False) as client:
        client.flushdb()
        client.mset(dict.fromkeys(names, "x"))
        assert set(client.keys(pattern)) == set(filter(compiled(pattern).fullmatch, names))


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    assert compiled(b"*a" * 30 + b"b").fullmatch(b"a" * 3000) is None


def test_a_key_that_may_not_be_looked_at_hides_no_other(emptied: Redis) -> None:
    rights = (*LEAST_RIGHTS, "%R~queue*", "+type", "+llen", "+xlen")
    emptied.ask("RPUSH", "queue", 1, 2)
    emptied.ask("SET", "queue:word", "x")
    names = "keys: [queue, queue:word, secret, db1=queue, db1=queue2]"
    with one("redis", patient(emptied.user("partly", *rights), names, "max_age: 0s")) as target:
        page = target.page()
        assert {series for series in page if series.startswith("redis_key_size")} == {
            'redis_key_size{db="db0",key="queue"}'
        }
        said = target.outcomes()["keys"]
        assert said.startswith("ok without ")
        assert "db1=queue, db1=queue2: NOPERM" in said
        assert "ACL SETUSER <user> +select" in said
        assert "db0=secret: NOPERM" in said
        assert "ACL SETUSER <user> %R~KEY" in said
        assert "db0=queue:word: NOPERM" in said
        assert "+strlen" in said
        assert failed(target) == {}
    emptied.user("scanning", *rights, "+scan")
    emptied.ask("RPUSH", "qu", 1)
    with one("redis", patient(emptied.url("scanning", PASSWORD), "key_patterns: ['q*', 'db1=q*']")) as target:
        page = target.page()
        assert page['redis_keys_count{db="db0",key="q*"}'] == "3"
        assert page['redis_key_size{db="db0",key="queue"}'] == "2"
        assert "db1=q*: NOPERM" in target.outcomes()["matching_keys"]
        assert "db0=qu: NOPERM" in target.outcomes()["matching_keys"]


def test_a_stream_that_vanishes_between_two_questions_hides_no_other(emptied: Redis) -> None:
    for name in ("orders", "brief"):
        emptied.ask("XGROUP", "CREATE", name, "workers", "0", "MKSTREAM")
    asked = Server(parse(emptied.url()), ssl.create_default_context, 20.0)
    wanted = RedisSettings(keys=("brief", "orders"))

    def groups(vanishes: str = "") -> set[str]:
        asked.awaken()
        session = Session(asked, wanted)
        assert len(list(keys.keys.function(session))) > 3
        if vanishes:
            emptied.ask("DEL", vanishes)
        found = [sample for sample in keys.streams.function(session) if sample is not None]
        return {sample.labels[1] for sample in found if sample.metric is keys.GROUPS}

    assert groups() == {"brief", "orders"}
    assert groups(vanishes="brief") == {"orders"}
    emptied.ask("XGROUP", "CREATE", "brief", "workers", "0", "MKSTREAM")
    assert groups() == {"brief", "orders"}
    asked.close()


def test_groups_that_may_not_be_seen_are_skipped_with_the_remedy(emptied: Redis) -> None:
    emptied.ask("XADD", "queue", "*", "a", "b")
    url = emptied.user("partly", *LEAST_RIGHTS, "%R~queue*", "+type", "+xlen")
    with one("redis", patient(url, "keys: [queue]")) as target:
        assert target.page()['redis_stream_length{db="db0",stream="queue"}'] == "1"
        assert "ACL SETUSER <user> +xinfo|groups" in target.outcomes()["streams"]
        assert failed(target) == {}


def test_a_value_that_only_python_takes_for_a_number_is_none(emptied: Redis) -> None:
    values = {"a": "2024_01", "b": " 5", "c": "5 ", "d": "٣", "e": "+5", "f": ".5", "g": "nan", "h": "-3", "i": "0x10"}
    with emptied.client() as client:
        client.mset(values)
    with one("redis", patient(emptied.url(), f"keys: [{', '.join(values)}]")) as target:
        page = target.page()
        told = {series.split('"')[3]: float(value) for series, value in page.items() if "redis_key_value" in series}
        assert told == {"e": 5, "f": 0.5, "h": -3}
