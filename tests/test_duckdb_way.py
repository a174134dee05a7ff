"""A stranger that holds the database: from its lock through exporter, Prometheus and Alertmanager to people."""

from pathlib import Path

import pytest

from tests.alerting import whole_way
from tests.duckdbholder import holding, made, named
from tests.support import until


@pytest.mark.long
def test_a_stranger_that_holds_the_database_is_told_of(tmp_path: Path) -> None:
    database = made(tmp_path / "mem.duckdb")
    stranger = named(tmp_path, "dbeaver")
    config = (
        f"targets:\n  mem:\n    collector: duckdb\n    path: {database}\n    open: never\n    max_age: 500ms\n"
        f"    holders: [^{tmp_path}/mem ]\n"
    )
    with whole_way(tmp_path, config) as way:
        with holding(database, name=named(tmp_path, "mem")):
            until(lambda: way.prometheus.query('duckdb_lock_holders{expected="true"} == 1'), 40)
        with holding(database, "read", name=stranger):
            until(lambda: way.webhook.alerts("DuckDBLocked", "firing"), 60)
        until(lambda: way.webhook.alerts("DuckDBLocked", "resolved"), 60)
        (told, *_) = way.webhook.alerts("DuckDBLocked", "firing")
    assert told["annotations"]["description"].startswith(
        "Processes of the name dbeaver hold the DuckDB database mem, and are not expected to: 1 (instance "
    )
    labels = told["labels"]
    assert (labels["target"], labels["holder"], labels["priority"], labels["part"]) == (
        "mem",
        "dbeaver",
        "P2",
        "holder",
    )
    assert told["receiver"] == "level-1"
    assert {name for name in way.webhook.names() if name.startswith("DuckDB")} == {"DuckDBLocked"}
