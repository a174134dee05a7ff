"""OpenAI's reports of use, page by page, as documented and as not expected, and what is left of the limits by them."""

import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from exporter.collector import Trouble
from exporter.collectors.api.found import Count, Found, Quota, Refused
from exporter.collectors.api.openaiusage import Line, left, limited_as
from tests import openaireplies as replies
from tests.apiserver import API, Asked, Route, Said
from tests.openaireplies import (
    COSTS_PATH,
    HOUR,
    PROJECT,
    bucket,
    look,
    page,
    project_path,
    provider,
    usage,
    usage_path,
    used,
)

COMPLETIONS = usage_path("completions")
SPEND = "/v1/organization/spend_limit"


@pytest.fixture
def server(openai_api: API) -> API:
    return replies.anew(openai_api)


def reported(server: API, **settings: object) -> Found:
    return look(provider(server, **settings), "usage")


def sums(found: Found) -> dict[tuple[str, ...], float]:
    """Return what was counted, buckets added up."""
    totals: dict[tuple[str, ...], float] = {}
    for count in found.counts:
        key = (count.metric, *count.labels)
        totals[key] = totals.get(key, 0.0) + count.value
    return totals


# Use


def test_use_by_model_and_operation_with_cached_tokens_apart(server: API) -> None:
    assert sums(reported(server)) == {
        ("requests", "gpt-4o-mini-2024-07-18", "completions"): 40,
        ("tokens", "gpt-4o-mini-2024-07-18", "input"): 7000,
        ("tokens", "gpt-4o-mini-2024-07-18", "cached"): 2000,
        ("tokens", "gpt-4o-mini-2024-07-18", "output"): 700,
        ("requests", "text-embedding-3-small", "embeddings"): 5,
        ("tokens", "text-embedding-3-small", "input"): 400,
        ("requests", "gpt-image-1", "images"): 2,
    }


def test_what_is_asked(server: API) -> None:
    now = time.time()
    reported(server, project=PROJECT)
    hours = [one for one in server.asked if one.query.get("bucket_width") == ["1h"]]
    assert sorted(one.path for one in hours) == sorted(usage_path(report) for report in replies.REPORTS)
    for one in hours:
        assert one.query["group_by[]"] == ["model"]
        assert one.query["project_ids[]"] == [PROJECT]
        assert one.headers["authorization"] == f"Bearer {replies.ADMIN}"
        assert 24 * HOUR <= now - int(one.query["start_time"][0]) <= 25 * HOUR + 5
    assert len(server.asked) == 6 + 1 + 4  # and the minutes; the limits, and who is limited, once


def test_limits_are_read_once_by_the_use(server: API) -> None:
    ours = provider(server, project=PROJECT)
    for _ in range(3):
        look(ours, "usage")
    assert server.count(project_path("rate_limits")) == 1


def test_buckets_are_told_apart(server: API) -> None:
    start = int(time.time()) // HOUR * HOUR - 3 * HOUR
    two = [used("completions", "a", 1, 10, 1), used("completions", "a", 2, 20, 2), used("completions", "b", 4, 40, 4)]
    server.routes[COMPLETIONS] = page([bucket(start, two), bucket(start + HOUR, two[:1])])
    counts = set(reported(server).counts)
    assert {Count("requests", ("a", "completions"), start, 3), Count("requests", ("a", "completions"), start + HOUR, 1),
            Count("tokens", ("b", "output"), start, 4)} <= counts  # fmt: skip


def test_an_organization_that_used_nothing(server: API) -> None:
    server.routes |= {usage_path(report): usage() for report in replies.REPORTS}
    found = reported(server, project=PROJECT)
    assert (found.counts, found.quotas, found.data, found.remark) == ((), (), None, "")


def test_no_bucket_at_all(server: API) -> None:
    server.routes |= {usage_path(report): page([]) for report in replies.REPORTS}
    assert reported(server).counts == ()


def test_until_when_the_figures_count(server: API) -> None:
    now = time.time()
    hour, minute = int(now) // HOUR * HOUR, int(now) // 60 * 60
    late = [used("completions", "a", 1)]

    def newest(hours: list[int], minutes: list[int]) -> float | None:
        by_width = {"1h": [bucket(one, late) for one in hours], "1m": [bucket(one, late, 60) for one in minutes]}
        server.routes[COMPLETIONS] = lambda asked: page(by_width[asked.query["bucket_width"][0]])
        server.routes |= {usage_path(report): usage() for report in replies.REPORTS[1:]}
        return reported(server).data

    assert newest([hour - 2 * HOUR], []) == hour - HOUR
    assert newest([hour - HOUR, hour], []) == hour
    assert newest([hour - HOUR], [minute - 300]) == max(hour, minute - 240)


def test_all_pages_are_read(server: API) -> None:
    start = int(time.time()) // HOUR * HOUR - 3 * HOUR
    pages = {"": (start, "AAA="), "AAA=": (start + HOUR, "BBB="), "BBB=": (start + 2 * HOUR, None)}

    def answer(asked: Asked) -> Said:
        if asked.query["bucket_width"] != ["1h"]:
            return page([])
        at, following = pages[asked.query.get("page", [""])[0]]
        return page([bucket(at, [used("completions", "a", 1, 5)])], following)

    server.routes[COMPLETIONS] = answer
    assert sums(reported(server))["requests", "a", "completions"] == 3
    asked = [one for one in server.asked if one.path == COMPLETIONS and one.query["bucket_width"] == ["1h"]]
    assert [one.query["group_by[]"] for one in asked] == [["model"]] * 3
    assert len({one.query["start_time"][0] for one in asked}) == 1


ENDLESS: dict[str, Route] = {
    "the same cursor twice": page([], "AAA="),
    "none though there are more": Said({"object": "page", "data": [], "has_more": True, "next_page": None}),
    "an empty one": Said({"object": "page", "data": [], "has_more": True, "next_page": ""}),
    "a number": Said({"object": "page", "data": [], "has_more": True, "next_page": 2}),
    "a new one each time": lambda asked: page([], f"{asked.query.get('page', ['0'])[0]}1"),
}


@pytest.mark.parametrize("case", ENDLESS)
@pytest.mark.parametrize(("path", "name"), [(COMPLETIONS, "usage"), (COSTS_PATH, "cost")])
def test_a_report_without_an_end_is_none(server: API, path: str, name: str, case: str) -> None:
    server.routes[path] = ENDLESS[case]
    with pytest.raises(Trouble) as trouble:
        look(provider(server), name)
    assert "next_page" in str(trouble.value) or "50 pages" in str(trouble.value)
    assert server.count(path) <= 50


CHANGED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no requests": (lambda one: one.pop("num_model_requests"), "num_model_requests"),
    "renamed tokens": (lambda one: one.update(prompt_tokens=one.pop("input_tokens")), "input_tokens"),
    "tokens as text": (lambda one: one.update(output_tokens="700"), "output_tokens"),
    "negative": (lambda one: one.update(input_tokens=-1), "input_tokens"),
    "huge": (lambda one: one.update(input_tokens=10**300), "input_tokens"),
    "infinite": (lambda one: one.update(input_tokens=math.inf), "input_tokens"),
    "null": (lambda one: one.update(num_model_requests=None), "num_model_requests"),
    "true": (lambda one: one.update(num_model_requests=True), "num_model_requests"),
    "cached as text": (lambda one: one.update(input_cached_tokens="0"), "input_cached_tokens"),
    "a model that is a list": (lambda one: one.update(model=["a"]), "model"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_changed_field_is_named(server: API, case: str) -> None:
    change, field = CHANGED[case]
    result = used("completions", "a", 1, 10, 5, 2)
    change(result)
    server.routes[COMPLETIONS] = usage([result])
    with pytest.raises(Trouble, match=f"`{field}` is not as documented"):
        reported(server)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"data": []}, "has_more"), ({"has_more": False}, "data"), ([], "the answer"), ("page", "the answer"),
        ({"data": [1], "has_more": False}, "data"), ({"data": {}, "has_more": False}, "data"),
        ({"data": [{"start_time": 1, "end_time": 2}], "has_more": False}, "results"),
        ({"data": [{"start_time": "1", "end_time": 2, "results": []}], "has_more": False}, "start_time"),
        ({"data": [{"start_time": 1, "results": []}], "has_more": False}, "end_time"),
        ({"data": [{"start_time": 1, "end_time": 2, "results": [3]}], "has_more": False}, "results"),
    ],
    ids=str,
)  # fmt: skip
def test_a_changed_page_is_named(server: API, body: object, field: str) -> None:
    server.routes[COMPLETIONS] = Said(body if not isinstance(body, str) else '"page"')
    with pytest.raises(Trouble, match=f"`{field}` is not as documented"):
        reported(server)


def test_a_number_that_is_none_is_no_count(server: API) -> None:
    server.routes[COMPLETIONS] = Said(b'{"data": [], "has_more": NaN}')
    with pytest.raises(Trouble):
        reported(server)


def test_more_cached_than_input_makes_no_negative_count(server: API) -> None:
    server.routes[COMPLETIONS] = usage([used("completions", "a", 1, 10, 5, 12)])
    found = sums(reported(server))
    assert (found["tokens", "a", "input"], found["tokens", "a", "cached"]) == (0, 12)


def test_older_results_have_no_cached_tokens(server: API) -> None:
    server.routes[COMPLETIONS] = usage([used("completions", None, 1, 10, 5, None)])
    found = sums(reported(server))
    assert found["tokens", "unknown", "input"] == 10
    assert ("tokens", "unknown", "cached") not in found


def test_a_report_that_is_not_there_fails_none_of_the_others(server: API) -> None:
    for report in ("embeddings", "moderations", "audio_speeches"):
        del server.routes[usage_path(report)]
    found = reported(server)
    assert found.remark == ""
    assert ("requests", "gpt-image-1", "images") in sums(found)
    assert ("requests", "gpt-4o-mini-2024-07-18", "completions") in sums(found)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Said(b"", 500), "the provider fails"),
        (Said({"data": [], "has_more": False}, half=True), ""),
        (page([bucket(0, [{}])]), "`num_model_requests` is not as documented"),
    ],
    ids=["500", "half", "changed"],
)
def test_a_report_that_fails_is_told_and_takes_nothing_from_the_others(server: API, said: Said, why: str) -> None:
    server.routes[usage_path("images")] = said
    found = reported(server)
    assert found.remark.startswith("images could not be read: ")
    assert why in found.remark
    assert ("requests", "gpt-4o-mini-2024-07-18", "completions") in sums(found)


@pytest.mark.parametrize("said", [Said(b"", 500), Said(b"<html>"), Said(b"[]", half=True)], ids=["500", "html", "half"])
def test_without_the_completions_there_is_no_report(server: API, said: Said) -> None:
    server.routes[COMPLETIONS] = said
    with pytest.raises(Trouble):
        reported(server)


def test_a_key_that_is_refused_in_the_middle_ends_the_report(server: API) -> None:
    server.routes[usage_path("embeddings")] = replies.too_many({"Retry-After": "9"})
    with pytest.raises(Refused) as refused:
        reported(server)
    assert refused.value.verdict.wait == 9
    assert len(server.asked) == 2


# What is left


def test_what_the_busiest_minutes_left(server: API) -> None:
    quotas = reported(server, project=PROJECT).quotas
    assert quotas == (
        Quota("gpt-4o-mini", "requests", "minute", 500, 460),
        Quota("gpt-4o-mini", "tokens", "minute", 200_000, 190_300),
    )  # fmt: skip


def test_a_minute_that_goes_on_says_nothing_yet(server: API) -> None:
    result = used("completions", "gpt-4o-mini", 3, 30)

    def answer(asked: Asked) -> Said:
        minute = int(time.time()) // 60 * 60
        width = 60 if asked.query["bucket_width"] == ["1m"] else HOUR
        return page([bucket(minute if width == 60 else minute // HOUR * HOUR, [result], width)])

    server.routes[COMPLETIONS] = answer
    assert reported(server, project=PROJECT).quotas == ()


def line(model: str, start: int, requests: float, tokens: float) -> Line:
    return Line(start, start + 60, model, "completions", requests, {"input": tokens})


def test_snapshots_share_a_limit_and_minutes_are_not_added_up() -> None:
    limits = {("a", "requests"): 10.0, ("a", "tokens"): 100.0, ("a-mini", "requests"): 10.0, ("a", "images"): 5.0}
    minutes = [line("a", 0, 2, 30), line("a-2024-05-13", 0, 3, 30), line("a-0613", 60, 4, 90), line("a-mini", 60, 1, 1),
               line("a", 120, 9, 70)]  # fmt: skip
    assert list(left(limits, minutes)) == [
        Quota("a", "requests", "minute", 10, 6), Quota("a", "tokens", "minute", 100, 40),
        Quota("a-mini", "requests", "minute", 10, 10),
    ]  # fmt: skip


def test_one_busy_minute_is_as_it_should_be() -> None:
    limits = {("a", "requests"): 10.0}
    assert list(left(limits, [line("a", 0, 1, 5), line("a", 60, 10, 5), line("a", 120, 1, 5)])) == [
        Quota("a", "requests", "minute", 10, 9)
    ]
    assert list(left(limits, [line("a", 0, 10, 5), line("a", 120, 10, 5), line("a", 180, 10, 5)])) == [
        Quota("a", "requests", "minute", 10, 10)
    ]


def test_more_than_the_limit_leaves_nothing() -> None:
    minutes = [line("a", minute, 1, 50) for minute in (0, 60, 120)]
    assert list(left({("a", "tokens"): 10.0}, minutes)) == [Quota("a", "tokens", "minute", 10, 0)]


def test_where_no_minute_is_reported_nothing_is_known() -> None:
    assert list(left({("a", "requests"): 10.0}, [])) == []


@pytest.mark.parametrize(
    ("model", "known"),
    [("gpt-4o-2024-08-06", "gpt-4o"), ("gpt-4-0613", "gpt-4"), ("gpt-4o-mini", "gpt-4o-mini"), ("gpt-4o", "gpt-4o"),
     ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"), ("ft:gpt-4o:acme", "ft:gpt-4o:acme"), ("o1-preview", "o1-preview")],
)  # fmt: skip
def test_under_which_name_a_model_is_limited(model: str, known: str) -> None:
    assert limited_as(model, {"gpt-4o", "gpt-4", "gpt-4o-2024-05-13", "o1"}) == known


def test_a_use_whose_limits_are_refused_is_still_a_use(server: API) -> None:
    server.routes[project_path("rate_limits")] = replies.no_scope("api.management.read")
    found = reported(server, project=PROJECT)
    assert found.quotas == ()
    assert len(sums(found)) == 7


@pytest.mark.parametrize("said", [replies.no_scope("api.management.read"), Said({"data": 1}), Said(b"", 500)],
                         ids=["scope", "changed", "500"])  # fmt: skip
def test_limits_that_cannot_be_read_are_asked_for_once(server: API, said: Said) -> None:
    server.routes[project_path("rate_limits")] = said
    ours = provider(server, project=PROJECT)
    for _ in range(3):
        assert len(sums(look(ours, "usage"))) == 7
    assert server.count(project_path("rate_limits")) == 1


def test_batches_do_not_count_to_the_limits_of_a_minute(server: API) -> None:
    reported(server)
    asked = {one.query["bucket_width"][0]: one.query.get("batch") for one in server.asked if one.path == COMPLETIONS}
    assert asked == {"1h": None, "1m": ["false"]}


def test_limits_that_want_rest_end_the_use_as_well(server: API) -> None:
    server.routes[project_path("rate_limits")] = replies.too_many({"Retry-After": "600"})
    with pytest.raises(Refused) as refused:
        reported(server, project=PROJECT)
    assert refused.value.verdict.wait == 600
    assert len(server.asked) == 1


def test_limits_of_long_ago_are_asked_for_again(server: API, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, real = provider(server, project=PROJECT), time.monotonic
    look(ours, "limits")
    look(ours, "usage")
    assert server.count(project_path("rate_limits")) == 1
    monkeypatch.setattr(time, "monotonic", lambda: real() + 3 * HOUR)
    server.routes[project_path("rate_limits")] = replies.no_scope("api.management.read")
    assert look(ours, "usage").quotas == ()
    assert server.count(project_path("rate_limits")) == 2
