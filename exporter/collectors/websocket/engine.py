"""Engine.IO 4: a session by polling, by WebSocket, or by the one and then the other, and its packets."""

import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from exporter.collector import Trouble
from exporter.collectors.websocket.answers import RefusedError, refused_upgrade
from exporter.collectors.websocket.channel import Channel
from exporter.collectors.websocket.plain import hold_headers
from exporter.collectors.websocket.polling import Polling
from exporter.collectors.websocket.way import Way
from exporter.jsontext import parse

_LONGEST_SID: Final = 200
_BINARY: Final = "b"
_PASSED: Final = ("4", "6", _BINARY)  # messages, what means nothing, and what belongs to a message before
_WHAT: Final = "see what answers there: Socket.IO 3 or later is expected, at `socketio.path`"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a server says of a session when it opens it; times are seconds."""

    sid: str = ""
    upgrades: tuple[str, ...] = ()
    ping_interval: float = 0.0
    ping_timeout: float = 0.0


class Session:
    """One session, whichever way its packets go; the stack lets go of it."""

    def __init__(self, way: Way, stack: ExitStack) -> None:
        self._way = way
        self._stack = stack
        self._packets: deque[str] = deque()
        self._polling = Polling(way)
        self._carrier: Polling | Socket = self._polling
        self.opened = Opened()
        self.pinged = False
        self._begun = 0.0

    def open(self, *, polling: bool) -> None:
        """Open a session, by polling or by WebSocket."""
        if polling:
            self._stack.callback(self._polling.leave)
        else:
            self._carrier = self._socket("")
        first, *others = self._carrier.receive()
        self.opened = opened_by(first)
        self._way.pings = (self.opened.ping_interval, self.opened.ping_timeout)
        self._polling.sid = quote(self.opened.sid, safe="") if polling else ""
        self._packets.extend(others)
        self._begun = time.monotonic()

    @property
    def ping_due(self) -> float:
        """In how many seconds the server's ping is due; 0 once it came."""
        return 0.0 if self.pinged else self._begun + self.opened.ping_interval - time.monotonic()

    def upgrade(self) -> None:
        """Go on by WebSocket, as agreed with the server."""
        if "websocket" not in self.opened.upgrades:
            fix = "have it speak WebSocket, for which it may lack a library, or take `transport: polling`"
            raise Trouble("the server offers no upgrade to WebSocket", fix)
        self._polling.rest()  # one line at a time
        try:
            socket = self._socket(f"&sid={self._polling.sid}")
        except RefusedError as error:
            raise refused_upgrade(error, self._way.status) from None
        socket.send("2probe")
        if (came := socket.receive()[0]) != "3probe":
            raise Trouble(f"the probe of the upgrade was answered by {_kind(came)}", _WHAT)
        socket.send("5")
        self._polling.sid = ""
        self._carrier = socket

    def _socket(self, rest: str) -> "Socket":
        line = self._stack.enter_context(self._way.line())
        channel = Channel(line, self._way, self._way.target(f"EIO=4&transport=websocket{rest}"))
        self._stack.callback(channel.leave)
        hold_headers(self._way, channel.begin())
        return Socket(channel)

    def send(self, message: str) -> None:
        """Send a message of what is spoken over it."""
        self._carrier.send(f"4{message}")

    def message(self) -> str:
        """Return the next message; pings on the way are answered."""
        while True:
            if (packet := self._next()).startswith("4"):
                return packet[1:]

    def await_ping(self) -> None:
        """Wait until the server has pinged, and its ping is answered; other packets are passed over."""
        while not self.pinged:
            self._next()

    def _next(self) -> str:
        """Return the next packet, of whichever kind."""
        if not self._packets:
            self._packets.extend(self._carrier.receive())
        packet = self._packets.popleft()
        if packet.startswith("2"):
            self._carrier.send(f"3{packet[1:]}")
            self.pinged = True
        elif packet.startswith("1"):
            raise Trouble("the server closed the session", "see in its log why it does")
        elif packet[:1] not in _PASSED:
            raise Trouble(f"what came is no packet that is expected, but {_kind(packet)}", _WHAT)
        return packet

    def close(self, seconds: float, last: str) -> bool:
        """Say a last message and end the session; tell whether the server agreed."""
        return self._carrier.close(seconds, f"4{last}")


class Socket:
    """The packets of a session, by WebSocket."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, packet: str) -> None:
        self._channel.send(packet)

    def receive(self) -> list[str]:
        message = self._channel.message()
        return [message if isinstance(message, str) else _BINARY]

    def close(self, seconds: float, last: str) -> bool:
        self._channel.send(last)
        return self._channel.close(seconds)


def _kind(packet: str) -> str:
    kinds = {"": "nothing", "0": "an open", "1": "a close", "2": "a ping", "3": "a pong", "4": "a message"}
    return kinds.get(packet[:1], "something else")


def opened_by(packet: str) -> Opened:
    """Return what the packet that opens a session says; Trouble where it is none."""
    if not packet.startswith("0"):
        raise Trouble(f"the session was opened by {_kind(packet)}, not by what opens one", _WHAT)
    told = parse(packet[1:].encode(), "what opens the session", shown=False)
    if not isinstance(told, dict):
        raise Trouble("what opens the session is no object", _WHAT)
    sid, upgrades = told.get("sid"), told.get("upgrades")
    if not isinstance(sid, str) or not 0 < len(sid) <= _LONGEST_SID or not isinstance(upgrades, list):
        raise Trouble("what opens the session lacks its name, or its upgrades", _WHAT)
    names = tuple(name for name in upgrades if isinstance(name, str))
    return Opened(sid, names, _seconds(told.get("pingInterval")), _seconds(told.get("pingTimeout")))


def _seconds(milliseconds: Any) -> float:
    if not isinstance(milliseconds, int | float) or isinstance(milliseconds, bool) or not 0 < milliseconds < 1e9:
        raise Trouble("what opens the session lacks the times of its pings", _WHAT)
    return milliseconds / 1000
