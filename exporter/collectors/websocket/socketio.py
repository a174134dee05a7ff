"""Socket.IO 5 over Engine.IO 4: a session, its upgrade, a namespace, an event with its answer, a ping, and the end."""

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

from exporter.collector import Trouble
from exporter.collectors.websocket.answers import old
from exporter.collectors.websocket.ending import end
from exporter.collectors.websocket.engine import Session
from exporter.collectors.websocket.library import check_library
from exporter.collectors.websocket.socketsettings import EventSettings, SocketIOSettings
from exporter.collectors.websocket.step import BY_HAND, holds
from exporter.collectors.websocket.way import Way
from exporter.jsonexpectation import MAX_DEPTH
from exporter.jsontext import parse
from exporter.pattern import found_in
from exporter.probing import MismatchError

_PACKET: Final = re.compile(r"([0-6])(?:[0-9]{1,3}-)?(?:(/[^,]*),)?([0-9]{1,15})?(.*)", re.DOTALL)
_CONNECT, _DISCONNECT, _EVENT, _ACK, _REFUSED, _BINARY_EVENT, _BINARY_ACK = "0123456"
_ID: Final = 1
_WHAT: Final = "see what answers there: Socket.IO 3 or later is expected"


class Packet(NamedTuple):
    """One packet: its kind, namespace and number, and its text of JSON."""

    kind: str
    namespace: str
    number: str
    data: str


def visit(way: Way, told: SocketIOSettings) -> None:
    """Make the whole visit, phase by phase."""
    phases = way.phases
    if told.transport != "polling":
        check_library()
    with ExitStack() as stack:
        with phases.phase("handshake"):
            session = Session(way, stack)
            session.open(polling=told.transport != "websocket")
        if told.transport == "upgrade":
            with phases.phase("upgrade"):
                session.upgrade()
        talk = _Talk(way, session, told)
        with phases.phase("namespace"):
            talk.connect()
        if told.event is not None:
            with phases.phase("event"):
                talk.event(told.event)
        if told.wait_for_ping:
            with phases.phase("ping"):
                talk.await_ping()
        end(way, lambda seconds: session.close(seconds, talk.goodbye()))


class _Talk:
    """What is said in one namespace."""

    def __init__(self, way: Way, session: Session, told: SocketIOSettings) -> None:
        self._way = way
        self._session = session
        self._told = told
        self._prefix = "" if told.namespace == "/" else f"{told.namespace},"

    def connect(self) -> None:
        """Connect to the namespace."""
        auth = {name: secret.reveal() for name, secret in self._told.auth.items()}
        self._session.send(f"{_CONNECT}{self._prefix}{json.dumps(auth) if auth else ''}")
        packet = self._await(lambda packet: packet.kind in (_CONNECT, _REFUSED))
        if packet.kind == _REFUSED:
            fix = "give what it asks for with `socketio.auth`, or correct `socketio.namespace`"
            raise Trouble(f"the server refuses the namespace {self._told.namespace}", fix)
        if not packet.data:  # only Socket.IO 2 says so little
            raise old()
        if not isinstance(parse(packet.data.encode(), "the answer", shown=False), dict):
            raise Trouble("the answer is no object", _WHAT)

    def event(self, event: EventSettings) -> None:
        """Send an event, and wait for what is expected as its answer."""
        number = "" if event.answer else str(_ID)
        text = json.dumps(event.filled(self._way.values()), ensure_ascii=False, separators=(",", ":"))
        self._session.send(f"{_EVENT}{self._prefix}{number}{text}")
        what = "the event that answers" if event.answer else "the acknowledgement"
        try:
            arguments = self._answer(event, what)
        except TimeoutError:
            fix = "see that the server knows the event and that its handler ends; events unknown to it have no answer"
            raise Trouble(f"{what} did not come in time", fix) from None
        if event.expect and not found_in(event.expect, _text(arguments)):
            raise MismatchError(f"{what} lacks the pattern that is expected", BY_HAND, by_pattern=True)
        if not holds(event.json, arguments):
            raise MismatchError(f"{what} is not what is expected", BY_HAND)

    def _answer(self, event: EventSettings, what: str) -> list[Any]:
        if not event.answer:
            packet = self._await(lambda packet: packet.kind in (_ACK, _BINARY_ACK) and packet.number == str(_ID))
            return _list(packet, what)
        while True:
            packet = self._await(lambda packet: packet.kind in (_EVENT, _BINARY_EVENT))
            name, *arguments = _list(packet, "an event") or [None]
            if name == event.answer:
                return arguments

    def await_ping(self) -> None:
        """Wait for the server's ping; Trouble where that cannot come in time."""
        interval = self._session.opened.ping_interval
        if self._session.ping_due > self._way.deadline.left():
            fix = f"raise the target's `timeout` to {interval + 5:g} s or more, or leave `wait_for_ping` out"
            raise Trouble(f"the server pings each {interval:g} s, and the probe's time ends before", fix)
        try:
            self._session.await_ping()
        except TimeoutError:
            fix = "see what keeps it busy: clients take such a connection for lost"
            raise Trouble(f"no ping came, which the server promised each {interval:g} s", fix) from None

    def goodbye(self) -> str:
        return f"{_DISCONNECT}{self._prefix}"

    def _await(self, wanted: Callable[[Packet], bool]) -> Packet:
        """Return the next packet of the namespace that is wanted; others are passed over."""
        while True:
            packet = parsed(self._session.message())
            if packet.namespace != self._told.namespace:
                continue
            if packet.kind == _DISCONNECT:
                raise Trouble("the server disconnected the namespace", "see in its log why it does")
            if wanted(packet):
                return packet


def parsed(message: str) -> Packet:
    """Return the packet that a message holds; Trouble where it is none."""
    found = _PACKET.fullmatch(message)
    if found is None:
        raise Trouble("what came is no packet of Socket.IO", _WHAT)
    kind, namespace, number, data = found.groups()
    return Packet(kind, (namespace or "/").partition("?")[0], number or "", data)


def _list(packet: Packet, what: str) -> list[Any]:
    value = parse(packet.data.encode(), what, MAX_DEPTH, shown=False)
    if not isinstance(value, list):
        raise Trouble(f"{what} holds no list", _WHAT)
    return value


def _text(value: list[Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
