"""The browser's protocol for tools (CDP) over two pipes: JSON, each message ended by a NUL. No port is open."""

import json
import os
import select
import time
from typing import Any, Final

Message = dict[str, Any]
_PIECE: Final = 1 << 20
_LONGEST: Final = 64 << 20  # bytes of one message: a page can have its address, or an error's text, as long as it likes


class HungUpError(Exception):
    """The browser is gone, or says what nobody can hold."""


class Wire:
    """Both ends of the pipes that are ours."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        os.set_blocking(writes, False)  # one that hangs takes nothing, and we need no answer of it
        self._taken = bytearray()
        self._looked = 0  # bytes of it that hold no end of a message
        self._last = 0

    def send(self, method: str, session: str | None = None, **params: Any) -> int:
        """Send an order, and return the number that its answer will have."""
        self._last += 1
        order = {"id": self._last, "method": method, "params": params, **({"sessionId": session} if session else {})}
        try:
            os.write(self._writes, json.dumps(order, separators=(",", ":")).encode("ascii") + b"\0")
        except OSError:
            raise HungUpError from None
        return self._last

    def receive(self, seconds: float) -> Message | None:
        """Return the next message; None where there is none within so many seconds."""
        until = time.monotonic() + seconds
        while (end := self._taken.find(b"\0", self._looked)) < 0:
            self._looked = len(self._taken)
            left = until - time.monotonic()
            if not select.select([self._reads], [], [], max(0.0, left))[0]:
                return None
            self._take()
        text = bytes(self._taken[:end])
        del self._taken[: end + 1]
        self._looked = 0
        message: Message = json.loads(text)
        return message

    def _take(self) -> None:
        piece = os.read(self._reads, _PIECE)
        if not piece or len(self._taken) > _LONGEST:
            raise HungUpError
        self._taken += piece

    def close(self) -> None:
        """Hang up."""
        os.close(self._reads)
        os.close(self._writes)
