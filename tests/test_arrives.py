"""It arrives: PostgreSQL stops, and its alert reaches a person through Alertmanager, and is taken back."""

from collections.abc import Iterator

import pytest

from tests.alerting import Way, whole_way
from tests.postgres import Cluster, monitor, server
from tests.support import until

# These say how the machine that runs the tests fares, which may well be busy; all others may not fire.
ABOUT_THE_MACHINE = {"HighCPUUsage", "HighMemoryUsage", "DiskSpaceLow", "DiskWillFillSoon", "OutOfMemoryKill"}
ALWAYS = {"Watchdog"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def way(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    config = f"""
host: {{max_age: 500ms}}
targets:
  orders-db:
    collector: postgres
    url: {monitor(cluster)}
    max_age: 500ms
    timeout: 3s
"""
    with whole_way(tmp_path_factory.mktemp("way"), config) as running:
        until(lambda: running.prometheus.query("runbook:postgres:up == 1"), 20)
        until(lambda: running.webhook.alerts("Watchdog", "firing"), 20)
        yield running


def unexpected(way: Way) -> set[str]:
    return (way.webhook.names() | way.firing()) - ABOUT_THE_MACHINE - ALWAYS


def test_while_all_is_well_only_the_watchdog_fires(way: Way) -> None:
    until(lambda: len(way.webhook.alerts("Watchdog", "firing")) >= 1)
    # four times what most of these rules wait on this clock
    until(lambda: way.prometheus.query("count_over_time(runbook:postgres:up[1m]) > 20"), 60)
    assert unexpected(way) == set()


def test_a_server_that_stops_reaches_a_person_and_is_taken_back(way: Way, cluster: Cluster) -> None:
    cluster.stop("fast")
    until(lambda: way.webhook.alerts("PostgreSQLDown", "firing"), 60)
    alert = way.webhook.alerts("PostgreSQLDown", "firing")[0]
    assert alert["receiver"] == "level-3"
    assert alert["labels"] == {
        "alertname": "PostgreSQLDown", "job": "runbook-exporter", "instance": way.exporter.address,
        "target": "orders-db", "priority": "P0", "severity": "critical",
    }  # fmt: skip
    assert alert["annotations"] == {
        "summary": "PostgreSQL does not answer the exporter, or refuses it.",
        "description": "PostgreSQL orders-db does not answer the exporter, or refuses it "
        f"(instance {way.exporter.address}).",
        "runbook_url": "http://localhost:10420/runbooks/PostgreSQLDown",
    }
    page = way.exporter.get(alert["annotations"]["runbook_url"].removeprefix("http://localhost:10420"))
    assert (page.status_code, "PostgreSQLDown" in page.text) == (200, True)
    cluster.start()
    until(lambda: way.webhook.alerts("PostgreSQLDown", "resolved"), 90)
    assert "PostgreSQLDown" not in way.firing()
    assert unexpected(way) == {"PostgreSQLDown"}
