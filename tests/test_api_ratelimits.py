"""Headers that say what is left of a limit, in every form that providers have for it."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collectors.api import ratelimits
from exporter.collectors.api.found import Quota
from exporter.collectors.api.ratelimits import quotas_of, window_of

NOW = 1_750_000_000.0  # 2025-06-15T15:06:40Z


def of(**headers: str) -> list[Quota]:
    return quotas_of({name.replace("_", "-"): value for name, value in headers.items()}, now=NOW)


def requests(window: str, limit: float | None, remaining: float | None, after: float | None = None) -> Quota:
    return Quota("", "requests", window, limit, remaining, None if after is None else NOW + after)


def test_openai() -> None:
    headers = {
        "x-ratelimit-limit-requests": "60", "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-requests": "59", "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s",
        "x-ratelimit-limit-project-tokens": "1000", "x-ratelimit-remaining-project-tokens": "10",
    }  # fmt: skip
    assert quotas_of(headers, "gpt-4o", now=NOW) == [
        Quota("gpt-4o", "requests", "minute", 60, 59, NOW + 1),
        Quota("gpt-4o", "tokens", "minute", 150000, 149984, NOW + 360),
        Quota("gpt-4o", "project_tokens", "minute", 1000, 10, None),
    ]


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "window"),
    [
        ("10000", "9999", "8.64s", "day"),
        ("200", "0", "24h0m0s", "day"),
        ("14400", "14370", "2m59.56s", "day"),  # Groq
        ("500", "499", "120ms", "minute"),
        ("500", "500", "0s", "minute"),
        ("500", "0", "1m0s", "minute"),
        ("150000", "149984", "6m0s", "minute"),
    ],
)
def test_a_limit_of_a_day_is_told_by_how_slowly_it_is_renewed(
    limit: str, remaining: str, reset: str, window: str
) -> None:
    found = of(
        x_ratelimit_limit_requests=limit, x_ratelimit_remaining_requests=remaining, x_ratelimit_reset_requests=reset
    )
    assert [quota.window for quota in found] == [window]


def test_azure_does_not_know() -> None:
    assert of(x_ratelimit_limit_tokens="-1", x_ratelimit_remaining_tokens="-1", x_ratelimit_reset_tokens="0") == []
    known = of(x_ratelimit_remaining_requests="79", x_ratelimit_remaining_tokens="-1", x_ratelimit_reset_requests="10")
    assert known == [requests("minute", None, 79, 10)]


def test_mistral_and_others_with_the_window_in_the_name() -> None:
    found = of(
        x_ratelimit_limit_req_minute="6", x_ratelimit_remaining_req_minute="5",
        x_ratelimit_limit_tokens_month="1000000", x_ratelimit_remaining_tokens_month="999",
        x_ratelimit_limit_hour="30", x_ratelimit_remaining_hour="0",
    )  # fmt: skip
    assert found == [
        requests("minute", 6, 5),
        Quota("", "tokens", "month", 1000000, 999, None),
        requests("hour", 30, 0),
    ]


def test_anthropic() -> None:
    found = of(
        anthropic_ratelimit_requests_limit="50", anthropic_ratelimit_requests_remaining="49",
        anthropic_ratelimit_requests_reset="2025-06-15T15:07:40Z",
        anthropic_ratelimit_input_tokens_limit="40000", anthropic_ratelimit_input_tokens_remaining="0",
        anthropic_ratelimit_input_tokens_reset="2025-06-15T15:06:41+00:00",
        anthropic_ratelimit_unified_5h_reset="1750000100", anthropic_ratelimit_unified_status="allowed",
    )  # fmt: skip
    assert found == [requests("minute", 50, 49, 60), Quota("", "input_tokens", "minute", 40000, 0, NOW + 1)]


def test_github() -> None:
    found = of(
        x_ratelimit_limit="5000", x_ratelimit_remaining="4999", x_ratelimit_used="1",
        x_ratelimit_reset="1750000900", x_ratelimit_resource="core",
    )  # fmt: skip
    assert found == [requests("hour", 5000, 4999, 900)]
    assert of(x_ratelimit_limit="30", x_ratelimit_remaining="1", x_ratelimit_resource="search") == [
        Quota("", "searches", "minute", 30, 1, None)
    ]
    assert of(x_ratelimit_limit="60", x_ratelimit_used="70") == [requests("", 60, 0)]


def test_rapidapi_has_the_kind_first() -> None:
    assert of(x_ratelimit_requests_limit="500", x_ratelimit_requests_remaining="499") == [requests("minute", 500, 499)]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"ratelimit-policy": '"permin";q=50;w=60,"perhr";q=1000;w=3600', "ratelimit": '"permin";r=50;t=30'},
            [requests("minute", 50, 50, 30)],
        ),
        (
            {"ratelimit-policy": '"a";q=50;w=60, "b";q=9;w=86400', "ratelimit": '"a";r=5;t=30, "b";r=1;t=70'},
            [requests("minute", 50, 5, 30), requests("day", 9, 1, 70)],
        ),
        (
            {"ratelimit-policy": '"a";q=65535;qu="content-bytes";w=10;pk=:c2E=:', "ratelimit": '"a";r=9;pk=:c2E=:'},
            [Quota("", "content_bytes", "", 65535, 9, None)],
        ),
        ({"ratelimit": '"a";r=5;t=30'}, [requests("", None, 5, 30)]),
        ({"ratelimit-policy": '"a;b,c";q=5;w=1'}, [requests("second", 5, None)]),
        ({"ratelimit": "limit=100, remaining=50, reset=5", "ratelimit-policy": "100;w=60"},
         [requests("minute", 100, 50, 5)]),
        ({"ratelimit-limit": "100", "ratelimit-remaining": "50", "ratelimit-policy": "10;w=1, 100;w=60"},
         [requests("minute", 100, 50)]),
        ({"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "3", "ratelimit-reset": "40"},
         [requests("minute", 100, 3, 40)]),
        ({"x-ratelimit-limit": "100, 100;window=60, 10000;window=86400", "x-ratelimit-remaining": "98",
          "x-ratelimit-reset": "3"}, [requests("minute", 100, 98, 3)]),
        ({"x-rate-limit-limit": "400", "x-rate-limit-remaining": "399", "x-rate-limit-reset": "60"},
         [requests("", 400, 399, 60)]),
        ({"ratelimit-limit": "60", "ratelimit-remaining": "59", "ratelimit-reset": "1750000060",
          "ratelimit-resettime": "Sun, 15 Jun 2025 15:07:40 GMT"}, [requests("", 60, 59, 60)]),
        ({"ratelimit-limit": "60", "ratelimit-remaining": "59", "x-ratelimit-limit": "70"}, [requests("", 60, 59)]),
    ],
)  # fmt: skip
def test_families_without_a_kind(headers: Mapping[str, str], expected: list[Quota]) -> None:
    assert quotas_of(headers, now=NOW) == expected


def test_of_two_policies_alike_the_tighter_one_counts() -> None:
    headers = {"ratelimit-policy": '"me";q=10;w=60, "all";q=100;w=60', "ratelimit": '"me";r=9, "all";r=2'}
    assert quotas_of(headers, now=NOW) == [requests("minute", 100, 2)]


@pytest.mark.parametrize(
    ("reset", "after"),
    [
        ("30", 30), ("0", 0), ("2.5", 2.5), ("1750000030", 30), ("1750000030.5", 30.5), ("1750000030000", 30),
        ("12ms", 0.012), ("1s", 1), ("6m0s", 360), ("1h16m0.667s", 4560.667), ("2d", 172800),
        ("2025-06-15T15:07:10Z", 30), ("2025-06-15 17:07:10+02:00", 30), ("Sun, 15 Jun 2025 15:07:10 GMT", 30),
        ("30, 30", 30),
        ("Tue Feb 16 2021 09:02:42 GMT+0100 (CET)", None), ("soon", None), ("", None), ("-1", None), ("1e9", None),
        ("30, 31", None), ("1600000000", None), ("9999999999", None), ("99999999999999999999", None),
        ("inf", None), ("nan", None), ("30s30", None), ("s", None), ("2025-13-45T00:00:00Z", None), ("٣٠", None),
    ],
)  # fmt: skip
def test_when_it_is_whole_again(reset: str, after: float | None) -> None:
    (quota,) = of(x_ratelimit_limit="100", x_ratelimit_remaining="50", x_ratelimit_reset=reset)
    assert quota.reset == (None if after is None else pytest.approx(NOW + after))


@pytest.mark.parametrize(
    "limit", ["", "many", "-1", "1,000", "10, 20", "1e3", "0x10", "9223372036854775807", "nan", "1 000", "100;w=60;"]
)
def test_what_is_no_limit_is_not_there(limit: str) -> None:
    assert of(x_ratelimit_limit=limit) == []
    assert of(x_ratelimit_limit_tokens=limit) == []


@pytest.mark.parametrize(
    "text",
    ['"a";r=5;t=', '"a', '"a";r=5 "b";r=6', ",", ";r=5", '"a";r=5,,', '"a"=5;', "limit=5 remaining=4", '"a";r="',
     "=,="],
)  # fmt: skip
def test_a_malformed_list_is_ignored_as_a_whole(text: str) -> None:
    assert quotas_of({"ratelimit": text}, now=NOW) == []


def test_an_answer_of_a_cache_tells_of_another_time() -> None:
    headers = {"ratelimit-limit": "60", "ratelimit-remaining": "1"}
    assert quotas_of({**headers, "age": "0"}, now=NOW) == [requests("", 60, 1)]
    assert quotas_of({**headers, "age": "120"}, now=NOW) == []


def test_a_window_that_is_given_is_of_those_that_do_not_tell_theirs() -> None:
    headers = {"x-ratelimit-limit": "5", "x-ratelimit-remaining": "1", "x-ratelimit-limit-req-minute": "9"}
    assert quotas_of(headers, "m", "day", now=NOW) == [
        Quota("m", "requests", "minute", 9, None, None),
        Quota("m", "requests", "day", 5, 1, None),
    ]


def test_no_answer_makes_many_series() -> None:
    headers = {f"x-ratelimit-limit-kind{number}": "5" for number in range(1000)}
    assert len(quotas_of(headers, now=NOW)) == 20
    assert quotas_of({f"x-ratelimit-limit-{'k' * 50}": "5"}, now=NOW) == []
    assert quotas_of({"ratelimit": ", ".join(f'"{number}";r=1' for number in range(10_000))}, now=NOW) == []


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(1, "second"), (60, "minute"), (3600, "hour"), (86400, "day"), (30 * 86400, "month"), (10, ""), (0.5, ""),
     (None, "")],
)  # fmt: skip
def test_windows_have_names(seconds: float | None, name: str) -> None:
    assert window_of(seconds) == name


def test_windows_are_looked_up_and_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A range compares a number that is none of its kind with each of its own: with 259,201 for each window."""

    class Whole:
        def __contains__(self, seconds: object) -> bool:
            assert type(seconds) is int
            return False

    monkeypatch.setattr(ratelimits, "_MONTH", Whole())
    assert window_of(60.0) == "minute"
    assert window_of(61.0) == ""


def test_of_many_policies_the_first_ones_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float | None] = []

    def window(seconds: float | None) -> str:
        seen.append(seconds)
        return ""

    monkeypatch.setattr(ratelimits, "window_of", window)
    of(ratelimit_policy=",".join(f"1;w={number}" for number in range(500)))
    assert seen == list(range(20))


NAMES = st.sampled_from(
    ["ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-ratelimit-limit",
     "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "x-ratelimit-reset", "age",
     "x-ratelimit-resource", "anthropic-ratelimit-tokens-limit"]
)  # fmt: skip
VALUES = st.text(st.sampled_from('"\\;,=:rtqw0123456789.-msh limitreset'), max_size=40) | st.text(max_size=40)


@given(st.dictionaries(NAMES, VALUES, max_size=8))
def test_no_header_whatever_it_holds_breaks_it_or_makes_a_figure_that_is_none(headers: dict[str, str]) -> None:
    for quota in quotas_of(headers, now=NOW):
        assert quota.limit is not None or quota.remaining is not None
        assert all(value is None or value >= 0 for value in quota[3:])
        assert quota.reset is None or NOW - 3600 <= quota.reset <= NOW + 366 * 86400
