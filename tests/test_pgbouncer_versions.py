"""The PgBouncer collector with the columns of older and newer versions, and with answers that are wrong."""

import select
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.onetarget import one
from tests.pgbouncerconsole import Answer, Rows, Value, console, message, table

_POOL = {"cl_active": 3, "cl_waiting": 2, "sv_active": 4, "sv_idle": 5, "sv_used": 6, "sv_tested": 7, "sv_login": 8}
_STATS = {"xact_count": "10", "query_count": "11", "bytes_received": "12", "bytes_sent": "13", "xact_time": "2500000",
          "query_time": "1500000", "wait_time": "500000"}  # fmt: skip
_DATABASE: dict[str, Value] = {
    "name": "shop",
    "host": "db",
    "port": 5432,
    "database": "shop",
    "force_user": None,
    "pool_size": 20,
}
_LISTS: Rows = [
    {"list": "used_clients", "items": 7},
    {"list": "databases", "items": 2},
    {"list": "of_later", "items": 1},
]
_LIMIT = {"max_connections": 0, "current_connections": 9}
_SWITCHES = {"paused": 0, "disabled": 1}

OLD: Mapping[str, Answer] = {
    "VERSION": [{"version": "PgBouncer 1.12.0"}],
    "POOLS": [{"database": "shop", "user": "web", **_POOL, "maxwait": 3, "maxwait_us": 250000, "pool_mode": "session"}],
    "DATABASES": [{**_DATABASE, "reserve_pool": 5, "pool_mode": None, **_LIMIT, **_SWITCHES}],
    "STATS_TOTALS": [{"database": "shop", **_STATS}],
    "LISTS": _LISTS,
    "CONFIG": [{"key": "max_client_conn", "value": "100", "changeable": "yes"},
               {"key": "job_name", "value": "pgbouncer", "changeable": "no"}],
}  # fmt: skip
BETWEEN: Mapping[str, Answer] = {
    **OLD,
    "VERSION": [{"version": "PgBouncer 1.16.1"}],
    "POOLS": [{"database": "shop", "user": "web", **_POOL, "cl_cancel_req": 1, "maxwait": 3, "maxwait_us": 250000}],
}
NEW: Mapping[str, Answer] = {
    "VERSION": [{"version": "PgBouncer 1.24.1"}],
    "POOLS": [{"database": "shop", "user": "web", **_POOL, "cl_active_cancel_req": 0, "cl_waiting_cancel_req": 1,
               "sv_active_cancel": 0, "sv_being_canceled": 0, "maxwait": 3, "maxwait_us": 250000,
               "pool_mode": "session", "load_balance_hosts": None}],
    "DATABASES": [{**_DATABASE, "min_pool_size": 0, "reserve_pool_size": 5, "server_lifetime": 3600, "pool_mode": None,
                   "load_balance_hosts": None, **_LIMIT, "max_client_connections": 0, "current_client_connections": 1,
                   **_SWITCHES}],
    "STATS_TOTALS": [{"database": "shop", "server_assignment_count": "14", **_STATS, "client_parse_count": "15",
                      "server_parse_count": "16", "bind_count": "17"}],
    "LISTS": _LISTS,
    "CONFIG": [{"key": "max_client_conn", "value": "100", "default": "100", "changeable": "yes"}],
}  # fmt: skip
_IN_ALL = {
    'pgbouncer_pools_client_active_connections{database="shop",user="web"}': 3,
    'pgbouncer_pools_client_waiting_connections{database="shop",user="web"}': 2,
    'pgbouncer_pools_server_active_connections{database="shop",user="web"}': 4,
    'pgbouncer_pools_server_idle_connections{database="shop",user="web"}': 5,
    'pgbouncer_pools_server_used_connections{database="shop",user="web"}': 6,
    'pgbouncer_pools_server_testing_connections{database="shop",user="web"}': 7,
    'pgbouncer_pools_server_login_connections{database="shop",user="web"}': 8,
    'pgbouncer_pools_client_maxwait_seconds{database="shop",user="web"}': 3.25,
    'pgbouncer_stats_sql_transactions_pooled_total{database="shop"}': 10,
    'pgbouncer_stats_queries_pooled_total{database="shop"}': 11,
    'pgbouncer_stats_received_bytes_total{database="shop"}': 12,
    'pgbouncer_stats_sent_bytes_total{database="shop"}': 13,
    'pgbouncer_stats_server_in_transaction_seconds_total{database="shop"}': 2.5,
    'pgbouncer_stats_queries_duration_seconds_total{database="shop"}': 1.5,
    'pgbouncer_stats_client_wait_seconds_total{database="shop"}': 0.5,
    "pgbouncer_used_clients": 7,
    "pgbouncer_config_max_client_connections": 100,
}
_PLACE = '{name="shop",host="db",port="5432",database="shop",force_user="",pool_mode=""}'
_OF_DATABASE = {"pool_size": 20, "reserve_pool": 5, "max_connections": 0, "current_connections": 9, "paused": 0,
                "disabled": 1}  # fmt: skip
_CANCEL = 'pgbouncer_pools_client_waiting_cancel_connections{database="shop",user="web"}'
_ONLY_NEW = {
    'pgbouncer_stats_server_assignments_total{database="shop"}': 14,
    'pgbouncer_stats_client_parses_total{database="shop"}': 15,
    'pgbouncer_stats_server_parses_total{database="shop"}': 16,
    'pgbouncer_stats_binds_total{database="shop"}': 17,
}


@pytest.mark.parametrize("version", [OLD, BETWEEN, NEW], ids=["1.12", "1.16", "1.24"])
def test_each_version_gives_what_it_has(version: Mapping[str, Answer]) -> None:
    with console(version) as url, one("pgbouncer", f"url: {url}") as target:
        assert set(target.outcomes().values()) == {"ok"}
        page = {series: float(value) for series, value in target.page().items()}
    databases = {f"pgbouncer_databases_{name}{_PLACE}": value for name, value in _OF_DATABASE.items()}
    expected = {**_IN_ALL, **databases}
    assert {series: page.get(series) for series in expected} == expected
    assert page.get(_CANCEL) == (None if version is OLD else 1)
    assert {series: page.get(series) for series in _ONLY_NEW} == (
        _ONLY_NEW if version is NEW else dict.fromkeys(_ONLY_NEW)
    )


def test_a_command_that_a_version_does_not_know_does_not_apply() -> None:
    known = {name: answer for name, answer in OLD.items() if name != "STATS_TOTALS"}
    with console(known) as url, one("pgbouncer", f"url: {url}") as target:
        outcomes = target.outcomes()
        assert outcomes.pop("stats").startswith("skipped this version does not know the command")
        assert set(outcomes.values()) == {"ok"}


def _without_end(line: socket.socket) -> None:
    whole = table([{"database": "shop", "user": "web", "cl_active": 1}])
    row = whole[whole.index(b"D", 60) :]
    line.sendall(whole[: -len(row)])
    while True:
        line.sendall(row * 100)


def _trickling(line: socket.socket) -> None:
    for byte in message(b"T", struct.pack("!h", 1) + b"x" * 10_000):
        line.sendall(bytes([byte]))
        select.select([line], [], [], 0.1)


def _half(line: socket.socket) -> None:
    line.sendall(table([{"database": "shop"}])[:-20])
    line.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("wrong", [_without_end, _trickling, _half, lambda line: line.sendall(b"\xff" * 50)])
def test_an_answer_that_is_wrong_fails_in_time(wrong: Any) -> None:
    with console({**OLD, "POOLS": wrong}) as url, one("pgbouncer", f"url: {url}\ntimeout: 1s") as target:
        begun = time.monotonic()
        outcomes = target.outcomes()
        assert outcomes["pools"].startswith("failed")
        assert time.monotonic() - begun < 5
        assert 'pgbouncer_pools_client_active_connections{database="shop",user="web"}' not in target.page()


@pytest.mark.parametrize(
    "rows",
    [
        [{"database": "shop", "user": "web", "cl_active": "many", "maxwait": 0}],
        [{"user": "web", "cl_active": 1, "maxwait": 0}],
        [{"database": "shop", "user": "web", **_POOL, "maxwait": 0}] * 2,
    ],
    ids=["no number", "no name", "twice"],
)
def test_figures_that_cannot_be_true_fail_their_read_alone(rows: Rows) -> None:
    with console({**OLD, "POOLS": rows}) as url, one("pgbouncer", f"url: {url}") as target:
        outcomes = target.outcomes()
        assert outcomes.pop("pools").startswith("failed")
        assert set(outcomes.values()) == {"ok"}
        assert target.page()["pgbouncer_up"] == "1"
