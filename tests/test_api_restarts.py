"""What is known of an API outlives restarts, and neither restarts nor scrapers cost a call."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.collectors.api import looks
from exporter.collectors.api.found import Quota, Verdict
from exporter.collectors.api.verdicts import Verdicts
from exporter.state import State
from tests.apiserver import API, Said, api
from tests.mappedapi import GOOD, LOOK, TOKEN, figures, look_again, quota
from tests.onetarget import One, one
from tests.support import until

QUOTAS = "{name: look, path: /look, quotas: [{limit: limit, remaining: left}]}"
COST = "{name: cost, path: /cost, interval: 1h, cost: {value: total}}"
USAGE = "{name: usage, path: /usage, used: [{count: requests, value: total}]}"
BILLED = 'runbook_api_cost_usd{source="billed"}'
REQUESTS = 'runbook_api_requests_total{model="",operation=""}'
DAY = 86400.0


@contextmanager
def watched(server: API, state: Path, *answers: str, token: str = TOKEN, more: str = "") -> Iterator[One]:
    """Watch a server, with what an earlier process kept in `state`."""
    lines = "".join(f"\n  - {answer}" for answer in answers or (LOOK,))
    yaml = f"provider: json\nurl: {server.url}\nbearer_token: {token}\n{more}\nanswers:{lines}"
    with one("api", yaml, state) as target:
        yield target


@pytest.fixture
def server() -> Iterator[API]:
    with api() as running:
        running.routes |= {
            "/look": Said({"limit": 100, "left": 70}), "/cost": Said({"total": 5}), "/usage": Said({"total": 500}),
        }  # fmt: skip
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the wall clock so many seconds ahead of what it is, or behind."""
    real = time.time

    def ahead(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return ahead


def test_fifty_scrapes_cost_one_call(server: API, tmp_path: Path) -> None:
    with watched(server, tmp_path, QUOTAS) as target:
        pages = [figures(target) for _ in range(50)]
    assert all(page == pages[0] for page in pages)
    assert len(server.asked) == 1


def test_twenty_restarts_within_an_interval_cost_no_call(server: API, tmp_path: Path) -> None:
    with watched(server, tmp_path, QUOTAS, COST) as target:
        look_again(target)
        first = figures(target)
    asked = len(server.asked)
    for _ in range(20):
        with watched(server, tmp_path, QUOTAS, COST) as target:
            assert figures(target) == first
    assert len(server.asked) == asked


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_restarts_after_a_refusal_cost_no_call_either(status: int, server: API, tmp_path: Path) -> None:
    server.routes |= {"/look": Said({}, status), "/cost": Said({}, status)}
    with watched(server, tmp_path, LOOK, COST) as target:
        look_again(target)
        first, how = figures(target), target.outcomes()["cost"]
        assert how.startswith("failed ")
    asked = len(server.asked)
    for _ in range(5):
        with watched(server, tmp_path, LOOK, COST) as target:
            assert figures(target) == first
            assert target.outcomes()["cost"] == how
    assert len(server.asked) == asked


def test_what_was_refused_is_looked_at_again_after_five_minutes(
    server: API, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    server.routes["/cost"] = Said({}, 403)
    with watched(server, tmp_path, LOOK, COST) as target:
        look_again(target)
    server.routes["/cost"] = Said({"total": 5})
    asked = server.count("/cost")
    clock(310)
    with watched(server, tmp_path, LOOK, COST) as target:
        until(lambda: figures(target).get(BILLED) == 5)
    assert server.count("/cost") == asked + 1


def test_a_wait_that_was_asked_for_outlives_a_restart(
    server: API, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    server.routes["/look"] = Said({}, 429, {"Retry-After": "1800"})
    with watched(server, tmp_path) as target:
        assert 'runbook_api_retry_timestamp_seconds{read="look"}' in target.page()
    clock(600)
    with watched(server, tmp_path) as target:
        page = target.page()
        left = float(page['runbook_api_retry_timestamp_seconds{read="look"}']) - time.time()
        assert 1190 <= left <= 1201
        assert page['runbook_api_exhausted{reason="rate"}'] == "1"
        assert page['runbook_api_rate_limited_total{source="exporter"}'] == "1.0"
    assert len(server.asked) == 1
    clock(1810)
    server.routes["/look"] = Said({})
    with watched(server, tmp_path) as target:
        page = target.page()
        assert page['runbook_api_exhausted{reason="rate"}'] == "0"
        assert page['runbook_api_rate_limited_total{source="exporter"}'] == "1.0"
    assert len(server.asked) == 2


def test_a_clock_that_is_set_back_keeps_nobody_away(
    server: API, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    server.routes["/look"] = Said({}, 429, {"Retry-After": "1800"})
    clock(30 * DAY)
    with watched(server, tmp_path) as target:
        target.read()
    clock(0)
    server.routes["/look"] = Said({})
    with watched(server, tmp_path) as target:
        assert figures(target) == GOOD
    assert len(server.asked) == 2


def test_what_was_found_days_ago_is_not_told(server: API, tmp_path: Path, clock: Callable[[float], None]) -> None:
    with watched(server, tmp_path, QUOTAS) as target:
        assert figures(target)[quota("remaining", "requests", "")] == 70
    clock(2 * DAY)
    server.routes["/look"] = Said({}, 503)
    with watched(server, tmp_path, QUOTAS) as target:
        assert figures(target)["runbook_api_up"] == 0


@pytest.mark.parametrize(
    "changed", [{"token": "tok-other-Hx72Lm9Qz"}, {"more": "headers: {X-Team: other-5Kq8}"}], ids=["token", "header"]
)
def test_another_key_is_another_account(changed: dict[str, str], server: API, tmp_path: Path) -> None:
    with watched(server, tmp_path, LOOK, USAGE) as target:
        for total in (500, 600):
            server.routes["/usage"] = Said({"total": total})
            look_again(target)
        until(lambda: figures(target).get(REQUESTS) == 100)
    server.routes |= {"/look": Said({}, 401), "/usage": Said({"total": 900}, after=threading.Event())}
    with watched(server, tmp_path, LOOK, USAGE, **changed) as target:
        assert figures(target) == {"runbook_api_up": 1, 'runbook_api_key_valid{key="main"}': 0}


def test_other_paths_have_other_figures(server: API, tmp_path: Path) -> None:
    server.routes["/usage"] = Said({"total": 500, "other": 90})
    with watched(server, tmp_path, LOOK, USAGE) as target:
        look_again(target)
    with watched(server, tmp_path, LOOK, USAGE.replace("value: total", "value: other")) as target:
        look_again(target)
        server.routes["/usage"] = Said({"total": 700, "other": 95})
        look_again(target)
        until(lambda: figures(target).get(REQUESTS) == 5)


def test_counters_go_on_over_restarts(server: API, tmp_path: Path) -> None:
    for total, counted in ((500, 0), (520, 20), (560, 60), (5, 65)):
        server.routes["/usage"] = Said({"total": total})
        with watched(server, tmp_path, LOOK, USAGE) as target:
            look_again(target)
            until(lambda: figures(target).get(REQUESTS) == counted)  # noqa: B023
    with watched(server, tmp_path, LOOK, USAGE) as target:  # and are told before the next look
        assert figures(target)[REQUESTS] == 65


def test_no_cost_of_the_last_month_is_told_in_this_one(
    server: API, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    now = datetime.now(UTC)
    begins = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC).timestamp()
    clock(begins - 30 - time.time())
    server.routes["/cost"] = Said({"total": 90})
    with watched(server, tmp_path, LOOK, COST) as target:
        look_again(target)
        assert figures(target)[BILLED] == 90
        server.routes["/cost"] = Said({"total": 0.5})
        clock(begins + 5 - now.timestamp())
        assert BILLED not in figures(target)
        collector = target.target.collector
        (due,) = [look for look in collector.looks.all() if look.name == "cost"]  # type: ignore[attr-defined]
        assert due.rest() == 0  # though it is asked once an hour
        server.routes["/cost"] = Said({}, 500)
        look_again(target)
        figures(target)
        assert due.rest() > 0  # one that fails is not asked again by each scrape
        server.routes["/cost"] = Said({"total": 0.5})
        look_again(target)
        assert figures(target)[BILLED] == 0.5
        assert figures(target)["runbook_api_up"] == 1


def test_a_verdict_stands_for_three_intervals(clock: Callable[[float], None]) -> None:
    verdicts = Verdicts(State(None).shelf("target it"), "an account")
    verdicts.note("look", "main", Verdict(up=True))
    for seconds, stands in ((0, True), (355, True), (365, False)):
        clock(seconds)
        assert bool(verdicts.standing({"look": 120})) is stands
    assert verdicts.standing({}) == []


def test_only_what_is_used_up_stands_while_its_look_is_kept_away(clock: Callable[[float], None]) -> None:
    verdicts = Verdicts(State(None).shelf("target it"), "an account")
    verdicts.note("look", "main", Verdict(up=True, valid=True, limit="rate", wait=3000))
    verdicts.note("usage", "main", Verdict(up=True, valid=True, wait=3000))
    for seconds, stands, limits, away in ((300, 2, 2, 2700), (400, 0, 1, 2600), (3200, 0, 1, 0), (3300, 0, 0, 0)):
        clock(seconds)
        intervals = {"look": 120.0, "usage": 120.0}
        assert len(verdicts.standing(intervals)) == stands
        assert len(verdicts.limiting(intervals)) == limits
        assert verdicts.away("look") == pytest.approx(away, abs=5)


def test_what_a_refusal_tells_of_quotas_outlives_a_restart() -> None:
    shelf = State(None).shelf("target it")
    told = Quota("", "queries", "day", 100, 0, time.time() + 3600)
    Verdicts(shelf, "an account").note("search", "engine", Verdict(up=True, limit="day", wait=3600), [told])
    (noted,) = Verdicts(shelf, "an account").limiting({"search": 86400.0})
    assert noted.quotas == (told,)


def test_a_look_without_an_answer_is_made_less_and_less_at_restarts(clock: Callable[[float], None]) -> None:
    shelf = State(None).shelf("target it")
    rests, ahead = list[float](), 0.0
    for _ in range(6):
        verdicts = Verdicts(shelf, "an account")
        ahead += verdicts.rest("search", 86400.0) + 1
        clock(ahead)
        verdicts.failed("search")
        rests.append(Verdicts(shelf, "an account").rest("search", 86400.0))
    assert rests == pytest.approx([300, 600, 1200, 2400, 3600, 3600], abs=10)
    verdicts.note("search", "engine", Verdict(up=True))
    assert Verdicts(shelf, "an account").rest("search", 86400.0) == 0


def test_an_entry_of_another_account_is_not_recalled() -> None:
    shelf = State(None).shelf("target it")
    Verdicts(shelf, "an account").note("look", "main", Verdict(valid=False, wait=900))
    assert Verdicts(shelf, "an account").away("look") > 800
    other = Verdicts(shelf, "another")
    assert (other.away("look"), other.rest("look", 120), other.standing({"look": 120})) == (0, 0, [])


def test_a_change_of_budget_or_interval_forgets_nothing(server: API, tmp_path: Path) -> None:
    with watched(server, tmp_path, LOOK, USAGE, COST) as target:
        look_again(target)
        server.routes["/usage"] = Said({"total": 540})
        server.routes["/look"] = Said({}, 429, {"Retry-After": "1800"})
        look_again(target)
        until(lambda: figures(target).get(REQUESTS) == 40)
    asked = len(server.asked)
    with watched(server, tmp_path, LOOK, USAGE, COST, more="budget: 90\nusage_interval: 10m\ntop: 7") as target:
        found = target.page()
        assert float(found[REQUESTS]) == 40
        assert float(found[BILLED]) == 5
        assert float(found['runbook_api_retry_timestamp_seconds{read="look"}']) > time.time() + 1700
    assert len(server.asked) == asked


def test_what_is_kept_of_another_account_goes(server: API, tmp_path: Path) -> None:
    for token, more in ((TOKEN, (COST,)), (f"{TOKEN}-new", ())):
        with watched(server, tmp_path, LOOK, USAGE, *more, token=token) as target:
            look_again(target)
            kept = target.target.collector.context.history.get_all()
            assert len({entry["of"].split()[1] for entry in kept.values()}) == 1


def test_an_outage_that_wants_an_hour_is_looked_at_within_minutes(server: API, tmp_path: Path) -> None:
    server.routes["/look"] = Said(b"", 503, {"Retry-After": "3600"})
    with watched(server, tmp_path) as target:
        assert figures(target)["runbook_api_up"] == 0
        (away,) = target.target.collector.looks.away().values()  # type: ignore[attr-defined]
        assert 500 < away <= 600


def test_an_answer_is_not_told_as_of_now_for_as_long_as_nobody_may_ask(
    server: API, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    server.routes["/look"] = Said({}, 429, {"Retry-After": "3000"})
    with watched(server, tmp_path) as target:
        assert figures(target)["runbook_api_up"] == 1
        clock(600)
        found = target.page()
    assert "runbook_api_up" not in found
    assert float(found['runbook_api_exhausted{reason="rate"}']) == 1


def test_a_look_has_one_time_for_all_of_its_pages(server: API, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "_LONGEST", 0.2)
    never = threading.Event()
    server.routes["/usage"] = Said({"total": 1}, after=never)
    with watched(server, tmp_path, LOOK, USAGE) as target:
        until(lambda: "longer than 0.2 s" in target.outcomes()["usage"] or "given up" in target.outcomes()["usage"])
        never.set()
        assert figures(target)["runbook_api_up"] == 1
