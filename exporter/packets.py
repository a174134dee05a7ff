"""Waiting for packets: a socket of datagrams cannot be hung up from another thread as a line can."""

import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.deadline import Cancel, Deadline


class Arrivals:
    """Tells when a packet can be taken from a socket."""

    def __init__(self, packets: socket.socket, wake: socket.socket, selector: selectors.BaseSelector) -> None:
        packets.setblocking(False)
        selector.register(packets, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        self._wake = wake
        self._selector = selector

    def wait(self, deadline: Deadline) -> None:
        """Return as soon as there may be a packet; TimeoutError where none comes in time, or all is cancelled."""
        ready = self._selector.select(deadline.left())
        if not ready or any(key.fileobj is self._wake for key, _ in ready):
            raise TimeoutError


@contextmanager
def arriving(packets: socket.socket, cancel: Cancel) -> Iterator[Arrivals]:
    """Have packets of this socket awaited while the block runs, or until cancelled; it no longer blocks."""
    wake, waker = socket.socketpair()
    with wake, waker, selectors.DefaultSelector() as selector, cancel.calling(lambda: waker.sendall(b"\0")):
        yield Arrivals(packets, wake, selector)
