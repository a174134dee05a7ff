"""What a server may answer, and what it cannot have meant."""

from collections.abc import Sequence
from typing import Any

Command = Sequence[str | bytes]
Reply = Any
"""bytes, int, None, a Refusal, or a list of those."""


class Refusal(str):
    """What the server answered in place of a result: a code such as NOPERM, and words."""

    __slots__ = ()

    @property
    def code(self) -> str:
        return self.partition(" ")[0]


class StrangeError(Exception):
    """What came is no answer of a Redis server."""


def beginning(data: bytes) -> str:
    """Return how something begins, fit for a page."""
    text = data[:40].decode("latin-1")
    return "".join(letter if letter.isprintable() and letter.isascii() else "." for letter in text).strip()
