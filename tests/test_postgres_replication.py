"""The PostgreSQL collector over a primary and its standby: lag, slots, and a receiver that is gone."""

import re
from collections.abc import Iterator

import pytest

from tests.onetarget import one
from tests.postgres import Cluster, monitor, server, standby_of
from tests.support import until

SLOT = 'database="",server="127.0.0.1:{port}",slot_name="standby_slot"'


@pytest.fixture(scope="module", params=[13, 15, 18])
def primary(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with server(request.param, {"max_slot_wal_keep_size": "256MB", "wal_retrieve_retry_interval": "100ms"}) as running:
        monitor(running)
        yield running


def by_name(page: dict[str, str], name: str) -> list[float]:
    return [float(value) for series, value in page.items() if re.split(r"[{ ]", series)[0] == name]


def test_a_primary_without_standbys_has_no_lag_and_no_receiver(primary: Cluster) -> None:
    with one("postgres", f"url: {primary.url(user='monitor')}") as target:
        page = target.page()
        assert page["pg_replication_is_replica"] == "0"
        assert float(page["pg_replication_lag_seconds"]) == 0
        assert float(page[f'pg_replication_lag{{server="127.0.0.1:{primary.port}"}}']) == 0
        assert "pg_replication_last_replay_seconds" not in page
        assert "runbook_postgres_wal_receiver_up" not in page
        assert not any(series.startswith("pg_stat_replication_") for series in page)
        assert target.outcomes()["wal_receiver"] == "skipped the server is not a standby"


def test_a_standby_is_followed_from_both_ends(primary: Cluster) -> None:
    slot = SLOT.format(port=primary.port)
    with (
        one("postgres", f"url: {primary.url(user='monitor')}") as upstream,
        standby_of(primary) as standby,
        one("postgres", f"url: {standby.url(user='monitor')}") as downstream,
    ):
        labels = (
            f'application_name="standby",client_addr="127.0.0.1",server="127.0.0.1:{primary.port}",'
            'slot_name="standby_slot",state="streaming"'
        )
        until(lambda: by_name(upstream.page(), "pg_stat_replication_pg_wal_lsn_diff") == [0], 20)
        page = upstream.page()
        assert float(page[f"pg_stat_replication_pg_current_wal_lsn_bytes{{{labels}}}"]) > 0
        assert float(page[f"pg_stat_replication_reply_time{{{labels}}}"]) > 1.5e9
        assert page[f"pg_replication_slots_active{{{slot}}}"] == "1"
        typed = 'slot_name="standby_slot",slot_type="physical"'
        assert page[f"pg_replication_slot_slot_is_active{{{typed}}}"] == "1"
        assert page[f'pg_replication_slot_wal_status{{{typed},wal_status="reserved"}}'] == "1"
        assert float(page[f"pg_replication_slot_safe_wal_size_bytes{{{typed}}}"]) > 0
        assert float(page[f"pg_replication_slot_slot_current_wal_lsn{{{typed}}}"]) > 0

        primary.sql("CREATE TABLE written (id int)")
        primary.sql("INSERT INTO written VALUES (1)")
        until(lambda: "pg_replication_last_replay_seconds" in downstream.page())
        page = downstream.page()
        assert page["pg_replication_is_replica"] == "1"
        assert page["runbook_postgres_wal_receiver_up"] == "1"
        assert {name: said for name, said in downstream.outcomes().items() if said.startswith("failed")} == {}
        receiver = 'slot_name="standby_slot",upstream_host="127.0.0.1"'
        assert page[f"pg_stat_wal_receiver_status{{{receiver}}}"] == "2"
        for figure in ("receive_start_lsn", "flushed_lsn", "received_tli", "last_msg_receipt_time", "latest_end_time"):
            assert float(page[f"pg_stat_wal_receiver_{figure}{{{receiver}}}"]) > 0

        standby.sql("SELECT pg_wal_replay_pause()")
        until(lambda: standby.sql("SELECT pg_is_wal_replay_paused()") == [(True,)])
        primary.sql("INSERT INTO written SELECT generate_series(1, 10000)")
        until(lambda: by_name(upstream.page(), "pg_stat_replication_pg_wal_lsn_diff")[0] > 100_000)
        until(lambda: by_name(downstream.page(), "pg_replication_lag_seconds")[0] > 0)
        assert by_name(downstream.page(), "pg_replication_lag")[0] > 0
        standby.sql("SELECT pg_wal_replay_resume()")
        until(lambda: by_name(upstream.page(), "pg_stat_replication_pg_wal_lsn_diff") == [0], 20)
        until(lambda: by_name(upstream.page(), "pg_stat_replication_replay_lag")[0] > 0)
        until(lambda: by_name(downstream.page(), "pg_replication_lag_seconds") == [0])

        primary.stop("fast")
        until(lambda: downstream.page().get("runbook_postgres_wal_receiver_up") == "0", 20)
        assert downstream.page()["pg_replication_is_replica"] == "1"
        primary.start()
        until(lambda: downstream.page()["runbook_postgres_wal_receiver_up"] == "1", 30)

        standby.stop()
        until(lambda: upstream.page()[f"pg_replication_slots_active{{{slot}}}"] == "0", 20)
        primary.sql("INSERT INTO written SELECT generate_series(1, 1000)")
        assert float(upstream.page()[f"pg_replication_slots_pg_wal_lsn_diff{{{slot}}}"]) > 0
        until(lambda: not by_name(upstream.page(), "pg_stat_replication_pg_wal_lsn_diff"))


def test_a_standby_that_is_not_set_to_stream_has_no_receiver_to_miss(primary: Cluster) -> None:
    monitor(primary, "blind", grants=())
    with standby_of(primary, slot="quiet") as standby:
        with one("postgres", f"url: {standby.url(user='blind')}") as target:
            said = target.outcomes()["wal_receiver"]
            assert said.startswith("failed the role cannot see what the standby receives")
            assert "GRANT pg_monitor TO blind" in said
        standby.stop("fast")
        standby.settings |= {"primary_conninfo": ""}
        standby.start()
        with one("postgres", f"url: {standby.url(user='monitor')}") as target:
            page = target.page()
            assert page["pg_replication_is_replica"] == "1"
            assert "runbook_postgres_wal_receiver_up" not in page
    primary.sql("SELECT pg_drop_replication_slot('quiet')")


def test_a_logical_slot_says_its_database_and_how_far_it_is() -> None:
    with server(15, {"wal_level": "logical"}) as running:
        running.sql("SELECT pg_create_logical_replication_slot('copy', 'test_decoding')")
        with one("postgres", f"url: {monitor(running)}") as target:
            page = target.page()
        active = (
            f'pg_replication_slots_active{{database="postgres",server="127.0.0.1:{running.port}",slot_name="copy"}}'
        )
        assert page[active] == "0"
        assert float(page['pg_replication_slot_slot_confirmed_flush_lsn{slot_name="copy",slot_type="logical"}']) > 0
