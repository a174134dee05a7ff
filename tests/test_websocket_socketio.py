"""Socket.IO against real servers: python-socketio by ASGI and by threads, Flask-SocketIO, alone and behind nginx."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from tests.badsockets import failed, phases
from tests.onetarget import one
from tests.soak import leaves_nothing
from tests.socketservers import KINDS, TOKEN, Server, nginx, serving
from tests.support import until

EVENT = "event: {name: status, arguments: '[{\"a\": 1}, \"b\"]', json: [{path: '[0].told[0].a', equals: '1'}]}"
UPGRADED = dict.fromkeys(("resolve", "connect", "handshake", "upgrade", "namespace", "close"), "1")
LINES = {
    "upgrade": UPGRADED,
    "polling": {name: well for name, well in UPGRADED.items() if name != "upgrade"},
    "websocket": {name: well for name, well in UPGRADED.items() if name != "upgrade"},
}


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serving(request.param, ping_interval=1.0, ping_timeout=2.0) as running:
        yield running


def visited(port: int, socketio: str = "", settings: str = "timeout: 4s") -> tuple[dict[str, str], str]:
    """Return the page of a target, and why it is down, with the remedy."""
    with one("websocket", f"url: http://127.0.0.1:{port}\nsocketio: {{{socketio}}}\n{settings}") as target:
        page = target.page()
        snapshot = target.target.view()
        return page, f"{snapshot.reason} {snapshot.fix}".strip()


@pytest.mark.parametrize("transport", LINES)
def test_each_transport(server: Server, transport: str) -> None:
    before = server.counts()
    page, reason = visited(server.port, f"transport: {transport}, {EVENT}")
    assert (page["probe_success"], reason) == ("1", "")
    assert phases(page) == LINES[transport] | {"event": "1"}
    assert page["runbook_websocket_server_ping_interval_seconds"] == "1.0"
    assert page["runbook_websocket_server_ping_timeout_seconds"] == "2.0"
    assert page["runbook_websocket_status_code"] == ("200" if transport == "polling" else "101")
    assert page['runbook_websocket_protocol_info{protocol="socket.io"}'] == "1"
    server.idle()  # the session is gone at once, and was ended in the way that a client ends it
    after = server.counts()
    assert after["status"] == before["status"] + 1


def test_nothing_is_sent_that_is_not_asked_for(server: Server) -> None:
    before = server.counts()
    assert visited(server.port)[0]["probe_success"] == "1"
    server.idle()
    assert server.counts()["status"] == before["status"]


@pytest.mark.parametrize("transport", ["upgrade", "polling"])
def test_an_event_that_answers(server: Server, transport: str) -> None:
    told = "event: {name: ask, answer: told, expect: two, json: [{path: '[0].x', equals: '1'}]}"
    page, reason = visited(server.port, f"transport: {transport}, {told}")
    assert (page["probe_success"], page["probe_failed_due_to_regex"], reason) == ("1", "0", "")
    page, reason = visited(server.port, f"transport: {transport}, {told.replace('two', 'three')}")
    assert (page["probe_failed_due_to_regex"], failed(page)) == ("1", ["event"])
    assert "event: the event that answers lacks the pattern that is expected" in reason


@pytest.mark.parametrize("transport", ["upgrade", "polling"])
def test_an_answer_with_bytes_in_it(server: Server, transport: str) -> None:
    told = "event: {name: blob, json: [{path: '[0].status', equals: ok}]}, wait_for_ping: true"
    page, reason = visited(server.port, f"transport: {transport}, {told}")
    assert (phases(page)["ping"], reason) == ("1", "")  # the bytes that follow the answer disturb nothing


def test_a_namespace_that_asks_for_a_token(server: Server) -> None:
    told = f"namespace: /admin, auth: {{token: {TOKEN}}}, event: {{name: status, expect: admin}}"
    assert visited(server.port, told)[0]["probe_success"] == "1"
    page, reason = visited(server.port, "namespace: /admin, auth: {token: another-of-socket-io}")
    assert failed(page) == ["namespace"]
    assert "namespace: the server refuses the namespace /admin give what it asks for with `socketio.auth`" in reason
    assert failed(visited(server.port, "namespace: /none")[0]) == ["namespace"]
    server.idle()


def test_answers_that_do_not_come(server: Server) -> None:
    for transport in ("upgrade", "polling"):
        for event in ("unknown", "slow"):
            told = f"transport: {transport}, event: {{name: {event}}}"
            page, reason = visited(server.port, told, "timeout: 1s")
            assert failed(page) == ["event"]
            assert "event: the acknowledgement did not come in time" in reason
            assert float(page["probe_duration_seconds"]) < 1
    server.idle()  # also what failed is ended


def test_a_path_that_is_another(server: Server) -> None:
    page, reason = visited(server.port, "path: /ws/socket.io/")
    assert failed(page) == ["handshake"]
    assert "socketio.path" in reason or "the answer has the status 404" in reason


def test_pings_that_cannot_come_in_time() -> None:
    with serving("asgi") as server:
        page, reason = visited(server.port, "wait_for_ping: true", "timeout: 3s")
        assert failed(page) == ["ping"]
        assert "ping: the server pings each 25 s, and the probe's time ends before" in reason
        assert "raise the target's `timeout` to 30 s or more" in reason
        assert float(page["probe_duration_seconds"]) < 2
        server.idle()


def test_a_server_that_offers_no_upgrade() -> None:
    with serving("asgi", allow_upgrades=False) as server:
        page, reason = visited(server.port)
        assert failed(page) == ["upgrade"]
        assert "upgrade: the server offers no upgrade to WebSocket" in reason
        assert visited(server.port, "transport: polling")[0]["probe_success"] == "1"
        server.idle()


def test_an_origin_that_is_refused(server: Server) -> None:
    page, reason = visited(server.port, "", "origin: https://elsewhere.example")
    assert failed(page) == ["handshake"]
    assert page["runbook_websocket_status_code"] == "400"
    assert "handshake: the server refuses the origin, with the status 400" in reason
    assert "elsewhere.example" not in reason


# ---- behind nginx


def program() -> str:
    """Return nginx, or skip the test; fail in CI without it."""
    found = shutil.which("nginx")
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("nginx is not installed (Debian's package)")
    return found


def test_a_proxy_that_passes_no_upgrades_on(server: Server) -> None:
    with nginx(program(), server.port, upgrades=False) as port:
        assert visited(port, "transport: polling")[0]["probe_success"] == "1"
        page, reason = visited(port)
        assert phases(page)["handshake"] == "1"
        assert failed(page) == ["upgrade"]
        assert page["runbook_websocket_status_code"] == "400"
        assert "see that each proxy in front passes the headers Upgrade and Connection on" in reason
        assert failed(visited(port, "transport: websocket")[0]) == ["handshake"]
    server.idle()


def test_a_proxy_that_passes_upgrades_on(server: Server, tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    with nginx(program(), server.port, upgrades=True, tls=tmp_path / "server.pem") as port:
        with one("websocket", f"url: wss://127.0.0.1:{port}\nca_file: {tmp_path}/ca.pem\nsocketio: {{{EVENT}}}") as it:
            page = it.page()
            assert it.target.view().reason == ""
        assert phases(page) == UPGRADED | {"tls": "1", "event": "1"}
        with one("websocket", f"url: wss://127.0.0.1:{port}\nsocketio: {{}}") as it:
            page = it.page()
            assert (failed(page), page["runbook_probe_tls_verified"]) == (["tls"], "0")
    server.idle()


def test_an_application_that_is_down_behind_a_proxy() -> None:
    with nginx(program(), 1, upgrades=True) as port:
        page, reason = visited(port)
    assert (failed(page), page["runbook_websocket_status_code"]) == (["handshake"], "502")
    assert "see whether the application behind it runs" in reason


@pytest.mark.parametrize("kind", ["asgi", pytest.param("flask", marks=pytest.mark.long)])
def test_two_processes_behind_a_proxy(kind: str) -> None:
    with serving(kind) as one_of_two, serving(kind) as other:
        ports = (one_of_two.port, other.port)
        with nginx(program(), *ports, upgrades=True, sticky=False) as port:
            for transport, phase in (("upgrade", "upgrade"), ("polling", "namespace")):
                page, reason = visited(port, f"transport: {transport}")
                assert failed(page) == [phase]
                known = kind == "asgi" and transport == "upgrade"  # ASGI lets nobody say why
                assert ("does not know its own session" in reason) is not known
                assert "sticky sessions" in reason
            assert visited(port, "transport: websocket")[0]["probe_success"] == "1"
        with nginx(program(), *ports, upgrades=True) as port:
            assert visited(port)[0]["probe_success"] == "1"


# ---- what comes and goes


def test_a_server_that_is_killed_and_one_that_is_stopped() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(serving("threads"))
        url = f"url: ws://127.0.0.1:{server.port}"
        target = stack.enter_context(one("websocket", f"{url}\nsocketio: {{}}\ntimeout: 1s"))
        assert target.page()["probe_success"] == "1"
        server.process.send_signal(signal.SIGSTOP)
        assert failed(target.page()) == ["handshake"]
        assert target.target.view().reason.startswith("handshake: ws://127.0.0.1:")
        server.process.send_signal(signal.SIGCONT)
        until(lambda: target.page()["probe_success"] == "1")
        server.process.kill()
        server.process.wait(10)
        assert failed(target.page()) == ["connect"]


@pytest.mark.parametrize("rounds", [40, pytest.param(500, marks=pytest.mark.long)])
def test_many_rounds_leave_nothing_on_both_sides(rounds: int) -> None:
    with serving("asgi", ping_timeout=2.0) as server:
        for transport in ("upgrade", "polling"):
            settings = f"url: ws://127.0.0.1:{server.port}\nsocketio: {{transport: {transport}, {EVENT}}}"
            with one("websocket", settings) as target:
                assert target.page()["probe_success"] == "1"
                leaves_nothing(target, rounds, warm=20)
                assert target.page()["probe_success"] == "1"
        server.idle()
        told = server.counts()
        assert told["connect"] == told["disconnect"] == told["status"] >= 2 * rounds
