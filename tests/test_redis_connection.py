"""The Redis collector against servers that are gone, hang, are full, or come back as another."""

import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.collectors.redis.address import parse
from exporter.collectors.redis.connection import Server
from exporter.collectors.redis.session import INFO, wanted
from tests.lookups import asides
from tests.onetarget import one
from tests.process import free_port
from tests.redisserver import PASSWORD, Redis, kill_clients, replica_of, server
from tests.redistarget import LATEST, down, failed, ours, settings
from tests.soak import leaves_nothing
from tests.support import until


@pytest.fixture(scope="module")
def watched() -> Iterator[Redis]:
    with server(settings={"requirepass": PASSWORD}) as running:
        yield running


def test_where_nobody_listens_it_is_down_and_says_so(tmp_path: Path) -> None:
    with one("redis", settings(f"redis://:{PASSWORD}@127.0.0.1:{free_port()}")) as target:
        down(target, "cannot be reached (Connection refused)", "start the server")
    with one("redis", settings(f"unix://{tmp_path}/socket")) as target:
        down(target, f"{tmp_path}/socket cannot be reached (No such file", "`unixsocket`")
    with one("redis", settings("redis://no-such-host.invalid")) as target:
        down(target, "no-such-host.invalid:6379 is not known", "name service")


def test_a_server_in_protected_mode_says_what_to_do() -> None:
    # it is protected from whoever comes over a network, as this address of the machine counts
    with server(settings={"bind": "0.0.0.0", "protected-mode": "yes"}) as watched:
        address = _own_address()
        if address is None:
            pytest.skip("the machine has no address but the loopback's")
        with one("redis", settings(f"redis://{address}:{watched.port}")) as target:
            down(target, "DENIED", "protected mode", "requirepass")


def _own_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        address = str(probe.getsockname()[0])
        return None if address.startswith("127.") else address
    return None


def test_a_server_that_is_full_is_still_watched_by_who_is_connected() -> None:
    with (
        server(settings={"maxclients": "5"}) as watched,
        one("redis", settings(watched.url(), "max_age: 0s")) as early,
        one("redis", settings(watched.url(), "max_age: 0s")) as late,
        ExitStack() as crowd,
    ):
        assert early.read().up
        for _ in range(8):
            crowd.enter_context(socket.create_connection(("127.0.0.1", watched.port), timeout=5))
        until(lambda: "max number of clients" in late.read().reason)
        down(late, "max number of clients reached", "raise maxclients")
        page = early.page()
        assert page["redis_up"] == "1"
        assert float(page["redis_rejected_connections_total"]) > 0


def test_a_name_service_that_hangs_is_waited_for_no_longer_than_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, real = threading.Event(), socket.getaddrinfo

    def hang(*arguments: object, **more: int) -> object:
        return real(*arguments, **more) if more.get("flags") else stop.wait(30)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    before = asides()
    with one("redis", settings("redis://some.example", "max_age: 0s")) as target:
        for _ in range(2):
            down(target, "has not answered in full within 0.8 s")
        assert asides() == before + 1
    stop.set()


def test_an_address_that_swallows_everything_leaves_time_for_the_next(
    watched: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.2", 0), backlog=0) as full, ExitStack() as stack:
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place)
                 for place in (full.getsockname(), ("127.0.0.1", watched.port))]  # fmt: skip
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with one("redis", settings(f"redis://:{PASSWORD}@two.example")) as target:
            assert target.read().up


def test_a_server_that_hangs_is_down_in_time_and_comes_back(watched: Redis) -> None:
    with one("redis", settings(watched.url())) as target, one("redis", settings(watched.url())) as late:
        assert target.read().up
        with watched.stopped():
            down(target, "has not answered in full within 0.8 s", "SLOWLOG GET")
            down(late, "has not answered in full within 0.8 s")  # this one has never been connected
            before = threading.active_count()
            target.read()
            assert threading.active_count() <= before
        until(lambda: target.read().up and late.read().up, 20)


def test_who_waits_for_an_answer_is_let_go_while_the_server_still_hangs(watched: Redis) -> None:
    with one("redis", settings(watched.url())) as target:
        assert target.read().up
        with watched.stopped():
            round = target.target.run_now()
            until(round.done.done, LATEST)
            assert target.target.view().up is False


def test_a_slow_command_of_another_delays_and_does_no_harm(watched: Redis) -> None:
    with one("redis", settings(watched.url(), "max_age: 0s")) as target:
        assert target.read().up
        with delayed(lambda: watched.ask("DEBUG", "SLEEP", "0.4")):
            assert target.read().up
        with delayed(lambda: watched.ask("DEBUG", "SLEEP", "1.5")):
            until(lambda: target.read().up is False)
        until(lambda: target.read().up, 20)
        # clients that are paused are another way to be slow: INFO is no write, so it is answered
        watched.ask("CLIENT", "PAUSE", "300", "WRITE")
        assert target.read().up


@contextmanager
def delayed(call: Callable[[], object]) -> Iterator[None]:
    """Have a call made by another thread, and go on when it is under way, as far as can be seen."""
    thread = threading.Thread(target=call)
    thread.start()
    until(thread.is_alive)
    yield
    thread.join(20)
    assert not thread.is_alive()


def test_a_script_that_does_not_end_is_said_with_the_remedy() -> None:
    endless = "while true do end"
    with (
        server(settings={"lua-time-limit": "50"}) as watched,
        one("redis", settings(watched.url(), "max_age: 0s")) as target,
    ):
        assert target.read().up
        with delayed(lambda: _suppressed(lambda: watched.ask("EVAL", endless, 0))):
            until(lambda: "BUSY" in target.read().reason)
            down(target, "BUSY", "SCRIPT KILL")
            watched.ask("SCRIPT", "KILL")
        until(lambda: target.read().up, 20)


def _suppressed(call: Callable[[], object]) -> None:
    with suppress(Exception):
        call()


def test_a_server_that_loads_its_dataset_is_up_and_says_so() -> None:
    with server(settings={"key-load-delay": "3000", "loading-process-events-interval-bytes": "1024"}) as watched:
        watched.ask("DEBUG", "POPULATE", 2000, "key", 100)
        watched.ask("SAVE")
        watched.stop()
        watched.start(wait=False)
        with one("redis", settings(watched.url(), "keys: [queue]", "max_age: 0s")) as target:
            until(lambda: target.page().get("redis_loading_dump_file") == "1", 20)
            assert "LOADING" in failed(target)["keys"]
            assert "until it is done" in failed(target)["keys"]
            page = target.page()
            assert (page["redis_loading_dump_file"], page["redis_up"]) == ("1", "1")
            # a part of the keys would look as though the rest were gone
            assert not any(series.startswith("redis_db_keys") for series in page)


def test_a_replica_without_its_primary_is_up_and_refuses_keys() -> None:
    with (
        server() as primary,
        replica_of(primary, settings={"replica-serve-stale-data": "no"}) as watched,
        one("redis", settings(watched.url(), "keys: [queue]", "max_age: 0s")) as target,
    ):
        assert failed(target) == {}
        primary.stop()
        until(lambda: "MASTERDOWN" in failed(target).get("keys", ""), 20)
        assert target.read().up


@pytest.mark.parametrize("other", ["redis-6.2", "redis-8.2", "valkey-9.1"])
def test_a_server_that_is_killed_and_started_again_as_another_version_is_followed(other: str) -> None:
    with server() as watched, server(other, start=False) as successor, one("redis", settings(watched.url())) as target:
        (before,) = (series for series in target.page() if series.startswith("runbook_redis_version_info"))
        watched.stop()
        down(target, "cannot be reached")
        successor.port = watched.port
        successor.start()
        until(lambda: target.read().up, 20)
        (after,) = (series for series in target.page() if series.startswith("runbook_redis_version_info"))
        assert after != before
        assert failed(target) == {}


def test_a_connection_that_the_server_ended_costs_no_round(watched: Redis) -> None:
    with one("redis", settings(watched.url(), "max_age: 0s")) as target:
        assert target.read().up
        kill_clients(watched)
        assert target.read().up
        assert failed(target) == {}


def test_a_standalone_server_that_becomes_a_node_of_a_cluster_is_seen_as_one() -> None:
    with server() as watched, one("redis", settings(watched.url(), "max_age: 0s")) as target:
        assert "redis_cluster_state" not in target.page()
        watched.stop()
        watched.settings["cluster-enabled"] = "yes"
        watched.start()
        until(lambda: target.read().up, 20)
        assert target.page()["redis_cluster_state"] == "0"


def test_many_clients_cost_one_connection_which_is_kept(watched: Redis) -> None:
    with one("redis", settings(watched.url(), "max_age: 0s")) as target:
        threads = [threading.Thread(target=target.read) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: len(ours(watched)) == 1)
        kept = ours(watched)
        for _ in range(5):
            target.read()
        assert ours(watched) == kept
    until(lambda: ours(watched) == [])


def test_a_round_asks_nothing_that_changes_or_searches(watched: Redis) -> None:
    watched.ask("CONFIG", "RESETSTAT")
    with one("redis", settings(watched.url(), "keys: [queue, db2=word]", "max_age: 0s")) as target:
        for _ in range(5):
            target.read()
        page = target.page()
    asked = {series.split('"')[1] for series in page if series.startswith("redis_commands_total{")}
    assert asked <= {
        "auth", "client|setname", "client|setinfo", "client|list", "info", "config|get", "config|resetstat",
        "slowlog|len", "slowlog|get", "latency|latest", "type", "llen", "strlen", "getrange", "select",
    }  # fmt: skip


@pytest.mark.long
def test_many_rounds_leave_nothing_behind(watched: Redis) -> None:
    with one("redis", settings(watched.url(), "max_age: 0s", "keys: [queue, db2=other]")) as target:
        assert target.read().up
        leaves_nothing(target, 500)
        assert len(ours(watched)) == 1


@pytest.mark.long
def test_many_rounds_that_fail_leave_nothing_behind(watched: Redis) -> None:
    with one("redis", settings(f"redis://:{PASSWORD}@127.0.0.1:{free_port()}", "max_age: 0s")) as target:
        leaves_nothing(target, 500)
    with one("redis", settings(watched.url(password="pa55-that-is-wrong"), "max_age: 0s")) as target:
        leaves_nothing(target, 500)
        assert target.read().up is False


def test_what_is_asked_is_cut_by_its_own_round_only(watched: Redis) -> None:
    asked = Server(parse(watched.url()), ssl.create_default_context, 30.0)
    told: list[str] = []

    def wait() -> None:
        try:
            asked.ask([("BLPOP", "no-such-key", "20")])
        except Trouble as error:
            told.append(str(error))

    asked.awaken()
    asked.gather(wanted)
    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: watched.ask("INFO", "clients")["blocked_clients"] == 1)
    asked.cancel(asked.round - 1)
    assert watched.ask("INFO", "clients")["blocked_clients"] == 1
    asked.cancel(asked.round)
    waiting.join(8)
    assert told == ["given up, as the round took longer than the target's timeout"]
    asked.awaken()
    asked.cancel(asked.round - 1)
    assert INFO in asked.gather(wanted)
    asked.close()


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delitem(sys.modules, "exporter.collectors.redis.wire", raising=False)
    monkeypatch.delattr("exporter.collectors.redis.wire", raising=False)
    with one("redis", settings(f"redis://127.0.0.1:{free_port()}")) as target:
        down(target, "the library redis is missing", "pip install 'runbook-exporter[redis]'")
