"""A server that answers as a test wants it, byte by byte: whole, broken, slow or without end."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from exporter.deadline import Cancel
from tests.support import until

Answer = Callable[[socket.socket], None]


@dataclass(slots=True)
class Served:
    """Where the server is, and what it was asked."""

    port: int
    secure: bool
    asked: list[bytes] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http{'s' * self.secure}://127.0.0.1:{self.port}"

    def header(self, name: str, number: int = -1) -> str | None:
        """Return a header of a request, the last one unless said otherwise."""
        for line in self.asked[number].split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None


def page(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole answer; in the names of headers `_` stands for `-`."""
    given = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in given.items() if value), "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def answering(answer: Answer | bytes, context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Served]:
    """Serve while the block runs: `answer` is sent, or is called with the line after a request was read."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        served = Served(listener.getsockname()[1], context is not None)
        threading.Thread(target=_accept, args=(listener, answer, context, served), daemon=True).start()
        try:
            yield served
        finally:
            served.stop.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, answer: Answer | bytes, context: ssl.SSLContext | None, served: Served) -> None:
    with suppress(OSError):
        while True:
            line, _ = listener.accept()
            threading.Thread(target=_serve, args=(line, answer, context, served), daemon=True).start()


def _serve(line: socket.socket, answer: Answer | bytes, context: ssl.SSLContext | None, served: Served) -> None:
    with suppress(OSError), line if context is None else context.wrap_socket(line, server_side=True) as spoken:
        if answer is not greeting:
            served.asked.append(_request(spoken))
        if isinstance(answer, bytes):
            spoken.sendall(answer)
        else:
            answer(spoken)


def _request(line: socket.socket) -> bytes:
    """Return the request with its body."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += line.recv(65536) or b"\r\n\r\n"
    head, _, body = got.partition(b"\r\n\r\n")
    length = next((int(row.split(b":")[1]) for row in head.split(b"\r\n") if row.lower().startswith(b"content-l")), 0)
    while len(body) < length:
        body += line.recv(65536)
    return head + b"\r\n\r\n" + body


def endless(piece: bytes, head: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Answer:
    """Return an answer that never ends."""

    def send(line: socket.socket) -> None:
        line.sendall(head)
        while True:
            line.sendall(piece)

    return send


def trickling(served_stop: threading.Event, piece: bytes = b" ", head: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Answer:
    """Return an answer of which a byte comes every few milliseconds."""

    def send(line: socket.socket) -> None:
        line.sendall(head)
        while not served_stop.wait(0.02):
            line.sendall(piece)

    return send


def silent(stop: threading.Event) -> Answer:
    """Return an answer that never comes."""

    def wait(line: socket.socket) -> None:
        stop.wait(30)

    return wait


def greeting(line: socket.socket) -> None:
    """Speak before being asked, whatever the other side says."""
    line.sendall(b"220 mail.example ESMTP\r\n")


def cancelling(cancel: Cancel, served: Served, asked: int = 1) -> None:
    """Have another thread cancel as soon as the server has been asked so often."""

    def run() -> None:
        until(lambda: len(served.asked) >= asked)
        cancel.cancel()

    threading.Thread(target=run, daemon=True).start()
