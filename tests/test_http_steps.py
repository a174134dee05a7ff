"""Chains of requests: a login with its token, cookies, hidden fields; what failed, and that no value is seen."""

import json
import logging
import socket
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from exporter.collectors.http.masking import masked
from exporter.cookies import Cookies
from tests.answering import Served, answering, page
from tests.onetarget import One, one
from tests.soak import leaves_nothing

Reply = Callable[[str, dict[str, str], bytes], bytes]

LOGIN = """
values: {password: word-of-chains}
steps:
- name: log in
  url: /api/login
  method: POST
  body: '{"user": "probe", "password": "{{password}}"}'
  carry: {token: {json: access.token}}
- name: profile
  url: /api/me
  headers: {Authorization: "Bearer {{token}}"}
  expect: {json: [{path: user, equals: probe}]}
"""
TOKEN = 'eyJ"quoted"\\and/more'


def saying(status: str, body: bytes = b"") -> Reply:
    return lambda _target, _headers, _body: page(body, status)


class Site:
    """A site that knows its users, as an application does."""

    def __init__(self) -> None:
        self.served: Served
        self.replies: dict[str, Reply] = {}

    def __call__(self, line: socket.socket) -> None:
        asked = self.served.asked[-1]
        head, _, body = asked.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (row.partition(": ") for row in rest)}
        target = first.split(" ")[1]
        reply = self.replies.get(urlsplit(target).path, saying("404 Not Found"))
        line.sendall(reply(target, headers, body))


def asked_of(site: Site, settings: str, act: Callable[[One], None]) -> None:
    with answering(site) as site.served, one("http", f"url: {site.served.url}/\n{settings}") as target:
        act(target)


def login(target: str, headers: dict[str, str], body: bytes) -> bytes:
    if json.loads(body) != {"user": "probe", "password": "word-of-chains"}:
        return page(b"", "401 Unauthorized")
    return page(json.dumps({"access": {"token": TOKEN}}).encode())


def profile(target: str, headers: dict[str, str], body: bytes) -> bytes:
    known = headers.get("authorization") == f"Bearer {TOKEN}"
    return page(b'{"user": "probe"}') if known else page(b"", "401 Unauthorized")


def test_a_login_with_a_token() -> None:
    site = Site()
    site.replies = {"/api/login": login, "/api/me": profile}

    def act(target: One) -> None:
        page_of = target.page()
        assert target.target.view().reason == ""
        steps = [
            float(page_of[f'runbook_http_step_duration_seconds{{step="{step}"}}']) for step in ("log in", "profile")
        ]
        assert all(seconds > 0 for seconds in steps)
        assert sum(steps) <= float(page_of["probe_duration_seconds"])
        phases = sum(float(value) for name, value in page_of.items() if name.startswith("probe_http_duration"))
        assert phases <= sum(steps)

    asked_of(site, LOGIN, act)


def test_the_step_that_failed_is_named_and_no_value_is_seen(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    site.replies = {"/api/login": login, "/api/me": saying("403 Forbidden")}

    def act(target: One) -> None:
        with caplog.at_level(logging.DEBUG):
            text = target.text()
            snapshot = target.target.view()
        assert snapshot.reason == "step profile: the answer has the status 403"
        assert "eyJ" not in text + snapshot.reason + snapshot.fix + caplog.text

    asked_of(site, LOGIN, act)
    site.replies["/api/login"] = saying("200 OK", b"{}")

    def lacking(target: One) -> None:
        page_of = target.page()
        assert target.target.view().reason == "step log in: the answer has no value for token"
        assert 'runbook_http_step_duration_seconds{step="log in"}' in page_of
        assert 'runbook_http_step_duration_seconds{step="profile"}' not in page_of  # it was not begun
        assert len(site.served.asked) == 1

    asked_of(site, LOGIN, lacking)


def test_a_carried_value_that_would_stand_in_a_reason_is_masked() -> None:
    steps = "steps: [{name: a, carry: {host: {body: '.+'}}}, {name: b, url: 'http://{{host}}.invalid/'}]"
    with answering(page(b"hidden-word-of-chains")) as served, one("http", f"url: {served.url}\n{steps}") as target:
        reason = target.read().reason
    assert reason.startswith("step b: the host of http://<secret>.invalid is not known")


def test_a_carried_value_is_masked_as_it_is_written_and_once(caplog: pytest.LogCaptureFixture) -> None:
    steps = "steps: [{name: a, carry: {host: {json: h}, few: {json: f}}}, {name: b, url: 'http://{{host}}.invalid/'}]"
    answer = page(b'{"h": "Hidden \\"word\\" of chains", "f": "h"}')
    caplog.set_level(logging.DEBUG)
    with answering(answer) as served, one("http", f"url: {served.url}\n{steps}") as target:
        reason = target.read().reason
    assert reason.startswith("step b: the host of http://<secret>.invalid is not known")
    assert "word" not in caplog.text.lower()
    long = [f"{letter}ecret" for letter in "abcdefghijklmnopqrst"]
    assert masked("400 <secret>, secret of 1", [*long, "secret", "400", "1"]) == "400 <secret>, <secret> of 1"


def test_a_value_leads_out_of_no_folder_and_begins_no_header() -> None:
    steps = "steps: [{name: a, url: /a/b/c, carry: {v: {json: v}}}, {name: b, %s}]"
    for value, use, said in (
        ("..", "url: '/users/{{v}}/orders', method: DELETE", "the value of v would lead to another folder"),
        (".", "url: 'users/{{v}}'", "the value of v would lead to another folder"),
        (".", "url: '/users/.{{v}};all/orders?q={{v}}'", "the value of v would lead to another folder"),
        ("word\n X-Admin: 1", "headers: {X-Token: '{{v}}'}", "the value of v holds what a header cannot"),
        ("..", "url: '/users/a{{v}}?q=/{{v}}/'", ""),
    ):
        with answering(page(json.dumps({"v": value}).encode())) as served:
            with one("http", f"url: {served.url}\n{steps % use}") as target:
                assert target.read().reason == (f"step b: {said}" if said else "")
            assert len(served.asked) == 1 + (not said)


def test_a_form_with_a_hidden_field_a_cookie_and_a_header() -> None:
    def form(target: str, headers: dict[str, str], body: bytes) -> bytes:
        field = b'<input type="hidden" name="csrf" value="a+b/c&d=">'
        return page(field, Set_Cookie="sid=s1; Path=/; HttpOnly", X_Trace="trace 1")

    def take(target: str, headers: dict[str, str], body: bytes) -> bytes:
        given = parse_qs(body.decode())
        good = given == {"csrf": ["a+b/c&d="], "user": ["probe"]} and headers.get("cookie") == "sid=s1"
        cookie = "sid=s2; Path=/"
        return page(b"", "302 Found", Location="/home", Set_Cookie=cookie) if good else page(b"", "403 Forbidden")

    def home(target: str, headers: dict[str, str], body: bytes) -> bytes:
        return page(b"Welcome" if headers.get("cookie") == "sid=s2" else b"Log in")

    def last(target: str, headers: dict[str, str], body: bytes) -> bytes:
        good = target == "/last?trace=trace%201&sid=s2" and headers.get("x-trace") == "trace 1"
        return page(b"", "204 No Content" if good else "400 Bad Request")

    site = Site()
    site.replies = {"/login": form, "/session": take, "/home": home, "/last": last}
    steps = """
steps:
- name: form
  url: /login
  carry: {csrf: {body: 'name="csrf" value="([^"]+)"'}, trace: {header: x-trace}}
- name: session
  url: /session
  method: POST
  body: csrf={{csrf}}&user=probe
  expect: {body: [Welcome]}
  carry: {sid: {cookie: sid}}
- name: last
  url: /last?trace={{ trace }}&sid={{sid}}
  headers: {X-Trace: "{{trace}}"}
  expect: {statuses: [204]}
"""

    def act(target: One) -> None:
        page_of = target.page()
        assert (target.target.view().reason, page_of["probe_success"]) == ("", "1")
        assert page_of["probe_http_redirects"] == "1"

    asked_of(site, steps, act)


def test_what_is_carried_cannot_break_out_of_where_it_is_put() -> None:
    evil = json.dumps({"v": 'x"}\r\nX-Evil: 1\r\n\r\n&b=2 ../é\ud800'}).encode()
    steps = "steps: [{name: a, carry: {v: {json: v}}}, {name: b, %s}]"
    for use, well in (
        ("url: '/there?q={{v}}'", True),
        ('method: POST, body: \'{"a": "{{v}}"}\'', True),
        ("method: POST, body: 'a={{v}}'", True),
        ("headers: {X-Value: '{{v}}'}", False),
    ):
        with answering(page(evil)) as served, one("http", f"url: {served.url}\n{steps % use}") as target:
            page_of = target.page()
            assert page_of["probe_success"] == str(int(well)), use
            assert len([asked for asked in served.asked if asked.strip()]) == 1 + well
            if well:
                head, _, body = served.asked[1].partition(b"\r\n\r\n")
                assert b"\r\nX-Evil" not in head
                assert b"\r\n" not in body
            else:
                assert target.target.view().reason == "step b: the value of v holds what a header cannot"


def test_a_limit_of_requests_must_refuse_one_of_them() -> None:
    refused = page(b"", "429 Too Many Requests")
    step = "steps: [{name: too often, attempts: 5, expect: {statuses: [429]}}]"
    for well, asked, answers in ((True, 4, [page(b"")] * 3 + [refused]), (False, 5, [page(b"")] * 5)):
        with answering(lambda line, left=answers: line.sendall(left.pop(0))) as served:  # type: ignore[misc]
            with one("http", f"url: {served.url}\n{step}") as target:
                assert target.page()["probe_success"] == str(int(well))
                assert target.target.view().reason == ("" if well else "step too often: the answer has the status 200")
            assert len(served.asked) == asked


def test_a_chain_whose_end_does_not_answer_has_no_status_and_waits_for_its_interval() -> None:
    answers = [page(b""), page(b"", "403 Forbidden"), b""]
    steps = "steps: [{name: a}, {name: b, attempts: 3, expect: {statuses: [429]}}]"
    with answering(lambda line: line.sendall(answers.pop(0))) as served:
        with one("http", f"url: {served.url}\n{steps}") as target:
            page_of = target.page()
            assert target.target.collector.patient
        assert (page_of["probe_success"], page_of["probe_http_status_code"], answers) == ("0", "0", [])
        with one("http", f"url: {served.url}") as target:
            assert not target.target.collector.patient


def test_steps_elsewhere_get_nothing_of_the_target_s() -> None:
    with answering(page(b"")) as other, answering(page(b"")) as served:
        steps = f"steps: [{{name: a}}, {{name: b, url: {other.url}/x, headers: {{X-Mine: yes}}}}]"
        with one("http", f"url: {served.url}\nbearer_token: a-token-of-chains\n{steps}") as target:
            assert target.page()["probe_success"] == "1"
    assert served.header("Authorization") == "Bearer a-token-of-chains"
    assert (other.header("Authorization"), other.header("X-Mine")) == (None, "yes")


def test_a_report_at_the_end_of_a_chain() -> None:
    site = Site()
    site.replies = {"/api/login": login, "/api/me": saying("200 OK", b'{"user": "probe", "status": "up"}')}

    def act(target: One) -> None:
        assert target.page()['runbook_health_report_status{status="healthy"}'] == "1"

    asked_of(site, f"report: {{}}\n{LOGIN}", act)


@pytest.mark.parametrize(
    ("host", "set_cookie", "asked", "sent"),
    [
        ("http://a.example/x/y", "k=v", "http://a.example/x/z", "k=v"),
        ("http://a.example/x/y", "k=v", "http://a.example/z", ""),
        ("http://a.example/x/y", "k=v; Path=/", "http://a.example/z", "k=v"),
        ("http://a.example/", "k=v; path=/ab", "http://a.example/abc", ""),
        ("http://a.example/", "k=v; Secure", "http://a.example/", ""),
        ("http://a.example/", "k=v; Secure", "https://a.example/", "k=v"),
        ("http://a.example/", "k=v", "http://b.a.example/", ""),
        ("http://b.a.example/", "k=v; Domain=.a.example", "http://c.a.example/", "k=v"),
        ("http://a.example/", "k=v; Domain=b.example", "http://b.example/", ""),
        ("http://a.example/", "k=v; Domain=example", "http://b.example/", ""),
        ("http://a.example/", "k=v; Max-Age=0", "http://a.example/", ""),
        ("http://a.example/", "k=v; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "http://a.example/", ""),
        ("http://a.example/", "k=v; Expires=Wed, 21 Oct 2015 07:28:00 GMT", "http://a.example/", ""),
        ("http://a.example/", "k=v; Expires=Wed, 21 Oct 2099 07:28:00 GMT", "http://a.example/", "k=v"),
        ("http://a.example/", "k=v; Expires=later; Max-Age=60", "http://a.example/", "k=v"),
        ("http://a.example/", "k=v; Max-Age=00300", "http://a.example/", "k=v"),
        ("http://a.example/", "k=v; Max-Age=000", "http://a.example/", ""),
        ("http://a.example/", "k=v; Max-Age=0x", "http://a.example/", "k=v"),
        ("http://a.example/", 'k=v; Max-Age=""; Expires=Thu, 01 Jan 1970 00:00:00 GMT', "http://a.example/", ""),
        ("http://10.0.0.1/", "k=v; Domain=0.0.1", "http://192.0.0.1/", ""),
        ("http://10.0.0.1/", "k=v; Domain=10.0.0.1", "http://10.0.0.1/", "k=v"),
        ("http://[::1]/", "k=v; Domain=::1", "http://[::1]/", "k=v"),
        ("http://shop.co.uk/", "k=v; Domain=co.uk", "http://evil.co.uk/", ""),
        ("http://shop.co.uk/", "k=v; Domain=co.uk", "http://shop.co.uk/", "k=v"),
        ("http://a.shop.co.uk/", "k=v; Domain=shop.co.uk", "http://b.shop.co.uk/", "k=v"),
        ("http://shop.github.io/", "k=v; Domain=github.io", "http://evil.github.io/", ""),
        ("http://a.example/", "k=v\r\n X-Admin: 1", "http://a.example/", ""),
        ("http://a.example/", "=v", "http://a.example/", ""),
        ("http://a.example/", "novalue", "http://a.example/", ""),
        ("http://a.example/", f"k={'v' * 9000}", "http://a.example/", ""),
    ],
)  # fmt: skip
def test_cookies_go_where_they_belong(host: str, set_cookie: str, asked: str, sent: str) -> None:
    cookies = Cookies()
    cookies.take(urlsplit(host), [set_cookie])
    assert cookies.header(urlsplit(asked)) == sent


def test_a_cookie_is_replaced_forgotten_and_there_are_not_too_many() -> None:
    cookies, url = Cookies(), urlsplit("http://a.example/")
    cookies.take(url, ["k=1", "k=2", "other=3"])
    assert (cookies.header(url), cookies.value("k"), cookies.value("none")) == ("k=2; other=3", "2", None)
    cookies.take(url, ["k=; Max-Age=-1"])
    assert cookies.header(url) == "other=3"
    cookies.take(url, [f"k{number}=1" for number in range(1000)])
    assert cookies.header(url).count("=") == 100


def test_many_rounds_leave_nothing() -> None:
    site = Site()
    site.replies = {"/api/login": login, "/api/me": profile}
    asked_of(site, LOGIN, lambda target: leaves_nothing(target, 150))
