"""Google's Custom Search: its key, its engine, and what is left of the day's queries."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.collector import Trouble
from exporter.collectors.api import customsearch, googleday
from exporter.collectors.api.customsearch import CustomSearch
from exporter.collectors.api.found import Quota, Refused
from exporter.deadline import Cancel
from exporter.exposition import render
from exporter.secret import Secret
from tests.apiserver import Said
from tests.googlereplies import (
    BAD_KEY,
    DISABLED,
    ENGINE,
    FOUND,
    KEY,
    NET_USAGE,
    NUMBER,
    PROJECT,
    QUOTA_LIMIT,
    REQUESTS,
    SEARCH,
    SEARCHED_OUT,
    Google,
    failure,
    given,
    google,
    pem,
    reason,
    zone_at_noon,
)
from tests.onetarget import one
from tests.support import until

SEARCHED = "/customsearch/v1"
LOOKED = "/$discovery/rest"
LIST = "google.customsearch.v1.CustomSearchService.List"
BAD_REQUEST = [{"domain": "global", "reason": "badRequest"}]
BAD_ENGINE = failure(400, "INVALID_ARGUMENT", "Request contains an invalid argument.", errors=BAD_REQUEST)
BY_MINUTE = reason("RATE_LIMIT_EXCEEDED", quota_limit="PerMinutePerUser")
NO_ACCESS = failure(403, "PERMISSION_DENIED", "This project does not have the access to Custom Search JSON API.")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    monkeypatch.setattr(googleday, "_ZONE", zone_at_noon())
    with google(tmp_path) as served:
        yield served


def settings(served: Google, more: str = "") -> str:
    return f"provider: customsearch\nurl: {served.server.url}\nkey: {KEY}\nrequest_timeout: 2s\n{more}"


def provider(served: Google, **more: Any) -> CustomSearch:
    return CustomSearch(given(served, "customsearch", engine=Secret(ENGINE), **more))


def used(served: Google, value: int, *, limit: int | None = None, at: float = 0.0) -> None:
    """Keep queries of the day, and the day's limit."""
    end = at or time.time() // 300 * 300 - 60
    served.used(NET_USAGE, [(end, value)], resource={"service": SEARCH}, quota_metric=f"{SEARCH}/requests", method=LIST)
    served.used(
        NET_USAGE, [(end, 9)], resource={"service": "youtube.googleapis.com"}, quota_metric=f"{SEARCH}/requests"
    )
    served.used(REQUESTS, [(end, value)], resource={"service": SEARCH, "method": LIST}, response_code="200")
    if limit is not None:
        for name, most in (("DefaultPerDayPerProject", limit), ("DefaultPerMinutePerUser", 10), ("APerDayPerUser", 5)):
            served.used(QUOTA_LIMIT, [(end - 40_000, most)], resource={"service": SEARCH}, limit_name=name,
                        quota_metric=f"{SEARCH}/requests")  # fmt: skip


def refused(of: CustomSearch) -> Refused:
    with pytest.raises(Refused) as raised:
        of.search(Cancel())
    assert NUMBER not in f"{raised.value} {raised.value.fix}"
    return raised.value


# ---- the key


def test_the_key_is_looked_at_without_a_query(served: Google) -> None:
    with one("api", settings(served)) as target:
        found = target.page()
        assert target.outcomes()["look"] == "ok"
    assert found["runbook_api_up"] == found['runbook_api_key_valid{key="main"}'] == "1"
    assert not [name for name in found if name.startswith("runbook_api_quota")]
    asked = served.server.asked[0]
    assert (asked.line, asked.headers["x-goog-api-key"]) == ("GET /$discovery/rest?version=v1 HTTP/1.1", KEY)
    assert served.server.count(SEARCHED) == 0


@pytest.mark.parametrize(
    ("said", "up", "valid"),
    [
        (BAD_KEY, "1", "0"),
        (DISABLED, "1", "1"),
        (failure(500, "INTERNAL", "x"), "0", None),
        (Said({"kind": "x"}), "0", None),
        (Said("<html>Log in here"), "0", None),
        (Said("<html>Forbidden", 403), "0", None),
        (Said(""), "0", None),
        (Said({"name": "customsearch"}, half=True), "0", None),
    ],
    ids=["bad", "disabled", "500", "changed", "html", "html 403", "empty", "half"],
)
def test_a_key_or_service_that_is_not_good(served: Google, said: Said, up: str, valid: str | None) -> None:
    served.server.routes[LOOKED] = said
    with one("api", settings(served)) as target:
        until(lambda: "runbook_api_up" in target.page())
        found = target.page()
    assert found["runbook_api_up"] == up
    assert found.get('runbook_api_key_valid{key="main"}') == valid


# ---- the engine


def test_the_engine_is_tried_by_one_query(served: Google, tmp_path: Path) -> None:
    with one("api", settings(served, f"engine: {ENGINE}"), tmp_path) as target:
        until(lambda: target.outcomes()["search"] == "ok")
        assert target.page()['runbook_api_key_valid{key="engine"}'] == "1"
    asked = next(asked for asked in served.server.asked if asked.path == SEARCHED)
    assert asked.query["cx"] == [ENGINE]
    assert (asked.query["num"], asked.query["fields"]) == (["1"], ["searchInformation(totalResults)"])
    assert KEY not in asked.line
    assert asked.headers["x-goog-api-key"] == KEY


@pytest.mark.parametrize("more", ["", f"engine: {ENGINE}\nsearch_interval: 0s"], ids=["no engine", "never"])
def test_no_query_is_made_where_none_is_wanted(served: Google, more: str) -> None:
    with one("api", settings(served, more)) as target:
        target.page()
        assert "search" not in target.outcomes()
    assert served.server.count(SEARCHED) == 0


@pytest.mark.parametrize(
    ("said", "valid", "allowed", "limit"),
    [
        (BAD_ENGINE, False, None, ""),
        (failure(404, "NOT_FOUND", "Requested entity was not found."), False, None, ""),
        (Said("<html>Not Found", 404), None, None, ""),
        (Said("Bad Request", 400), None, None, ""),
        (BAD_KEY, None, None, ""),
        (NO_ACCESS, None, False, ""),
        (SEARCHED_OUT, None, None, "day"),
        (failure(429, "RESOURCE_EXHAUSTED", "x", BY_MINUTE), None, None, "rate"),
        (failure(503, "UNAVAILABLE", "x"), None, None, ""),
    ],
    ids=["engine", "gone", "html", "text", "key", "no access", "day", "minute", "503"],
)  # fmt: skip
def test_what_a_query_is_refused_for(
    served: Google, said: Said, valid: bool | None, allowed: bool | None, limit: str
) -> None:
    served.server.routes[SEARCHED] = said
    verdict = refused(provider(served)).verdict
    assert (verdict.valid, verdict.allowed, verdict.limit) == (valid, allowed, limit)


def test_a_day_that_is_used_up_is_told_by_its_refusal(served: Google) -> None:
    served.server.routes[SEARCHED] = SEARCHED_OUT
    error = refused(provider(served))
    assert error.quotas == (Quota("", "queries", "day", 250, 0, googleday.day_ends(time.time())),)
    assert error.verdict.wait == 3600


def test_a_used_up_day_without_a_number_has_the_configured_limit(served: Google) -> None:
    served.server.routes[SEARCHED] = Said({"error": {"code": 403, "errors": [{"reason": "dailyLimitExceeded"}]}}, 403)
    assert refused(provider(served, daily_limit=300)).quotas[0][3:5] == (300, 0)


def test_a_used_up_day_is_told_where_no_time_zones_are(served: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(googleday, "_ZONE", "America/Nowhere")
    served.server.routes[SEARCHED] = SEARCHED_OUT
    assert refused(provider(served)).quotas == (Quota("", "queries", "day", 250, 0, None),)


def test_a_refusal_of_something_else_tells_no_quota(served: Google) -> None:
    served.server.routes[SEARCHED] = failure(429, "RESOURCE_EXHAUSTED", "x", BY_MINUTE)
    assert refused(provider(served)).quotas == ()


def test_a_used_up_day_is_shown_after_a_restart_too(served: Google, tmp_path: Path) -> None:
    served.server.routes[SEARCHED] = SEARCHED_OUT
    for _ in range(2):
        with one("api", settings(served, f"engine: {ENGINE}"), tmp_path) as target:
            until(lambda: target.page().get('runbook_api_exhausted{reason="day"}') == "1")
            until(lambda: target.outcomes()["look"] == "ok")
            found = target.page()
        assert found['runbook_api_quota_remaining{model="",quota="queries",window="day"}'] == "0.0"
        assert 'runbook_api_key_valid{key="engine"}' not in found
        away = float(found['runbook_api_retry_timestamp_seconds{read="search"}']) - time.time()
        assert 3000 < away <= 3601
    assert served.server.count(SEARCHED) == 1


def test_a_used_up_day_that_was_mended_is_seen(served: Google, tmp_path: Path) -> None:
    served.server.routes[SEARCHED] = Said(FOUND)
    with one("api", settings(served, f"engine: {ENGINE}"), tmp_path) as target:
        until(lambda: target.outcomes()["search"] == "ok")
        found = target.page()
    assert found['runbook_api_exhausted{reason="day"}'] == "0"
    assert not [name for name in found if name.startswith("runbook_api_quota")]


def test_an_answer_that_has_changed(served: Google) -> None:
    served.server.routes[SEARCHED] = Said({"items": []})
    with pytest.raises(Trouble, match="searchInformation"):
        provider(served).search(Cancel())
    served.server.routes[SEARCHED] = Said(FOUND, half=True)
    with pytest.raises(Trouble, match="127"):
        provider(served).search(Cancel())


@pytest.mark.parametrize(("end", "told"), [(-1.0, True), (3600.0, False)], ids=["after", "before"])
def test_after_its_end_a_refusal_says_so(
    served: Google, monkeypatch: pytest.MonkeyPatch, end: float, told: bool
) -> None:
    monkeypatch.setattr(customsearch, "_END", time.time() + end)
    served.server.routes |= {SEARCHED: NO_ACCESS, LOOKED: failure(404, "NOT_FOUND", "Discovery document not found")}
    of = provider(served)
    assert ("has ended" in str(refused(of))) is told
    assert ("has ended" in of.look(Cancel()).verdict.reason) is told
    assert ("move to another" in of.look(Cancel()).verdict.fix) is told


# ---- what is left


def test_what_is_left_is_the_limit_less_what_was_counted(served: Google) -> None:
    used(served, 30, limit=1000)
    used(served, 500, at=googleday.day_began(time.time()))
    found = provider(served).usage(Cancel())
    assert found.quotas == (Quota("", "queries", "day", 1000, 970, googleday.day_ends(time.time())),)
    assert {count[:2] for count in found.counts} == {("requests", ("", "List"))}
    assert sum(count.value for count in found.counts) == 530
    assert found.data is not None


@pytest.mark.parametrize(("value", "left"), [(30, 70), (100, 0), (120, 0)])
def test_without_a_limit_in_the_report_the_configured_one_counts(served: Google, value: int, left: float) -> None:
    used(served, value)
    assert provider(served).usage(Cancel()).quotas[0][3:5] == (100, left)


def test_a_project_that_searched_nothing_has_all_left(served: Google) -> None:
    used(served, 0, limit=100)
    assert provider(served).usage(Cancel()).quotas[0][3:5] == (100, 100)


def test_of_a_project_without_figures_nothing_is_known_to_be_left(served: Google) -> None:
    found = provider(served).usage(Cancel())
    assert (found.quotas[0][3:5], found.counts, found.data) == ((100, None), (), None)


def test_golden(served: Google, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    used(served, 88, limit=100)
    more = f"engine: {ENGINE}\n{served.settings()}"
    with one("api", settings(served, more), tmp_path) as target:
        until(lambda: target.outcomes()["usage"] == target.outcomes()["search"] == target.outcomes()["look"] == "ok")
        lines = render(sample for outcome in target.read().outcomes for sample in outcome.samples).splitlines()
    # of the keys that which was looked at last stands last
    blocks = re.split("(?m)^(?=# HELP)", "".join(f"{still(line)}\n" for line in lines))
    golden("api_search.prom", "".join("".join(sorted(block.splitlines(keepends=True))) for block in blocks))


def still(line: str) -> str:
    """Return a line with `~` for what is another each time."""
    return line if line[0] == "#" or not re.search("_seconds", line) else f"{line.rpartition(' ')[0]} ~"


# ---- secrets, and what rounds leave


@pytest.mark.parametrize("fails", [False, True], ids=["good", "refused"])
def test_no_secret_is_shown_or_kept(
    served: Google, tmp_path: Path, caplog: pytest.LogCaptureFixture, fails: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    if fails:
        said = failure(400, "INVALID_ARGUMENT", f"{KEY} {ENGINE} {NUMBER}")
        served.server.routes |= {LOOKED: said, SEARCHED: said, f"/v3/projects/{PROJECT}/timeSeries": said}
    state = tmp_path / "state"
    state.mkdir()
    with one("api", settings(served, f"engine: {ENGINE}\n{served.settings()}"), state) as target:
        until(lambda: not any("has not ended yet" in target.outcomes()[name] for name in ("look", "search", "usage")))
        seen = [target.text(), str(target.outcomes()), caplog.text]
        seen.append(str(target.target.view()))
    seen += [path.read_bytes().decode("latin-1") for path in state.iterdir()]
    hidden = [KEY, ENGINE, NUMBER, *served.tokens, *(line for line in pem().splitlines() if "-----" not in line)]
    assert not [word for word in hidden for text in seen if word in text]
    assert not [asked.line for asked in served.server.asked if KEY in asked.line]


@pytest.mark.parametrize(
    "said",
    [
        Said(FOUND, half=True),
        Said(status=302, headers={"Location": "http://127.0.0.1:2/elsewhere"}),
        Said(status=302, headers={"Location": "/customsearch/v1?again"}),
        Said(b"x" * 5000),
        Said("{}", headers={"Content-Encoding": "br"}),
    ],
    ids=["half", "elsewhere", "in circles", "large", "coded"],
)
def test_an_answer_that_does_not_come_whole_tells_no_engine(served: Google, said: Said) -> None:
    served.server.routes[SEARCHED] = said
    with pytest.raises(Trouble) as raised:
        provider(served, max_bytes=1000).search(Cancel())
    assert ENGINE not in f"{raised.value} {raised.value.fix}"


def test_an_engine_whose_server_is_slow_is_not_told(served: Google) -> None:
    free = threading.Event()
    served.server.routes[SEARCHED] = Said(FOUND, after=free)
    with pytest.raises(Trouble) as raised:
        provider(served, request_timeout=1.0).search(Cancel())
    free.set()
    assert ENGINE not in f"{raised.value} {raised.value.fix}"


def test_an_engine_whose_server_is_gone_is_not_told(served: Google, tmp_path: Path) -> None:
    gone = settings(served, f"engine: {ENGINE}").replace(str(served.server.port), "1")
    with one("api", gone, tmp_path) as target:
        until(lambda: "127.0.0.1:1" in target.outcomes()["search"])
        assert ENGINE not in str(target.outcomes())


def test_scrapes_ask_nothing(served: Google, tmp_path: Path) -> None:
    with one("api", settings(served, f"engine: {ENGINE}\n{served.settings()}"), tmp_path) as target:
        until(lambda: target.outcomes()["usage"] == target.outcomes()["search"] == "ok")
        asked = len(served.server.asked)
        for _ in range(50):
            target.read()
        assert len(served.server.asked) == asked
