"""The PostgreSQL collector against servers that are gone, hang, come back, are full, or let the role do little."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
import pytest

from exporter import config
from exporter.collector import Trouble
from exporter.collectors._libpq import conninfo
from exporter.collectors.postgres import indexes, statements, tables, visits
from exporter.collectors.postgres.connection import Server
from exporter.config import ConfigError
from exporter.secret import SecretURL
from tests.onetarget import one
from tests.postgres import Cluster, monitor, needs, server
from tests.process import free_port
from tests.support import until


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def url(cluster: Cluster) -> str:
    return monitor(cluster)


def settings(url: str, *more: str) -> str:
    return "\n".join([f"url: {url}", *more])


def ours(cluster: Cluster) -> list[tuple[str, str]]:
    return cluster.sql(
        "SELECT datname, usename FROM pg_stat_activity WHERE application_name = 'runbook-exporter' ORDER BY 1"
    )


@pytest.mark.parametrize("major", [13, 15, 18])
def test_every_read_works_or_does_not_apply_for_a_role_with_pg_monitor(major: int) -> None:
    with server(major) as running, one("postgres", settings(monitor(running))) as target:
        outcomes = target.outcomes()
        assert {name: said for name, said in outcomes.items() if said.startswith("failed")} == {}
        assert target.page()["pg_up"] == "1"
        assert target.page()["pg_exporter_last_scrape_error"] == "0"


def test_the_session_can_do_no_harm(cluster: Cluster, url: str) -> None:
    with one("postgres", settings(url, "timeout: 7s")) as target:
        assert target.read().up
        (process,) = cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'runbook-exporter'")
        assert process
        connection = target.target.collector._server._kept  # type: ignore[attr-defined]
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()[0]
            for name in ("statement_timeout", "lock_timeout", "default_transaction_read_only", "idle_session_timeout",
                         "idle_in_transaction_session_timeout", "application_name")
        }  # fmt: skip
        assert shown == {
            "statement_timeout": "7s", "lock_timeout": "250ms", "default_transaction_read_only": "on",
            "idle_session_timeout": "10min", "idle_in_transaction_session_timeout": "7s",
            "application_name": "runbook-exporter",
        }  # fmt: skip
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE harm ()")


def test_many_clients_cost_one_connection(cluster: Cluster, url: str) -> None:
    with one("postgres", settings(url)) as target:
        threads = [threading.Thread(target=target.read) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ours(cluster) == [("postgres", "monitor")]
    until(lambda: ours(cluster) == [])


def test_where_nobody_listens_it_is_down_and_says_so() -> None:
    with one("postgres", settings(f"postgresql://monitor:pa55-of-nobody@127.0.0.1:{free_port()}/postgres")) as target:
        snapshot = target.read()
        assert snapshot.up is False
        assert "Connection refused" in snapshot.reason
        page = target.page()
        assert page["pg_up"] == "0"
        assert page["pg_exporter_last_scrape_error"] == "1"
        assert not any(series.startswith("pg_static") for series in page)


def test_a_wrong_password_and_a_missing_database_are_said_with_the_remedy(cluster: Cluster, url: str) -> None:
    with one("postgres", settings(cluster.url(user="monitor", password="pa55-that-is-wrong"))) as target:
        snapshot = target.read()
        assert (snapshot.up, "password authentication failed" in snapshot.reason) == (False, True)
        assert "correct the password" in snapshot.fix
    with one("postgres", settings(cluster.url("nowhere"))) as target:
        snapshot = target.read()
        assert (snapshot.up, 'database "nowhere" does not exist' in snapshot.reason) == (False, True)
        assert "correct its name" in snapshot.fix


def test_a_server_that_hangs_is_down_in_time_and_comes_back(cluster: Cluster, url: str) -> None:
    with one("postgres", settings(url, "timeout: 1s")) as target:
        assert target.read().up
        before = threading.active_count()
        with cluster.stopped():
            begun = time.monotonic()
            snapshot = target.read()
            assert time.monotonic() - begun < 5
            assert snapshot.up is False
            assert target.page()["pg_up"] == "0"
            until(lambda: threading.active_count() <= before + 1)
        until(lambda: target.read().up, 20)


def test_a_server_that_is_killed_and_started_again_is_followed(cluster: Cluster, url: str) -> None:
    with one("postgres", settings(url)) as target:
        started = float(target.page()["pg_postmaster_start_time_seconds"])
        cluster.stop("immediate")
        assert target.page()["pg_up"] == "0"
        cluster.start()
        until(lambda: target.read().up, 20)
        assert float(target.page()["pg_postmaster_start_time_seconds"]) > started


def test_a_connection_that_the_server_ended_costs_no_round(cluster: Cluster, url: str) -> None:
    with one("postgres", settings(url)) as target:
        assert target.read().up
        cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'monitor'")
        assert target.read().up


def as_many_as_there_are(url: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with suppress(psycopg.OperationalError):
        while True:
            yield psycopg.connect(url)


def test_a_server_without_a_free_slot_is_still_watched_by_who_is_connected(url: str, cluster: Cluster) -> None:
    with one("postgres", settings(url)) as early, one("postgres", settings(url)) as late:
        assert early.read().up
        crowd = list(as_many_as_there_are(url))
        try:
            assert early.read().up
            snapshot = late.read()
            assert snapshot.up is False
            assert "slots" in snapshot.reason or "too many clients" in snapshot.reason
            assert "max_connections" in snapshot.fix
        finally:
            for connection in crowd:
                connection.close()


def test_a_locked_table_delays_nothing(cluster: Cluster, url: str) -> None:
    cluster.sql("CREATE TABLE IF NOT EXISTS locked (id int)")
    with cluster.connect() as holder, one("postgres", settings(url)) as target:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        outcomes = target.outcomes()
        assert time.monotonic() - begun < 3
        assert {name: said for name, said in outcomes.items() if said.startswith("failed")} == {}
        holder.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg2://u@h/d", "postgresql://u@h/d"),
        ("postgres+asyncpg://u@h/d", "postgres://u@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("host=h user=u", "host=h user=u"),
    ],
)
def test_the_addresses_of_sqlalchemy_are_understood(url: str, expected: str) -> None:
    assert conninfo(SecretURL(url)) == expected
    assert conninfo(None) == ""


def test_the_servers_of_the_tests_are_there() -> None:
    assert all(needs(major).is_dir() for major in (13, 15, 18))


def test_a_password_is_in_no_reason(cluster: Cluster) -> None:
    with one("postgres", settings(cluster.url(user="nobody_here", password="canary-of-the-test"))) as target:
        snapshot = target.read()
        assert snapshot.up is False
        assert "canary" not in repr(snapshot) + target.text()


def test_who_waits_for_an_answer_is_let_go_while_the_server_still_hangs(cluster: Cluster, url: str) -> None:
    with one("postgres", settings(url, "timeout: 1s")) as target:
        assert target.read().up
        with cluster.stopped():
            round = target.target.run_now()
            until(round.done.done, 8)
            assert target.target.view().up is False


def test_a_query_is_cut_by_its_own_round_only(url: str) -> None:
    served = Server(url, 20.0)
    served.awaken()
    asking = threading.Thread(target=lambda: told.append(reason(lambda: served.rows("SELECT pg_sleep(15)"))))
    told: list[str] = []
    asking.start()
    until(asking.is_alive)
    served.cancel(served.round - 1)
    served.cancel(served.round)
    asking.join(8)
    assert not asking.is_alive()
    assert told != [""]
    assert "given up" in reason(lambda: served.open("template1"))
    served.awaken()
    assert reason(lambda: served.rows("SELECT 1")) == ""
    served.cancel(served.round - 1)
    assert reason(lambda: served.rows("SELECT 1")) == ""
    served.close()


def test_no_read_is_well_in_a_round_that_lost_its_connection(cluster: Cluster, url: str) -> None:
    with one("postgres", settings(url)) as target, target.target.collector.connect() as session:
        cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'monitor'")
        for read in (tables.tables, indexes.indexes, visits.visits, statements.statements):
            assert reason(lambda function=read.function: list(function(session))) != ""  # type: ignore[misc]


def test_an_address_that_would_show_a_part_of_its_password_is_refused() -> None:
    for bad in ("postgresql://u:pa@55-x@h/d", "postgresql://u:pa/55-x@h/d", "postgresql://u:pa?55-x@h/d",
                "host=h password=pa 55-x", "mysql://u:55-x@h/d", "postgresql://u:55-x@h:port/d"):  # fmt: skip
        with pytest.raises(ConfigError, match="expected") as refused:
            config.read(
                f"targets: {{db: {{collector: postgres, url: '{bad}'}}}}".encode(), "c.yml", config.INSTALLED, {}
            )
        assert "55-x" not in str(refused.value)
    with one("postgres", settings("host=h passwort=55-x")) as target:
        assert target.read().reason == "the address is not understood"


def reason(call: Callable[[], object]) -> str:
    """Return why the call failed, nothing where it did not."""
    try:
        call()
    except Trouble as error:
        return str(error) or type(error).__name__
    return ""
