"""Whatever a server sends, a probe says what is wrong, and no part of it breaks."""

import json
from contextlib import suppress
from urllib.parse import urlsplit

from hypothesis import given, settings
from hypothesis import strategies as some

from exporter.collector import Trouble
from exporter.collectors.http.report import COUNTED, STATES, Report, ReportSettings, reported
from exporter.collectors.http.reportmetrics import STATUS
from exporter.cookies import Cookies
from exporter.deadline import Deadline
from exporter.exchange import Seen, Way, ask
from exporter.httprequest import Request, split
from exporter.jsonexpectation import JSONExpectation
from exporter.template import in_address, in_body, in_header
from tests.answering import answering

WORDS = some.sampled_from(["healthy", "UP", "down", "fail", "", "nonsense", "status", "checks", "name", "components"])
LEAVES = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5) | WORDS
KEYS = some.sampled_from(["status", "checks", "components", "details", "name", "timestamp", "summary", "critical", "x"])
JSON = some.recursive(
    LEAVES, lambda inner: some.lists(inner, max_size=4) | some.dictionaries(KEYS, inner, max_size=5), max_leaves=20
)
REPORTS = some.dictionaries(KEYS, JSON, max_size=6).map(lambda report: {"status": "ok"} | report)


@given(JSON | REPORTS)
def test_any_json_is_a_report_or_says_why_not(document: object) -> None:
    found: Report | None = None
    with suppress(Trouble):
        found = reported(document, ReportSettings())
    if found is not None:
        states = [sample.value for sample in found.samples() if sample is not None and sample.metric is STATUS]
        assert sorted(map(str, states)) == ["0", "0", "0", "1"]
        assert found.status in STATES
        assert set(found.checks.values()) | set(found.counts) <= set(COUNTED)
        assert isinstance(found.remark(), str)
        assert all(count >= 0 for count in found.counts.values())


@given(JSON, some.text(max_size=8))
def test_any_value_is_what_is_expected_or_not(value: object, wanted: str) -> None:
    assert JSONExpectation(path="@", equals=wanted).wants(value) in (True, False)
    if isinstance(value, str):
        assert JSONExpectation(path="@", equals=value).wants(value)
    if isinstance(value, bool):
        assert JSONExpectation(path="@", equals=json.dumps(value)).wants(value)


@given(some.lists(some.text(max_size=60), max_size=5))
def test_any_cookie_is_taken_or_left(texts: list[str]) -> None:
    cookies = Cookies()
    cookies.take(urlsplit("http://a.example/x"), [*texts, "k=v; " + "".join(texts)])
    assert isinstance(cookies.header(urlsplit("https://a.example/x/y")), str)


@given(some.text(max_size=20))
def test_any_value_stays_where_it_is_put(value: str) -> None:
    clean = value.encode("utf-8", "replace").decode()
    assert json.loads(in_body('{"a": "{{v}}", "b": 1}', {"v": clean}, "application/json")) == {"a": clean, "b": 1}
    assert in_body("a={{v}}&b=1", {"v": clean}, "application/x-www-form-urlencoded").count(b"&") == 1
    with suppress(Trouble):
        assert in_header("{{v}}", {"v": clean}) == clean
        assert len(f"a{clean}b".replace("\t", "").encode("latin-1", "replace").splitlines()) == 1
    if clean in (".", ".."):
        return
    address = urlsplit(in_address("http://a.example/{{v}}/b?c={{ v }}&d=1#e", {"v": clean}))
    assert (address.hostname, address.fragment) == ("a.example", "e")
    assert address.path.count("/") == 2
    assert address.query.count("&") == 1


HEADS = some.sampled_from(
    [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 204 \r\n", b"HTTP/1.1 302 Found\r\nLocation: ", b"", b"HTTP"]
)
FIELDS = some.sampled_from([
    b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: x\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n", b"Set-Cookie: \xff=\xfe\r\n", b": \r\n", b"\x00: y\r\n",
    b" folded\r\n", b"\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffff\r\n",
])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(HEADS, some.lists(FIELDS | some.binary(max_size=20), max_size=6))
def test_any_bytes_are_an_answer_or_a_trouble(head: bytes, fields: list[bytes]) -> None:
    with answering(head + b"".join(fields)) as served:
        request, seen = Request(split(served.url)), Seen()
        with suppress(Trouble):
            assert 100 <= ask(request, Way(Deadline(5), 10_000), seen).status < 1000
