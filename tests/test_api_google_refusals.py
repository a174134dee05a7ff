"""What answers of Google's say of the key and of what is used up."""

import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collector import Unable
from exporter.collectors.api import googleday
from exporter.collectors.api.found import Verdict
from exporter.collectors.api.googlerefusal import daily_limit, refusal
from exporter.collectors.api.googleuse import last_day
from tests.apiserver import Said
from tests.googlereplies import (
    BAD_KEY,
    DAY,
    DISABLED,
    EXPIRED,
    LEAKED,
    MINUTE,
    NO_ROLE,
    NUMBER,
    SEARCHED_OUT,
    failure,
    reason,
    retry,
)

NOON = datetime(2026, 11, 29, 12, tzinfo=ZoneInfo("America/Los_Angeles")).timestamp()
HOUR = 3600.0


def older(code: int, name: str) -> Said:
    """Return an error as older interfaces give it, without a status."""
    return Said(
        {"error": {"code": code, "message": "Bad", "errors": [{"domain": "usageLimits", "reason": name}]}}, code
    )


def of(said: Said, asked: float = 0.0) -> Verdict:
    return refusal(said.status, said.body, NOON, asked)


@pytest.mark.parametrize(
    ("said", "valid", "allowed", "limit", "wait"),
    [
        (BAD_KEY, False, None, "", 0),
        (failure(400, "INVALID_ARGUMENT", "API Key not found. Please pass a valid API key."), False, None, "", 0),
        (failure(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."), False, None, "", 0),
        (Said([BAD_KEY.body], 400), False, None, "", 0),
        (older(400, "keyInvalid"), False, None, "", 0),
        (LEAKED, False, None, "", 0),
        (DISABLED, True, False, "", 0),
        (older(403, "accessNotConfigured"), True, False, "", 0),
        (failure(403, "PERMISSION_DENIED", "x", reason("API_KEY_SERVICE_BLOCKED")), True, False, "", 0),
        (failure(403, "PERMISSION_DENIED", "x", reason("API_KEY_IP_ADDRESS_BLOCKED")), True, False, "", 0),
        (failure(403, "PERMISSION_DENIED", "x", reason("BILLING_DISABLED")), True, False, "", 0),
        (failure(403, "PERMISSION_DENIED", "Your project has been denied access."), None, False, "", 0),
        (failure(400, "FAILED_PRECONDITION", "User location is not supported."), True, False, "", 0),
        (failure(400, "INVALID_ARGUMENT", "Request contains an invalid argument."), None, None, "", 0),
        (EXPIRED, None, None, "", 0),
        (NO_ROLE, None, False, "", 0),
        (Said("<html>Forbidden", 403), None, None, "", 0),
        (Said({"error": "blocked"}, 403), None, None, "", 0),
        (Said("<html>Proxy Authentication Required", 407), None, None, "", 0),
        (DAY, True, None, "day", HOUR),
        (SEARCHED_OUT, True, None, "day", HOUR),
        (older(403, "dailyLimitExceeded"), True, None, "day", HOUR),
        (MINUTE, True, None, "rate", 57.2),
        (older(403, "rateLimitExceeded"), True, None, "rate", 0),
        (failure(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."), True, None, "rate", 0),
        (failure(429, "RESOURCE_EXHAUSTED", "x", retry("99999s")), True, None, "rate", 3600),
        (failure(429, "RESOURCE_EXHAUSTED", "x", retry("soon"), retry("1e400s")), True, None, "rate", 0),
        (failure(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), True, None, "money", 0),
        (failure(429, "RESOURCE_EXHAUSTED", "You have exceeded its monthly spending cap."), True, None, "money", 0),
        (Said("<html>Too Many Requests", 429), None, None, "rate", 0),
        (Said({"error": "slow down"}, 429), None, None, "rate", 0),
        (Said({"error": {"code": "invalid_request", "message": "x"}}, 400), None, None, "", 0),
        (Said({"error": {"code": 404, "message": "x", "status": "NOT_FOUND"}}, 404), None, None, "", 0),
        (Said({"error": {"message": 5, "details": [7, {"violations": 3}], "errors": {}}}, 418), None, None, "", 0),
        (Said([], 400), None, None, "", 0),
    ],
)  # fmt: skip
def test_a_refusal_says(said: Said, valid: bool | None, allowed: bool | None, limit: str, wait: float) -> None:
    verdict = of(said)
    assert (verdict.up, verdict.valid, verdict.allowed, verdict.limit) == (True, valid, allowed, limit)
    assert verdict.wait == pytest.approx(wait)
    assert verdict.limited is bool(limit)
    assert verdict.reason
    assert verdict.fix
    assert NUMBER not in str(verdict)


def test_a_wait_that_is_asked_for_by_header_counts_but_for_a_day() -> None:
    bare = failure(429, "RESOURCE_EXHAUSTED", "x")
    assert of(bare, 30.0).wait == 30.0
    assert of(MINUTE, 90.0).wait == 90.0
    assert of(DAY, 90.0).wait == HOUR


@pytest.mark.parametrize("status", [500, 503, 504])
def test_what_is_google_s_own_fault_says_nothing_of_the_key(status: int) -> None:
    verdict = of(failure(status, "UNAVAILABLE", "The model is overloaded."), 20.0)
    assert (verdict.up, verdict.valid, verdict.limit, verdict.wait) == (False, None, "", 20.0)
    assert str(status) in verdict.reason


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        (SEARCHED_OUT.body, 250.0),
        (DAY.body, 20.0),
        (MINUTE.body, None),
        (older(403, "dailyLimitExceeded").body, None),
        (failure(429, "x", "x", reason("x", quota_limit="APerDay", quota_limit_value="x")).body, None),
        (None, None),
    ],
)
def test_a_refusal_tells_the_limit_of_the_day(body: Any, limit: float | None) -> None:
    assert daily_limit(body) == limit


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        ((2026, 3, 8, 0, 0), 23),  # clocks go forward
        ((2026, 3, 8, 12, 0), 12),
        ((2026, 11, 1, 0, 0), 25),  # and back
        ((2026, 11, 1, 23, 59), 1 / 60),
        ((2026, 12, 31, 18, 0), 6),
    ],
)
def test_a_day_ends_at_midnight_in_california(moment: tuple[int, ...], hours: float) -> None:
    now = datetime(*moment, tzinfo=googleday.pacific()).timestamp()  # type: ignore[misc,arg-type]
    assert googleday.day_ends(now) - now == pytest.approx(hours * 3600)
    assert googleday.day_ends(now) - googleday.day_began(now) in (23 * 3600, 24 * 3600, 25 * 3600)
    assert googleday.until_worth_asking(now) == pytest.approx(min(3600, hours * 3600 + 60))


@pytest.mark.parametrize(("month", "day"), [(3, 8), (11, 1), (11, 29)])
def test_what_is_read_reaches_back_to_midnight(month: int, day: int) -> None:
    began = datetime(2026, month, day, tzinfo=googleday.pacific()).timestamp()
    for now in range(int(began), int(googleday.day_ends(began)), 7 * 60):
        span = last_day(now)
        assert span.start <= googleday.day_began(now) <= now
        assert now - 300 < span.end <= now
        assert span.start % 3600 == span.end % 300 == 0


NAMES = (
    "error details errors message status reason violations quotaId quotaValue retryDelay metadata quota_limit "
    "quota_limit_value"
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.sampled_from(["429", "8s", "PerDay"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=60)
@given(st.sampled_from([400, 401, 403, 404, 429, 500]), ANYTHING)
def test_no_body_is_too_odd(status: int, body: Any) -> None:
    for one in (body, {"error": body}, [{"error": {"details": [body], "errors": body}}]):
        verdict = refusal(status, one, NOON)
        assert verdict.up is (status < 500)
        assert 0 <= verdict.wait <= 3600
        assert verdict.reason
        daily_limit(one)


def test_a_machine_without_time_zones_waits_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(googleday, "_ZONE", "America/Nowhere")
    with pytest.raises(Unable, match="time zone") as raised:
        googleday.day_ends(time.time())
    assert raised.value.fix == "install tzdata"
    assert of(DAY).wait == 3600
