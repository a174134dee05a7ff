"""What a target of WebSockets can be told, what is no good of it, and what the library makes of bytes of all kinds."""

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collector import Trouble
from exporter.collectors.websocket.answers import check_version, refused
from exporter.collectors.websocket.channel import Channel
from exporter.collectors.websocket.engine import opened_by
from exporter.collectors.websocket.phases import Phases
from exporter.collectors.websocket.settings import WebSocketSettings
from exporter.collectors.websocket.socketio import parsed
from exporter.collectors.websocket.way import Way
from exporter.config import INSTALLED, ConfigError, read
from exporter.deadline import Cancel, Deadline
from exporter.probeline import Sight
from exporter.setting import SecretURL
from tests.badsockets import bad, frame, switched
from tests.onetarget import one
from tests.process import ROOT
from tests.socketservers import serving

DOCS = (ROOT / "docs" / "websocket.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)


def test_one_that_sends_values_is_patient() -> None:
    for more, patient in (("", False), ("\nvalues: {token: mild-otter-7}\nsteps: [{send: '{{token}}'}]", True)):
        with one("websocket", f"url: ws://127.0.0.1:1{more}") as target:
            assert target.target.collector.patient is patient


def problems(settings: str) -> str:
    text = "\n".join(f"    {line}" for line in f"collector: websocket\n{settings}".splitlines())
    with pytest.raises(ConfigError) as caught:
        read(f"targets:\n  it:\n{text}\n".encode(), "config.yml", INSTALLED, {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("url: ftp://a", "url: is no address; expected ws://HOST:PORT/PATH"),
        ("url: ws://", "url: is no address"),
        ("url: ws://a:0/", "url: is no address"),
        ("url: ws://a/#b", "url: is no address"),
        ("url: 'ws://a/b c'", "url: is no address"),
        ("ping: false", "url: is no address"),
        ("url: ws://a/b\nsocketio: {}", "url: has a path; expected it in `socketio.path`"),
        ("url: ws://a\nheaders: {Sec-WebSocket-Key: x}", "headers.Sec-WebSocket-Key: is the handshake's own"),
        ("url: ws://a\nheaders: {Origin: x}", "headers.Origin: is the handshake's own"),
        ("url: ws://u:orchid-of-sockets@a\nbearer_token: token-of-sockets", "is not the only way to say who asks"),
        ("url: ws://a\norigin: 'a b'", "origin: is none"),
        ("url: ws://a\nsubprotocols: ['a b']", "subprotocols: has a name twice, or one that is none"),
        ("url: ws://a\nsubprotocols: [a, a]", "subprotocols: has a name twice"),
        ("url: ws://a\nserver_name: a b", "server_name: is no name"),
        ("url: ws://a\nexpect_headers: {A: '('}", "expect_headers.A: is no regular expression"),
        ("url: ws://a\nsteps: [{}]", "steps[0].send: is missing"),
        ("url: ws://a\nsteps: [{expect: '('}]", "steps[0].expect: is no regular expression"),
        ("url: ws://a\nsteps: [{send_hex: '0'}]", "steps[0].send_hex: is not hexadecimal"),
        ("url: ws://a\nsteps: [{send: a, send_hex: '00'}]", "steps[0].send_hex: is not the only way"),
        ("url: ws://a\nsteps: [{send: '{{b}}'}]", "steps[0].send: asks for {{b}}, which nobody gives"),
        ("url: ws://a\nvalues: {'b c': token-of-sockets}", "'values.b c': is no name"),
        ("url: ws://a\nsocketio: {}\nsteps: [{send: a}]", "steps: is of plain WebSockets"),
        ("url: ws://a\nsocketio: {}\nsubprotocols: [a]", "subprotocols: is of plain WebSockets"),
        ("url: ws://a\nsocketio: {path: socket.io}", "socketio.path: is none"),
        ("url: ws://a\nsocketio: {namespace: admin}", "socketio.namespace: is none"),
        ("url: ws://a\nsocketio: {namespace: '/a,b'}", "socketio.namespace: is none"),
        ("url: ws://a\nsocketio: {event: {name: connect}}", "socketio.event.name: is none that can be sent"),
        ("url: ws://a\nsocketio: {event: {name: a, arguments: '{}'}}", "socketio.event.arguments: is no list in JSON"),
        ("url: ws://a\nsocketio: {event: {name: a, arguments: '[b]'}}", "socketio.event.arguments: is no list in JSON"),
        ("url: ws://a\nsocketio: {event: {name: a, arguments: '[\"{{b}}\"]'}}", "asks for {{b}}, which nobody gives"),
        ("url: ws://a\nsocketio: {event: {name: a, expect: '('}}", "socketio.event.expect: is no regular expression"),
        ("url: ws://a\nsocketio: {transport: pigeon}", "socketio.transport:"),
        ("url: ws://a\nsteps: [" + "{send: a}," * 21 + "]", "steps: are too many"),
    ],
)  # fmt: skip
def test_what_is_no_good(settings: str, problem: str) -> None:
    assert problem in problems(settings)


def test_secrets_are_shown_nowhere() -> None:
    told = (
        "bearer_token: token-of-settings\nvalues: {word: word-of-settings}\n"
        "socketio: {auth: {key: key-of-settings}, event: {name: status, arguments: '[\"{{word}}\"]', expect: never}}"
    )
    with bad() as served, one("websocket", f"url: {served.url}/?token=query-of-settings\n{told}") as target:
        page = target.text()
        shown = f"{page}{target.target.view()}{target.target.view().reason}"
    assert "lacks the pattern" in shown
    assert served.heard[2:4] == ['40{"key": "key-of-settings"}', '421["status","word-of-settings"]']
    assert "-of-settings" not in shown


# ---- the page of documentation


@pytest.mark.parametrize("number", range(3))
def test_configurations_of_the_documentation_are_right(number: int) -> None:
    assert len(BLOCKS) == 3
    environ = {"NOVA_CLIP_TOKEN": "token-of-the-docs", "SHOP_TOKEN": "another-of-the-docs"}
    found = read(BLOCKS[number].encode(), "config.yml", INSTALLED, environ)
    assert {target.collector for target in found.targets} == {"websocket"}
    assert found.warnings == ()


def test_nova_clip_as_the_documentation_has_it() -> None:
    (told,) = re.findall(r"^  nova-clip-socket:\n    collector: websocket\n((?:    .*\n)+)", BLOCKS[0], re.MULTILINE)
    with serving("flask") as server:
        text = re.sub(
            r"url: \S+", f"url: http://127.0.0.1:{server.port}", re.sub("^    ", "", told, flags=re.MULTILINE)
        )
        with one("websocket", text) as target:
            assert target.page()["probe_success"] == "1"


# ---- bytes of all kinds


@pytest.fixture(scope="module")
def way() -> Way:
    told = WebSocketSettings(url=SecretURL("ws://a"), max_bytes=4096)
    return Way(told, told.parts(), Deadline(60), Deadline(60), Cancel(), Phases(Sight()))


def pieces() -> st.SearchStrategy[list[bytes]]:
    whole = st.builds(
        frame, st.integers(0, 15), st.binary(max_size=200), end=st.booleans(), mask=st.booleans(),
        reserved=st.sampled_from([0, 0, 0, 0x40]),
    )  # fmt: skip
    packets = st.sampled_from(
        ["0{}", '0{"sid":1,"upgrades":[]}', "2", "2probe", "3", "40", "41", "6", "1", "", "4", "43", "4" + "9" * 5000]
    )
    texts = packets.map(lambda text: frame(1, text.encode()))
    return st.lists(st.one_of(whole, st.binary(max_size=50), texts), max_size=8)


def _until_it_ends(way: Way, sent: list[bytes]) -> None:
    """Open a WebSocket to whom these bytes come, and then the end, and take its messages."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)

        def serve() -> None:
            head = theirs.recv(65536).partition(b"\r\n\r\n")[0]
            theirs.sendall(switched(head) + b"".join(sent))
            theirs.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        channel = Channel(ours, way, "/")
        try:
            channel.begin()
            while True:
                assert isinstance(channel.message(), str | bytes)
        finally:
            channel.leave()
            thread.join(10)


@settings(max_examples=150, deadline=None)
@given(sent=pieces())
def test_whatever_comes_is_a_message_or_a_trouble(way: Way, sent: list[bytes]) -> None:
    with pytest.raises(Trouble):
        _until_it_ends(way, sent)


@settings(max_examples=150, deadline=None)
@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode())))
def test_whatever_opens_a_session_is_one_or_a_trouble(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    acts: tuple[Callable[[], object], ...] = (
        lambda: opened_by(text),
        lambda: parsed(text),
        lambda: check_version(data),
    )
    for act in acts:
        with suppress(Trouble):  # nothing else may be raised
            act()
    assert refused(400, data).fix
