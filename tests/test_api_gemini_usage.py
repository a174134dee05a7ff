"""What a project has used of Gemini and what is left, as Cloud Monitoring tells a service account."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.api import geminiuse, googleday
from exporter.collectors.api.counting import Counting
from exporter.collectors.api.found import Found, Quota
from exporter.collectors.api.geminiuse import GeminiUse
from exporter.collectors.api.month import Month
from exporter.collectors.api.settings import Price
from exporter.deadline import Cancel
from exporter.exposition import render
from exporter.state import State
from tests.apiserver import Said
from tests.googlereplies import (
    FREE,
    FREE_TOKENS,
    GEMINI,
    GENERATE,
    LIST,
    OUTPUT,
    PAID_TOKENS,
    PER_DAY,
    PER_MINUTE,
    PROJECT,
    REQUESTS,
    TOKENS_PER_MINUTE,
    Google,
    given,
    google,
    zone_at_noon,
)
from tests.onetarget import one
from tests.support import until

SERIES = f"/v3/projects/{PROJECT}/timeSeries"
FLASH = "gemini-2.5-flash"
Points = list[tuple[float, int]]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    monkeypatch.setattr(googleday, "_ZONE", zone_at_noon())
    with google(tmp_path) as served:
        yield served


def now() -> float:
    return time.time() // 300 * 300


def free_tier(served: Google, points: Points, model: str = FLASH) -> None:
    """Keep use of the free tier: each request counts to the day and to the minute."""
    for name, limit in ((PER_DAY, 250), (PER_MINUTE, 10)):
        served.used(f"{FREE}/usage", points, model=model, limit_name=name)
        served.used(f"{FREE}/limit", [(now() - 7200, limit)], model=model, limit_name=name)
    tokens = [(at, value * 1000) for at, value in points]
    served.used(f"{FREE_TOKENS}/usage", tokens, model=model, limit_name=TOKENS_PER_MINUTE)
    served.used(f"{FREE_TOKENS}/limit", [(now() - 7200, 250_000)], model=model, limit_name=TOKENS_PER_MINUTE)
    served.used(OUTPUT, [(at, value * 70) for at, value in points], model=model, thinking_enabled="false")
    served.used(OUTPUT, [(at, value * 30) for at, value in points], model=model, thinking_enabled="true")
    asked(served, points, "200")


def asked(served: Google, points: Points, code: str, method: str = GENERATE, credential: str = "apikey:1") -> None:
    resource = {"service": GEMINI, "method": method, "credential_id": credential}
    served.used(REQUESTS, points, resource=resource, response_code=code)


def use(served: Google, **more: Any) -> GeminiUse:
    return GeminiUse(given(served, "gemini", **more))


def counted(found: Found) -> dict[tuple[str, str, str], float]:
    totals: dict[tuple[str, str, str], float] = {}
    for count in found.counts:
        key = (count.metric, *count.labels)
        totals[key] = totals.get(key, 0.0) + count.value
    return totals


def test_use_and_what_is_left(served: Google) -> None:
    free_tier(served, [(now() - 60 * minute, minute % 7) for minute in range(30)])
    asked(served, [(now() - 60, 2), (now() - 3600, 3)], "429", credential="apikey:2")
    asked(served, [(now() - 60, 99)], "200", method=LIST)
    found = use(served).usage(Cancel())
    total = sum(minute % 7 for minute in range(30))
    ends = googleday.day_ends(time.time())
    assert set(found.quotas) == {
        Quota(FLASH, "requests", "day", 250, 250 - total, ends),
        Quota(FLASH, "requests", "minute", 10, 10 - 4, None),
        Quota(FLASH, "input_tokens", "minute", 250_000, 250_000 - 4000, None),
    }
    assert counted(found) == {
        ("tokens", FLASH, "input"): total * 1000,
        ("tokens", FLASH, "output"): total * 100,
        ("requests", "", "GenerateContent"): total + 5,
        ("rate_limited", "", ""): 5,
    }
    assert found.data == pytest.approx(now(), abs=300)
    assert (found.verdict.valid, found.verdict.allowed) == (True, True)


def test_use_is_told_by_whole_hours_that_grow(served: Google) -> None:
    free_tier(served, [(now() - 60 * minute, 1) for minute in range(0, 26 * 60, 30)])
    first = use(served).usage(Cancel())
    hours = {count.bucket for count in first.counts}
    assert all(hour % 3600 == 0 for hour in hours)
    assert 25 <= len(hours) <= 26
    late = now() - 7200
    served.used(OUTPUT, [(late, 700)], model=FLASH, thinking_enabled="false", output_modality="text")
    before = {count[:3]: count.value for count in first.counts}
    grown = {count[:3]: count.value for count in use(served).usage(Cancel()).counts}
    changed = {key: grown[key] - before[key] for key in before if grown[key] != before[key]}
    assert changed == {("tokens", (FLASH, "output"), (late - 1) // 3600 * 3600): 700}


def test_what_comes_late_is_counted_once(served: Google) -> None:
    free_tier(served, [(now() - 7200, 5)])
    of, counting = use(served), Counting(State(None).shelf("it"), "an account")
    for late in (0.0, 900.0, 48 * 60.0, 5 * 3600.0):
        counting.take("usage", of.usage(Cancel()).counts)
        counting.take("usage", of.usage(Cancel()).counts)
        if late:
            free_tier(served, [(now() - late, 2)])
    counting.take("usage", of.usage(Cancel()).counts)
    assert dict(counting.of("usage")) == {
        ("tokens", FLASH, "input"): 4000,  # what came after the first report, but for what is older than all of it
        ("tokens", FLASH, "output"): 400,
        ("requests", "", "GenerateContent"): 4,
    }


def test_use_before_midnight_is_not_the_day_s(served: Google) -> None:
    began = googleday.day_began(time.time())
    free_tier(served, [(began, 100), (began + 300, 7)])
    quota = next(quota for quota in use(served).usage(Cancel()).quotas if quota.window == "day")
    assert quota.remaining == 243


def test_more_used_than_there_is_leaves_nothing(served: Google) -> None:
    free_tier(served, [(now() - 300 - 60 * minute, 300) for minute in range(3)])
    assert {quota.remaining for quota in use(served).usage(Cancel()).quotas} == {0.0}


def test_figures_that_come_late_say_until_when_they_are(served: Google) -> None:
    free_tier(served, [(now() - 48 * 60, 4), (now() - 49 * 60, 9), (now() - 50 * 60, 7)])
    free_tier(served, [(now() - minute * 60, 10) for minute in (70, 71, 72)])
    found = use(served).usage(Cancel())
    assert found.data is not None
    assert 43 * 60 <= now() - found.data <= 48 * 60
    assert next(quota.remaining for quota in found.quotas if quota[1:3] == ("requests", "minute")) == 6  # the 4


def test_a_busy_minute_is_forgotten_where_nothing_was_used_since(served: Google) -> None:
    free_tier(served, [(now() - 90 * 60, 9)])
    quotas = use(served).usage(Cancel()).quotas
    assert next(quota.remaining for quota in quotas if quota[1:3] == ("requests", "minute")) == 10
    assert next(quota.remaining for quota in quotas if quota.window == "day") == 241
    minutes = [asked for asked in served.server.asked if asked.query.get("aggregation.alignmentPeriod") == ["60s"]]
    assert minutes == []


def test_limits_that_are_none_have_no_figures(served: Google) -> None:
    points = [(now() - 300, 2)]
    for model, limit in (("unlimited", 2**63 - 1), ("not-offered", 0), ("new", 100)):
        served.used(f"{FREE}/usage", points, model=model, limit_name=PER_DAY)
        served.used(f"{FREE}/limit", [(now() - 60, limit)], model=model, limit_name=PER_DAY)
    name = f"{GEMINI}/quota/generate_content_search_request_usage"
    served.used(f"{name}/usage", points, model="new")
    served.used(f"{name}/limit", [(now() - 60, 30)], model="new", limit_name="QueriesPerProject")
    served.used(f"{GEMINI}/quota/a_internal/usage", points, model="inner", limit_name=PER_DAY)
    served.used(f"{GEMINI}/quota/a_internal/limit", [(now() - 60, 7)], model="inner", limit_name=PER_DAY)
    found = use(served).usage(Cancel())
    assert {quota[:5] for quota in found.quotas} == {
        ("new", "requests", "day", 100, 98),
        ("new", "generate_content_search_request_usage", "", 30, None),
    }


def test_the_newest_limit_counts(served: Google) -> None:
    limits = [(now() - 90_000, 50), (now() - 600, 1000), (now() - 3600, 100)]
    served.used(f"{FREE}/usage", [(now() - 300, 1)], model=FLASH, limit_name=PER_DAY)
    served.used(f"{FREE}/limit", limits, model=FLASH, limit_name=PER_DAY)
    assert [quota[:5] for quota in use(served).usage(Cancel()).quotas] == [(FLASH, "requests", "day", 1000, 999)]


def test_a_limit_of_each_place_is_less_the_use_there(served: Google) -> None:
    for place, value in (("us-east1", 30), ("europe-west4", 80)):
        resource = {"location": place}
        served.used(f"{FREE}/usage", [(now() - 300, value)], resource=resource, model=FLASH, limit_name=PER_DAY)
        served.used(f"{FREE}/limit", [(now() - 60, 100)], resource=resource, model=FLASH, limit_name=PER_DAY)
    assert [quota.remaining for quota in use(served).usage(Cancel()).quotas] == [20]


def test_of_two_tiers_the_one_in_use_counts(served: Google) -> None:
    paid = f"{GEMINI}/quota/generate_content_paid_tier_requests"
    served.used(f"{FREE}/usage", [(now() - 3600, 250)], model=FLASH, limit_name=PER_DAY)
    served.used(f"{FREE}/limit", [(now() - 60, 250)], model=FLASH, limit_name=PER_DAY)
    served.used(f"{paid}/usage", [(now() - 600, 5)], model=FLASH, limit_name="RequestsPaidPerDay")
    served.used(f"{paid}/limit", [(now() - 60, 10_000)], model=FLASH, limit_name="RequestsPaidPerDay")
    assert [quota[3:5] for quota in use(served).usage(Cancel()).quotas] == [(10_000, 9_995)]


def test_tokens_of_all_tiers_add_up_but_not_of_all_limits(served: Google) -> None:
    for kind, value in ((FREE_TOKENS, 10), (PAID_TOKENS, 7)):
        for name in (TOKENS_PER_MINUTE, "InputTokensPerDay"):
            served.used(f"{kind}/usage", [(now() - 300, value)], model=FLASH, limit_name=name)
    assert counted(use(served).usage(Cancel()))["tokens", FLASH, "input"] == 17


def test_a_project_that_used_nothing(served: Google) -> None:
    asked(served, [(now() - 300, 1)], "200", method=LIST)
    found = use(served).usage(Cancel())
    assert (found.quotas, found.counts, found.data) == ((), (), None)
    assert use(served).cost(Cancel()).tokens == {("", "input"): 0.0}


def test_of_a_project_in_which_nobody_asks_no_cost_is_known(served: Google) -> None:
    found = use(served).cost(Cancel())
    assert found.tokens == {}
    assert "it may not be that of the key" in found.remark


@pytest.mark.parametrize(("gone", "kind"), [(OUTPUT, "output"), ("input_token_count/usage", "input")])
def test_tokens_that_google_does_not_tell_are_not_none(served: Google, gone: str, kind: str) -> None:
    free_tier(served, [(now() - 300, 2)])
    served.kinds = [known for known in served.kinds if not known.endswith(gone)]
    found = use(served).cost(Cancel())
    assert found.tokens == {}
    assert f"no {kind} tokens" in found.remark


def test_output_without_input_is_no_cost(served: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geminiuse, "month_of", lambda *_: Month(now() - 86400, now() + 86400))
    free_tier(served, [(now() - 300, 2)])
    served.rows = [row for row in served.rows if "input_token" not in row.kind]
    found = use(served).cost(Cancel())
    assert found.tokens == {}
    assert "no input tokens" in found.remark


def test_quotas_of_which_nothing_was_used_are_not_asked_for(served: Google) -> None:
    free_tier(served, [(now() - 300, 2)])
    served.kinds += [f"{GEMINI}/quota/generate_content_tier_{tier}_requests/usage" for tier in range(24)]
    use(served).usage(Cancel())
    assert served.server.count(SERIES) == 8


def test_that_a_quota_has_no_limit_is_remembered(served: Google) -> None:
    served.used(f"{FREE}/usage", [(now() - 300, 2)], model=FLASH, limit_name=PER_DAY)
    of = use(served)
    of.usage(Cancel())
    of.usage(Cancel())
    assert len([one for one in served.server.asked if "/limit" in str(one.query.get("filter"))]) == 1


def test_only_models_in_use_have_limits_that_are_told(served: Google) -> None:
    free_tier(served, [(now() - 300, 2)])
    free_tier(served, [(now() - 3 * 86400, 2)], "used-once")
    for model in ("pro", *(f"other-{number}" for number in range(30))):
        served.used(f"{FREE}/limit", [(now() - 7200, 9)], model=model, limit_name=PER_DAY)
    assert {quota.model for quota in use(served).usage(Cancel()).quotas} == {FLASH}
    assert {quota.model for quota in use(served, models=("models/pro",)).usage(Cancel()).quotas} == {FLASH, "pro"}


@pytest.mark.parametrize(("minutes", "left"), [(1, 10), (2, 10), (3, 0)])
def test_one_busy_minute_is_not_told(served: Google, minutes: int, left: float) -> None:
    free_tier(served, [(now() - 300 - 60 * minute, 10) for minute in range(minutes)])
    quotas = use(served).usage(Cancel()).quotas
    assert next(quota.remaining for quota in quotas if quota[1:3] == ("requests", "minute")) == left


def test_limits_and_names_are_not_asked_for_each_time(served: Google) -> None:
    free_tier(served, [(now() - 300, 2)])
    of = use(served)
    of.usage(Cancel())
    first = served.server.count(SERIES)
    of.usage(Cancel())
    assert (first, served.server.count(SERIES) - first) == (8, 6)
    assert served.server.count(f"/v3/projects/{PROJECT}/metricDescriptors") == 1


def test_the_month_s_tokens_have_a_price(served: Google) -> None:
    week = 7 * 86400
    free_tier(served, [(now() - 300, 2)])
    served.used(OUTPUT, [(now() - 5 * week, 10**9)], model="old")
    prices = {FLASH: Price(input=0.3, output=2.5)}
    found = use(served, prices=prices, month_zone="America/Los_Angeles").cost(Cancel())
    assert found.month is not None
    began = found.month < now() - 600  # else the use was last month's
    assert found.tokens == ({("", "input"): 0.0} | ({(FLASH, "input"): 2000, (FLASH, "output"): 200} if began else {}))


SETTINGS = "provider: gemini\nkey: canary-key-mulberry\nbudget: 30\nprices: {gemini-2.5: {input: 0.3, output: 2.5}}\n"


def test_golden(served: Google, golden: Callable[[str, str], None]) -> None:
    free_tier(served, [(now() - 60 * minute, 3) for minute in range(10)])
    free_tier(served, [(now() - 60, 1)], "gemini-2.5-pro")
    asked(served, [(now() - 60, 2)], "429")
    with one("api", f"{SETTINGS}url: {served.server.url}/v1beta\n{served.settings()}") as target:
        until(lambda: target.outcomes()["usage"] == target.outcomes()["cost"] == target.outcomes()["look"] == "ok")
        lines = render(sample for outcome in target.read().outcomes for sample in outcome.samples).splitlines()
    # of the keys that which was looked at last stands last
    blocks = re.split("(?m)^(?=# HELP)", "".join(f"{still(line)}\n" for line in lines))
    golden("api_gemini.prom", "".join("".join(sorted(block.splitlines(keepends=True))) for block in blocks))


def still(line: str) -> str:
    """Return a line with `~` for what is another each time."""
    return line if line[0] == "#" or not re.search("_seconds|_cost", line) else f"{line.rpartition(' ')[0]} ~"


def test_what_is_refused_takes_nothing_from_the_look(served: Google) -> None:
    served.server.routes[SERIES] = Said({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "x"}}, 403)
    with one("api", f"{SETTINGS}url: {served.server.url}/v1beta\n{served.settings()}") as target:
        until(lambda: "denies" in target.outcomes()["usage"])
        found = target.page()
        assert "Monitoring Viewer" in target.outcomes()["usage"]
    assert found["runbook_api_up"] == "1"
    assert found['runbook_api_key_valid{key="main"}'] == "1"
    assert found['runbook_api_key_valid{key="service_account"}'] == "1"
    assert found['runbook_api_access{key="service_account",operation="usage"}'] == "0"
