"""A server of WebSockets and Socket.IO in a few lines, so that a test can have it misbehave at any point."""

import socket
import ssl
import struct
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Final

from tests.answering import page

Said = str | bytes | Callable[[socket.socket], object] | None
"""What is said at a point: text as a frame or packet, bytes as they are, whatever a call does; None is silence."""

OPEN: Final = '0{"sid":"name of a session","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}'
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@dataclass(slots=True)
class Bad:
    """Where the server is, what it was asked, and what was said to it."""

    port: int
    said: Mapping[str, Said]
    heads: list[bytes] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    lines: int = 0
    """How many lines are open now."""
    opened: int = 0
    """How many were opened in all."""
    stop: threading.Event = field(default_factory=threading.Event)
    waiting: deque[str] = field(default_factory=deque)
    """Packets that the next request of polling gets."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


def frame(kind: int, data: bytes = b"", *, end: bool = True, mask: bool = False, reserved: int = 0) -> bytes:
    """Return one frame as a server sends it; or masked, or with bits set that must not be."""
    head = bytes([(0x80 if end else 0) | reserved | kind])
    masked = 0x80 if mask else 0
    if len(data) < 126:
        head += bytes([masked | len(data)])
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", len(data))
    return head + (b"\0\0\0\0" if mask else b"") + data


def switched(head: bytes, *, accept: bytes | None = None, more: bytes = b"") -> bytes:
    """Return the answer that opens a WebSocket."""
    key = _header(head, b"sec-websocket-key")
    told = accept if accept is not None else b64encode(sha1(key + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + told + b"\r\n" + more + b"\r\n"
    )


def _header(head: bytes, name: bytes) -> bytes:
    for row in head.split(b"\r\n")[1:]:
        key, _, value = row.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return b""


def trickle(stop: threading.Event, data: bytes, pause: float = 0.02) -> Callable[[socket.socket], None]:
    """Send byte by byte."""

    def send(line: socket.socket) -> None:
        for number in range(len(data)):
            if stop.wait(pause):
                return
            line.sendall(data[number : number + 1])

    return send


def _await_end(line: socket.socket) -> None:
    while line.recv(65536):
        pass


def hang_up(line: socket.socket) -> None:
    line.shutdown(socket.SHUT_RDWR)


@contextmanager
def bad(
    said: Mapping[str, Said] | None = None, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Bad]:
    """Serve while the block runs. `said` tells what is said otherwise than by a good server, by these points:

    `open` and `poll` are answers to polling, `post` the one to what is sent by it, `ws` the one to the handshake of a
    WebSocket; `ping` and `close` those to such frames; any other is the beginning of a text that came.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        it = Bad(listener.getsockname()[1], said or {})
        threading.Thread(target=_accept, args=(listener, context, it), daemon=True).start()
        try:
            yield it
        finally:
            it.stop.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, context: ssl.SSLContext | None, it: Bad) -> None:
    with suppress(OSError):
        while True:
            line, _ = listener.accept()
            threading.Thread(target=_serve, args=(line, context, it), daemon=True).start()


def _serve(line: socket.socket, context: ssl.SSLContext | None, it: Bad) -> None:
    with it.lock:
        it.lines += 1
        it.opened += 1
    try:
        with suppress(OSError), line if context is None else context.wrap_socket(line, server_side=True) as spoken:
            while _one_request(spoken, it):
                pass
    finally:
        with it.lock:
            it.lines -= 1


def _one_request(line: socket.socket, it: Bad) -> bool:
    """Answer one request, and tell whether the line goes on."""
    got = b""
    while b"\r\n\r\n" not in got:
        data = line.recv(65536)
        if not data:
            return False
        got += data
    head, _, body = got.partition(b"\r\n\r\n")
    it.heads.append(head)
    if _header(head, b"upgrade"):
        _websocket(line, head, it)
        return False
    if head.startswith(b"POST"):
        body += _exactly(line, int(_header(head, b"content-length")) - len(body)) or b""
        return _posted(line, body, it)
    if b"sid=" not in head.split(b"\r\n")[0]:
        return _http(line, it.said.get("open", OPEN), it)
    if "poll" not in it.said and not it.waiting:
        _await_end(line)
        return False
    packets = "\x1e".join(it.waiting)
    it.waiting.clear()
    return _http(line, it.said.get("poll", packets), it)


def _posted(line: socket.socket, body: bytes, it: Bad) -> bool:
    for packet in body.decode().split("\x1e"):
        it.heard.append(packet)
        answer = _answer(packet, it)
        if isinstance(answer, str) and answer:
            it.waiting.append(answer)
    answer = it.said.get("post", "ok")
    return _http(line, it.said.get("bye", answer) if body.endswith(b"\x1e1") else answer, it)


def _http(line: socket.socket, said: Said, it: Bad) -> bool:
    if said is None:
        _await_end(line)
        return False
    if callable(said):
        said(line)
        return False
    line.sendall(page(said.encode()) if isinstance(said, str) else said)
    return isinstance(said, str)


def _websocket(line: socket.socket, head: bytes, it: Bad) -> None:
    answer = it.said.get("ws", switched(head))
    if isinstance(answer, str):  # a header's line more, or the value of the one that accepts
        name, _, value = answer.partition("=")
        told = {"accept": value.encode()} if name == "accept" else {"more": f"{answer}\r\n".encode()}
        answer = switched(head, **told)
    if answer is None:
        _await_end(line)
        return
    if callable(answer):
        line.sendall(switched(head))
        answer(line)
        return
    line.sendall(answer)
    if b"EIO=" in head and b"sid=" not in head:
        _say(line, it.said.get("open", OPEN))
    while (came := _frame(line)) is not None and _said_to(line, *came, it):
        pass


def _said_to(line: socket.socket, kind: int, data: bytes, it: Bad) -> bool:
    """Say what is to be said to a frame, and tell whether it goes on."""
    if kind == CLOSE:
        _say(line, it.said.get("close", frame(CLOSE, data)))
    elif kind == PING:
        _say(line, it.said.get("ping", frame(PONG, data)))
    elif kind != PONG:
        text = data.decode("utf-8", "replace") if kind == TEXT else data.hex()
        it.heard.append(text)
        if (said := _answer(text, it)) != "":
            _say(line, said)
    return kind != CLOSE


def _answer(text: str, it: Bad) -> Said:
    """Return what is said to a text: as the test has it, or as a good server of Socket.IO; "" is nothing."""
    for point in sorted(it.said, key=len, reverse=True):
        if point not in ("open", "poll", "post", "ws", "ping", "close") and text.startswith(point):
            return it.said[point]
    good = {"2probe": "3probe", "5": "6", "40": '40{"sid":"another"}', "421": '431[{"status":"ok"}]'}
    return next((answer for point, answer in good.items() if text.startswith(point)), "")


def _say(line: socket.socket, said: Said) -> None:
    if callable(said):
        said(line)
    elif said is not None:
        line.sendall(frame(TEXT, said.encode()) if isinstance(said, str) else said)


def _frame(line: socket.socket) -> tuple[int, bytes] | None:
    head = _exactly(line, 2)
    if head is None:
        return None
    length = head[1] & 0x7F
    if length >= 126:
        size = 2 if length == 126 else 8
        length = int.from_bytes(_exactly(line, size) or b"", "big")
    mask = _exactly(line, 4)
    data = _exactly(line, length)
    if mask is None or data is None:
        return None
    return head[0] & 0x0F, bytes(byte ^ mask[number % 4] for number, byte in enumerate(data))


def _exactly(line: socket.socket, size: int) -> bytes | None:
    got = b""
    while len(got) < size:
        data = line.recv(size - len(got))
        if not data:
            return None
        got += data
    return got


# ---- what a page says of it


def phases(page: Mapping[str, str]) -> dict[str, str]:
    """Return how each phase ended that was reached."""
    name = "runbook_websocket_phase_success"
    return {key[len(name) + 8 : -2]: value for key, value in page.items() if key.startswith(name)}


def failed(page: Mapping[str, str]) -> list[str]:
    """Return the phases that failed."""
    return [phase for phase, passed in phases(page).items() if passed == "0"]
