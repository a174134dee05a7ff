"""Reports of cost and of limits, of calls and of money, at OpenAI: as documented, and as they were not expected."""

import math
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from exporter.collector import Trouble
from exporter.collectors.api.found import Found, Quota, Refused
from exporter.collectors.api.settings import Price
from tests import openaireplies as replies
from tests.apiserver import API, Asked, Said
from tests.openaireplies import (
    COSTS_PATH,
    DAY,
    HOUR,
    PROJECT,
    billed,
    bucket,
    costs,
    look,
    page,
    project_path,
    provider,
    rate_limit,
    rate_limits,
    spend_limit,
    usage,
    usage_path,
    used,
)

COMPLETIONS = usage_path("completions")
SPEND = "/v1/organization/spend_limit"


@pytest.fixture
def server(openai_api: API) -> API:
    return replies.anew(openai_api)


# Cost


def cost(server: API, **settings: object) -> Found:
    return look(provider(server, **settings), "cost")


def test_the_cost_of_the_month_by_item(server: API) -> None:
    found = cost(server, project=PROJECT)
    assert found.cost == 13.25
    assert found.items == {"gpt-4o-mini-2024-07-18, input": 12.5, "text-embedding-3-small": 0.75}
    now = datetime.now(UTC)
    assert found.month == datetime(now.year, now.month, 1, tzinfo=UTC).timestamp()
    assert found.data == min(found.month + DAY, int(time.time()) // DAY * DAY)  # the first day has a bill
    assert found.tokens == {}
    (asked,) = server.asked
    query = {name: values[0] for name, values in asked.query.items()}
    assert query == {
        "start_time": str(int(found.month)), "bucket_width": "1d", "limit": "40", "group_by[]": "line_item",
        "project_ids[]": PROJECT,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([12.5], 12.5), (["12.50"], 12.5), (["1e-7"], 1e-7), ([1e-7], 1e-7), ([0.1, 0.2], 0.3), ([10, -2.5], 7.5),
        (["-3.25"], -3.25), ([0], 0.0), ([], 0.0),
    ],
)  # fmt: skip
def test_amounts(server: API, values: list[object], expected: float) -> None:
    server.routes[COSTS_PATH] = costs([billed(value, f"item {number}") for number, value in enumerate(values)])
    assert cost(server).cost == expected


@pytest.mark.parametrize("value", [None, "", "much", True, [1], "NaN", "Infinity", {"value": 1}, "1e13", "1e999999"])
def test_an_amount_that_is_none_is_named(server: API, value: object) -> None:
    server.routes[COSTS_PATH] = costs([billed(value, "a")])
    with pytest.raises(Trouble, match=r"`amount.value` is not as documented"):
        cost(server)


def test_no_amount_at_all_is_named(server: API) -> None:
    server.routes[COSTS_PATH] = costs([{"object": "organization.costs.result", "cost": 1}])
    with pytest.raises(Trouble, match="`amount` is not as documented"):
        cost(server)


@pytest.mark.parametrize(
    ("currency", "named"), [("eur", "eur"), ("GBP", "gbp"), (None, "an unknown"), ("dollars!", "an unknown"), (7, "an")]
)
def test_another_currency_is_no_cost_in_dollars(server: API, currency: Any, named: str) -> None:
    server.routes[COSTS_PATH] = costs([billed(1, "a"), billed(2, "b", currency)])
    found = cost(server)
    assert (found.cost, found.items) == (None, {})
    assert f"the cost is in {named}" in found.remark


def test_nothing_has_no_currency(server: API) -> None:
    server.routes[COSTS_PATH] = costs([billed(1, "a", "USD"), billed(0, "b", None)])
    found = cost(server)
    assert (found.cost, found.remark) == (1, "")


@pytest.mark.parametrize(("days", "expected"), [((0, 2), 3), ((0,), 1), ((0, 4), 4), ((), None)])
def test_a_bill_counts_until_its_newest_day(
    server: API, monkeypatch: pytest.MonkeyPatch, days: tuple[int, ...], expected: int | None
) -> None:
    """The end of the last day that has one, its beginning while it goes on: empty days are there at once."""
    month = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    monkeypatch.setattr(time, "time", lambda: month + 4.5 * DAY)
    buckets = [bucket(int(month) + day * DAY, [billed(1, "a")] if day in days else [], DAY) for day in range(5)]
    server.routes[COSTS_PATH] = page(buckets)
    assert cost(server).data == (None if expected is None else month + expected * DAY)


def test_no_day_is_no_cost_and_a_day_without_any_is_one_of_nothing(server: API) -> None:
    server.routes[COSTS_PATH] = page([])
    found = cost(server)
    assert (found.cost, found.data) == (None, None)
    server.routes[COSTS_PATH] = costs()
    assert cost(server).cost == 0


def test_days_over_pages(server: API) -> None:
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    first = int(month.timestamp())

    def answer(asked: Asked) -> Said:
        if "page" in asked.query:
            return page([bucket(first + DAY, [billed(2, "a")], DAY)])
        return page([bucket(first, [billed(1, "a"), billed(4, None)], DAY)], "next")

    server.routes[COSTS_PATH] = answer
    assert cost(server).items == {"a": 3, "unknown": 4}


NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("zone", "now", "first"),
    [
        ("UTC", NOVEMBER, NOVEMBER),
        ("America/Los_Angeles", NOVEMBER + 9 * DAY, NOVEMBER),
        ("Asia/Tokyo", NOVEMBER + 9 * DAY, NOVEMBER),
        ("Asia/Tokyo", NOVEMBER - 8 * HOUR, NOVEMBER - DAY),  # the first in Tokyo, and the day before in UTC
        ("Asia/Tokyo", NOVEMBER, NOVEMBER),
        ("Etc/GMT-12", NOVEMBER + 9 * DAY, NOVEMBER), ("Etc/GMT+12", NOVEMBER + 9 * DAY, NOVEMBER + DAY),
    ],
)  # fmt: skip
def test_a_month_of_another_zone_begins_with_the_nearest_day_that_has_begun(
    server: API, monkeypatch: pytest.MonkeyPatch, zone: str, now: float, first: float
) -> None:
    monkeypatch.setattr(time, "time", lambda: now)
    cost(server, month_zone=zone)
    assert server.asked[0].query["start_time"] == [str(int(first))]


def test_tokens_of_the_month_are_read_where_they_have_prices(server: API) -> None:
    found = cost(server, prices={"gpt": Price(input=2.5, output=10)})
    assert found.tokens == {
        ("gpt-4o-mini-2024-07-18", "input"): 7000, ("gpt-4o-mini-2024-07-18", "cached"): 2000,
        ("gpt-4o-mini-2024-07-18", "output"): 700, ("text-embedding-3-small", "input"): 400,
    }  # fmt: skip
    days = [one for one in server.asked if one.path == COMPLETIONS]
    assert [one.query["bucket_width"] for one in days] == [["1d"]]


@pytest.mark.parametrize("said", [Said(b"", 500), replies.no_scope("api.usage.read"), Said({"data": 1})],
                         ids=["500", "scope", "changed"])  # fmt: skip
def test_a_bill_stands_without_an_estimate(server: API, said: Said) -> None:
    server.routes[COMPLETIONS] = said
    found = cost(server, prices={"gpt": Price(input=2.5, output=10)})
    assert (found.cost, found.tokens) == (13.25, {})
    assert found.remark.startswith("nothing is estimated: ")


def test_a_limit_of_requests_ends_the_bill_as_well(server: API) -> None:
    server.routes[COMPLETIONS] = replies.too_many({"Retry-After": "7"})
    with pytest.raises(Refused) as refused:
        cost(server, prices={"gpt": Price(input=2.5, output=10)})
    assert refused.value.verdict.wait == 7


# Limits


def limits(server: API, **settings: object) -> Found:
    return look(provider(server, project=PROJECT, **settings), "limits")


def test_limits_of_the_models_that_are_used(server: API) -> None:
    assert limits(server).quotas == (
        Quota("gpt-4o-mini", "requests", "minute", 500), Quota("gpt-4o-mini", "tokens", "minute", 200_000),
        Quota("gpt-4o-mini", "requests", "day", 10_000), Quota("gpt-4o-mini", "batch_input_tokens", "day", 2_000_000),
        Quota("text-embedding-3-small", "requests", "minute", 3000),
        Quota("text-embedding-3-small", "tokens", "minute", 1_000_000),
        Quota("gpt-image-1", "requests", "minute", 50), Quota("gpt-image-1", "tokens", "minute", 100_000),
        Quota("gpt-image-1", "images", "minute", 5),
    )  # fmt: skip


def test_models_that_are_configured_come_first(server: API) -> None:
    quotas = limits(server, models=("o3",), top=1).quotas
    assert [quota.model for quota in quotas] == ["o3", "o3"]


def test_where_use_may_not_be_read_limits_are_those_of_any_models(server: API) -> None:
    server.routes |= {usage_path(report): replies.no_scope("api.usage.read") for report in replies.REPORTS}
    assert {quota.model for quota in limits(server, top=2).quotas} == {"gpt-4o-mini", "gpt-image-1"}


def test_limits_over_pages(server: API) -> None:
    pages = {"": (rate_limit("o3", 1, 1), True), "rl-o3": (rate_limit("gpt-4o-mini", 7, 8), False)}

    def answer(asked: Asked) -> Said:
        limit, more = pages[asked.query.get("after", [""])[0]]
        return rate_limits([limit], more)

    server.routes[project_path("rate_limits")] = answer
    assert limits(server).quotas == (
        Quota("gpt-4o-mini", "requests", "minute", 7), Quota("gpt-4o-mini", "tokens", "minute", 8),
    )  # fmt: skip
    server.routes[project_path("rate_limits")] = rate_limits([rate_limit("o3", 1, 1)], more=True)
    with pytest.raises(Trouble, match="`last_id`"):
        limits(server)


def test_a_hundred_models_make_so_many_series_as_are_wanted(server: API) -> None:
    many = [f"model-{number}" for number in range(300)]
    server.routes[project_path("rate_limits")] = rate_limits([rate_limit(model, 1, 1) for model in many])
    server.routes[COMPLETIONS] = usage([used("completions", model, 1 + n) for n, model in enumerate(many)])
    quotas = limits(server).quotas
    assert len(quotas) == 40
    assert quotas[0].model == "model-299"


@pytest.mark.parametrize("value", ["500", -1, None, math.nan, True])
def test_a_limit_that_is_none(server: API, value: object) -> None:
    limit = {**rate_limit("gpt-4o-mini", 1, 2), "max_requests_per_1_minute": value}
    server.routes[project_path("rate_limits")] = rate_limits([limit])
    if value is None:
        assert limits(server).quotas == (Quota("gpt-4o-mini", "tokens", "minute", 2),)
        return
    with pytest.raises(Trouble):
        limits(server)


def test_the_budget_is_in_cents(server: API) -> None:
    found = limits(server)
    assert (found.budget, found.spent) == (100, False)
    found = look(provider(server), "limits")
    assert (found.budget, found.spent, found.quotas) == (9000, False, ())


@pytest.mark.parametrize("path", [SPEND, project_path("spend_limit")])
def test_either_limit_of_money_stops_the_calls(server: API, path: str) -> None:
    server.routes[path] = spend_limit(500, "enforcing")
    found = limits(server)
    assert found.spent is True
    assert found.budget == (100 if path == SPEND else 5)


def test_no_limit_of_money_is_set(server: API) -> None:
    del server.routes[SPEND], server.routes[project_path("spend_limit")]
    found = limits(server)
    assert (found.budget, found.spent, found.remark) == (None, None, "")
    assert len(found.quotas) == 9


@pytest.mark.parametrize(("currency", "interval"), [("EUR", "month"), ("USD", "day")])
def test_another_budget_is_none_of_ours(server: API, currency: str, interval: str) -> None:
    server.routes[project_path("spend_limit")] = spend_limit(500, "enforcing", currency, interval)
    found = limits(server)
    assert (found.budget, found.spent) == (None, True)
    assert "not in US dollars a month" in found.remark


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (spend_limit("500"), "threshold_amount"), (spend_limit(None), "threshold_amount"),
        (spend_limit(5, "paused"), "enforcement.status"),
        (Said({"threshold_amount": 5, "currency": "USD", "interval": "month"}), "enforcement"),
    ],
    ids=["text", "null", "status", "no enforcement"],
)  # fmt: skip
def test_a_changed_limit_of_money_is_named(server: API, said: Said, field: str) -> None:
    server.routes[project_path("spend_limit")] = said
    with pytest.raises(Trouble, match=f"`{field}` is not as documented"):
        limits(server)


def test_one_permission_that_is_missing_leaves_the_other_limits(server: API) -> None:
    server.routes[project_path("spend_limit")] = replies.no_scope("api.management.read")
    found = limits(server)
    assert (len(found.quotas), found.budget, found.verdict.allowed) == (9, None, False)
    server.routes[project_path("spend_limit")] = spend_limit(500)
    server.routes[project_path("rate_limits")] = replies.no_scope("api.management.read")
    found = limits(server)
    assert (len(found.quotas), found.budget, found.verdict.allowed) == (0, 5, False)


def test_a_project_that_is_none(server: API) -> None:
    with pytest.raises(Refused) as refused:
        look(provider(server, project="proj of nobody/../x"), "limits")
    assert "`project`" in refused.value.fix
    assert server.asked[0].path == "/v1/organization/projects/proj%20of%20nobody%2F..%2Fx/rate_limits"
