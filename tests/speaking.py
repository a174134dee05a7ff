"""A server over TCP that says what a test wants, in lines, plain or by TLS."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Talk = Callable[["Speaker"], None]


@dataclass(slots=True)
class Speaker:
    """One line to a client."""

    line: socket.socket
    context: ssl.SSLContext | None
    heard: list[bytes]
    stop: threading.Event

    def say(self, text: bytes) -> None:
        self.line.sendall(text)

    def hear(self) -> bytes:
        """Return the next line; ConnectionError where the client has left."""
        got = b""
        while not got.endswith(b"\n"):
            if not (byte := self.line.recv(1)):
                raise ConnectionError
            got += byte
        self.heard.append(got)
        return got

    def begin_tls(self) -> None:
        assert self.context is not None
        self.line = self.context.wrap_socket(self.line, server_side=True)


@dataclass(slots=True)
class Speaking:
    """Where the server is, and what it was told."""

    port: int
    heard: list[bytes] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def speaking(talk: Talk, context: ssl.SSLContext | None = None, *, secure: bool = False) -> Iterator[Speaking]:
    """Have `talk` called with each line while the block runs; with `secure` TLS comes first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Speaking(listener.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(listener, talk, context, secure, server), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stop.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _accept(
    listener: socket.socket, talk: Talk, context: ssl.SSLContext | None, secure: bool, server: Speaking
) -> None:
    with suppress(OSError):
        while True:
            line, _ = listener.accept()
            speaker = Speaker(line, context, server.heard, server.stop)
            threading.Thread(target=_speak, args=(speaker, talk, secure), daemon=True).start()


def _speak(speaker: Speaker, talk: Talk, secure: bool) -> None:
    with suppress(OSError):
        try:
            if secure:
                speaker.begin_tls()
            talk(speaker)
        finally:
            speaker.line.close()
