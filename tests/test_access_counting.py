"""Which series requests count in: bounded, steady, surviving restarts; whatever stands in the lines."""

import json
import random
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collectors.log.access import FORMATS, Access
from exporter.collectors.log.routes import AccessSettings
from exporter.collectors.log.settings import ACCESS_FORMATS
from exporter.exposition import render
from tests.accesslogs import counted, requests_of

NOTHING = {("other", "other", "other"): 0}
SMALL = AccessSettings(routes=("/api/{id}",), endpoints=3, buckets=(0.1, 0.5))


def line(path: str, status: int = 200, method: str = "GET", time: str = "0.100") -> bytes:
    """Return a line of the format nginx_timed."""
    request = f'"{method} {path} HTTP/1.1" {status:03} 17 "https://example.com/" "Mozilla/5.0 (X11)"'
    return f'10.0.0.1 - ada [25/Nov/2026:08:00:00 +0000] {request} request_time="{time}"'.encode()


def access(told: AccessSettings = SMALL, kept: Mapping[str, Any] | None = None, log: str = "web") -> Access:
    return Access(log, "nginx_timed", told, kept or {})


def after(changes: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of the ledger after these changes, as they come back from the disk."""
    found: dict[str, Any] = json.loads(json.dumps({**kept, **changes}))
    return {key: value for key, value in found.items() if value is not None}


def fed(lines: Iterable[bytes]) -> Access:
    it = access()
    assert it.feed(list(lines)) == 0
    return it


def test_the_configuration_knows_the_formats() -> None:
    assert ACCESS_FORMATS == FORMATS


def test_from_the_start_there_is_the_catch_all_with_0_and_its_histogram() -> None:
    it = access()
    (times,) = [sample for key, sample in counted(it).items() if key[0] == "http_request_duration_seconds"]
    assert (times.labels, times.value.count) == (("other", "other"), 0)  # type: ignore[union-attr]
    assert it.changed() == {}


def test_the_first_endpoints_that_are_served_keep_their_series_and_the_rest_are_other() -> None:
    paths = ["/a", "/b", "/a", "/c", "/d", "/d", "/a"]
    assert requests_of(fed(map(line, paths))) == {
        ("GET", "/a", "200"): 3, ("GET", "/b", "200"): 1, ("GET", "/c", "200"): 1, ("GET", "other", "200"): 2,
        **NOTHING,
    }  # fmt: skip


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 429, 499, 301, 308, 501, 502, 503, 0, 999])
def test_what_nobody_serves_takes_no_place(status: int) -> None:
    it = fed([line(f"/wp-{word}", status) for word in ("a", "b", "c", "d")])
    assert it.feed([line("/a"), line("/a", 404)]) == 0
    name = str(status) if 100 <= status <= 599 else "other"
    assert requests_of(it) == {
        ("GET", "other", name): 4, ("GET", "/a", "200"): 1, ("GET", "/a", "404"): 1, **NOTHING,
    }  # fmt: skip


@pytest.mark.parametrize("status", [101, 200, 201, 204, 302, 304, 307, 500, 504])
def test_what_somebody_serves_does(status: int) -> None:
    assert requests_of(fed([line("/a", status)])) == {("GET", "/a", str(status)): 1, **NOTHING}


def test_a_route_has_its_series_at_any_answer_but_of_methods_that_it_does_not_have() -> None:
    lines = [line("/api/1", 404), line("/api/2", 502), line("/api/3", 405, "PUT"), line("/api/4", 501, "TRACE")]
    assert requests_of(fed(lines)) == {
        ("GET", "/api/{id}", "404"): 1, ("GET", "/api/{id}", "502"): 1, ("PUT", "other", "405"): 1,
        ("TRACE", "other", "501"): 1, **NOTHING,
    }  # fmt: skip


def test_routes_do_not_count_against_the_number_of_endpoints() -> None:
    it = fed([line("/api/1", method=method) for method in ("GET", "PUT", "POST", "PATCH")] + [line("/a"), line("/b")])
    assert it.feed([line(f"/{word}") for word in "cde"]) == it.feed([line("/api/1", method="DELETE")]) == 0
    assert it.changed()["access web DELETE /api/{id}"]["statuses"] == {"200": 1}
    it = fed([line("/api/1"), line("/a"), line("/b")])
    values = {key[0]: sample.value for key, sample in counted(it).items() if len(key) == 1}
    assert values == {"runbook_log_access_endpoints": 2, "runbook_log_access_endpoints_limit": 3}


def test_however_many_paths_and_methods_the_series_are_bounded() -> None:
    random.seed(4)
    words = ["".join(random.choices("abcdefgh/", k=8)) for _ in range(30_000)]  # more than are remembered
    it = access(AccessSettings(endpoints=5))
    for _ in range(2):
        it.feed([line(f"/{word}", method=word[:3].upper()) for word in words])
    found = requests_of(it)
    assert len(found) <= 5 + 10 + 1
    assert sum(map(int, map(str, found.values()))) == 60_000


@pytest.mark.parametrize(
    ("count", "lines"),
    [
        (60_000, lambda number: line(f"/{number:x}/{'x' * 10}", 404)),
        (2_000, lambda number: line(f"/{number:x}/{'x' * 10_000}", 404)),
        (200_000, lambda number: line("/a", time=f"0.{number:06}")),
    ],
    ids=["many", "long", "times"],
)
@pytest.mark.long
def test_what_is_remembered_of_requests_is_bounded(count: int, lines: Callable[[int], bytes]) -> None:
    it = access()
    tracemalloc.start()
    try:
        for first in range(0, count, 1000):
            it.feed([lines(number) for number in range(first, first + 1000)])
        assert tracemalloc.get_traced_memory()[0] < 12e6
    finally:
        tracemalloc.stop()


def test_times_fall_into_their_buckets_and_what_is_none_into_none() -> None:
    times = ["0.000", "0.100", "0.101", "0.500", "0.501", "99.000", "-"]
    value = counted(fed([line("/a", time=time) for time in times]))["http_request_duration_seconds", "GET", "/a"].value
    assert (value.buckets, value.count, value.sum) == (((0.1, 2), (0.5, 4)), 6, 100.202)  # type: ignore[union-attr]


def test_more_times_than_are_remembered_are_all_counted() -> None:
    it = access()
    it.feed([line("/a", time=f"0.{place:06}") for place in range(25_000)])
    value = counted(it)["http_request_duration_seconds", "GET", "/a"].value
    assert (value.count, value.sum) == (25_000, 312.4875)  # type: ignore[union-attr]


@pytest.mark.parametrize("status", ["200", 200])
@pytest.mark.parametrize(("time", "count"), [
    ("0.2", 1), (0.2, 1), ("-", 0), ("", 0), ("NaN", 0), (-1, 0), ("0.1, 0.2", 0), ([], 0), (None, 0), ("1e400", 0),
])  # fmt: skip
def test_json_times_that_are_none(time: object, count: int, status: object) -> None:
    it = Access("web", "nginx_json", SMALL, {})
    text = {"request_method": "GET", "request_uri": "/a?b=c", "status": status, "request_time": time}
    assert it.feed([json.dumps(text).encode()]) == 0
    found = counted(it)
    assert found["http_requests_total", "GET", "/a", "200"].value == 1
    assert found["http_request_duration_seconds", "GET", "/a"].value.count == count  # type: ignore[union-attr]


JSON = b'{"request": "GET /a HTTP/1.1", "status": 200}'
BAD_JSON = [
    b"", b"{", b"[]", b"17", b'"x"', b"null", b"{}", JSON + b"," + JSON, JSON[:-1], b"\xff\xfe",
    b'{"request": "GET /a"}', b'{"status": 200}', b'{"request": 7, "status": 200}',
    b'{"request": "GET /a", "status": "2000"}',
    '{"request": "GET /a", "status": "\u0662\u0660\u0660"}'.encode(), b"[" * 100_000,
    b'{"request": "GET /a", "status": ' + b"9" * 5000 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_JSON)
def test_json_that_is_none_does_not_count_and_spoils_no_other_line(bad: bytes) -> None:
    it = Access("web", "nginx_json", SMALL, {})
    assert it.feed([JSON, bad, JSON]) == 1
    assert requests_of(it) == {("GET", "/a", "200"): 2, **NOTHING}


def test_invalid_bytes_in_json_are_free_text() -> None:
    it = Access("web", "nginx_json", SMALL, {})
    assert it.feed([b'{"request": "GET /caf\xe9 HTTP/1.1", "status": "200"}']) == 0
    assert requests_of(it) == {("GET", "/{id}", "200"): 1, **NOTHING}


SHORT = b'x "GET /a" 200 1 '
ENDLESS = [
    b'"' * 1_000_000, b'" "' * 300_000, b"\\" * 1_000_000, b'"' + b"\\\\" * 500_000, b"-" * 1_000_000,
    b'x "GET ' + b"/1" * 500_000, b"x - " * 250_000, b"{" * 1_000_000, b"\x1b[" * 400_000, b"\x00" * 1_000_000,
    b' - "\x1b[' + b"1;" * 500_000, b'{"a":' * 200_000,
    SHORT + b'"' + b'" "' * 300_000, SHORT + b'"-" "-"' + b' a="b"' * 150_000,
    SHORT + b'"-" "-" request_time="' + b"1" * 1_000_000,
]  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_lines_made_to_take_for_ever_do_not(format: str) -> None:
    """What grew with the square of these lines would take days."""
    it = Access("web", format, SMALL, {})
    assert it.feed(ENDLESS) == len(ENDLESS) - 3 * (format in ("nginx", "gunicorn"))
    long = b'x - - [] "GET ' + b"/a1" * 300_000 + b' HTTP/1.1" 200 1 "-" "-" 0.1'
    assert it.feed([long]) == (format in ("nginx_json", "uvicorn"))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50) | st.sampled_from([line("/a"), line("/b", 404), JSON]), max_size=20))
@pytest.mark.parametrize("format", FORMATS)
def test_every_line_counts_once_or_is_told(format: str, lines: list[bytes]) -> None:
    it = Access("web", format, SMALL, {})
    unread = it.feed(lines)
    assert unread + sum(map(int, map(str, requests_of(it).values()))) == len(lines)
    assert render(counted(it).values()) == ""
