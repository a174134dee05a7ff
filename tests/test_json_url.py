"""Values from JSON that a server answers: with credentials, within bounds, and what is refused with its reason."""

import threading
import time
import tracemalloc

import pytest

from exporter.config import INSTALLED, ConfigError, read
from tests.answering import Answer, answering, endless, page, silent, trickling
from tests.onetarget import one
from tests.process import free_port
from tests.support import until

METRICS = "metrics: [{name: app_queue_jobs, help: Jobs that wait., value: queue.length}]"
GOOD = page(b'{"queue": {"length": 3}}', Content_Type="application/json")


def said(answer: Answer | bytes, settings: str = "") -> tuple[bool | None, str]:
    """Return whether a target is up, and how its read of the values fared."""
    with answering(answer) as served, one("json", f"url: {served.url}\n{METRICS}\n{settings}") as target:
        snapshot = target.read()
        (outcome,) = [outcome for outcome in snapshot.outcomes if outcome.read == "values"]
        return snapshot.up, f"{outcome.status} {outcome.reason} {outcome.fix}"


def test_values_of_a_url() -> None:
    with answering(GOOD) as served, one("json", f"url: {served.url}/status?x=1\n{METRICS}") as target:
        page = target.page()
        assert page["app_queue_jobs"] == "3"
        assert page['runbook_mapped_values_missing{metric="app_queue_jobs"}'] == "0"
        assert target.outcomes() == {"values": "ok"}  # there is no file that could be missed
    assert served.asked[0].startswith(b"GET /status?x=1 HTTP/1.1\r\n")
    assert served.header("Accept") == "application/json"


def test_a_post_with_headers_and_a_token() -> None:
    settings = "method: POST\nbody: '{\"ask\": 1}'\nheaders: {X-API-Key: a-key-of-json}\nbearer_token: a-token-of-json"
    with answering(GOOD) as served, one("json", f"url: {served.url}\n{METRICS}\n{settings}") as target:
        assert target.page()["app_queue_jobs"] == "3"
    assert served.asked[0].startswith(b"POST / ")
    assert served.asked[0].endswith(b'{"ask": 1}')
    assert served.header("Content-Type") == "application/json"
    assert (served.header("X-API-Key"), served.header("Authorization")) == ("a-key-of-json", "Bearer a-token-of-json")


def test_a_user_and_a_password() -> None:
    settings = "username: monitor\npassword: word-of-json"
    with answering(GOOD) as served, one("json", f"url: {served.url}\n{METRICS}\n{settings}") as target:
        assert target.page()["app_queue_jobs"] == "3"
    assert served.header("Authorization") == "Basic bW9uaXRvcjp3b3JkLW9mLWpzb24="


def test_a_status_that_is_none_is_refused_unless_it_is_meant() -> None:
    answer = page(b'{"queue": {"length": 9}, "why": "a-word-of-json"}', "503 Service Unavailable")
    up, refused = said(answer, "bearer_token: a-word-of-json")
    assert up is False
    assert 'the answer has the status 503: \'{"queue": {"length": 9}, "why": "<secret>"}\'' in refused
    assert "`statuses`" in refused
    assert said(answer, "statuses: [200, 503]") == (True, "ok  ")


@pytest.mark.parametrize(("answer", "reason"), [
    (page(b"<!doctype html><p>Please log in"), "is HTML or XML, not JSON: '<!doctype html><p>Please log in'"),
    (page(b'{"queue": {"len'), "is not JSON (line 1, column 12)"),
    (page(GOOD)[:-5], "gave no whole HTTP answer"),
    (page(b'{"queue": {"length": 3}} trailing'), "goes on after its end"),
    (page(b'{"queue": {"length": 3}, "queue": 4}'), "has a key twice"),
    (page(b'{"queue": "\xff"}'), "is not UTF-8"),
    (page(b'{"queue":' * 10 + b"1" + b"}" * 10), "nested more than 9 levels deep raise `max_depth`"),
    (page(b'{"queue": {"length": "many"}}'), "app_queue_jobs: `queue.length` is text, expected a number"),
    (page(b'{"queue": {"length": [3]}}'), "`queue.length` is a list, expected a number"),
    (page(b""), "is empty"),
    (page(b"", "302 Found", Location="http://elsewhere.invalid/login"), "elsewhere.invalid is not known"),
])  # fmt: skip
def test_what_comes_instead_is_refused_with_its_reason(answer: bytes, reason: str) -> None:
    found = said(answer)
    assert reason in found[1]
    assert found[0] is False  # what has none of its values is down, whatever else answered
    assert found[1].startswith("failed")


def test_deeper_answers_are_taken_when_that_is_said() -> None:
    assert said(page(b'{"queue":' * 10 + b"1" + b"}" * 10), "max_depth: 10") == (True, "ok  ")


@pytest.mark.parametrize("answer", [
    endless(b"[" * 65536), endless(b' {"a": 1},' * 6000, b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n"),
])  # fmt: skip
def test_endless_and_huge_answers_take_neither_time_nor_memory(answer: Answer) -> None:
    tracemalloc.start()
    began = time.monotonic()
    up, reason = said(answer, "timeout: 20s")
    assert time.monotonic() - began < 10
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert up is False
    assert "answers with more than 4194304 bytes" in reason
    assert peak < 16 << 20


@pytest.mark.parametrize("answer", [silent, trickling])
def test_slow_answers_end_with_the_round(answer: object) -> None:
    stop = threading.Event()
    began = time.monotonic()
    up, reason = said(answer(stop), "timeout: 500ms")  # type: ignore[operator]
    stop.set()
    assert time.monotonic() - began < 5
    assert (up, "within 0.4 s" in reason or "timeout" in reason) == (False, True)


def test_nobody_there_and_back_again() -> None:
    with one("json", f"url: http://127.0.0.1:{free_port()}/\n{METRICS}") as target:
        snapshot = target.read()
        assert snapshot.up is False
        assert "cannot be reached (Connection refused)" in snapshot.reason
    answers = [b"", GOOD]
    with (
        answering(lambda line: line.sendall(answers.pop(0))) as served,
        one("json", f"url: {served.url}\n{METRICS}") as target,
    ):
        assert target.read().up is False
        assert target.page()["app_queue_jobs"] == "3"


def test_what_is_under_way_ends_with_the_target() -> None:
    stop = threading.Event()
    with answering(silent(stop)) as served, one("json", f"url: {served.url}\n{METRICS}\ntimeout: 60s") as target:
        target.target.run_now()
        until(lambda: served.asked)
        began = time.monotonic()
        target.target.close(20)
        assert target.target.ended.is_set()
        assert time.monotonic() - began < 10
        stop.set()


@pytest.mark.parametrize(("settings", "place", "reason"), [
    ("", "url", "does not say where its document is; expected exactly one of url, file, program"),
    ("url: http://a/\nfile: b", "file", "has url and file; expected exactly one"),
    ("url: a.example/status", "url", "is no address; expected http://"),
    ("url: http://a:99999/", "url", "is no address; expected http://"),
    ("url: http://a/\nbody: x", "body", "is not sent by a GET; expected `method: POST`"),
    ("url: http://a/\nmethod: PUT", "method", "is none of its words"),
    ("url: http://a/\nusername: b", "username", "stands alone; expected"),
    ("url: http://a/\npassword: long-word", "password", "stands alone; expected"),
    ("url: http://a/\nusername: b\npassword: long-word\nbearer_token: long-token", "bearer_token", "is not the only"),
    ("url: http://b:long-word@a/\nbearer_token: long-token", "bearer_token", "is not the only way"),
    ("url: http://a/\nheaders: {'X Key': long-key}", "'headers.X Key'", "is no header that can be given"),
    ("url: http://a/\nheaders: {Host: long-key}", "headers", "is made of the address"),
    ('url: http://a/\nheaders: {X-Key: "a\\nb: long"}', "headers", "holds a character that a header cannot"),
    ("url: http://a/\nbearer_token: lóng-token", "bearer_token", "holds a character that a header cannot"),
    ("url: https://a/\nclient_cert: x", "client_cert", "stands alone; expected both files"),
    ("url: https://a/\nca_file: x\ninsecure_skip_verify: true", "ca_file", "is not looked at"),
    ("url: http://a/\nmax_bytes: 1GiB", "max_bytes", "expected 1 to 64MiB"),
    ("url: http://a/\nmax_depth: 0", "max_depth", "expected 1 to 100"),
    ("url: http://a/\nstatuses: [20]", "statuses", "is no HTTP status"),
    ("program: {command: []}", "program.command", "names no program"),
])  # fmt: skip
def test_every_mistake_is_found_beforehand(settings: str, place: str, reason: str) -> None:
    lines = "".join(f"    {line}\n" for line in [*settings.splitlines(), METRICS])
    with pytest.raises(ConfigError) as caught:
        read(f"targets:\n  it:\n    collector: json\n{lines}".encode(), "config.yml", INSTALLED, {})
    assert any(f"targets.it.{place}" in problem and reason in problem for problem in caught.value.problems)
    assert "long-" not in str(caught.value)
