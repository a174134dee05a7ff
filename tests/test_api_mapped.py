"""Any API by mapping: its figures where the configuration says, and what is not there."""

import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver import Said, api
from tests.mappedapi import GOOD, LOOK, QUOTA, TOKEN, figures, look, look_again, page_of, quota, target
from tests.onetarget import one


def test_a_key_that_is_taken() -> None:
    with target(answer=Said({"anything": 1})) as (watched, server):
        assert figures(watched) == GOOD
        assert watched.outcomes()["look"] == "ok"
        assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_without_a_key_nothing_is_said_of_one() -> None:
    with api() as server:
        server.routes["/look"] = Said({})
        with one("api", f"provider: json\nurl: {server.url}\nanswers: [{LOOK}]") as watched:
            assert figures(watched) == {"runbook_api_up": 1}


def test_limits_by_path() -> None:
    told: Any = {"data": {"limit": 100, "left": "74.5", "reset": int(time.time()) + 90}}
    found = page_of(Said(told), f"quotas: [{QUOTA}]")
    assert found == GOOD | {
        quota("limit"): 100,
        quota("remaining"): 74.5,
        quota("reset_timestamp_seconds"): told["data"]["reset"],
    }


def test_what_is_left_is_the_limit_less_what_is_used() -> None:
    keys = "quotas: [{quota: credits, window: month, limit: max, used: used, scale: 0.01}]"
    assert page_of(Said({"max": 1000, "used": 250}), keys)[quota("remaining")] == 7.5
    assert page_of(Said({"max": 1000, "used": 1250}), keys)[quota("remaining")] == 0
    assert quota("remaining") not in page_of(Said({"max": 1000, "used": None}), keys)


def test_limits_of_each_model() -> None:
    keys = "quotas: [{window: day, each: models, model: key, limit: value.max, remaining: value.left}]"
    page = page_of(Said({"models": {"a": {"max": 10, "left": 4}, "b": {"max": 20, "left": 20}}}), keys)
    assert page[quota("remaining", "requests", "day", "a")] == 4
    assert page[quota("limit", "requests", "day", "b")] == 20


@pytest.mark.parametrize("limit", [None, -1, 9223372036854775807])
def test_what_is_not_limited_has_no_limit(limit: int | None) -> None:
    found = page_of(Said({"data": {"limit": limit, "left": None}}), f"quotas: [{QUOTA}]")
    assert found == GOOD


FORMS: list[tuple[str, Callable[[int], Any], float | None]] = [
    ("auto", lambda now: 90, 90), ("auto", lambda now: now + 90, 90), ("auto", lambda now: (now + 90) * 1000, 90),
    ("auto", lambda now: "1m30s", 90), ("auto", lambda now: "90", 90), ("seconds", lambda now: 90.5, 90.5),
    ("auto", lambda now: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 90)), 90),
    ("auto", lambda now: formatdate(now + 90, usegmt=True), 90), ("milliseconds", lambda now: 90_000, 90),
    ("unix", lambda now: str(now + 90), 90), ("unix_milliseconds", lambda now: (now + 90) * 1000, 90),
    ("auto", lambda now: "soon", None), ("unix", lambda now: 90, None), ("auto", lambda now: None, None),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_when_a_limit_is_whole_again_in_each_form(number: int) -> None:
    form, told, expected = FORMS[number]
    now = int(time.time())
    keys = f"quotas: [{{limit: max, reset: at, reset_as: {form}}}]"
    reset = page_of(Said({"max": 5, "at": told(now)}), keys).get(quota("reset_timestamp_seconds", "requests", ""))
    if expected is None:
        assert reset is None
    else:
        assert reset is not None
        assert now + expected - 0.01 <= reset <= now + expected + 3


def test_usual_headers_are_read() -> None:
    headers = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4990", "X-RateLimit-Resource": "core"}
    assert page_of(Said({}, headers=headers))[quota("remaining", "requests", "hour")] == 4990
    assert page_of(Said({}, headers=headers), "limit_headers: false") == GOOD


def test_what_is_configured_counts_more_than_headers() -> None:
    headers = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4990", "X-RateLimit-Resource": "core"}
    keys = "quotas: [{window: hour, limit: max, remaining: left}]"
    page = page_of(Said({"max": 9, "left": 8}, headers=headers), keys)
    assert page[quota("remaining", "requests", "hour")] == 8


def test_cost_and_budget_in_cents_by_item() -> None:
    rows = [
        {"results": [{"amount": "123.5", "currency": "USD", "for": "chat"}]},
        {"results": []},
        {"results": [{"amount": "0.5e1", "currency": "usd", "for": "chat"}, {"amount": -3, "for": "credit"}]},
    ]
    keys = (
        "cost: {buckets: data, each: results, value: amount, item: for, currency: currency, scale: 0.01}",
        "budget: cap", "budget_scale: 0.01", "data: until",
    )  # fmt: skip
    page = page_of(Said({"data": rows, "cap": 5000, "until": "2026-11-29T10:00:00Z"}), *keys)
    assert page['runbook_api_cost_usd{source="billed"}'] == pytest.approx(1.255)
    assert page['runbook_api_item_cost_usd{item="chat"}'] == pytest.approx(1.285)
    assert page['runbook_api_item_cost_usd{item="credit"}'] == pytest.approx(-0.03)
    assert page['runbook_api_budget_usd{source="provider"}'] == 50
    assert page['runbook_api_data_timestamp_seconds{read="look"}'] == 1795946400


def test_a_month_without_cost_costs_nothing() -> None:
    page = page_of(Said({"data": []}), "cost: {buckets: data, each: results, value: amount}")
    assert page['runbook_api_cost_usd{source="billed"}'] == 0


def test_another_currency_is_left_out_and_said() -> None:
    told = Said({"data": [{"amount": 5, "currency": "EUR"}]})
    with target(look("cost: {each: data, value: amount, currency: currency}"), answer=told) as (watched, _):
        assert figures(watched) == GOOD
        assert "not in US dollars" in watched.outcomes()["look"]


def test_a_budget_that_is_not_set_is_none() -> None:
    assert page_of(Said({"cap": None}), "budget: cap") == GOOD


CHANGED = [
    ("cost: {each: data, value: amount}", {"data": [{"amounts": 5}]}, "`amount`"),
    ("cost: {each: data, value: amount}", {"rows": []}, "`data`"),
    ("cost: {buckets: data, each: results, value: amount}", {"data": [{"rows": []}]}, "`results`"),
    ("cost: {value: amount}", {"amount": True}, "`amount` is true or false"),
    ("cost: {value: amount}", {"amount": "five"}, "`amount` is text"),
    ("budget: cap", {"cap": {"usd": 5}}, "`cap` is an object"),
    ("used: [{count: requests, each: data, value: n}]", {"data": [{"m": 5}]}, "`n`"),
    ("used: [{count: requests, value: n, less: m}]", {"n": 5, "m": 6}, "less than `m`"),
    ("used: [{count: requests, value: n, since: at}]", {"n": 5}, "`at`"),
    ("quotas: [{limit: max}]", {"max": [1]}, "`max` is a list"),
    ("quotas: [{each: all, limit: max}]", {"all": 7}, "`all` is a number"),
    ("quotas: [{limit: max, reset: at}]", {"max": 1, "at": {}}, "`at` is an object"),
    ("quotas: [{each: all, limit: max}]", {"all": [{"max": 1}, {"max": 2}]}, "two items"),
    ("more: has_more", {"has_more": True}, "a page of several"),
    ("more: has_more", {"data": []}, "`has_more` is null"),
]


@pytest.mark.parametrize(("keys", "told", "named"), CHANGED)
def test_a_field_that_is_not_as_it_was_is_named(keys: str, told: Any, named: str) -> None:
    with target(look(keys), answer=Said(told)) as (watched, _):
        outcome = watched.outcomes()["look"]
        assert named in outcome
        assert "compare the paths" in outcome or "ask for all" in outcome or "tells them apart" in outcome
        assert figures(watched) == GOOD  # it answers, and the key is good


@pytest.mark.parametrize(
    ("keys", "told", "named"),
    [
        (f"quotas: [{QUOTA}]", {"date": {}}, "data.limit"),
        ("quotas: [{each: all, limit: max}]", {}, "`all`"),
        ("used: [{count: requests, each: data, value: n}]", {}, "`data`"),
    ],
)
def test_a_limit_or_a_list_that_is_not_there_is_said(keys: str, told: Any, named: str) -> None:
    with target(look(keys), answer=Said(told)) as (watched, _):
        outcome = watched.outcomes()["look"]
        assert outcome.startswith("ok nothing stands at")
        assert named in outcome


def test_figures_that_stood_stay_for_a_while_when_a_field_changes(tmp_path: Path) -> None:
    keys = look(f"quotas: [{QUOTA}]", "budget: cap")
    good = Said({"data": {"limit": 100, "left": 70}, "cap": 5})
    with target(keys, answer=good, state=tmp_path) as (watched, server):
        assert figures(watched)[quota("remaining")] == 70
        server.routes["/look"] = Said({"data": {"limit": 100, "left": 60}, "cap": []})
        look_again(watched)
        assert watched.outcomes()["look"].startswith("ok `cap` is a list")
        assert figures(watched)[quota("remaining")] == 70


@pytest.mark.parametrize("name", ["usage", "of_all_models"])
def test_a_thousand_models_have_no_series_each(name: str) -> None:
    answer = (
        f"{{name: {name}, path: /{name}, used: [{{count: requests, each: all, model: key, value: value}}], "
        "quotas: [{each: all, model: key, limit: value}]}"
    )
    told = Said({"all": {f"m{number:04}": number for number in range(1200)}})
    with target(LOOK, answer) as (watched, server):
        server.routes[f"/{name}"] = told
        look_again(watched)
        assert figures(watched)["runbook_api_up"] == 1
        server.routes[f"/{name}"] = Said({"all": {f"m{number:04}": number + 2 for number in range(1200)}})
        look_again(watched)
        page = figures(watched)
    counted = {series: value for series, value in page.items() if series.startswith("runbook_api_requests_total")}
    assert len(counted) <= 22
    assert sum(counted.values()) == 2 * 1200
    assert sum(series.startswith("runbook_api_quota_limit") for series in page) <= 22


def test_items_have_no_series_each() -> None:
    bill = "{name: bill, path: /bill, cost: {each: all, item: key, value: value}}"
    told = Said({"all": {f"item {number:04}": number for number in range(1200)}})
    with target(LOOK, bill, bill=told) as (watched, _):
        look_again(watched)
        page = figures(watched)
    items = {series: value for series, value in page.items() if series.startswith("runbook_api_item_cost_usd")}
    assert len(items) <= 22
    assert sum(items.values()) == page['runbook_api_cost_usd{source="billed"}'] == sum(range(1200))
