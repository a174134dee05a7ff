"""Probes over HTTP: what is sent, what is expected of the answer, and what is said of it."""

import gzip
import threading
import time
from collections.abc import Callable

import pytest

from exporter.config import INSTALLED, ConfigError, read
from exporter.exposition import render
from tests.answering import Answer, answering, endless, page, silent, trickling
from tests.onetarget import one
from tests.process import free_port
from tests.soak import leaves_nothing
from tests.support import until
from tests.swallowing import names, swallowing

GOOD = page(b"<h1>Welcome</h1>", Content_Type="text/html", Last_Modified="Sun, 29 Nov 2026 10:00:00 GMT")
PHASES = ("resolve", "connect", "tls", "processing", "transfer")


def seen(answer: Answer | bytes, settings: str = "", path: str = "") -> tuple[dict[str, str], str]:
    """Return the page of a target that is answered so, and why it is down, with the remedy."""
    with answering(answer) as served, one("http", f"url: {served.url}{path}\n{settings}") as target:
        page = target.page()
        snapshot = target.target.view()
        return page, f"{snapshot.reason} {snapshot.fix}".strip()


def problems(settings: str) -> str:
    text = "\n".join(f"    {line}" for line in f"collector: http\n{settings}".splitlines())
    with pytest.raises(ConfigError) as caught:
        read(f"targets:\n  it:\n{text}\n".encode(), "config.yml", INSTALLED, {})
    return str(caught.value)


def test_a_good_answer() -> None:
    page, reason = seen(GOOD)
    assert (page["probe_success"], page['runbook_target_up{collector="http"}'], reason) == ("1", "1", "")
    assert page['runbook_target_critical{collector="http"}'] == "1"
    wanted = {
        "probe_http_status_code": "200", "probe_http_version": "1.1", "probe_http_ssl": "0",
        "probe_http_redirects": "0",
        "probe_http_content_length": "16", "probe_http_uncompressed_body_length": "16", "probe_ip_protocol": "4",
        "probe_http_last_modified_timestamp_seconds": "1795946400.0", "probe_failed_due_to_regex": "0",
        'runbook_http_purpose_info{purpose="endpoint"}': "1",
    }  # fmt: skip
    assert {name: page.get(name) for name in wanted} == wanted
    spent = [float(page[f'probe_http_duration_seconds{{phase="{phase}"}}']) for phase in PHASES]
    assert spent[2] == 0  # there is no TLS
    assert 0 < sum(spent) <= float(page["probe_duration_seconds"])
    assert float(page["probe_dns_lookup_time_seconds"]) == spent[0]
    assert not [name for name in page if name.startswith(("runbook_http_plain", "probe_ssl", "runbook_http_step"))]


def test_golden(golden: Callable[[str, str], None]) -> None:
    report = page(b'{"status": "degraded", "checks": [{"name": "db", "status": "healthy"}]}', Server="x")
    settings = "report: {}\ntls_required: true\nsteps: [{name: login}, {name: look}]"
    with answering(report) as served, one("http", f"url: {served.url}\n{settings}") as target:
        lines = render(sample for outcome in target.read().outcomes for sample in outcome.samples).splitlines()
    golden("http.prom", "".join(f"{line if line[0] == '#' else still(line)}\n" for line in lines))


def still(line: str) -> str:
    """Return a line with `~` for what is another each time."""
    return f"{line.rpartition(' ')[0]} ~" if "_seconds" in line else line


# ---- what is sent


def test_a_request_is_sent_as_it_was_given() -> None:
    settings = (
        "method: PUT\nbody: '{\"ask\": 1}'\nheaders: {X-API-Key: a-key-of-http}\nbearer_token: a-token-of-http\n"
        "host_header: shop.example.com\ncompression: true"
    )
    with answering(GOOD) as served, one("http", f"url: '{served.url}/a?q=é'\n{settings}") as target:
        assert target.page()["probe_success"] == "1"
    assert served.asked[0].startswith(b"PUT /a?q=%C3%A9 HTTP/1.1\r\n")
    assert served.asked[0].endswith(b'\r\n\r\n{"ask": 1}')
    asked = {name: served.header(name) for name in ("Host", "X-API-Key", "Authorization", "Accept-Encoding")}
    assert asked == {
        "Host": "shop.example.com", "X-API-Key": "a-key-of-http", "Authorization": "Bearer a-token-of-http",
        "Accept-Encoding": "gzip",
    }  # fmt: skip
    assert served.header("Content-Type") == "application/json"


def test_a_user_and_a_form() -> None:
    settings = (
        "method: POST\nbody: a=1&b={{what}}\nvalues: {what: x&y of http}\nusername: monitor\npassword: word-of-http"
    )
    with answering(GOOD) as served, one("http", f"url: {served.url}\n{settings}") as target:
        assert target.page()["probe_success"] == "1"
    assert served.asked[0].endswith(b"\r\n\r\na=1&b=x%26y+of+http")
    assert served.header("Content-Type") == "application/x-www-form-urlencoded"
    assert served.header("Authorization") == "Basic bW9uaXRvcjp3b3JkLW9mLWh0dHA="


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE", "PATCH"])
def test_other_methods(method: str) -> None:
    answer = page(b"x" * 9)
    answer = answer[:-9] if method == "HEAD" else answer
    with answering(answer) as served, one("http", f"url: {served.url}\nmethod: {method}") as target:
        page_of = target.page()
    assert served.asked[0].startswith(f"{method} / ".encode())
    assert (page_of["probe_success"], page_of["probe_http_content_length"]) == ("1", "9")
    assert page_of["probe_http_uncompressed_body_length"] == ("0" if method == "HEAD" else "9")


# ---- what is expected


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("expect: {statuses: [201]}", "the answer has the status 200"),
        ("expect: {body: [Wel, Goodbye]}", "the body lacks the pattern body[1]"),
        ("expect: {body_absent: ['(?i)WELCOME']}", "the body has the pattern body_absent[0]"),
        ("expect: {headers: {X-Frame-Options: .}}", "the answer has no header X-Frame-Options"),
        ("expect: {headers: {content-type: json}}", "the header content-type is not as expected"),
        ("expect: {headers_absent: {Content-Type: html}}", "the header Content-Type holds what it must not"),
        ("expect: {json: [{path: a, equals: b}]}", "the answer is HTML or XML, not JSON"),
        ("report: {}", "the answer is HTML or XML, not JSON"),
        ("max_bytes: 15", "answers with more than 15 bytes"),
    ],
)
def test_an_answer_that_is_not_as_expected(settings: str, reason: str) -> None:
    page_of, said = seen(GOOD, settings)
    assert reason in said
    assert (page_of["probe_success"], page_of['runbook_target_up{collector="http"}']) == ("0", "0")
    assert page_of["probe_http_status_code"] == "200"
    by_pattern = any(word in settings for word in ("body", "headers"))
    assert page_of["probe_failed_due_to_regex"] == str(int(by_pattern))


@pytest.mark.parametrize(
    "settings",
    [
        "{statuses: [200, 404], body: ['^<h1>', 'W.*e'], body_absent: [Traceback]}",
        "{headers: {Content-Type: '^text/'}, headers_absent: {Server: '[0-9]', Content-Type: json}}",
    ],
)
def test_an_answer_that_is_as_expected(settings: str) -> None:
    page_of, reason = seen(GOOD, f"expect: {settings}")
    assert (page_of["probe_success"], reason) == ("1", "")


@pytest.mark.parametrize(
    ("expected", "well"),
    [
        ("{path: a.b, equals: '3'}", True),
        ("{path: a.b, equals: 3.0}", True),
        ("{path: a.b, equals: 'true'}", False),
        ("{path: on, equals: true}", True),
        ("{path: on, equals: 1}", False),
        ("{path: name, one_of: [no, yes]}", True),
        ("{path: name, equals: Yes}", False),
        ("{path: nothing, equals: 'null'}", True),
        ("{path: 'length(list)', equals: 2}", True),
        ("{path: digits, equals: 7}", True),
    ],
)
def test_values_of_json(expected: str, well: bool) -> None:
    body = b'{"a": {"b": 3}, "on": true, "name": "yes", "list": [1, 2], "digits": "7"}'
    page_of, reason = seen(page(body), f"expect: {{json: [{expected}]}}")
    assert page_of["probe_success"] == str(int(well))
    assert ("is not what is expected" in reason) is not well


def test_json_that_is_nested() -> None:
    settings = "expect: {json: [{path: 'reverse(keys(@))[-1]', equals: a}]}"
    assert seen(page(b'{"a":' * 100 + b"1" + b"}" * 100), settings)[1] == ""
    said = seen(page(b'{"a":' * 101 + b"1" + b"}" * 101), settings)[1]
    assert said.startswith("the answer is nested more than 100 levels deep raise `max_depth` where the target has it")


def test_a_pattern_that_would_take_too_long() -> None:
    """What cannot be looked for is known of neither way: the target is down, and the endpoint may be well."""
    settings = "expect: {body: ['(?s)<form.{0,900}csrf.{0,900}</form>']}\nmax_bytes: 1MiB"
    assert seen(page(b"<form csrf </form>"), settings)[0]["probe_success"] == "1"
    began = time.process_time()
    page_of, reason = seen(page(b"<form csrf " * (512 << 10 >> 3)), settings)
    assert time.process_time() - began < 5
    assert "the pattern '(?s)<form.{0,900}csrf.{0,900}</form>' is too large to be looked for in 720,896 by" in reason
    assert page_of['runbook_target_up{collector="http"}'] == "0"
    assert "probe_success" not in page_of


def test_every_cookie_must_have_its_flags() -> None:
    two = page(b"", Set_Cookie="a=1; Secure").replace(b"\r\n\r\n", b"\r\nSet-Cookie: b=2\r\n\r\n")
    assert seen(two, "expect: {headers: {Set-Cookie: '; *Secure'}}")[0]["probe_success"] == "0"
    assert seen(two, "expect: {headers: {Set-Cookie: '^[ab]='}}")[0]["probe_success"] == "1"


def test_compressed_answers_and_codings_that_are_not_understood() -> None:
    zipped = page(gzip.compress(b"x" * 1000), Content_Encoding="gzip")
    page_of, _ = seen(zipped, "expect: {body: ['^x{1000}$']}")
    assert page_of["probe_success"] == "1"
    assert page_of["probe_http_uncompressed_body_length"] == "1000"
    assert int(page_of["probe_http_content_length"]) < 100
    for coding in ("br", "deflate", "zstd"):
        strange = page(b"strange", Content_Encoding=coding)
        assert seen(strange)[0]["probe_success"] == "1"
        page_of, said = seen(strange, "expect: {body: [strange]}")
        assert f"the body came in the coding '{coding}', which is not understood" in said
        assert page_of["probe_success"] == "0"


def test_an_answer_without_a_length() -> None:
    page_of, _ = seen(b"HTTP/1.0 200 OK\r\nLast-Modified: yesterday\r\n\r\nuntil the end")
    assert (page_of["probe_success"], page_of["probe_http_version"]) == ("1", "1.0")
    assert page_of["probe_http_uncompressed_body_length"] == "13"
    assert not {"probe_http_content_length", "probe_http_last_modified_timestamp_seconds"} & page_of.keys()


# ---- what is no answer


def test_nobody_there_and_no_such_host() -> None:
    for url, reason in (
        (f"http://127.0.0.1:{free_port()}/?token=canary", "cannot be reached (Connection refused)"),
        ("http://nowhere.invalid/?token=canary", "the host of http://nowhere.invalid is not known"),
    ):
        with one("http", f"url: {url}") as target:
            page_of = target.page()
            snapshot = target.target.view()
        assert reason in snapshot.reason
        assert "canary" not in snapshot.reason + snapshot.fix
        assert page_of["probe_success"] == page_of["probe_http_status_code"] == "0"
        assert not {"probe_http_ssl", "probe_http_version", "probe_http_content_length"} & page_of.keys()
        assert ("probe_ip_protocol" in page_of) is ("127" in url)


@pytest.mark.parametrize("broken", [
    page(b"all of it")[:-3],
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"",
    b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(1000)),
    b"HTTP/1.1 99999 OK\r\n\r\n",
])  # fmt: skip
def test_what_is_no_whole_answer(broken: bytes) -> None:
    page_of, reason = seen(broken)
    assert page_of["probe_success"] == "0"
    assert any(said in reason for said in ("no whole HTTP answer", "cannot be reached", "more in its headers"))


def test_what_hangs_or_never_ends_is_cut_within_the_timeout() -> None:
    stop = threading.Event()
    hanging: list[Answer] = [
        silent(stop), trickling(stop, b"X-", b"HTTP/1.1 200 OK\r\n"), trickling(stop), endless(b"x" * 65536),
    ]  # fmt: skip
    for answer in hanging:
        began = time.monotonic()
        page_of, reason = seen(answer, "timeout: 1s\nmax_bytes: 16MiB")
        assert "has not answered in full within 0.8 s" in reason or "more than 16777216 bytes" in reason
        assert time.monotonic() - began < 5
        assert page_of["probe_success"] == "0"
        spent = sum(float(page_of[f'probe_http_duration_seconds{{phase="{phase}"}}']) for phase in PHASES)
        assert spent > 0.5 or "bytes" in reason  # what it hung in is told
    stop.set()


def test_a_name_service_that_hangs_and_an_address_that_swallows(monkeypatch: pytest.MonkeyPatch) -> None:
    with swallowing() as port, names(monkeypatch, {"slow.example": [], "deaf.example": ["127.0.0.1"]}):
        for host, phase in (("slow.example", "resolve"), ("deaf.example", "connect")):
            with one("http", f"url: http://{host}:{port}/\ntimeout: 1s") as target:
                page_of = target.page()
            assert page_of["probe_success"] == "0"
            assert float(page_of[f'probe_http_duration_seconds{{phase="{phase}"}}']) > 0.5


def test_what_was_seen_before_is_gone_when_nothing_answers() -> None:
    port = free_port()
    with one("http", f"url: http://127.0.0.1:{port}/\nmax_age: 0s") as target:
        with answering(page(b"x", "404 Not Found"), port=port):
            assert target.page()["probe_http_status_code"] == "404"
        until(lambda: target.page()["probe_http_status_code"] == "0")
        assert "Connection refused" in target.read().reason
        with answering(GOOD, port=port):
            until(lambda: target.page()["probe_http_status_code"] == "200", 40)


def test_addresses_of_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(GOOD) as served, names(monkeypatch, {"both.example": ["127.0.0.1", "::1"], "six.example": ["::1"]}):
        for family, protocol in (("any", "4"), ("ipv4", "4"), ("prefer_ipv4", "4"), ("prefer_ipv6", "4")):
            with one("http", f"url: http://both.example:{served.port}\nip_family: {family}") as target:
                page_of = target.page()
            assert (page_of["probe_success"], page_of["probe_ip_protocol"]) == ("1", protocol)
        with one("http", f"url: http://both.example:{served.port}\nip_family: ipv6") as target:
            page_of = target.page()
            assert (page_of["probe_success"], page_of["probe_ip_protocol"]) == ("0", "6")
        with one("http", f"url: http://six.example:{served.port}\nip_family: ipv4") as target:
            assert "the host has no address of IPv4" in target.read().reason


# ---- what the configuration may not say


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("method: GET", "targets.it.url: is missing"),
        ("url: ftp://x", "url: is no address"),
        ("url: http://x\nbody: a", "body: is not sent by a GET"),
        ("url: http://x\nmax_redirects: 99", "max_redirects: is out of range"),
        ("url: http://x\nproxy: socks5://p:1", "proxy: is no address of an HTTP proxy"),
        ("url: http://x\nexpect: {statuses: [2]}", "expect.statuses: has a number that is no HTTP status"),
        ("url: http://x\nexpect: {body: ['(?=a)']}", "expect.body: is no regular expression that RE2 takes"),
        ("url: http://x\nexpect: {headers: {A: '('}}", "expect.headers.A: is no regular expression that RE2 takes"),
        ("url: http://x\nexpect: {json: [{path: a}]}", "expected exactly one of equals and one_of"),
        ("url: http://x\nexpect: {json: [{path: 'a[', equals: b}]}", "is no JMESPath"),
        ("url: http://x\nmethod: POST\nbody: '{{nobody}}'", "body: asks for {{nobody}}, which nobody gives"),
        ("url: http://x\nvalues: {a-b: orchid-of-values}", "values.a-b: is no name"),
        ("url: http://x\nsteps: [{name: a}, {name: a}]", "steps: have a name twice"),
        ("url: http://x\nsteps: [{name: a}]\nmethod: POST", "method: stands in each of `steps`"),
        ("url: http://x\nsteps: [{name: a, url: '/{{b}}', carry: {b: {json: c}}}]", "asks for {{b}}"),
        ("url: http://x\nsteps: [{name: a, carry: {b: {json: c, body: d}}}]", "exactly one of json, header"),
        ("url: http://x\nsteps: [{name: a, carry: {b: {}}}]", "exactly one of json, header"),
        (
            "url: http://x\nsteps: [{name: a, headers: {Host: b}}]",
            "headers.Host: is made of the address; expected `hos",
        ),
        ("url: http://x\nexpect: {json: [{path: a, equals: null}]}", "one of equals and one_of; null stands in quotes"),
        ("url: http://x\nsteps: [{name: a, headers: {X-A: é}}]", "headers.X-A: holds a character that a header cannot"),
        ("url: http://x\nsteps: [{name: a, attempts: 0}]", "attempts: is out of range"),
        ("url: http://x\nsteps: [{name: a, body: b}]", "body: is not sent by a GET"),
        ("url: http://x\nhost_header: 'a b'", "host_header: is no name"),
        ("url: https://x\nserver_name: a b", "server_name: is no name"),
        ("url: https://x\nserver_name: a/b", "server_name: is no name"),
        ("url: https://x\nserver_name: .x", "server_name: is no name"),
        ("url: http://x\nreport: {status: '['}", "report.status: is no JMESPath"),
    ],
)
def test_settings_that_contradict_themselves(settings: str, problem: str) -> None:
    assert problem in problems(settings)


# ---- many rounds


@pytest.mark.long
def test_many_rounds_leave_nothing() -> None:
    with answering(GOOD) as served, one("http", f"url: {served.url}\nexpect: {{body: [Welcome]}}") as target:
        leaves_nothing(target)
    with one("http", f"url: http://127.0.0.1:{free_port()}") as target:
        leaves_nothing(target)
