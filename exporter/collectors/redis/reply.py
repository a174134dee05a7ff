"""What a server may answer, and what it cannot have meant."""

from collections.abc import Sequence
from typing import Any, Final

Command = Sequence[str | bytes]
Reply = Any
"""bytes, int, None, a Refusal, or a list of those."""


_UNKNOWN: Final = ("ERR unknown command", "ERR unknown subcommand", "ERR Unknown subcommand")
_NO_DATABASE: Final = ("ERR DB index is out of range", "ERR invalid DB index", "ERR SELECT is not allowed")
_NO_KEY: Final = ("access a key", "access one of the keys")


class Refusal(str):
    """What the server answered in place of a result: a code such as NOPERM, and words."""

    __slots__ = ()

    @property
    def code(self) -> str:
        return self.partition(" ")[0]

    @property
    def is_unknown(self) -> bool:
        """Whether the server does not know the command."""
        return self.startswith(_UNKNOWN)

    @property
    def is_of_key(self) -> bool:
        """Whether the user may do the command, and not with that key."""
        return self.code == "NOPERM" and any(words in self for words in _NO_KEY)

    @property
    def is_lasting(self) -> bool:
        """Whether the answer will be the same for some time: no right to it, no such command, no such database."""
        return self.code == "NOPERM" or self.is_unknown or self.startswith(_NO_DATABASE)


class StrangeError(Exception):
    """What came is no answer of a Redis server."""


def beginning(data: bytes) -> str:
    """Return how something begins, fit for a page."""
    text = data[:40].decode("latin-1")
    return "".join(letter if letter.isprintable() and letter.isascii() else "." for letter in text).strip()
