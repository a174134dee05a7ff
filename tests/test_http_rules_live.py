"""Each library that counts requests inside an application, run for real and scraped by a real Prometheus."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from exporter.rulescale import scaled
from tests.alerting import FACTOR, alertmanager, webhook
from tests.middlewares.running import KINDS, ROUND, Application, kept, recorded, running
from tests.process import ROOT, Prometheus, free_port, prometheus
from tests.support import until
from tests.test_http_rules import ENDPOINTS

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
FIRING = 'ALERTS{alertstate="firing"}'


def series(page: str) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    found = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))) for sample in found}


@pytest.mark.parametrize("kind", KINDS)
def test_the_recorded_page_is_what_the_library_says(kind: str) -> None:
    with running(kind) as (application,):
        application.ask()
        application.ask()
        assert series(kept(application.get("/metrics").text)) == series(recorded(kind))


def scraping(applications: Sequence[Application], folder: Path, alerts: int) -> str:
    """Return the configuration of a Prometheus that scrapes each application each second, with quicker rules."""
    text = (ROOT / "rules" / "http.yml").read_text(encoding="utf-8")
    (folder / "http.yml").write_text(scaled(text, FACTOR, 4.0), encoding="utf-8")
    jobs = [{"job_name": one.kind, "static_configs": [{"targets": [f"127.0.0.1:{one.port}"]}]} for one in applications]
    rendered: str = yaml.safe_dump({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "http.yml")],
        "scrape_configs": jobs,
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alerts}"]}]}]},
    })  # fmt: skip
    return rendered


@contextmanager
def asked(applications: Sequence[Application], paths: Sequence[str] = ROUND, threads: int = 2) -> Iterator[None]:
    """Ask all of them for these paths, again and again."""
    ends = threading.Event()

    def ask(one: Application) -> None:
        while not ends.is_set():
            for path in paths:
                one.get(path)

    askers = [threading.Thread(target=ask, args=(one,)) for one in applications for _ in range(threads)]
    for asker in askers:
        asker.start()
    try:
        yield
    finally:
        ends.set()
        for asker in askers:
            asker.join()


def firing(server: Prometheus) -> set[tuple[str, str, str]]:
    """Return job, alert and endpoint of all that fires."""
    found = server.query(FIRING)
    return {(alert["job"], alert["alertname"], alert.get("endpoint", "")) for alert in found}


def test_errors_and_slowness_are_told_of_each(tmp_path: Path) -> None:
    expected = {
        (kind, alert, endpoint)
        for kind in KINDS
        for alert, endpoint in (
            ("HighErrorRate", ""),
            ("APIHighLatency", ENDPOINTS[kind][1]),
            ("SearchLatencyHigh", ENDPOINTS[kind][2]),
        )
    }
    with (
        running(*KINDS) as applications,
        prometheus(tmp_path, scraping(applications, tmp_path, 1), free_port()) as server,
    ):
        with asked(applications):
            seen: set[tuple[str, str, str]] = set()  # on a busy machine more is slow, and not all at the same time

            def all_seen() -> bool:
                seen.update(firing(server))
                return expected <= seen

            with suppress(AssertionError):
                until(all_seen, 180)
            assert expected - seen == set()
        until(lambda: firing(server) == set(), 60)


def heard(port: int) -> list[str]:
    """Return the alerts that people are told of, inhibited ones not among them."""
    address = f"http://127.0.0.1:{port}/api/v2/alerts?inhibited=false"
    answer: list[dict[str, Any]] = requests.get(address, timeout=10).json()
    return [alert["labels"]["alertname"] for alert in answer]


def test_one_application_that_is_slow_is_one_alert(tmp_path: Path) -> None:
    """All of its endpoints are, and its search; all alerts fire, and one is heard."""
    port = free_port()
    with (
        running("instrumentator", slow=True) as applications,
        webhook() as sink,
        alertmanager(tmp_path, port, sink),
        prometheus(
            tmp_path, scraping(applications, tmp_path, port), free_port(), "--rules.alert.resend-delay=1s"
        ) as server,
        asked(applications, ("/orders/7", "/exports/7", "/search?q=x"), threads=6),
    ):
        every = {"SlowResponse", "APIHighLatency", "SearchLatencyHigh"}
        until(lambda: {alert for _, alert, _ in firing(server)} == every, 60)
        until(lambda: heard(port) == ["SlowResponse"], 20)
        assert heard(port) == ["SlowResponse"]
