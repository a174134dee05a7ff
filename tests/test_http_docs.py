"""The page on endpoints over HTTP: its configurations are right, and take the reports that it names."""

import re

import pytest

from exporter.config import INSTALLED, read
from tests.answering import answering, page
from tests.onetarget import one
from tests.process import ROOT

PAGE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ENVIRON = {"SHOP_KEY": "a-key-of-the-docs", "PROBE_PASSWORD": "word-of-the-docs"}


@pytest.mark.parametrize("number", range(6))
def test_configurations_are_right(number: int) -> None:
    assert len(BLOCKS) == 6
    config = read(BLOCKS[number].encode(), "config.yml", INSTALLED, ENVIRON)
    assert {target.collector for target in config.targets} == {"http"}
    assert config.warnings == ()


@pytest.mark.parametrize("name", ["nova-clip", "mem", "clippy"])
def test_the_guides_applications_are_read(name: str) -> None:
    body = (
        b'{"status": "healthy", "timestamp": "2026-11-29T10:00:00.5", "checks": [{"name": "db", "status": "healthy"}]}'
    )
    (settings,) = re.findall(rf"^  {name}:\n    collector: http\n((?:    .*\n)+)", BLOCKS[4], re.MULTILINE)
    with answering(page(body)) as served:
        there = re.sub(r"http://127.0.0.1:\d+", served.url, re.sub("^    ", "", settings, flags=re.MULTILINE))
        with one("http", there) as target:
            page_of = target.page()
    assert page_of["probe_success"] == "1"
    assert ("runbook_health_report_timestamp_seconds" in page_of) is (name != "mem")


def test_a_status_page_is_read() -> None:
    body = b"""{"page": {"updated_at": "2026-11-29T10:00:00Z"}, "status": {"indicator": "minor"},
      "components": [{"id": "1", "name": "API", "status": "operational"},
                     {"id": "2", "name": "Sora", "status": "partial_outage"}], "incidents": []}"""
    report = BLOCKS[5].partition("    report:\n")[2]
    settings = f"report:\n{re.sub('^    ', '', report, flags=re.MULTILINE)}"
    with answering(page(body)) as served, one("http", f"url: {served.url}\n{settings}") as target:
        page_of = target.page()
    assert page_of['runbook_health_report_status{status="degraded"}'] == "1"
    assert page_of['runbook_health_check_healthy{check="API"}'] == "1"
    assert page_of['runbook_health_check_healthy{check="Sora"}'] == "0"


def test_the_patterns_find_what_they_are_for() -> None:
    settings = {name: re.findall(rf"^  shop-{name}:\n((?:    .*\n)+)", BLOCKS[1], re.MULTILINE)[0]
                for name in ("error-page", "cookies", "cors")}  # fmt: skip
    java = b"java.lang.Error\n  at com.example.Shop.find(Shop.java:12)"
    allowed = "Access-Control-Allow-Origin"
    cases = [
        ("error-page", page(b"Not here", "404 Not Found"), True), ("error-page", page(java, "404 Not Found"), False),
        ("cookies", page(b"", Set_Cookie="a=1; HttpOnly; Secure"), True),
        ("cookies", page(b"", Set_Cookie="a=1; HttpOnly"), False), ("cookies", page(b""), False),
        ("cors", page(b"", **{allowed: "https://app.example.com"}), True), ("cors", page(b"", **{allowed: "*"}), False),
    ]  # fmt: skip
    for name, answer, well in cases:
        with answering(answer) as served:
            lines = re.sub(r"https://shop\.example\.com", served.url, settings[name]).replace(
                "    collector: http\n", ""
            )
            with one("http", re.sub("^    ", "", lines, flags=re.MULTILINE)) as target:
                assert target.page()["probe_success"] == str(int(well)), (name, answer)
