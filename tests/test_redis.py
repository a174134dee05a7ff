"""The Redis collector on servers that are well: primaries, replicas, sentinels, clusters, of several versions."""

import re
import time
from collections.abc import Callable, Iterator

import pytest

from exporter.collectors.redis import sentinel as sentinel_module
from tests.onetarget import one
from tests.redisserver import PASSWORD, Redis, cluster, needs, programs, replica_of, sentinel_of, server, version
from tests.redistarget import failed, patient
from tests.support import until
from tests.test_redis_malformed import session_of

# What is another with each run: golden files have it as `~`.
_MOVING = re.compile(r'(?<=id=")[^"]*|(?<=os=")[^"]*|(?<=port=")[^"]*')
_STANDS = re.compile(
    r"#|redis_(config|db_keys|key|memory_max|maxmemory|up(?= )|slave_info|cluster_enabled|aof_enabled|stream|"
    r"master_link|instance_info|rdb_last_bgsave_status|connected_slaves|exporter_last)|runbook_redis"
)


def still(page: str) -> str:
    """Return a page without what is another with each run."""
    lines = [line if _STANDS.match(line) else f"{line.rpartition(' ')[0]} ~" for line in page.splitlines()]
    return "".join(_MOVING.sub("~", f"{line}\n") for line in lines)


@pytest.fixture(scope="module")
def watched() -> Iterator[Redis]:
    with server(settings={"requirepass": PASSWORD, "latency-monitor-threshold": "1"}) as running:
        yield running


@pytest.mark.parametrize("name", ["redis-6.2", "distribution", "redis-8.2", "valkey-8.1", "valkey-9.1"])
def test_every_version_is_understood(name: str) -> None:
    product = name.partition("-")[0] if "-" in name else "redis"
    with server(name, {"requirepass": PASSWORD}) as watched, one("redis", patient(watched.url())) as target:
        watched.ask("SET", "a", "b")
        assert target.read().up
        assert failed(target) == {}
        page = target.page()
        major, minor = version(needs(name))
        told = next(series for series in page if series.startswith("runbook_redis_version_info"))
        assert f'product="{product}",version="{major}.{minor}.' in told
        (instance,) = (series for series in page if series.startswith("redis_instance_info"))
        for label in ('role="master"', 'redis_mode="standalone"', 'maxmemory_policy="noeviction"'):
            assert label in instance
        assert 'redis_version=""' not in instance
        assert page['redis_db_keys{db="db0"}'] == "1"
        assert page['redis_db_keys{db="db15"}'] == "0"
        assert page["redis_up"] == "1"
        assert float(page["redis_memory_used_bytes"]) > 100_000
        assert page["redis_memory_max_bytes"] == "0"
        assert page["redis_config_maxclients"] == "10000"
        assert float(page['redis_commands_total{cmd="set"}']) == 1
        assert 'redis_exporter_last_scrape_error{err=""}' in page


def test_the_servers_of_the_tests_are_there() -> None:
    assert {needs(name) for name in ("redis-6.2", "distribution", "redis-8.2", "valkey-8.1", "valkey-9.1")} == set(
        programs().values()
    )


def test_the_page(golden: Callable[[str, str], None]) -> None:
    with server(settings={"maxmemory": "64mb", "maxmemory-policy": "allkeys-lru"}) as watched:
        watched.ask("RPUSH", "queue", *"abc")
        watched.ask("SET", "number", "12.5", database=3)
        target = patient(watched.url(), "keys: [queue, db3=number, gone]", "max_age: 0s")
        with replica_of(watched), one("redis", target) as found:
            until(lambda: "redis_connected_slave_lag_seconds{" in found.text())
            lines = [line for line in found.text().splitlines(keepends=True) if "redis_" in line]
            shown = [line for line in lines if not line.startswith("redis_commands") and "slave_ip" not in line]
            assert any("slave_ip" in line for line in lines)
            golden("redis.prom", still("".join(shown)))


def test_an_empty_server_has_counts_of_zero(watched: Redis) -> None:
    watched.ask("FLUSHALL")
    with one("redis", patient(watched.url())) as target:
        page = target.page()
        assert {page[f'redis_db_keys{{db="db{number}"}}'] for number in range(16)} == {"0"}
        assert failed(target) == {}


def test_a_thousand_databases_add_up_beyond_the_top() -> None:
    with server(settings={"databases": "1000"}) as watched, watched.client() as client:
        for number in range(1000):
            client.execute_command("SELECT", number)
            client.execute_command("SET", "a", "b")
            if number < 5:
                client.execute_command("SET", "c", "d", "EX", 1000)
        with one("redis", patient(watched.url(), "top: 20")) as target:
            page = target.page()
            keys = {series: float(value) for series, value in page.items() if series.startswith("redis_db_keys{")}
            assert len(keys) == 21
            assert sum(keys.values()) == 1005
            assert keys['redis_db_keys{db="db0"}'] == 2
            assert keys['redis_db_keys{db="other"}'] == 980
            assert page['redis_db_keys_expiring{db="db4"}'] == "1"
            assert failed(target) == {}
    with server(settings={"databases": "10000"}) as watched, one("redis", patient(watched.url())) as target:
        watched.ask("SET", "a", "b", database=9999)
        keys = {series: float(value) for series, value in target.page().items() if "redis_db_keys{" in series}
        assert keys == {'redis_db_keys{db="db9999"}': 1}


def test_slow_commands_and_moments_of_high_latency_are_told(watched: Redis) -> None:
    with one("redis", patient(watched.url())) as target:
        watched.ask("SLOWLOG", "RESET")
        assert target.page()["redis_slowlog_length"] == "0"
        watched.ask("DEBUG", "SLEEP", "0.03")
        page = target.page()
        assert page["redis_slowlog_length"] == "1"
        assert float(page["redis_slowlog_last_id"]) >= 0
        assert 0.03 <= float(page["redis_last_slow_execution_duration_seconds"]) < 1
        assert 0.02 <= float(page['redis_latency_spike_duration_seconds{event_name="command"}']) < 1
        assert float(page['redis_latency_spike_last{event_name="command"}']) > 1.7e9


def test_the_time_of_the_start_stays_as_it_is() -> None:
    """What the clock less the uptime says, both in whole seconds, wavers by a second."""
    text = "redis_version:7.0.15\r\nrun_id:{}"
    session = session_of(text.format("first"), {})
    assert [session.start_time(when) for when in (1000.0, 1001.0, 999.0, 1000.0)] == [1000.0] * 4
    assert session.start_time(1005.0) == 1005.0  # the clock was set
    assert session.start_time(1006.0) == 1005.0
    session.info.fields["run_id"] = "second"
    assert session.start_time(1006.0) == 1006.0


def test_the_time_of_the_start_is_told(watched: Redis) -> None:
    with one("redis", patient(watched.url())) as target:
        page = target.page()
        started = time.time() - float(page["redis_uptime_in_seconds"])
        assert abs(float(page["redis_start_time_seconds"]) - started) < 3


def test_commands_by_which_workers_wait_never_add_up_with_others(watched: Redis) -> None:
    with one("redis", patient(watched.url(), "top: 1")) as target:
        target.read()
        with watched.client() as client:
            client.rpush("queue", 1)
            client.brpop("queue")
        page = target.page()
        assert float(page['redis_commands_total{cmd="brpop"}']) == 1
        assert float(page['redis_commands_failed_calls_total{cmd="brpop"}']) == 0
        told = [series for series in page if series.startswith("redis_commands_total")]
        assert len(told) == len(set(told)) == 3
        assert 'redis_commands_total{cmd="other"}' in told


def test_a_replica_and_its_primary_know_of_each_other() -> None:
    with (
        server(settings={"requirepass": PASSWORD}) as primary,
        replica_of(primary) as replica,
        one("redis", patient(primary.url())) as above,
        one("redis", patient(replica.url())) as below,
    ):
        until(lambda: above.page()["redis_connected_slaves"] == "1")
        place = f'slave_ip="127.0.0.1",slave_port="{replica.port}",slave_state="online"'
        until(lambda: f"redis_connected_slave_lag_seconds{{{place}}}" in above.page())
        assert float(above.page()[f"redis_connected_slave_offset_bytes{{{place}}}"]) >= 0
        master = f'master_host="127.0.0.1",master_port="{primary.port}"'
        page = below.page()
        assert page[f"redis_master_link_up{{{master}}}"] == "1"
        assert page[f"redis_master_sync_in_progress{{{master}}}"] == "0"
        assert page[f'redis_slave_info{{{master},read_only="1"}}'] == "1"
        assert 'role="slave"' in next(series for series in page if "instance_info" in series)
        primary.stop()
        until(lambda: below.page()[f"redis_master_link_up{{{master}}}"] == "0", 20)
        # promoted, it is no replica any more, and has no link
        replica.ask("REPLICAOF", "NO", "ONE")
        page = below.page()
        assert not any("redis_master_link_up" in series or "redis_slave_info" in series for series in page)
        assert 'role="master"' in next(series for series in page if "instance_info" in series)
        assert failed(below) == {}


def test_a_sentinel_tells_of_its_primary_and_of_a_failover() -> None:
    with (
        server() as primary,
        replica_of(primary) as replica,
        sentinel_of(primary) as sentinel,
        one("redis", patient(sentinel.url())) as target,
    ):
        place = f'master_name="mymaster",master_address="127.0.0.1:{primary.port}"'
        until(lambda: target.page().get(f"redis_sentinel_master_ok_slaves{{{place}}}") == "1", 20)
        page = target.page()
        assert page["redis_sentinel_masters"] == "1"
        assert page["redis_sentinel_tilt"] == "0"
        assert page[f'redis_sentinel_master_status{{{place},master_status="ok"}}'] == "1"
        assert page[f"redis_sentinel_master_sentinels{{{place}}}"] == "1"
        assert page[f"redis_sentinel_master_ok_sentinels{{{place}}}"] == "1"
        assert page[f"redis_sentinel_master_setting_ckquorum{{{place}}}"] == "1"
        assert page['redis_sentinel_master_ckquorum_status{master_name="mymaster"}'] == "1"
        assert not any("redis_db_keys" in series for series in page)
        assert failed(target) == {}
        primary.stop()
        new = f'master_name="mymaster",master_address="127.0.0.1:{replica.port}",master_status="ok"'
        until(lambda: target.page().get(f"redis_sentinel_master_status{{{new}}}") == "1", 30)
        assert failed(target) == {}


def test_the_primaries_of_a_sentinel_beyond_the_top_add_up_where_that_means_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with server() as primary, sentinel_of(primary, "first", down_ms=60_000) as sentinel:
        for name in ("second", "third", "worst"):
            sentinel.ask("SENTINEL", "MONITOR", name, "127.0.0.1", primary.port, 2)
        with one("redis", patient(sentinel.url(), "top: 1", "max_age: 0s")) as target:
            page = target.page()
            place = 'master_name="other",master_address="other"'
            other = f"{{{place}}}"
            assert page[f"redis_sentinel_master_sentinels{other}"] == "3"
            assert page[f'redis_sentinel_master_status{{{place},master_status="ok"}}'] == "1"
            assert 0 <= float(page[f"redis_sentinel_master_last_ok_ping_reply_seconds{other}"]) < 5
            assert not any("_setting_" in series and "other" in series for series in page)
            assert f"redis_sentinel_master_config_epoch{other}" not in page
            monkeypatch.setattr(sentinel_module, "_MOST_MASTERS", 3)
            said = target.outcomes()["sentinel_views"]
            assert said == "ok 1 primaries are not looked into: 3 are, in the order of their names"
            page = target.page()
            quorums = {series for series in page if "ckquorum_status" in series}
            assert len(quorums) == 3
            assert not any("worst" in series for series in quorums)


def test_too_few_sentinels_are_no_quorum() -> None:
    with (
        server() as primary,
        sentinel_of(primary, quorum=2) as sentinel,
        one("redis", patient(sentinel.url())) as target,
    ):
        assert target.page()['redis_sentinel_master_ckquorum_status{master_name="mymaster"}'] == "0"
        assert failed(target) == {}
        primary.stop()
        place = f'master_name="mymaster",master_address="127.0.0.1:{primary.port}",master_status="sdown"'
        until(lambda: target.page().get(f"redis_sentinel_master_status{{{place}}}") == "0", 20)


def test_a_node_of_a_cluster_tells_whether_all_slots_are_served() -> None:
    with cluster() as node, one("redis", patient(node.url(), "keys: [queue]")) as target:
        page = target.page()
        assert page["redis_cluster_enabled"] == "1"
        assert page["redis_cluster_state"] == "0"
        assert page["redis_cluster_slots_assigned"] == "0"
        assert "CLUSTERDOWN" in failed(target)["keys"]
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until(lambda: target.page()["redis_cluster_state"] == "1")
        node.ask("RPUSH", "queue", 1)
        page = target.page()
        assert page["redis_cluster_slots_assigned"] == "16384"
        assert page["redis_cluster_slots_fail"] == page["redis_cluster_slots_pfail"] == "0"
        assert page["redis_cluster_known_nodes"] == "1"
        assert page['redis_db_keys{db="db0"}'] == "1"
        assert 'redis_db_keys{db="db1"}' not in page
        assert page['redis_key_size{db="db0",key="queue"}'] == "1"
        assert failed(target) == {}


def test_a_cluster_of_two_counts_messages_and_says_where_a_key_lies() -> None:
    with cluster() as node, cluster() as other, one("redis", patient(node.url(), "keys: [queue]")) as target:
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 100)
        other.ask("CLUSTER", "ADDSLOTSRANGE", 101, 16383)
        node.ask("CLUSTER", "MEET", "127.0.0.1", other.port)
        until(lambda: target.page()["redis_cluster_state"] == "1", 20)
        page = target.page()
        assert page["redis_cluster_known_nodes"] == "2"
        assert float(page["redis_cluster_stats_messages_ping_sent"]) > 0
        assert float(page["redis_cluster_messages_received_total"]) > 0
        assert "MOVED" in failed(target)["keys"]
        assert "make that a target" in failed(target)["keys"]


def test_modules_are_named() -> None:
    with server("redis-8.2") as watched, one("redis", patient(watched.url())) as target:
        assert any('redis_module_info{name="vectorset"' in series for series in target.page())
        assert failed(target) == {}
