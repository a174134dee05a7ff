"""A real Prometheus scrapes a real exporter, in both ways that prometheus.yml offers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.process import ROOT, Exporter, Prometheus, free_port, prometheus, running
from tests.support import until

TARGETS = (
    "targets: {alpha: {collector: fake}, beta: {collector: fake, parts: [b]}, gone: {collector: fake, behaviour: down}}"
)
SHIPPED = (ROOT / "prometheus.yml").read_text(encoding="utf-8")


def way_1() -> str:
    return SHIPPED


def way_2() -> str:
    """Return the shipped configuration as its comments say: the first way taken out, the second uncommented."""
    head, first, second, rest = re.split(r"(?m)^  # Way 1:|^  # Way 2:|^  - job_name: prometheus$", SHIPPED)
    assert "- job_name: runbook-exporter\n" in first
    uncommented = "\n".join(re.sub(r"^  # ?", "  ", line) for line in second.splitlines()[2:])
    return f"{head}{uncommented}\n  - job_name: prometheus{rest}"


def on_ports(config: str, exporter: int, own: int) -> str:
    """Return the configuration for a test: other ports, short intervals, no rules, no alerting, discovery at once."""
    ported = config.replace("127.0.0.1:10420", f"127.0.0.1:{exporter}").replace("127.0.0.1:9090", f"127.0.0.1:{own}")
    parsed = yaml.safe_load(ported)
    parsed["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    jobs = [job for job in parsed["scrape_configs"] if job["job_name"] != "alertmanager"]
    for job in jobs:
        job.pop("scrape_interval", None)
        job.pop("scrape_timeout", None)
        for discovery in job.get("http_sd_configs", ()):
            discovery["refresh_interval"] = "1s"
    return yaml.safe_dump({"global": parsed["global"], "scrape_configs": jobs})


@contextmanager
def scraping(folder: Path, config: str) -> Iterator[tuple[Exporter, Prometheus]]:
    port = free_port()
    with running(folder, TARGETS) as exporter, prometheus(
        folder, on_ports(config, exporter.port, port), port
    ) as server:  # fmt: skip
        yield exporter, server


@pytest.fixture(scope="module")
def by_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exporter, Prometheus]]:
    with scraping(tmp_path_factory.mktemp("way1"), way_1()) as both:
        until(lambda: both[1].query('up{job="runbook-exporter"} == 1'), 15)
        yield both


@pytest.fixture(scope="module")
def by_discovery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exporter, Prometheus]]:
    with scraping(tmp_path_factory.mktemp("way2"), way_2()) as both:
        until(lambda: len(both[1].query('up{target!=""} == 1')) == 5, 15)
        yield both


def test_way_1_is_one_job_with_the_targets_told_apart(by_metrics: tuple[Exporter, Prometheus]) -> None:
    exporter, server = by_metrics
    up = server.query('up{job!="prometheus"}')
    assert [(one["job"], one["instance"], one["value"]) for one in up] == [("runbook-exporter", exporter.address, "1")]
    targets = {one.get("target"): one["value"] for one in server.query("runbook_target_up")}
    assert targets == {"host": "1", "exporter": "1", "alpha": "1", "beta": "1", "gone": "0"}
    assert {(one["target"], one["part"]) for one in server.query("fake_value")} >= {("alpha", "a"), ("beta", "b")}
    assert "target" not in server.query("node_load1")[0]


def test_way_2_is_a_scrape_for_each_target_under_its_area_s_job(by_discovery: tuple[Exporter, Prometheus]) -> None:
    _, server = by_discovery
    up = {(one["job"], one["instance"], one["target"]): one["value"] for one in server.query('up{target!=""}')}
    assert up == dict.fromkeys([
        ("node", "host", "host"), ("runbook-exporter", "exporter", "exporter"), ("fake-job", "alpha", "alpha"),
        ("fake-job", "beta", "beta"), ("fake-job", "gone", "gone"),
    ], "1")  # fmt: skip
    load = server.query("node_load1")
    assert [(one["job"], one["instance"], one["target"]) for one in load] == [("node", "host", "host")]
    assert server.query('runbook_target_up{instance="gone"}')[0]["value"] == "0"
    assert {(one["instance"], one["part"]) for one in server.query("fake_value")} >= {("alpha", "a"), ("beta", "b")}
    assert server.query('up{job="runbook-exporter-targets"}') == []


@pytest.mark.parametrize("way", ["by_metrics", "by_discovery"])
def test_nothing_is_renamed_dropped_or_warned_of(way: str, request: pytest.FixtureRequest) -> None:
    exporter, server = request.getfixturevalue(way)
    scraped = 'scrape_samples_scraped{job!="prometheus"}'
    until(lambda: server.query(f"count_over_time({scraped}[1m]) > 3"), 15)
    everything = server.query('{__name__!="",job!="prometheus"}')
    assert len(everything) > 100
    assert [name for series in everything for name in series if name.startswith("exported_")] == []
    assert server.query(f'{scraped} != scrape_samples_post_metric_relabeling{{job!="prometheus"}}') == []
    assert [line for line in server.log().splitlines() if "level=warn" in line or "level=error" in line] == []
    complaints = [line for line in exporter.output().splitlines() if " warning " in line or " error " in line]
    assert [line for line in complaints if "target=gone down: nobody is at home" not in line] == []


@pytest.mark.parametrize("way", ["by_metrics", "by_discovery"])
def test_no_series_comes_twice(way: str, request: pytest.FixtureRequest) -> None:
    _, server = request.getfixturevalue(way)
    assert len(server.query("node_load1")) == 1
    assert len(server.query('fake_value{part="a"}')) == 1
