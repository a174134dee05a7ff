"""Prices, and the months and days that costs and quotas are of."""

import math
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collectors.api.estimate import estimated, per_token, price_of
from exporter.collectors.api.moments import NAMES, moments
from exporter.collectors.api.month import month_of, next_midnight
from exporter.collectors.api.settings import Price

UTC = ZoneInfo("UTC")
PACIFIC = ZoneInfo("America/Los_Angeles")
ZONES = ["UTC", "America/Los_Angeles", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe"]
PRICES = {"gpt-4o": Price(input=2.5, cached=1.25, output=10), "gpt-4o-mini": Price(input=0.15, output=0.6)}


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4", None),
        ("", None),
        ("other", None),
    ],
)
def test_the_longest_beginning_of_a_models_name_has_its_price(model: str, price: str | None) -> None:
    assert price_of(model, PRICES) is (PRICES[price] if price else None)


def test_what_a_token_costs() -> None:
    assert per_token(PRICES["gpt-4o"]) == pytest.approx({"input": 2.5e-6, "cached": 1.25e-6, "output": 1e-5})
    assert per_token(PRICES["gpt-4o-mini"])["cached"] == per_token(PRICES["gpt-4o-mini"])["input"]
    assert per_token(Price(input=1, cached=0))["cached"] == 0


def test_tokens_by_their_prices() -> None:
    tokens = {
        ("gpt-4o", "input"): 1e6, ("gpt-4o", "cached"): 2e6, ("gpt-4o-2024-08-06", "output"): 1e5,
        ("gpt-4o-mini", "cached"): 1e6, ("unknown", "input"): 5e9, ("another", "output"): 1.0,
        ("unknown", "output"): 1.0, ("gpt-4o", "audio"): 1e9, ("", "input"): 3.0,
    }  # fmt: skip
    estimate = estimated(tokens, PRICES)
    assert estimate.cost == pytest.approx(2.5 + 2.5 + 1 + 0.15)
    assert estimate.unpriced == ("another", "unknown")


def test_nothing_used_costs_nothing() -> None:
    assert estimated({}, PRICES) == (0.0, ())


def at(text: str, zone: ZoneInfo = UTC) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("now", "zone", "start", "end"),
    [
        (at("2026-11-15T12:00"), UTC, at("2026-11-01"), at("2026-12-01")),
        (at("2026-12-31T23:59:59"), UTC, at("2026-12-01"), at("2027-01-01")),
        (at("2027-01-01T00:00"), UTC, at("2027-01-01"), at("2027-02-01")),
        (at("2028-02-29T12:00"), UTC, at("2028-02-01"), at("2028-03-01")),
        (at("2026-12-01T07:59"), PACIFIC, at("2026-11-01", PACIFIC), at("2026-12-01", PACIFIC)),
        (at("2026-12-01T08:00"), PACIFIC, at("2026-12-01", PACIFIC), at("2027-01-01", PACIFIC)),
    ],
)
def test_a_month_is_that_of_its_time_zone(now: float, zone: ZoneInfo, start: float, end: float) -> None:
    assert month_of(now, zone) == (start, end)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (at("2026-07-01T00:00", PACIFIC), 24),
        (at("2026-03-08T00:00", PACIFIC), 23),  # clocks go forward
        (at("2026-11-01T00:00", PACIFIC), 25),  # and back
        (at("2026-11-01T23:30", PACIFIC), 0.5),
        (at("2026-12-31T12:00", PACIFIC), 12),
    ],
)
def test_the_next_midnight_in_the_time_zone(now: float, hours: float) -> None:
    assert next_midnight(now, PACIFIC) - now == hours * 3600


@given(seconds=st.integers(0, 4_000_000_000), name=st.sampled_from(ZONES))
def test_every_moment_is_in_its_month_and_before_its_midnight(seconds: int, name: str) -> None:
    zone = ZoneInfo(name)
    month = month_of(seconds, zone)
    assert month.start <= seconds < month.end
    assert 27.9 * 86400 < month.end - month.start < 31.1 * 86400
    assert month_of(month.end, zone).start == month.end
    assert 0 < next_midnight(seconds, zone) - seconds <= 49 * 3600


def test_the_times_that_an_address_may_ask_for() -> None:
    told = moments(at("2026-11-29T17:45:10"), UTC)
    assert tuple(told) == NAMES
    assert told["month"] == "2026-11-01T00:00:00Z"
    assert told["month_unix"] == str(int(at("2026-11-01")))
    assert told["day_date"] == "2026-11-29"
    assert told["yesterday"] == "2026-11-28T00:00:00Z"
    assert told["now"] == "2026-11-29T17:45:10Z"


def test_the_times_are_those_of_the_time_zone() -> None:
    told = moments(at("2026-12-01T05:00"), PACIFIC)
    assert told["month"] == "2026-11-01T07:00:00Z"  # the month began before the clocks went back
    assert told["month_date"] == "2026-11-01"
    assert told["day"] == "2026-11-30T08:00:00Z"
    assert told["yesterday_date"] == "2026-11-29"
    assert math.isclose(float(told["now_unix"]), at("2026-12-01T05:00"))


def test_the_time_zones_that_are_needed_are_here() -> None:
    assert month_of(time.time(), PACIFIC).start <= time.time()
