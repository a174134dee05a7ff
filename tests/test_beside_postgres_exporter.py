"""A PostgreSQL server's metrics beside those that Debian's prometheus-postgres-exporter gives of the same server."""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.bench import queries
from tests.bench.processes import POSTGRES_EXPORTER, Running, exporter, postgres_exporter
from tests.beside import Comparison, Family, Labels, compare, parse
from tests.postgres import DISTRIBUTIONS, monitor, server
from tests.support import until

_CLOSED: Final = "templates and databases that let nobody in are left out"
_SHARED: Final = "what all databases share is no database; newer releases leave it out too"
_NULL: Final = "no sample where there is nothing to tell; they say NaN"
_OF_DATABASE: Final = (
    "blk_read_time_total", "blk_write_time_total", "blks_hit_total", "blks_read_total", "conflicts_total",
    "deadlocks_total", "numbackends", "sessions_total", "sessions_abandoned_total", "sessions_fatal_total",
    "sessions_killed_total", "temp_bytes_total", "temp_files_total", "tup_deleted_total", "tup_fetched_total",
    "tup_inserted_total", "tup_returned_total", "tup_updated_total", "xact_commit_total", "xact_rollback_total",
)  # fmt: skip
EXPLAINED: Final = {
    **{(f"pg_stat_database_{name}", "only theirs"): _SHARED for name in _OF_DATABASE},
    ("pg_database_size_bytes", "only theirs"): _CLOSED,
    ("pg_locks_count", "only theirs"): _CLOSED,
    ("pg_locks_count", "values"): "each counts the locks of its own session",
    ("pg_stat_activity_count", "only theirs"): _CLOSED,
    ("pg_stat_activity_count", "values"): "each is active itself while it asks",
    ("pg_stat_activity_max_tx_duration", "only theirs"): _CLOSED,
    ("pg_stat_activity_max_tx_duration", "values"): "each is active itself while it asks",
    ("pg_stat_database_stats_reset", "only theirs"): _NULL,
    ("pg_stat_database_checksum_failures_total", "only theirs"): _CLOSED,
    ("pg_settings_extra_float_digits", "values"): "their driver sets it for its session; the server's own is here",
    ("pg_static", "type"): "gauge, as it is always 1",
}
"""Differences that are meant, by family and aspect."""

_OF_ITSELF: Final = "runbook_exporter_read_* tell the same of every read"
_OF_SESSION: Final = "what our session sets for itself hides the server's value"
LACKING: Final = {
    "pg_exporter_last_scrape_duration_seconds": _OF_ITSELF,
    "pg_exporter_scrapes_total": _OF_ITSELF,
    "pg_exporter_user_queries_load_error": "there are no files of queries",
    "pg_scrape_collector_duration_seconds": _OF_ITSELF,
    "pg_scrape_collector_success": _OF_ITSELF,
    "pg_settings_default_transaction_read_only": _OF_SESSION,
    "pg_settings_transaction_read_only": _OF_SESSION,
    "pg_settings_idle_in_transaction_session_timeout_seconds": _OF_SESSION,
    "pg_settings_idle_session_timeout_seconds": _OF_SESSION,
    "pg_settings_lock_timeout_seconds": _OF_SESSION,
    "pg_settings_statement_timeout_seconds": _OF_SESSION,
    "pg_stat_database_active_time": "pg_stat_database_active_time_seconds_total, as in newer releases",
    "pg_stat_database_idle_in_transaction_time": "..._idle_in_transaction_time_seconds_total, as in newer releases",
    "pg_stat_database_session_time": "pg_stat_database_session_time_seconds_total, as in newer releases",
    "pg_stat_database_checksum_last_failure": _NULL,
}
"""Why a family that they give is not here."""

# Types that Debian's release gives otherwise than newer ones, or than the figure is.
_RETYPED: Final = {
    "pg_stat_database_stats_reset counter": "pg_stat_database_stats_reset gauge",
    **{f"pg_stat_database_{name} untyped": f"pg_stat_database_{name} counter"
       for name in ("checksum_failures", "sessions", "sessions_abandoned", "sessions_fatal", "sessions_killed")},
}  # fmt: skip
# Families that keep the label `server` in newer releases of postgres_exporter too.
_OF_SERVER: Final = ("pg_settings_", "pg_stat_activity_", "pg_stat_archiver_", "pg_static")
_SERVER: Final = re.compile(r'(?<=\{)server="[^"]*",?|,server="[^"]*"')
_ACTIVITY: Final[dict[str, Callable[[list[float]], float]]] = {
    "pg_stat_activity_count": sum,
    "pg_stat_activity_max_tx_duration": max,
}
_STATE: Final = ("datname", "server", "state")


def as_newer(page: str) -> str:
    """Return a page of theirs with the types of newer releases, and the label `server` only where those have it."""
    for theirs, newer in _RETYPED.items():
        page = page.replace(f"# TYPE {theirs}\n", f"# TYPE {newer}\n")
    return "".join(line if line.startswith(_OF_SERVER) else _SERVER.sub("", line) for line in page.splitlines(True))


def as_older(page: str) -> str:
    """Return a page of ours with pg_stat_activity_* added up to the labels that Debian's release has."""
    lines = [line for line in page.splitlines(True) if not any(name in line for name in _ACTIVITY)]
    families = parse(page)
    for name, added in _ACTIVITY.items():
        groups: dict[Labels, list[float]] = {}
        for labels, value in families.get(name, Family("gauge", {})).series.items():
            groups.setdefault(tuple(pair for pair in labels if pair[0] in _STATE), []).append(value)
        lines.append(f"# TYPE {name} gauge\n")
        for labels, values in groups.items():
            text = ",".join(f'{label}="{value}"' for label, value in labels)
            lines.append(f"{name}{{{text}}} {added(values)}\n")
    return "".join(lines)


def compare_here() -> Comparison:
    """Compare both on one server; every page of ours is a round of its own."""
    with servers() as (peer, ours):
        return compare(lambda: as_newer(peer.page()), lambda: as_older(ours.page()), "pg_", {})


@contextmanager
def servers() -> Iterator[tuple[Running, Running]]:
    """Run a server with something in it, and both exporters beside it."""
    settings = {"shared_preload_libraries": "pg_stat_statements", "archive_mode": "on", "archive_command": "true"}
    with tempfile.TemporaryDirectory() as directory, server(DISTRIBUTIONS, settings) as cluster:
        place = Path(directory)
        cluster.sql("CREATE EXTENSION pg_stat_statements")
        cluster.sql("CREATE DATABASE app")
        cluster.sql("CREATE TABLE things (id int PRIMARY KEY, name text)", database="app")
        cluster.sql("INSERT INTO things SELECT id, id::text FROM generate_series(1, 500) AS id", database="app")
        cluster.sql("VACUUM ANALYZE things", database="app")
        cluster.sql("SELECT pg_stat_reset()", database="app")
        cluster.sql("SELECT pg_switch_wal()")
        until(lambda: cluster.sql("SELECT 1 FROM pg_stat_archiver WHERE archived_count > 0"))
        target = f"{{collector: postgres, max_age: 0s, databases_exclude: '', url: '{monitor(cluster)}'}}"
        config = f"host: {{enabled: false}}\ntargets: {{it: {target}}}\n"
        options = ("--auto-discover-databases", queries.write(place, statements=True))
        with (
            postgres_exporter(place, monitor(cluster, "peer"), *options) as peer,
            exporter(place, config, module="tests.bench.every", path="/probe?target=it") as ours,
        ):
            yield peer, ours


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    if POSTGRES_EXPORTER is None:
        reason = "prometheus-postgres-exporter is not installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    found = compare_here()
    print("\n" + found.table(EXPLAINED))
    return found


def test_families_that_both_give_agree(comparison: Comparison) -> None:
    assert comparison.unexplained(EXPLAINED) == []
    assert len(comparison.verdicts) > 250


def test_what_is_lacking_has_a_reason(comparison: Comparison) -> None:
    assert set(comparison.lacking) <= LACKING.keys()
