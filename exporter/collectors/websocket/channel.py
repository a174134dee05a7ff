"""One WebSocket over a line that is open: its handshake, its messages, a ping, and its end, all within a deadline."""

import re
import secrets
import ssl
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from socket import socket
from typing import TYPE_CHECKING, Final

from exporter.collector import Trouble
from exporter.collectors.websocket.answers import refused
from exporter.collectors.websocket.library import protocol
from exporter.collectors.websocket.way import Way
from exporter.deadline import Deadline
from exporter.fetchline import Line

if TYPE_CHECKING:
    from websockets.frames import Frame

_PIECE: Final = 16 << 10
_LONGEST_HEAD: Final = 64 << 10
_MOST_FRAMES: Final = 5_000
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r\n")
_OFFERED: Final = ("Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol")
_SWITCHES: Final = 101
_WRONG: Final = "see what answers there, and whether a proxy in between changes what it says"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of the answer to a handshake."""

    status: int
    headers: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """Return each value of a header."""
        return [value for key, value in self.headers if key == name.lower()]


class Channel:
    """A WebSocket, from the client's side."""

    def __init__(self, line: socket, way: Way, target: str) -> None:
        self._line = line
        self._deadline = way.deadline
        self._way = way
        self._protocol = protocol(way, target)
        self._left = way.settings.max_bytes
        self._frames = _MOST_FRAMES
        self._messages: deque[str | bytes] = deque()
        self._parts = bytearray()
        self._text = False
        self._pongs: set[bytes] = set()

    def begin(self) -> Head:
        """Make the handshake; Trouble where the answer is any other than that of a WebSocket."""
        request = self._protocol.connect()
        for name, value in self._way.headers().items():
            request.headers[name] = value
        self._protocol.send_request(request)
        self._flush()
        head, rest = self._head()
        self._way.status = head.status
        self._way.cookies.take(self._way.url, head.values("Set-Cookie"))
        if head.status != _SWITCHES:
            raise refused(head.status, rest)
        self._check_begun(head)
        return head

    def _head(self) -> tuple[Head, bytes]:
        """Return the head of the answer, and what came after it of one that is no WebSocket's."""
        came = bytearray()
        while (end := came.find(b"\r\n\r\n")) < 0:
            data = self._read()
            if not data:
                raise Trouble("the line was closed before the handshake was answered", _WRONG)
            came += data
            if not b"HTTP/1.".startswith(came[:7]) or len(came) > _LONGEST_HEAD:
                raise Trouble("what came is no answer of HTTP", _WRONG)
        status = _STATUS.match(came)
        if status is None:
            raise Trouble("what came is no answer of HTTP", _WRONG)
        lines = came[:end].decode("latin-1").split("\r\n")[1:]
        named = (line.partition(":")[::2] for line in lines)
        head = Head(int(status[1]), tuple((name.strip().lower(), value.strip()) for name, value in named))
        if head.status == _SWITCHES:
            self._feed(bytes(came))
        return head, bytes(came[end + 4 :])

    def _check_begun(self, head: Head) -> None:
        error = self._protocol.handshake_exc
        if error is not None:
            # the library names the header, but for what was answered that was not offered
            named = getattr(error, "name", "") or next((name for name in _OFFERED if head.values(name)), "its form")
            raise Trouble(f"the handshake's answer is no good: {named}", _WRONG)
        offered = self._way.settings.subprotocols
        if offered and self._protocol.subprotocol is None:
            fix = "offer one that the server speaks with `subprotocols`, or none"
            raise Trouble("the server takes none of the subprotocols", fix)

    def send(self, message: str | bytes) -> None:
        """Send a message, as text or as bytes."""
        self._check_open()
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._say()

    def message(self) -> str | bytes:
        """Return the next message; Trouble where the other side ends it or breaks the protocol."""
        while not self._messages:
            self._check_open()
            self._receive()
        return self._messages.popleft()

    def ping(self) -> None:
        """Send a ping, and wait for its pong."""
        self._check_open()
        payload = secrets.token_bytes(8)
        self._protocol.send_ping(payload)
        self._say()
        while payload not in self._pongs:
            self._check_open()
            self._receive()

    def close(self, seconds: float) -> bool:
        """End it as agreed, and tell whether the other side did so as well, within so many seconds."""
        from websockets.protocol import State

        self._deadline = Deadline(seconds)
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
        while self._protocol.close_rcvd is None and self._protocol.parser_exc is None:
            if self._protocol.state is State.CLOSED:
                break
            self._receive()
        return self._protocol.close_rcvd is not None

    def leave(self) -> None:
        """Say that it ends, without waiting for anything."""
        from websockets.protocol import State

        with suppress(OSError):
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._deadline = Deadline(0.2)
                self._flush()

    def _check_open(self) -> None:
        """Raise Trouble where it has ended."""
        from websockets.exceptions import PayloadTooBig, ProtocolError

        error, closed = self._protocol.parser_exc, self._protocol.close_rcvd
        if isinstance(error, PayloadTooBig):
            raise Trouble("a message is larger than `max_bytes`", "allow more, where such messages are meant")
        if isinstance(error, ProtocolError):
            raise Trouble(f"what came is no WebSocket frame ({error})", _WRONG)
        if closed is not None:
            raise Trouble(f"the server ended it with the code {closed.code:d}", "see in its log why it does")
        if error is not None or self._protocol.state.name != "OPEN":
            raise Trouble("the line was closed in the middle", "see in the server's log why it does")

    def _receive(self) -> None:
        data = self._read()
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        from websockets.frames import Frame

        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        with suppress(ConnectionError):  # what is told to one who is gone; what it said before counts
            self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)

    def _read(self) -> bytes:
        self._line.settimeout(self._deadline.left())
        try:
            data = self._line.recv(_PIECE)
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""
        self._left -= len(data)
        if self._left < 0:
            raise Trouble("more came than `max_bytes`", "expect what comes sooner, or allow more")
        return data

    def _say(self) -> None:
        """Send what there is to say; where nobody takes it, say why as far as that came before."""
        try:
            self._flush()
        except (ConnectionError, ssl.SSLError):
            while True:
                self._check_open()
                self._receive()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            Line(self._line, self._deadline).sendall(data)

    def _take(self, frame: "Frame") -> None:
        """Keep a frame, put together with those before it."""
        self._frames -= 1
        if self._frames < 0:
            raise Trouble(f"more than {_MOST_FRAMES:,} frames came", "expect what comes sooner")
        name = frame.opcode.name
        if name == "PONG":
            self._pongs.add(bytes(frame.data))
        if name not in ("TEXT", "BINARY", "CONT"):
            return
        if name != "CONT":
            self._text = name == "TEXT"
        self._parts += frame.data
        if frame.fin:
            data, self._parts = bytes(self._parts), bytearray()
            self._messages.append(_text(data) if self._text else data)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Trouble("a message of text is not UTF-8", "have the server send such as binary messages") from None
