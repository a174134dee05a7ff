"""A socket within bounds: no wait on it outlasts the round, no answer is endless, and another thread may cut it."""

import os
import socket
from typing import Final

from exporter.collectors.redis.reply import StrangeError
from exporter.deadline import Cancel, Deadline

MOST_BYTES: Final = 4 << 20  # of the replies to what is asked at a time; INFO of a busy server has 50 kB


class Bounds:
    """What a round may take: seconds for all of it, bytes for what is asked at a time."""

    def __init__(self, seconds: float) -> None:
        self.deadline = Deadline(seconds)
        self.cancel = Cancel()
        self._left = MOST_BYTES

    def begin(self) -> None:
        """Something is asked: its replies may be MOST_BYTES long together."""
        self._left = MOST_BYTES

    def count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise StrangeError("an answer without end")


class Line:
    """What redis-py needs of a socket; the time-outs that it sets itself are not needed, as each wait has its own."""

    def __init__(self, spoken: socket.socket, bounds: Bounds) -> None:
        self._socket = spoken
        self.bounds = bounds

    def recv(self, size: int) -> bytes:
        with self.bounds.cancel.calling(self._hang_up):
            self._socket.settimeout(self.bounds.deadline.left())
            data = self._socket.recv(size)
        self.bounds.count(len(data))
        return data

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            with self.bounds.cancel.calling(self._hang_up):
                while rest:
                    self._socket.settimeout(self.bounds.deadline.left())
                    rest = rest[self._socket.send(rest) :]
        except ConnectionError:
            pass  # who has hung up may have said why: the next recv() tells

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: what is waited for has until the round's deadline."""

    def shutdown(self, how: int) -> None:
        self._socket.shutdown(how)

    def close(self) -> None:
        self._socket.close()

    def _hang_up(self) -> None:
        with socket.socket(fileno=os.dup(self._socket.fileno())) as spare:
            spare.shutdown(socket.SHUT_RDWR)
