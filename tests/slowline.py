"""A line between two that is slow, or that swallows all: each piece of what goes through waits."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class SlowLine:
    """Listens at `port`, and hands on to another what comes, `delay` seconds later in either direction."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.port = int(self._listening.getsockname()[1])
        self.delay = 0.0
        self.swallows = False
        self._begin(self._accept)

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        for thread in self._threads:
            thread.join(10)
        for line in (self._listening, *self._open):
            line.close()

    def hang_up(self) -> None:
        """End all connections."""
        for line in self._open:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _begin(self, does: Callable[..., None], *given: socket.socket) -> None:
        self._threads.append(threading.Thread(target=does, args=given, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._listening.accept()
                self._open.append(ours)
                theirs = socket.create_connection(("127.0.0.1", self._to), 20)
                self._open.append(theirs)
                for one, other in ((ours, theirs), (theirs, ours)):
                    self._begin(self._relay, one, other)

    def _relay(self, source: socket.socket, goal: socket.socket) -> None:
        with suppress(OSError):
            source.settimeout(None)
            while data := source.recv(1 << 16):
                time.sleep(self.delay)
                if not self.swallows:
                    goal.sendall(data)
        for line in (source, goal):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


@contextmanager
def slow_line(port: int) -> Iterator[SlowLine]:
    """Have such a line to a port for as long as the context."""
    made = SlowLine(port)
    try:
        yield made
    finally:
        made.close()
