"""Any API by mapping: what refusals mean, what no answer means, and that no secret is ever told."""

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver import Asked, Said, api
from tests.mappedapi import GOOD, LOOK, TOKEN, figures, look, look_again, quota, target, then
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.support import until

SECRET = "the provider's own words: 7hJq2XbV9tNsWz4 of proj-5518273"
KEY = 'runbook_api_key_valid{key="main"}'
ACCESS = 'runbook_api_access{key="main",operation="look"}'
UP = "runbook_api_up"


def exhausted(watched: One) -> set[str]:
    page = watched.page()
    told = {reason: page.get(f'runbook_api_exhausted{{reason="{reason}"}}') for reason in ("rate", "day", "money")}
    return {reason for reason, value in told.items() if value == "1"}


def refused_us(watched: One) -> float:
    return float(watched.page()['runbook_api_rate_limited_total{source="exporter"}'])


REFUSALS: list[tuple[int, dict[str, float], set[str], str]] = [
    (401, {UP: 1, KEY: 0}, set(), "the key is rejected (status 401)"),
    (402, {UP: 1, KEY: 1}, {"money"}, "money is used up (status 402)"),
    (403, {UP: 1, ACCESS: 0}, set(), "this is not allowed to the key (status 403)"),
    (404, {UP: 0}, set(), "the answer has the status 404"),
    (429, {UP: 1}, {"rate"}, "too many requests (status 429)"),
    (500, {UP: 0}, set(), "the provider fails (status 500)"),
    (503, {UP: 0}, set(), "the provider fails (status 503)"),
]


@pytest.mark.parametrize(("status", "told", "used_up", "reason"), REFUSALS)
def test_a_refusal_says_what_it_means(status: int, told: dict[str, float], used_up: set[str], reason: str) -> None:
    with target(answer=Said({"error": {"message": SECRET}}, status)) as (watched, _):
        assert figures(watched) == told
        assert exhausted(watched) == used_up
        assert watched.outcomes()["service"].startswith(f"ok {reason} (")
        assert "7hJq2XbV9tNsWz4" not in watched.text() + str(watched.outcomes())
        assert refused_us(watched) == (status == 429)


@pytest.mark.parametrize(("status", "told"), [(400, {UP: 1, KEY: 0}), (503, {UP: 1}), (401, {UP: 1, ACCESS: 0})])
def test_statuses_mean_what_the_configuration_says(status: int, told: dict[str, float]) -> None:
    keys = look("rejected_statuses: [400]", "denied_statuses: [401]", "limited_statuses: [429, 503]")
    with target(keys, answer=Said({}, status)) as (watched, _):
        assert figures(watched) == told


def retry_in(watched: One) -> float | None:
    at = watched.page().get('runbook_api_retry_timestamp_seconds{read="look"}')
    return None if at is None else float(at) - time.time()


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "999999999"}, 3600),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "300"}, 300),
        ({"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "5", "X-RateLimit-Reset": "300"}, None),
        ({"Retry-After": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "300"}, 60),
    ],
)
def test_it_stays_away_as_long_as_it_is_asked_to(headers: dict[str, str], waits: float | None) -> None:
    with target(answer=Said({}, 429, headers)) as (watched, _):
        told = retry_in(watched)
        if waits is None:
            assert told is None
        else:
            assert told is not None
            assert waits - 5 <= told <= waits + 2


def test_a_provider_that_fails_may_ask_for_rest_too() -> None:
    with target(answer=Said({}, 503, {"Retry-After": "120"})) as (watched, _):
        assert 115 <= (retry_in(watched) or 0) <= 122
        assert figures(watched)[UP] == 0


def test_githubs_403_with_nothing_left_is_a_limit_and_not_a_permission() -> None:
    until = str(int(time.time()) + 600)
    headers = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": until,
               "X-RateLimit-Resource": "core"}  # fmt: skip
    with target(answer=Said({"message": "API rate limit exceeded"}, 403, headers)) as (watched, _):
        told = figures(watched)
        assert told[quota("remaining", "requests", "hour")] == 0
        assert ACCESS not in told
        assert exhausted(watched) == {"rate"}
        assert 590 <= (retry_in(watched) or 0) <= 601


def test_githubs_403_that_says_until_when_is_a_limit_too() -> None:
    """A secondary limit has Retry-After, while the first one is not used up."""
    headers = {"X-RateLimit-Remaining": "4000", "Retry-After": "60"}
    with target(answer=Said({"message": "You have exceeded a secondary rate limit"}, 403, headers)) as (watched, _):
        assert ACCESS not in figures(watched)
        assert exhausted(watched) == {"rate"}
        assert 55 <= (retry_in(watched) or 0) <= 61


def test_githubs_403_that_says_it_in_its_text_alone_is_a_limit_too() -> None:
    said = Said({"message": "You have exceeded a secondary rate limit."}, 403, {"X-RateLimit-Remaining": "4990"})
    with target(answer=said) as (watched, _):
        assert figures(watched)[UP] == 1
        assert ACCESS not in figures(watched)
        assert exhausted(watched) == {"rate"}
        assert 55 <= (retry_in(watched) or 0) <= 61  # as GitHub asks for


PORTAL = [b"<html><body>Login</body></html>", b"\n<!DOCTYPE html>\n<title>Blocked: rate limit</title>"]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("page", PORTAL, ids=["login", "blocked"])
def test_a_page_for_people_says_nothing_of_the_key(status: int, page: bytes) -> None:
    with target(answer=Said(page, status, {"Content-Type": "text/html", "WWW-Authenticate": "Basic"})) as (watched, _):
        assert figures(watched) == {UP: 0}
        assert exhausted(watched) == set()
        assert f"by a page that is not the API's (status {status})" in watched.outcomes()["service"]


@pytest.mark.parametrize(
    "body", [b"", b"Unauthorized", {"error": SECRET}, b"<error/>"], ids=["none", "text", "json", "xml"]
)
def test_a_401_in_any_form_of_an_api_is_a_key_that_is_rejected(body: Any) -> None:
    with target(answer=Said(body, 401)) as (watched, _):
        assert figures(watched) == {UP: 1, KEY: 0}


def test_a_limit_of_the_day_is_told_as_such() -> None:
    headers = {"RateLimit-Policy": '"daily";q=100;w=86400', "RateLimit": '"daily";r=0;t=7200'}
    with target(answer=Said({}, 429, headers)) as (watched, _):
        assert exhausted(watched) == {"day"}
        assert 3590 <= (retry_in(watched) or 0) <= 3601  # an answer must not blind us for longer


def test_a_rejected_key_that_is_answered_by_200() -> None:
    with target(look("valid: ok"), answer=Said({"ok": False, "error": SECRET})) as (watched, server):
        assert figures(watched) == {UP: 1, KEY: 0}
        assert watched.outcomes()["look"].startswith("failed the key is rejected (as the answer says)")
        server.routes["/look"] = Said({"ok": True})
        look_again(watched)
        assert figures(watched) == GOOD
        server.routes["/look"] = Said({"fine": True})
        look_again(watched)
        assert figures(watched) == {UP: 0}  # who says nothing of the key may be anybody
        assert "`ok` is null, expected true or false" in watched.outcomes()["service"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Said(b"<html><body>Log in</body></html>", headers={"Content-Type": "text/html"}), "HTML or XML"),
        (Said(b'{"data": ['), "is not JSON"),
        (Said(b""), "is empty"),
        (Said(b"[" * 200 + b"]" * 200), "nested"),
    ],
)
def test_an_answer_that_is_no_json_proves_no_key(answer: Said, reason: str) -> None:
    with target(look("quotas: [{limit: max}]"), answer=answer) as (watched, _):
        assert figures(watched) == {UP: 0}
        assert reason in watched.outcomes()["service"]
        assert "expected the API, not a page of something between" in watched.outcomes()["service"]


def test_an_answer_without_a_body_takes_the_key_as_well() -> None:
    with target(answer=Said(b"", 204)) as (watched, _):
        assert figures(watched) == GOOD


def test_a_report_that_is_asked_for_too_often_is_no_limit_of_the_application() -> None:
    cost = "{name: cost, path: /cost, cost: {value: total}}"
    with target(LOOK, cost, cost=Said({}, 429, {"Retry-After": "300"})) as (watched, _):
        until(lambda: refused_us(watched) == 1)
        assert exhausted(watched) == set()
        assert figures(watched)["runbook_api_up"] == 1
        assert 'runbook_api_retry_timestamp_seconds{read="cost"}' in watched.page()


def test_half_an_answer_is_none() -> None:
    with target(answer=Said({"data": "x" * 500}, half=True)) as (watched, _):
        assert figures(watched) == {UP: 0}


def test_a_slow_answer_is_none_and_stops_nothing() -> None:
    held = threading.Event()
    with target(answer=Said({}, after=held), more="request_timeout: 1s") as (watched, _):
        began = time.monotonic()
        assert figures(watched) == {UP: 0}
        assert time.monotonic() - began < 5
        held.set()


def test_nobody_there() -> None:
    with api() as server:
        url = server.url
    with one("api", f"provider: json\nurl: {url}\nbearer_token: {TOKEN}\nanswers: [{LOOK}]") as watched:
        assert figures(watched) == {UP: 0}
        assert watched.outcomes()["service"].startswith("ok ")


def test_what_could_not_be_asked_for_our_own_reason_says_nothing_of_the_api() -> None:
    with api() as server:
        url = server.url.replace("http:", "https:")
        yaml = f"provider: json\nurl: {url}\nca_file: /nowhere/authorities.pem\nanswers: [{LOOK}]"
        with one("api", yaml) as watched:
            assert figures(watched) == {}
            assert "files for TLS" in watched.outcomes()["look"]


def test_an_answer_that_is_refused_takes_nothing_from_the_others() -> None:
    cost = "{name: cost, path: /cost, cost: {value: total}}"
    with target(LOOK, cost, cost=Said({"error": SECRET}, 403)) as (watched, _):
        look_again(watched)
        assert figures(watched) == GOOD | {'runbook_api_access{key="main",operation="cost"}': 0}
        assert watched.outcomes()["cost"].startswith("failed this is not allowed to the key (status 403)")
        assert watched.outcomes()["look"] == "ok"


def test_one_that_does_not_answer_takes_nothing_from_the_others() -> None:
    cost = "{name: cost, path: /cost, cost: {value: total}}"
    with target(LOOK, cost, cost=Said({"total": 5}, half=True)) as (watched, _):
        look_again(watched)
        assert figures(watched) == GOOD
        assert watched.outcomes()["cost"].startswith("failed")


def test_a_post_sends_its_body_and_the_times_in_it() -> None:
    asked: list[Asked] = []
    began = time.time()
    answer = "{name: look, path: '/look?from={{month_unix}}', method: POST, body: '{\"since\": \"{{day}}\"}'}"

    def told(request: Asked) -> Said:
        asked.append(request)
        return Said({})

    with target(answer, answer=told, more="month_zone: UTC") as (watched, _):
        assert figures(watched) == GOOD
    assert asked[0].method == "POST"
    assert json.loads(asked[0].body)["since"] in then("%Y-%m-%dT00:00:00Z", began)
    first = time.gmtime(int(asked[0].query["from"][0]))
    assert time.strftime("%Y-%m-%dT%H:%M:%S", first) in then("%Y-%m-01T00:00:00", began)


def test_what_is_used_is_counted_by_hour_and_by_figures_that_run_on(tmp_path: Path) -> None:
    hour = int(time.time()) // 3600 * 3600
    usage = (
        "{name: usage, path: /usage, used: ["
        "{count: tokens, kind: output, buckets: data, since: from, each: results, value: out, model: model}, "
        "{count: requests, value: total}]}"
    )

    def report(out: int, total: int) -> Said:
        return Said({"data": [{"from": hour, "results": [{"out": out, "model": "m"}]}], "total": total})

    def counted(watched: One) -> tuple[float, float]:
        page = watched.page()
        return (float(page['runbook_api_tokens_total{model="m",type="output"}']),
                float(page['runbook_api_requests_total{model="",operation=""}']))  # fmt: skip

    with target(LOOK, usage, usage=report(10, 500)) as (watched, server):
        look_again(watched)
        assert counted(watched) == (0, 0)
        server.routes["/usage"] = report(14, 520)
        look_again(watched)
        assert counted(watched) == (4, 20)
        server.routes["/usage"] = report(14, 3)  # the month began anew
        look_again(watched)
        assert counted(watched) == (4, 23)


def test_no_secret_is_told_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canaries = ("hdr-9pQwXz3LrTgB6mYk", "pw-Vb7Nc2Jd8Ks5Fh1a")
    for status in (200, 401, 429, 500):
        answer = Said({"error": {"message": f"key {canaries[0]} is wrong", "note": SECRET}}, status)
        with api() as server:
            server.routes["/look"] = answer
            yaml = (
                f"provider: json\nurl: http://watcher:{canaries[1]}@127.0.0.1:{server.port}\n"
                f"headers: {{X-Api-Key: {canaries[0]}}}\nanswers: [{LOOK}]"
            )
            with one("api", yaml, tmp_path) as watched:
                shown = watched.text() + str(watched.outcomes()) + caplog.text
                assert server.asked[0].headers["x-api-key"] == canaries[0]
                assert all(canary not in server.asked[0].line for canary in canaries)
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        for word in (*canaries, "7hJq2XbV9tNsWz4", "proj-5518273"):
            assert word not in shown
            assert word.encode() not in kept


@pytest.mark.long
@pytest.mark.parametrize("status", [200, 429])
def test_rounds_leave_nothing(status: int) -> None:
    answer = Said({"data": {"limit": 5, "left": 4}}, status)
    with target(look("quotas: [{limit: data.limit, remaining: data.left}]"), answer=answer) as (watched, server):
        leaves_nothing(watched, 500)
        assert len(server.asked) == 1  # however often it is scraped


@pytest.mark.long
def test_looks_leave_nothing() -> None:
    usage = "{name: usage, path: /usage, used: [{count: requests, each: all, model: key, value: value}]}"
    with target(LOOK, usage, usage=Said({"all": {f"m{number}": number for number in range(5)}})) as (watched, _):

        class Looking(One):
            def read(self, seconds: float = 20.0) -> Any:
                look_again(self)
                return super().read(seconds)

        leaves_nothing(Looking(watched.target), 50, warm=20)
