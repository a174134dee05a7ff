"""The exporter's /health as a load balancer asks for it: quick, by HEAD too, whatever its targets do."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.process import Exporter, running

TIMEOUT = 1.0
CONFIG = f"""
targets:
  good: {{collector: fake, max_age: 0s}}
  hung: {{collector: fake, max_age: 0s, behaviour: hangs, timeout: {TIMEOUT:g}s, critical: %s}}
"""
LONGEST = 5.0  # for all of it, on a machine that does much else


@pytest.fixture(scope="module", params=[True, False])
def exporter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with running(tmp_path_factory.mktemp("health"), CONFIG % str(request.param).lower()) as exporter:
        yield exporter


def ask(exporter: Exporter, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, f"http://{exporter.address}/health", headers=headers, timeout=30)


def test_it_waits_for_a_hung_target_no_longer_than_its_timeout(exporter: Exporter) -> None:
    began = time.monotonic()
    answer = ask(exporter)
    assert time.monotonic() - began < TIMEOUT + LONGEST
    checks = {check["name"]: check for check in answer.json()["checks"]}
    assert checks["good"]["status"] == "healthy"
    critical = checks["hung"]["critical"]
    assert checks["hung"]["timeout"] == TIMEOUT
    assert answer.json()["status"] == ("critical" if critical else "degraded")
    assert answer.status_code == (503 if critical else 200)
    began = time.monotonic()
    for _ in range(10):  # what is known to hang is not waited for again
        assert ask(exporter).status_code == answer.status_code
    assert time.monotonic() - began < LONGEST


def test_head_says_the_same_without_a_body(exporter: Exporter) -> None:
    whole, head = ask(exporter), ask(exporter, "HEAD")
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["Content-Type"] == whole.headers["Content-Type"] == "application/json"


def test_it_keeps_a_deadline_that_it_is_given(exporter: Exporter) -> None:
    began = time.monotonic()
    answer = ask(exporter, **{"X-Prometheus-Scrape-Timeout-Seconds": "0.6"})
    assert time.monotonic() - began < LONGEST
    assert answer.json()["summary"]["total"] == 4  # the host and the exporter are there as well


def test_many_at_once(exporter: Exporter) -> None:
    wanted = ask(exporter).status_code
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        statuses = {answer.status_code for answer in pool.map(lambda _: ask(exporter), range(100))}
    assert statuses == {wanted}
    assert time.monotonic() - began < 3 * LONGEST
