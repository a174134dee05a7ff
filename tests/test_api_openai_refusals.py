"""What OpenAI refuses, and what that means for the service, the key, its permissions, its limits and its money."""

import json
import time
from collections.abc import Mapping
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collectors.api.found import Refused, Verdict
from exporter.collectors.api.openairefusal import verdict_of
from exporter.fetch import Reply
from exporter.retryafter import wait_of
from tests import openaireplies as replies
from tests.apiserver import API, Said
from tests.onetarget import one
from tests.openaireplies import KEY, MODELS_PATH, PROJECT, look, no_scope, provider, refusal, settled, yaml

ADMIN_LOOKS = ("usage", "cost", "limits")


@pytest.fixture
def server(openai_api: API) -> API:
    return replies.anew(openai_api)


def looked(server: API, said: Said) -> Verdict:
    server.routes[MODELS_PATH] = said
    return look(provider(server), "look").verdict


def told(verdict: Verdict) -> tuple[bool | None, bool | None, bool | None]:
    """Return whether it is up, the key good, and allowed this."""
    return verdict.up, verdict.valid, verdict.allowed


SCOPES = (
    "You have insufficient permissions for this operation. Missing scopes: api.model.read. Check that you have the "
    "correct role in your organization (Reader, Writer, Owner)."
)
CASES: Mapping[str, tuple[Said, tuple[bool | None, bool | None, bool | None]]] = {
    "bad key": (replies.BAD_KEY, (True, False, None)),
    "no key": (refusal(401, "You didn't provide an API key."), (True, False, None)),
    "plain text": (Said({"error": "Unauthorized"}, 401), (True, False, None)),
    "litellm": (Said({"error": {"message": "Authentication Error, Invalid proxy server token passed. Received API Key",
                                "type": "token_not_found_in_db", "param": "key", "code": "401"}}, 401),
                (True, False, None)),
    "litellm without a database": (
        Said({"error": {"message": "No connected db.", "type": "no_db_connection", "param": None, "code": "400"}}, 400),
        (True, False, None),
    ),
    "in a list": (Said([{"error": {"message": "API key not valid", "code": 401}}], 401), (True, False, None)),
    "empty 401": (Said(b"", 401), (True, None, None)),
    "log in": (Said(b"<html>Login</html>", 401, {"WWW-Authenticate": "Basic"}), (True, None, None)),
    "closed": (refusal(401, "The OpenAI account associated with this API key has been deactivated.",
                       "account_deactivated"), (True, False, None)),
    "scope 401": (refusal(401, SCOPES), (True, True, False)),
    "scope 403": (refusal(403, SCOPES), (True, True, False)),
    "scope, plain text": (Said({"error": SCOPES}, 403), (True, True, False)),
    "no member": (refusal(401, "You must be a member of an organization to use the API."), (True, None, None)),
    "organization": (refusal(401, "OpenAI-Organization header should match organization for API key",
                             "mismatched_organization"), (True, None, None)),
    "address": (refusal(401, "Your IP is not authorized: IP not authorized", "ip_not_authorized"), (True, None, None)),
    "country": (refusal(403, "Country, region, or territory not supported", "unsupported_country_region_territory",
                        "request_forbidden"), (True, None, None)),
    "model": (refusal(403, f"Project `{PROJECT}` does not have access to it", "model_not_found"), (True, True, False)),
    "unknown 403": (refusal(403, "No."), (True, None, False)),
    "page of a firewall": (Said(b"<html>Sorry, you have been blocked</html>", 403), (True, None, None)),
    "not there": (Said(b"<html>", 404), (True, None, None)),
    "teapot": (Said({}, 418), (True, None, None)),
    "fails": (refusal(500, "The server had an error while processing your request.", kind="server_error"),
              (False, None, None)),
    "overloaded": (refusal(503, "The engine is currently overloaded", "server_is_overloaded",
                           "service_unavailable_error"), (False, None, None)),
    "gateway": (Said(b"<html>502 Bad Gateway</html>", 502), (False, None, None)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_a_refusal_means(server: API, case: str) -> None:
    said, expected = CASES[case]
    verdict = looked(server, said)
    assert told(verdict) == expected
    assert (verdict.limit, verdict.limited, verdict.wait) == ("", False, 0)
    assert verdict.reason
    assert verdict.fix


@pytest.mark.parametrize("case", CASES)
def test_nothing_that_the_provider_says_is_repeated(server: API, case: str) -> None:
    verdict = looked(server, CASES[case][0])
    shown = f"{verdict.reason} {verdict.fix}".lower()
    for word in ("incorrect", KEY[:8].lower(), "scopes", "reader", PROJECT.lower(), "blocked", "engine", "territory"):
        assert word not in shown


MONEY = [
    "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached",
    "billing_not_active",
]  # fmt: skip


@pytest.mark.parametrize("code", MONEY)
def test_money_is_no_limit_of_calls_and_is_not_waited_for(server: API, code: str) -> None:
    verdict = looked(server, replies.no_money(code))
    assert told(verdict) == (True, True, True)
    assert (verdict.limit, verdict.limited, verdict.wait) == ("money", False, 0)


@pytest.mark.parametrize(
    "said",
    [
        refusal(429, "Quota", "insufficient_quota", "unknown"),
        refusal(429, "Quota", None, "insufficient_quota"),
        Said({"error": {"message": "Budget has been exceeded!", "type": "budget_exceeded", "code": "400"}}, 400),
        Said({"error": {"message": "Insufficient credits", "code": 402}}, 402),
    ],
    ids=["code", "type", "litellm", "openrouter"],
)
def test_money_is_told_in_many_ways(server: API, said: Said) -> None:
    assert looked(server, said).limit == "money"


def test_a_limit_of_calls_knows_the_key(server: API) -> None:
    verdict = looked(server, replies.too_many({"Retry-After": "17"}))
    assert told(verdict) == (True, True, True)
    assert (verdict.limit, verdict.limited, verdict.wait) == ("rate", True, 17)


def test_a_limit_of_a_day_is_another(server: API) -> None:
    assert looked(server, replies.too_many(unit="day")).limit == "day"
    assert looked(server, refusal(429, "", "slow_down", "rate_limit_error")).limit == "rate"


def test_a_bare_429_says_nothing_of_the_key(server: API) -> None:
    verdict = looked(server, Said(b"Too Many Requests", 429))
    assert told(verdict) == (True, None, None)
    assert (verdict.limit, verdict.limited, verdict.wait) == ("rate", True, 0)


@pytest.mark.parametrize(
    "said",
    [
        refusal(404, "Invalid URL (GET /v1/v1/models)"),
        refusal(404, "Unknown request URL: GET /models. Please check the URL for typos.", "unknown_url"),
        Said({"error": {"message": "Not Found: /models"}}, 404),
    ],
    ids=["invalid", "unknown", "a proxy"],
)
def test_a_wrong_address_is_no_model_that_is_not_there(server: API, said: Said) -> None:
    verdict = looked(server, said)
    assert verdict.reason == "there is nothing at this address (404)"
    assert verdict.fix.startswith("correct `url`")


def date(after: float) -> str:
    """Return a time from now on as HTTP has it."""
    return formatdate(time.time() + after, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "60"}, 60, 60),
        ({"Retry-After": 120.0}, 60, 121),
        ({"Retry-After": -120.0}, 0, 0),
        ({"Retry-After": "99999999"}, 3600, 3600),
        ({"Retry-After": "soon"}, 0, 0),
        ({"Retry-After": "59.2"}, 59.2, 59.2),
        ({"Retry-After": "9" * 400}, 3600, 3600),
        ({"Retry-After-Ms": "1500"}, 1.5, 1.5),
        ({"Retry-After": "2", "Retry-After-Ms": "1500"}, 2, 2),
        ({}, 0, 0),
    ],
    ids=["seconds", "date", "gone", "long", "word", "parts", "longer", "azure", "both", "none"],
)
def test_how_long_to_stay_away(server: API, headers: Mapping[str, str | float], least: float, most: float) -> None:
    sent = {name: value if isinstance(value, str) else date(value) for name, value in headers.items()}
    assert least <= looked(server, replies.too_many(sent)).wait <= most


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_a_date_without_a_clock_beside_it_is_measured_by_ours(headers: dict[str, str]) -> None:
    reply = Reply(429, {"retry-after": date(300), **headers}, b"", 0.1)
    assert 290 <= wait_of(reply) <= 300


def test_an_overloaded_provider_is_left_alone_as_it_asks(server: API) -> None:
    verdict = looked(server, refusal(503, "", "server_is_overloaded", headers={"Retry-After": "30"}))
    assert (verdict.up, verdict.wait, verdict.limited) == (False, 30, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "detail", "param"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.integers(300, 599), JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=30))
def test_no_refusal_whatever_it_holds_breaks_it(status: int, body: bytes) -> None:
    verdict = verdict_of(Reply(status, {"retry-after": "3"}, body, 0.1), "main")
    assert verdict.up is (status < 500)
    assert verdict.reason
    assert verdict.valid is not True or verdict.allowed is not None


# Keys have verdicts of their own


def routes_of_admin(said: Said) -> dict[str, Said]:
    usages = {replies.usage_path(report): said for report in replies.REPORTS}
    limits = {replies.project_path(what): said for what in ("rate_limits", "spend_limit")}
    return {**usages, **limits, replies.COSTS_PATH: said, "/v1/organization/spend_limit": said}


@pytest.mark.parametrize("name", ADMIN_LOOKS)
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (replies.BAD_KEY, (True, False, None)),
        (no_scope("api.usage.read", 401), (True, True, False)),
        (no_scope("api.management.read"), (True, True, False)),
        (replies.too_many({"Retry-After": "5"}), (True, True, True)),
        (Said(b"", 500), (False, None, None)),
    ],
    ids=["bad key", "scope 401", "scope 403", "429", "500"],
)
def test_a_report_that_is_refused(
    server: API, name: str, said: Said, expected: tuple[bool | None, bool | None, bool | None]
) -> None:
    server.routes |= routes_of_admin(said)
    with pytest.raises(Refused) as refused:
        look(provider(server, project=PROJECT), name)
    assert told(refused.value.verdict) == expected
    assert refused.value.verdict.wait == (5 if said.status == 429 else 0)
    asked = [one.path for one in server.asked]
    assert len(asked) == (2 if name == "limits" and told(refused.value.verdict)[2] is False else len(set(asked)))


def test_each_key_has_its_own_verdict(server: API) -> None:
    server.routes |= routes_of_admin(replies.BAD_KEY)
    with one("api", yaml(server)) as it:
        outcomes = settled(it)
        page = it.page()
    assert page['runbook_api_key_valid{key="main"}'] == "1"
    assert page['runbook_api_key_valid{key="admin"}'] == "0"
    assert page["runbook_api_up"] == "1"
    assert page['runbook_api_exhausted{reason="money"}'] == "0"
    for name in ADMIN_LOOKS:
        assert outcomes[name].startswith("failed the admin key is rejected")


def test_a_key_of_a_project_cannot_read_the_reports_and_is_good(server: API) -> None:
    server.routes |= routes_of_admin(no_scope("api.usage.read"))
    with one("api", yaml(server)) as it:
        outcomes = settled(it)
        page = it.page()
    assert page['runbook_api_key_valid{key="admin"}'] == "1"
    for name in ADMIN_LOOKS:
        assert page[f'runbook_api_access{{key="admin",operation="{name}"}}'] == "0"
        assert "lacks a permission" in outcomes[name]


def test_what_is_used_up_shows_on_the_page(server: API) -> None:
    server.routes[MODELS_PATH] = replies.no_money()
    with one("api", yaml(server)) as it:
        settled(it)
        page = it.page()
    used = {reason: page[f'runbook_api_exhausted{{reason="{reason}"}}'] for reason in ("rate", "day", "money")}
    assert used == {"rate": "0", "day": "0", "money": "1"}
    assert (page["runbook_api_up"], page['runbook_api_key_valid{key="main"}']) == ("1", "1")
    assert float(page['runbook_api_rate_limited_total{source="exporter"}']) == 0  # that is no limit of calls
