"""From a real nginx through the exporter, Prometheus and its rules: alerts of an application without /metrics."""

from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.collectors.log.access import Access, samples
from exporter.collectors.log.routes import AccessSettings
from exporter.exposition import render
from tests.accesslogs import Nginx, nginx
from tests.alerting import whole_way
from tests.engine import series_of
from tests.process import PLAIN, Exporter, running
from tests.support import until
from tests.test_access_counting import line

CONFIG = """
host: {{enabled: false}}
targets:
  mem:
    collector: log
    max_age: 500ms
    logs:
      proxy:
        files: [{folder}/timed.log]
        format: nginx_timed
        access: {{routes: ["/api/videos/{{id}}"], ignore: [/health]}}
"""
VIDEOS = 'method="GET",endpoint="/api/videos/{id}"'
TIMED_OUT = f'http_requests_total{{{VIDEOS},status_code="504",target="mem"}}'
CATCH_ALL = 'http_requests_total{method="other",endpoint="other",status_code="other",target="mem"}'


def test_the_page(golden: Callable[[str, str], None]) -> None:
    access = Access("proxy", "nginx_timed", AccessSettings(routes=("/api/videos/{id}",), endpoints=1), {})
    access.feed(
        [line("/api/videos/7", time="0.250"), line("/api/videos/8", 504, time="60.000"), line("/a"), line("/b")]
    )
    golden("log_access.prom", render(sample for sample in samples(access.changed()) if sample))


def ask(server: Nginx) -> None:
    """Have some requests fail, and one time out."""
    assert [server.ask(path) for path in ("/", "/health", "/broken")] == [200, 200, 500]
    assert server.ask("/api/videos/7") == 504


def test_counts_survive_the_exporter(tmp_path: Path) -> None:
    """It is killed, and begins again."""
    with nginx(tmp_path) as server:
        _counts(server, "1")
        _counts(server, "2")


def _counts(server: Nginx, expected: str) -> None:
    with running(server.folder, CONFIG.format(folder=server.folder), program=PLAIN) as exporter:

        def page() -> dict[str, str]:
            return series_of(exporter.get("/metrics").text)

        until(lambda: CATCH_ALL in page())
        ask(server)
        until(lambda: page().get(TIMED_OUT) == expected)
        assert page()[f'http_request_duration_seconds_count{{{VIDEOS},target="mem"}}'] == expected
        assert [name for name in page() if "/health" in name and name.startswith("http_")] == []


def test_killed_in_a_burst_it_counts_every_request_once(tmp_path: Path) -> None:
    log, written = tmp_path / "timed.log", 0
    log.touch()
    for _ in range(4):
        with running(tmp_path, CONFIG.format(folder=tmp_path), program=PLAIN) as exporter:
            until(lambda: _requests(exporter) is not None)
            with log.open("ab") as file:
                file.writelines(line(f"/orders/{number}") + b"\n" for number in range(20_000))
            written += 20_000
            until(lambda: _requests(exporter) != 0)
    with running(tmp_path, CONFIG.format(folder=tmp_path), program=PLAIN) as exporter:
        until(lambda: _requests(exporter) == written, 20)


def _requests(exporter: Exporter) -> float | None:
    """Return how many requests the page tells of; None where it tells of none yet."""
    page = series_of(exporter.get("/metrics").text)
    return sum(float(value) for name, value in page.items() if _is_count(name)) if CATCH_ALL in page else None


def _is_count(name: str) -> bool:
    return name.startswith("http_requests_total{")


@pytest.mark.long
def test_gateway_timeouts_and_errors_call_somebody(tmp_path: Path) -> None:
    with nginx(tmp_path) as server, whole_way(tmp_path, CONFIG.format(folder=tmp_path)) as way:
        until(lambda: way.prometheus.query(f"changes(scrape_duration_seconds[1m]) > 0 and on () {CATCH_ALL}"), 30)
        for _ in range(3):
            ask(server)
        until(lambda: {"GatewayTimeouts", "HighErrorRate"} <= way.firing(), 30)
        until(lambda: way.webhook.alerts("GatewayTimeouts", "firing"), 30)
        (alert,) = {one["annotations"]["description"] for one in way.webhook.alerts("GatewayTimeouts", "firing")}
        assert "of the requests to mem of late ended because" in alert
        until(lambda: way.webhook.alerts("GatewayTimeouts", "resolved"), 60)
