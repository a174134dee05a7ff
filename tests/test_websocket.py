"""Plain WebSockets: the handshake, what is sent and expected, pings, the end, and servers that misbehave in each."""

import gc
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import trustme

from exporter.exposition import render
from tests.answering import answering
from tests.badsockets import BINARY, CLOSE, PING, PONG, TEXT, Bad, Said, bad, failed, frame, hang_up, phases, trickle
from tests.onetarget import One, one
from tests.process import free_port
from tests.soak import leaves_nothing
from tests.socketservers import serving
from tests.support import until
from tests.swallowing import names, swallowing

ECHO = {"hello": "hello back"}


def visited(said: Mapping[str, Said], settings: str = "") -> tuple[dict[str, str], str, Bad]:
    """Return the page of a target that is answered so, and why it is down, with the remedy."""
    with bad(said) as served, one("websocket", f"url: {served.url}\n{settings}") as target:
        page = target.page()
        snapshot = target.target.view()
        return page, f"{snapshot.reason} {snapshot.fix}".strip(), served


def test_a_good_one() -> None:
    page, reason, served = visited({})
    assert (page["probe_success"], page['runbook_target_up{collector="websocket"}'], reason) == ("1", "1", "")
    assert phases(page) == dict.fromkeys(("resolve", "connect", "handshake", "ping", "close"), "1")
    spent = [
        float(page[f'runbook_websocket_duration_seconds{{phase="{name}"}}'])
        for name in ("resolve", "connect", "handshake", "ping", "close")
    ]
    assert 0 < sum(spent) <= float(page["probe_duration_seconds"])
    assert page["runbook_websocket_status_code"] == "101"
    assert page['runbook_websocket_protocol_info{protocol="websocket"}'] == "1"
    assert page["probe_ip_protocol"] == "4"
    assert not [name for name in page if "ssl" in name or "regex" in name or "ping_interval" in name]
    assert (served.opened, served.heard) == (1, [])  # nothing is said that was not asked for


def test_golden(golden: Callable[[str, str], None]) -> None:
    settings = "socketio: {event: {name: status, expect: ok}}"
    with bad() as served, one("websocket", f"url: {served.url}\n{settings}") as target:
        lines = render(sample for outcome in target.read().outcomes for sample in outcome.samples).splitlines()
    golden("websocket.prom", "".join(f"{line if line[0] == '#' else still(line)}\n" for line in lines))


def still(line: str) -> str:
    """Return a line with `~` for what is another each time."""
    return f"{line.rpartition(' ')[0]} ~" if "duration_seconds" in line or "lookup" in line else line


# ---- the handshake


def test_the_handshake_says_what_it_was_told() -> None:
    settings = (
        "origin: https://shop.example.com\nheaders: {Cookie: a=cookie-of-sockets, X-API-Key: key-of-sockets}\n"
        "bearer_token: token-of-sockets\nsubprotocols: [chat.v2, chat.v1]"
    )
    url = "url: 'ws://127.0.0.1:{}/rooms/é?room=a-of-sockets'\n"
    with (
        bad({"ws": "Sec-WebSocket-Protocol: chat.v1"}) as served,
        one("websocket", url.format(served.port) + settings) as target,
    ):
        assert target.page()["probe_success"] == "1"
    rows = served.heads[0].decode("latin-1").split("\r\n")
    assert rows[0] == "GET /rooms/%C3%A9?room=a-of-sockets HTTP/1.1"
    assert {
        f"Host: 127.0.0.1:{served.port}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Origin: https://shop.example.com", "Cookie: a=cookie-of-sockets", "X-Api-Key: key-of-sockets",
        "Authorization: Bearer token-of-sockets", "Sec-WebSocket-Protocol: chat.v2, chat.v1",
    } <= set(rows)  # fmt: skip


def test_a_user_in_the_address() -> None:
    with bad() as served, one("websocket", f"url: ws://monitor:word%2Dof@127.0.0.1:{served.port}") as target:
        assert target.page()["probe_success"] == "1"
    assert b"Authorization: Basic bW9uaXRvcjp3b3JkLW9m" in served.heads[0].split(b"\r\n")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("400 Bad Request", "passes the headers Upgrade and Connection on"),
        ("401 Unauthorized", "give what it asks for with `headers`"),
        ("403 Forbidden", "servers refuse origins that they do not know"),
        ("404 Not Found", "correct the path of the address"),
        ("301 Moved", "give the address that it redirects to"),
        ("426 Upgrade Required", "passes the headers Upgrade and Connection on"),
        ("502 Bad Gateway", "see whether the application behind it runs"),
        ("200 OK", "a page, and no WebSocket"),
    ],
)
def test_refused(status: str, said: str) -> None:
    # the body never comes whole: the status is enough
    page, reason, _ = visited({"ws": f"HTTP/1.1 {status}\r\nContent-Length: 99\r\n\r\nsecret".encode()}, "timeout: 5s")
    assert failed(page) == ["handshake"]
    assert page["runbook_websocket_status_code"] == status[:3]
    assert f"handshake: the answer has the status {status[:3]}" in reason
    assert said in reason
    assert "secret" not in reason
    assert float(page["probe_duration_seconds"]) < 2


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("accept=d3Jvbmc=", "the handshake's answer is no good: Sec-WebSocket-Accept"),
        ("Sec-WebSocket-Extensions: permessage-deflate", "the handshake's answer is no good: Sec-WebSocket-Extensions"),
        ("Sec-WebSocket-Protocol: other", "the handshake's answer is no good: Sec-WebSocket-Protocol"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", "the handshake's answer is no good: Connection"),
        (b"HTTP/1.1 101 Switching\r\nno header\r\n\r\n", "the handshake's answer is no good: its form"),
        (b"220 mail.example ESMTP\r\n", "what came is no answer of HTTP"),
        (b"HTTP/1.1 " + b"x" * 70_000, "what came is no answer of HTTP"),
        (b"", "has not answered in full"),
    ],
    ids=["accept", "extension", "subprotocol", "connection", "header", "smtp", "long", "nothing"],
)
def test_answers_that_are_no_good(said: str | bytes, reason: str) -> None:
    page, told, _ = visited({"ws": said}, "timeout: 2s")
    assert failed(page) == ["handshake"]
    assert told.startswith("handshake: ")
    assert reason in told


def test_the_line_is_closed_before_an_answer() -> None:
    with answering(b"HTTP/1.1 101 Swi") as served, one("websocket", f"url: {served.url}") as target:
        assert failed(target.page()) == ["handshake"]
        assert "the line was closed before the handshake was answered" in target.target.view().reason


def test_a_server_that_takes_no_subprotocol() -> None:
    page, reason, _ = visited({}, "subprotocols: [a]")
    assert failed(page) == ["handshake"]
    assert "handshake: the server takes none of the subprotocols" in reason


def test_headers_of_the_answer() -> None:
    page, reason, _ = visited({"ws": "Server: shop/1"}, "expect_headers: {Server: '^shop'}")
    assert (page["probe_success"], page["probe_failed_due_to_regex"], reason) == ("1", "0", "")
    page, reason, _ = visited({"ws": "Server: other/1"}, "expect_headers: {Server: '^shop'}")
    assert (page["probe_failed_due_to_regex"], failed(page)) == ("1", ["handshake"])
    assert "the header Server is not as expected" in reason
    page, reason, _ = visited({}, "expect_headers: {Server: '^shop'}")
    assert "the header Server is missing" in reason


# ---- what is said


def test_messages_that_are_expected() -> None:
    settings = """
steps:
  - {send: '{"token": "{{token}}"}', json: [{path: type, equals: welcome}]}
  - {send_hex: "00 ff", expect: '^two\\b'}
  - {expect: last}
values: {token: 'a "token" of sockets'}
"""
    many = frame(TEXT, b"[]") + frame(TEXT, b"no JSON") + frame(TEXT, b'{"type": "wel', end=False)
    said = {"{": many + frame(PING, b"?") + frame(0, b'come"}'), "00ff": frame(BINARY, b"two") + frame(TEXT, b"last")}
    page, reason, served = visited(said, settings)
    assert (page["probe_success"], page["probe_failed_due_to_regex"], reason) == ("1", "0", "")
    assert phases(page)["message"] == "1"
    assert served.heard == ['{"token": "a \\"token\\" of sockets"}', "00ff"]


@pytest.mark.parametrize(
    ("step", "said", "reason"),
    [
        ("expect: there", "other", "steps[0]: the message that is expected did not come in time; 1"),
        ("expect: there", None, "the message that is expected did not come in time, nor any other"),
        ("json: [{path: a, equals: b}]", '{"a": "c"}', "did not come in time; 1 others came"),
        ("expect: x", frame(TEXT, b"\xff"), "a message of text is not UTF-8"),
        ("expect: x", frame(TEXT, b"x", mask=True), "is no WebSocket frame (incorrect masking)"),
        ("expect: x", frame(TEXT, b"x", reserved=0x40), "is no WebSocket frame (reserved bits must be 0)"),
        ("expect: x", frame(0, b"x"), "is no WebSocket frame (unexpected continuation frame)"),
        ("expect: x", frame(3, b"x"), "is no WebSocket frame (invalid opcode)"),
        ("expect: x", frame(TEXT, b"y" * 2000)[:20], "a message is larger than `max_bytes`"),
        ("expect: x", frame(TEXT, b"y" * 900) * 2, "more came than `max_bytes`"),
        ("expect: x", b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "a message is larger than `max_bytes`"),
        ("expect: x", frame(CLOSE, b"\x03\xf0go away"), "the server ended it with the code 1008"),
        ("expect: x", frame(CLOSE), "the server ended it with the code 1005"),
        ("expect: x", hang_up, "the line was closed in the middle"),
    ],
    ids=[
        "other", "nothing", "json", "utf-8", "masked", "reserved", "continued", "opcode", "large", "much", "endless",
        "closed", "closed without a code", "hung up",
    ],
)  # fmt: skip
def test_messages_that_are_no_good(step: str, said: Said, reason: str) -> None:
    page, told, _ = visited({"hello": said}, f"steps: [{{send: hello, {step}}}]\nmax_bytes: 1000\ntimeout: 2s")
    assert failed(page) == ["message"]
    assert told.startswith("message: ")
    assert reason in told
    assert "go away" not in told
    assert float(page["probe_duration_seconds"]) < 2


def test_frames_without_end() -> None:
    _, told, _ = visited({"hello": frame(PING) * 20_000}, "steps: [{send: hello, expect: x}]\ntimeout: 5s")
    assert "more than 5,000 frames came" in told


def test_messages_of_another_shape_are_passed_over() -> None:
    said = {"hello": frame(TEXT, b'{"a": 1}') + frame(TEXT, b"7") + frame(TEXT, b'{"a": [1, 2]}')}
    page, _, _ = visited(said, "steps: [{send: hello, json: [{path: length(a), equals: '2'}]}]")
    assert page["probe_success"] == "1"


def test_a_pattern_that_is_missed_is_told_apart() -> None:
    settings = "steps: [{send: hello, expect: there}]\ntimeout: 1s"
    assert visited({"hello": "other"}, settings)[0]["probe_failed_due_to_regex"] == "1"
    assert visited({"hello": None}, settings)[0]["probe_failed_due_to_regex"] == "0"


# ---- pings, and the end


def test_a_ping_without_a_pong() -> None:
    page, told, _ = visited({"ping": frame(PONG, b"another") + frame(TEXT, b"x")}, "timeout: 1s")
    assert failed(page) == ["ping"]
    assert told.startswith("ping: ws://127.0.0.1:")
    assert visited({"ping": None}, "ping: false")[0]["probe_success"] == "1"


@pytest.mark.parametrize("said", [None, hang_up, frame(TEXT, b"one more")], ids=["silent", "hung up", "talks on"])
def test_an_end_that_is_not_agreed_fails_nothing_else(said: Said) -> None:
    page, reason, _ = visited({"close": said})
    assert (page["probe_success"], phases(page)["close"], reason) == ("1", "0", "")
    assert float(page["probe_duration_seconds"]) < 2


def test_what_fails_is_ended_as_well() -> None:
    heard: list[bytes] = []

    def listen(line: object) -> None:
        heard.append(line.recv(100))  # type: ignore[attr-defined]
        heard.append(line.recv(100))  # type: ignore[attr-defined]

    visited({"hello": listen}, "steps: [{send: hello, expect: x}]\ntimeout: 1s\nping: false")
    until(lambda: len(heard) == 2)
    assert heard[0][0] == 0x80 | CLOSE
    assert heard[1] == b""


# ---- the way there


def test_ipv6() -> None:
    with bad(host="::1") as served, one("websocket", f"url: ws://[::1]:{served.port}\nip_family: ipv6") as target:
        assert target.page()["probe_ip_protocol"] == "6"
        assert f"\r\nHost: [::1]:{served.port}".encode() in served.heads[0]
    with one("websocket", "url: ws://127.0.0.1:1\nip_family: ipv6") as target:
        assert failed(target.page()) == ["resolve"]


def test_nobody_listens() -> None:
    with one("websocket", f"url: ws://127.0.0.1:{free_port()}") as target:
        page = target.page()
        assert "connect: ws://127.0.0.1:" in target.target.view().reason
    assert phases(page) == {"resolve": "1", "connect": "0"}
    assert page["probe_success"] == "0"
    assert "runbook_websocket_status_code" not in page


def test_a_host_that_is_not_known() -> None:
    with one("websocket", "url: ws://nobody.invalid/") as target:
        page = target.page()
        assert target.target.view().reason.startswith("resolve: the host of ws://nobody.invalid is not known")
    assert phases(page) == {"resolve": "0"}


def test_a_name_service_and_a_place_that_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    with swallowing() as port, names(monkeypatch, {"hangs.example": []}):
        place = f"ws://127.0.0.1:{port}"
        for url, reason in (
            (place, f"connect: {place} has not answered"),
            ("ws://hangs.example", "resolve: the name service has not answered in time"),
        ):
            with one("websocket", f"url: {url}\ntimeout: 1s") as target:
                page = target.page()
                assert target.target.view().reason.startswith(reason)
            assert failed(page) == [reason.partition(":")[0]]
            assert float(page["probe_duration_seconds"]) < 1


@pytest.mark.parametrize("point", ["ws", "hello", "ping"])
def test_it_hangs(point: str) -> None:
    page, _, _ = visited({**ECHO, point: None}, "steps: [{send: hello, expect: back}]\ntimeout: 1s")
    assert failed(page) == [{"ws": "handshake", "hello": "message", "ping": "ping"}[point]]
    assert 0.5 < float(page["probe_duration_seconds"]) < 1


def test_what_trickles_gains_nothing() -> None:
    stop = threading.Event()
    endless = frame(TEXT, b"y" * 3000)
    page, _, _ = visited({"hello": trickle(stop, endless)}, "steps: [{send: hello, expect: x}]\ntimeout: 1s")
    stop.set()
    assert failed(page) == ["message"]
    assert float(page["probe_duration_seconds"]) < 1


def test_given_up_by_the_watchdog() -> None:
    with bad({"ws": None}) as served, one("websocket", f"url: {served.url}\ninterval: 1m\ntimeout: 30s") as target:
        round = target.target.run_now()
        until(lambda: served.heads)
        begun = time.monotonic()
        target.target.close(10)
        until(round.done.done)
        assert time.monotonic() - begun < 5
    until(lambda: served.lines == 0)


# ---- TLS


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with bad({}, context_of(ca.issue_cert("127.0.0.1"))) as served:
        url = f"url: wss://127.0.0.1:{served.port}"
        with one("websocket", f"{url}\nca_file: {tmp_path}/ca.pem") as target:
            page = target.page()
            assert target.target.view().reason == ""
        assert phases(page) == dict.fromkeys(("resolve", "connect", "tls", "handshake", "ping", "close"), "1")
        assert page["runbook_probe_tls_verified"] == "1"
        assert float(page['runbook_websocket_duration_seconds{phase="tls"}']) > 0
        with monkeypatch.context() as patch, one("websocket", f"{url}\nca_file: {tmp_path}/ca.pem") as target:
            patch.setitem(sys.modules, "cryptography", None)
            page, said = target.page(), target.target.view().outcomes[0].reason
        assert (page["probe_success"], "they need the library cryptography" in said) == ("1", True)
        served.heads.clear()
        with one("websocket", f"url: wss://127.0.0.1:{served.port}\nbearer_token: token-of-sockets") as target:
            page = target.page()
            assert "is not trusted" in target.target.view().reason
            assert target.target.view().reason.startswith("tls: ")
        assert failed(page) == ["tls"]
        assert page["runbook_probe_tls_verified"] == page["probe_success"] == "0"
        assert "probe_ssl_earliest_cert_expiry" in page
        assert served.heads == []  # nothing is sent to whom is not trusted


@pytest.mark.parametrize("socketio", ["", "socketio: {}"], ids=["plain", "socket.io"])
def test_a_client_certificate(tmp_path: Path, socketio: str) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    own = ca.issue_cert("probe@example.com")
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "own.pem"))
    own.private_key_pem.write_to_path(str(tmp_path / "own.key"))
    context = context_of(ca.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    shown = f"client_cert: {tmp_path}/own.pem\nclient_key: {tmp_path}/own.key"
    with bad({}, context) as served:
        url = f"url: wss://127.0.0.1:{served.port}\nca_file: {tmp_path}/ca.pem\n{socketio}\n"
        with one("websocket", f"{url}{shown}") as target:
            assert target.page()["probe_success"] == "1"
        with one("websocket", url) as target:
            page = target.page()
            assert failed(page) in (["handshake"], ["tls"])
            assert page["probe_success"] == "0"


def test_no_tls_where_it_is_asked_for() -> None:
    with bad({}) as served, one("websocket", f"url: wss://127.0.0.1:{served.port}\ntimeout: 3s") as target:
        page = target.page()
        assert failed(page) == ["tls"]


# ---- the library, a real server, and many rounds


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.client", None)
    page, reason, served = visited({})
    assert reason == "WebSockets need the library websockets install it with: pip install 'runbook-exporter[probe]'"
    assert (phases(page), served.opened) == ({}, 0)
    assert "probe_success" not in page  # nothing is said of the server
    page, _, _ = visited({}, "socketio: {transport: polling}")
    assert page["probe_success"] == "1"


def test_a_real_server() -> None:
    settings = """
subprotocols: [v2, v1]
steps:
  - {json: [{path: type, equals: welcome}]}
  - {send: '{"a": 1}', json: [{path: a, equals: "1"}]}
  - {send_hex: "6869", expect: ^hi$}
"""
    with serving("asgi") as server:
        with one("websocket", f"url: ws://127.0.0.1:{server.port}/echo\n{settings}") as target:
            page = target.page()
            assert target.target.view().reason == ""
            assert page["probe_success"] == "1"
            assert set(phases(page).values()) == {"1"}
        with one("websocket", f"url: ws://127.0.0.1:{server.port}/echo\nsteps: [{{expect: never}}]\ntimeout: 1s") as it:
            assert failed(it.page()) == ["message"]


@pytest.mark.parametrize("rounds", [40, pytest.param(500, marks=pytest.mark.long)])
def test_many_rounds_leave_nothing(rounds: int) -> None:
    steps = "steps: [{send: hello, expect: back}]"
    with bad(ECHO) as served, one("websocket", f"url: {served.url}\n{steps}") as target:
        assert target.page()["probe_success"] == "1"
        _quiet(target, served, rounds)
    with bad({"ws": b"HTTP/1.1 403 Forbidden\r\n\r\n"}) as served, one("websocket", f"url: {served.url}") as target:
        assert target.page()["probe_success"] == "0"
        _quiet(target, served, rounds)


def _quiet(target: One, served: Bad, rounds: int) -> None:
    until(lambda: served.lines == 0)
    gc.collect()
    leaves_nothing(target, rounds, warm=20)
