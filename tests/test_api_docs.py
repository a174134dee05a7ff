"""The page on APIs: its configurations are right, and each example reads what the provider documents."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.collectors.api.metrics import METRICS
from exporter.collectors.api.settings import APISettings
from exporter.config import INSTALLED, read
from tests.apiserver import API, Route, Said, api
from tests.mappedapi import look_again, quota, then
from tests.onetarget import One, one
from tests.process import ROOT

TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
KEY = "cnry-Wq7Rt2Xy9Lp4Zs8Dk"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


YAML = blocks("yaml")
TARGETS = {name: settings for block in YAML for name, settings in yaml.safe_load(block)["targets"].items()}


@pytest.mark.parametrize("number", range(len(YAML)))
def test_configurations_are_right(number: int, tmp_path: Path) -> None:
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", YAML[number]), KEY)
    for name in re.findall(r"/etc/runbook-exporter/(\S+)", YAML[number]):
        (tmp_path / name).write_text(f"{KEY}\n")
        (tmp_path / name).chmod(0o600)
    text = YAML[number].replace("/etc/runbook-exporter", str(tmp_path))
    config = read(text.encode(), "config.yml", INSTALLED, environ)
    assert {target.collector for target in config.targets} == {"api"}
    assert config.warnings == ()


@contextmanager
def example(name: str, **routes: Route) -> Iterator[tuple[One, API]]:
    """Run a target of the page at a server that answers by path, after every look was made."""
    settings = dict(TARGETS[name])
    with api() as server:
        base = re.sub(r"^https://[^/]+", "", settings["url"])
        server.routes |= {f"{base}/{path}": route for path, route in routes.items()}
        settings["url"] = f"{server.url}{base}"
        del settings["collector"]
        settings = {name.removesuffix("_file"): KEY if name.endswith("_file") else given
                    for name, given in settings.items()}  # fmt: skip
        with one("api", re.sub(r"\$\{\w+\}", KEY, yaml.safe_dump(settings))) as watched:
            look_again(watched)
            yield watched, server


def test_the_answer_makes_what_is_said() -> None:
    (answer,) = blocks("json")
    began = time.time()
    with example("translate", languages=Said([]), usage=Said(answer)) as (watched, server):
        series = watched.text().splitlines()
        assert set(watched.outcomes().values()) == {"ok"}
        asked = next(one for one in server.asked if one.path == "/v2/usage")
    said = blocks("text")[-1].splitlines()
    assert [line for line in series if line in said] == sorted(said, key=series.index)
    assert asked.query.keys() == {"from"}
    assert asked.query["from"][0] in then("%Y-%m-01", began)
    assert asked.headers["x-api-key"] == KEY


def test_anthropic_takes_the_key() -> None:
    """platform.claude.com/docs/en/api/models/list, and the headers of limits, which answers of messages have."""
    model = {"type": "model", "id": "claude-x", "display_name": "X", "created_at": "2026-02-19T00:00:00Z"}
    listed = {"data": [model], "has_more": True, "first_id": "claude-x", "last_id": "claude-x"}
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    headers = {"anthropic-ratelimit-requests-limit": "1000", "anthropic-ratelimit-requests-remaining": "999",
               "anthropic-ratelimit-requests-reset": until}  # fmt: skip
    with example("anthropic", models=Said(listed, headers=headers)) as (watched, server):
        page = watched.page()
        assert page['runbook_api_key_valid{key="main"}'] == "1"
        assert float(page[quota("remaining", "requests", "minute")]) == 999
        assert server.asked[0].query == {"limit": ["1"]}
        assert server.asked[0].headers["anthropic-version"] == "2023-06-01"
    refused = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
    with example("anthropic", models=Said(refused, 401)) as (watched, _):
        assert watched.page()['runbook_api_key_valid{key="main"}'] == "0"


def test_anthropics_cost_is_in_cents_and_its_use_by_hour() -> None:
    """platform.claude.com/docs/en/api/admin/cost_report, .../usage_report/retrieve_messages, .../organizations/me."""
    began = time.time()
    day = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(began))
    row = {"amount": "123.78912", "currency": "USD", "cost_type": None, "description": None, "model": None}
    days = [{"starting_at": day, "ending_at": day, "results": [row, row]}]
    used: dict[str, Any] = {
        "uncached_input_tokens": 1500, "cache_read_input_tokens": 200, "output_tokens": 500, "model": "claude-x",
        "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
    }  # fmt: skip
    hours = [{"starting_at": day, "ending_at": day, "results": [used]}]
    routes = {
        "me": Said({"id": "12345678-1234-5678-1234-567812345678", "name": "Organization Name", "type": "organization"}),
        "cost_report": Said({"data": days, "has_more": False, "next_page": None}),
        "usage_report/messages": Said({"data": hours, "has_more": False, "next_page": None}),
    }
    with example("anthropic-admin", **routes) as (watched, server):
        page = watched.page()
        assert not [how for how in watched.outcomes().values() if how.startswith("failed")]
        assert float(page['runbook_api_cost_usd{source="billed"}']) == pytest.approx(2.4757824)
        assert float(page['runbook_api_tokens_total{model="claude-x",type="cached"}']) == 0
        asked = {one.path: one.query for one in server.asked}
        assert asked["/v1/organizations/cost_report"]["starting_at"][0] in then("%Y-%m-01T00:00:00Z", began)
        assert asked["/v1/organizations/usage_report/messages"]["group_by[]"] == ["model"]
        used["output_tokens"] = 700
        used["cache_creation"] = {"ephemeral_1h_input_tokens": 1030, "ephemeral_5m_input_tokens": 504}
        look_again(watched)
        page = watched.page()
        types = ("output", "cache_write_1h", "cache_write_5m")
        counted = [float(page[f'runbook_api_tokens_total{{model="claude-x",type="{kind}"}}']) for kind in types]
        assert counted == [200, 30, 4]
        server.routes["/v1/organizations/cost_report"] = Said({"data": days, "has_more": True, "next_page": "page_x"})
        look_again(watched)
        assert "a page of several" in watched.outcomes()["cost"]


def test_openrouter_tells_the_limit_of_the_key() -> None:
    """openrouter.ai/docs/api/api-reference/api-keys/get-current-key."""
    told = {"label": "sk-or-v1-au7...890", "limit": 100, "limit_remaining": 74.5, "limit_reset": "monthly",
            "usage": 25.5, "usage_daily": 25.5, "usage_weekly": 25.5, "usage_monthly": 25.5, "byok_usage": 17.38,
            "is_free_tier": False, "expires_at": "2027-12-31T23:59:59Z"}  # fmt: skip
    with example("openrouter", key=Said({"data": told})) as (watched, server):
        page = watched.page()
        assert float(page[quota("remaining", "dollars")]) == 74.5
        assert float(page['runbook_api_cost_usd{source="billed"}']) == 25.5
        assert float(page['runbook_api_budget_usd{source="provider"}']) == 100
        assert "sk-or-v1-au7" not in watched.text()
        for reset, window in (("daily", "day"), ("weekly", ""), (None, "total")):
            told["limit_reset"] = reset
            look_again(watched)
            page = watched.page()
            limits = [name for name in page if name.startswith("runbook_api_quota_remaining")]
            assert limits == [quota("remaining", "dollars", window)]
            assert 'runbook_api_budget_usd{source="provider"}' not in page  # of another time than the cost
            assert watched.outcomes()["look"] == "ok"
        told |= {"limit": None, "limit_remaining": None}
        look_again(watched)
        assert quota("limit", "dollars", "total") not in watched.page()
        server.routes["/api/v1/key"] = Said({"error": {"code": 401, "message": "User not found."}}, 401)
        look_again(watched)
        assert watched.page()['runbook_api_key_valid{key="main"}'] == "0"


def test_github_tells_its_limits() -> None:
    """docs.github.com/rest/rate-limit/rate-limit, and its headers."""
    reset = int(time.time()) + 1800
    kinds = {"core": (5000, 4999), "search": (30, 18), "graphql": (5000, 4993)}
    resources = {name: {"limit": most, "used": most - left, "remaining": left, "reset": reset}
                 for name, (most, left) in kinds.items()}  # fmt: skip
    headers = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4999", "x-ratelimit-used": "1",
               "x-ratelimit-reset": str(reset), "x-ratelimit-resource": "core"}  # fmt: skip
    told = Said({"resources": resources, "rate": resources["core"]}, headers=headers)
    with example("github", rate_limit=told) as (watched, server):
        page = watched.page()
        assert float(page[quota("remaining", "requests", "hour")]) == 4999
        assert float(page[quota("remaining", "searches", "minute")]) == 18
        assert float(page[quota("remaining", "points", "hour")]) == 4993
        assert float(page[quota("reset_timestamp_seconds", "requests", "hour")]) == reset
        assert server.asked[0].headers["accept"] == "application/vnd.github+json"


def test_links_lead_somewhere() -> None:
    pages = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert pages
    assert [page for page in pages if not (ROOT / "docs" / page).exists()] == []


def test_names_are_those_of_metrics_and_records() -> None:
    known = {metric.name for metric in METRICS}
    records = (ROOT / "rules" / "api.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"runbook_api_\w+", TEXT))
    assert len(named) > 15
    assert named <= known
    for record in re.findall(r"runbook:[a-z_]+:[a-z]+", TEXT):
        assert f"record: {record}\n" in records


def test_every_interval_that_is_named_is_the_default() -> None:
    settings = APISettings(provider="openai")
    named = dict(re.findall(r"`(\w+_interval)`, (\d+[mh])", TEXT))
    seconds = {name: int(text[:-1]) * {"m": 60, "h": 3600}[text[-1]] for name, text in named.items()}
    assert set(seconds) == {f"{name}_interval" for name in ("look", "call", "search", "usage", "cost", "limits")}
    assert seconds == {name: getattr(settings, name) for name in seconds}
