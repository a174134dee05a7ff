"""Servers of Socket.IO that misbehave in each phase: refusing, silent, wrong, closing, slow, or of another version."""

import gc
import threading
import time
from collections.abc import Mapping

import pytest

from tests.answering import page as answer
from tests.badsockets import CLOSE, OPEN, TEXT, Bad, Said, bad, failed, frame, hang_up, phases, trickle
from tests.onetarget import one
from tests.soak import leaves_nothing
from tests.support import until

EVENT = "event: {name: status, arguments: '[1, \"{{word}}\"]', json: [{path: '[0].status', equals: ok}]}"
OLD = answer(b'97:0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000}2:40')
OLDEST = answer(b'\x00\x09\x07\xff0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000}')
CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + b"x" * 30_000
UNKNOWN = answer(b'{"code":1,"message":"Session ID unknown"}', "400 Bad Request")


def visited(said: Mapping[str, Said], told: str = EVENT, seconds: float = 5) -> tuple[dict[str, str], str, Bad]:
    """Return the page of a target that is answered so, and why it is down, with the remedy."""
    rest = f"socketio: {{{told}}}\nvalues: {{word: word-of-phases}}\ntimeout: {seconds}s\nmax_bytes: 20000"
    with bad(said) as served, one("websocket", f"url: {served.url}\n{rest}") as target:
        page = target.page()
        snapshot = target.target.view()
        until(lambda: served.lines == 0)
        return page, f"{snapshot.reason} {snapshot.fix}".strip(), served


@pytest.mark.parametrize("transport", ["upgrade", "polling", "websocket"])
def test_a_good_one_and_all_that_is_sent(transport: str) -> None:
    page, reason, served = visited({}, f"transport: {transport}, {EVENT}")
    assert (page["probe_success"], reason) == ("1", "")
    probe = ["2probe", "5"] if transport == "upgrade" else []
    last = ["41", "1"] if transport == "polling" else ["41"]
    assert served.heard == [*probe, "40", '421["status",1,"word-of-phases"]', *last]
    assert served.opened == (2 if transport == "upgrade" else 1)  # polling keeps its line
    assert phases(page)["close"] == "1"


def test_without_an_event_none_is_sent() -> None:
    page, _, served = visited({}, "namespace: /shop, auth: {token: token-of-phases}", 1.5)
    assert failed(page) == ["namespace"]  # a name of its own, which the server does not answer
    assert served.heard == ["2probe", "5", '40/shop,{"token": "token-of-phases"}', "41/shop,"][: len(served.heard)]
    page, _, served = visited({'40/shop,{"token"': '40/shop,{"sid":"x"}'}, "namespace: /shop, auth: {token: a-token}")
    assert page["probe_success"] == "1"
    assert served.heard == ["2probe", "5", '40/shop,{"token": "a-token"}', "41/shop,"]


def test_cookies_of_a_load_balancer_are_sent_on() -> None:
    sticky = answer(OPEN.encode(), Set_Cookie="route=a-cookie-of-phases; Path=/socket.io; HttpOnly")
    page, _, served = visited({"open": sticky}, "")
    assert page["probe_success"] == "1"
    assert b"\r\nCookie: route=a-cookie-of-phases" not in served.heads[0]
    assert all(b"\r\nCookie: route=a-cookie-of-phases" in head for head in served.heads[1:])


# ---- refused, closed, silent, or slow, in each phase

Case = tuple[Mapping[str, Said], str]
"""What is said otherwise than by a good server, and the reason that is told for it."""

HANDSHAKE: dict[str, Case] = {
    "refused 400": ({"open": answer(b"", "400 Bad Request")}, "the answer has the status 400"),
    "refused 401": ({"open": answer(b"", "401 Unauthorized")}, "give what it asks for with `headers`"),
    "refused 403": ({"open": answer(b"secret", "403 Forbidden")}, "the answer has the status 403"),
    "refused 404": ({"open": answer(b"", "404 Not Found")}, "the answer has the status 404"),
    "refused 502": ({"open": answer(b"", "502 Bad Gateway")}, "see whether the application behind it runs"),
    "a page": ({"open": answer(b"<html>Welcome</html>")}, "was opened by something else"),
    "bad JSON": ({"open": '0{"sid":"a"'}, "what opens the session is not JSON"),
    "no object": ({"open": "0[1]"}, "what opens the session is no object"),
    "no name": ({"open": '0{"upgrades":[],"pingInterval":1,"pingTimeout":1}'}, "lacks its name"),
    "a long name": ({"open": OPEN.replace("name of", "n" * 999)}, "lacks its name"),
    "no times": ({"open": '0{"sid":"a","upgrades":[]}'}, "lacks the times of its pings"),
    "times of no kind": ({"open": OPEN.replace("25000", "-1")}, "lacks the times of its pings"),
    "Engine.IO 3": ({"open": OLD}, "the server speaks Engine.IO 3"),
    "Engine.IO 3, binary": ({"open": OLDEST}, "the server speaks Engine.IO 3"),
    "another version": (
        {"open": answer(b'{"code":5,"message":"Unsupported protocol version"}', "400 Bad Request")},
        "the server refuses the protocol's version",
    ),
    "invalid UTF-8": ({"open": answer(b"\xff0{}")}, "is not UTF-8"),
    "too much": ({"open": answer(b"0" * 30_000)}, "more came than `max_bytes`"),
    "no HTTP": ({"open": b"220 mail.example ESMTP\r\n\r\n"}, "gave no whole HTTP answer"),
    "cut": ({"open": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n0{"}, "gave no whole HTTP answer"),
    "a chunk below 0": ({"open": CHUNK}, "gave no whole HTTP answer"),
    "hung up": ({"open": hang_up}, "the line was closed before a request was answered"),
    "silent": ({"open": None}, "has not answered in full"),
}  # fmt: skip
UPGRADE: dict[str, Case] = {
    "refused 400": ({"ws": answer(b"", "400 Bad Request")}, "passes the headers Upgrade and Connection on"),
    "refused 502": ({"ws": answer(b"", "502 Bad Gateway")}, "the answer has the status 502"),
    "another process": ({"ws": UNKNOWN}, "the server does not know its own session"),
    "never answered": ({"ws": None}, "has not answered in full"),
    "wrong accept": ({"ws": "accept=d3Jvbmc="}, "is no good: Sec-WebSocket-Accept"),
    "no probe": ({"2probe": None}, "has not answered in full"),
    "wrong probe": ({"2probe": "3other"}, "the probe of the upgrade was answered by a pong"),
    "closed": ({"2probe": frame(CLOSE, b"\x03\xe9")}, "the server ended it with the code 1001"),
    "hung up": ({"2probe": hang_up}, "the line was closed in the middle"),
    "masked": ({"2probe": frame(TEXT, b"3probe", mask=True)}, "is no WebSocket frame (incorrect masking)"),
    "invalid UTF-8": ({"2probe": frame(TEXT, b"\xff")}, "a message of text is not UTF-8"),
    "not offered": ({"open": OPEN.replace('"websocket"', "")}, "the server offers no upgrade to WebSocket"),
}
NAMESPACE: dict[str, Case] = {
    "refused": ({"40": '44{"message":"Not authorized"}'}, "the server refuses the namespace /"),
    "refused as text": ({"40": '44"secret"'}, "the server refuses the namespace /"),
    "silent": ({"40": None}, "has not answered in full"),
    "Socket.IO 2": ({"40": "40"}, "the server speaks Engine.IO 3"),
    "bad JSON": ({"40": "40{sid"}, "the answer is not JSON"),
    "no object": ({"40": "40[1]"}, "the answer is no object"),
    "closed": ({"40": frame(CLOSE)}, "the server ended it with the code 1005"),
    "closed session": ({"40": "1"}, "the server closed the session"),
    "disconnected": ({"40": "41"}, "the server disconnected the namespace"),
    "no packet": ({"40": "x"}, "what came is no packet that is expected, but something else"),
    "opened again": ({"40": OPEN}, "what came is no packet that is expected, but an open"),
    "no packet of Socket.IO": ({"40": "4x"}, "what came is no packet of Socket.IO"),
    "huge": ({"40": frame(TEXT, b"4" * 30_000)}, "a message is larger than `max_bytes`"),
}
ANSWER: dict[str, Case] = {
    "none": ({"421": None}, "the acknowledgement did not come in time"),
    "of another": ({"421": '432[{"status":"ok"}]'}, "the acknowledgement did not come in time"),
    "of another namespace": ({"421": '43/shop,1[{"status":"ok"}]'}, "the acknowledgement did not come in time"),
    "wrong": ({"421": '431[{"status":"secret"}]'}, "the acknowledgement is not what is expected"),
    "empty": ({"421": "431[]"}, "the acknowledgement is not what is expected"),
    "bad JSON": ({"421": "431[{]"}, "the acknowledgement is not JSON"),
    "no list": ({"421": '431{"status":"ok"}'}, "the acknowledgement holds no list"),
    "closed": ({"421": frame(CLOSE)}, "the server ended it with the code 1005"),
    "disconnected": ({"421": "41"}, "the server disconnected the namespace"),
    "hung up": ({"421": hang_up}, "the line was closed in the middle"),
}
BY_PHASE = {"handshake": HANDSHAKE, "upgrade": UPGRADE, "namespace": NAMESPACE, "event": ANSWER}
CASES = [(phase, case) for phase, cases in BY_PHASE.items() for case in cases]


def seconds_for(case: str) -> float:
    """Return a timeout: short where nothing comes, and long where all else would be told sooner."""
    return 2 if case in ("silent", "none", "never answered", "no probe", "of another", "of another namespace") else 5


@pytest.mark.parametrize(("phase", "case"), CASES, ids=[f"{phase}: {case}" for phase, case in CASES])
def test_it_fails_in_a_phase(phase: str, case: str) -> None:
    said, reason = BY_PHASE[phase][case]
    page, told, served = visited(said, seconds=seconds_for(case))
    assert failed(page) == [phase]
    assert page["probe_success"] == "0"
    assert told.startswith(f"{phase}: ")
    assert reason in told
    assert "secret" not in told
    assert float(page["probe_duration_seconds"]) < seconds_for(case)
    assert served.opened <= 3  # two, and one to take leave of what hangs


BY_POLLING = [
    (phase, case)
    for phase, case in CASES
    if phase in ("namespace", "event") and isinstance(next(iter(BY_PHASE[phase][case][0].values())), str)
]
BY_POLLING += [("namespace", "silent"), ("event", "none")]


@pytest.mark.parametrize(("phase", "case"), BY_POLLING, ids=[f"{phase}: {case}" for phase, case in BY_POLLING])
def test_it_fails_in_the_same_way_by_polling(phase: str, case: str) -> None:
    said, reason = BY_PHASE[phase][case]
    page, told, served = visited(said, f"transport: polling, {EVENT}", seconds_for(case))
    assert page["probe_success"] == "0"
    assert reason in told
    assert served.heard[-1] == "1" or case == "closed session"  # the session is ended all the same


def test_it_fails_while_the_line_is_polled() -> None:
    for point, phase in (("poll", "namespace"), ("post", "namespace")):
        for said, reason in (
            (UNKNOWN, "does not know its own session"),
            (hang_up, "the line was closed before a request"),
        ):
            page, told, _ = visited({point: said}, "transport: polling", seconds=1)
            assert (failed(page), reason in told) == ([phase], True), told


def test_what_trickles_gains_nothing() -> None:
    stop = threading.Event()
    slow = trickle(stop, answer(OPEN.encode()) + b"x" * 500, 0.05)
    page, _, _ = visited({"open": slow}, seconds=1)
    stop.set()
    assert failed(page) == ["handshake"]
    assert float(page["probe_duration_seconds"]) < 1


def test_a_last_word_that_is_not_answered_fails_nothing_else() -> None:
    begun = time.monotonic()
    page, reason, _ = visited({"41": None, "close": None}, "")
    assert (page["probe_success"], phases(page)["close"], reason) == ("1", "0", "")
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("bye", [b"bye\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", CHUNK])
def test_a_bad_answer_to_the_last_word_fails_nothing_else(bye: bytes) -> None:
    page, reason, _ = visited({"bye": bye}, "transport: polling")
    assert (page["probe_success"], phases(page)["close"], reason) == ("1", "0", "")


# ---- pings of the server


def test_pings_on_the_way_are_answered() -> None:
    ahead = frame(TEXT, b"2") + frame(TEXT, b"6") + frame(TEXT, b'42["other",1]')
    said = {"421": ahead + frame(TEXT, b'431[{"status":"ok"}]')}
    page, _, served = visited(said)
    assert page["probe_success"] == "1"
    assert "3" in served.heard
    assert "ping" not in phases(page)  # which is only waited for where that is asked for
    page, _, served = visited({"421": '2\x1e42["other",1]\x1e431[{"status":"ok"}]'}, f"transport: polling, {EVENT}")
    assert page["probe_success"] == "1"
    assert "3" in served.heard


def test_a_ping_is_waited_for() -> None:
    soon = OPEN.replace("25000", "200")
    page, _, served = visited(
        {"open": soon, "40": frame(TEXT, b'40{"sid":"x"}') + frame(TEXT, b"2")}, "wait_for_ping: true"
    )
    assert phases(page)["ping"] == "1"
    assert served.heard[-2:] == ["3", "41"]
    page, told, _ = visited({"open": soon}, "wait_for_ping: true", seconds=1)
    assert failed(page) == ["ping"]
    assert "ping: no ping came, which the server promised each 0.2 s" in told


def test_servers_of_socket_io_2_by_websocket_alone() -> None:
    page, told, _ = visited(
        {"40": None, "open": frame(TEXT, OPEN.encode()) + frame(TEXT, b"40")}, "transport: websocket"
    )
    assert failed(page) == ["namespace"]
    assert "the server speaks Engine.IO 3" in told


def test_it_hangs_up_at_once() -> None:
    page, _, _ = visited({"ws": hang_up}, "transport: websocket")
    assert failed(page) == ["handshake"]


@pytest.mark.parametrize("rounds", [40, pytest.param(500, marks=pytest.mark.long)])
def test_many_rounds_that_fail_leave_nothing(rounds: int) -> None:
    settings = "socketio: {event: {name: status, expect: ok}}"
    with bad({"421": "431[]"}) as served, one("websocket", f"url: {served.url}\n{settings}") as target:
        assert failed(target.page()) == ["event"]
        until(lambda: served.lines == 0)
        gc.collect()
        leaves_nothing(target, rounds, warm=20)
        until(lambda: served.lines == 0)
