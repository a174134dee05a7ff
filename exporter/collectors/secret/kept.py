"""Since when each secret has had its value, over restarts; of the value itself a slow, keyed digest is kept."""

import hashlib
import hmac
import secrets
import time
from typing import Any, Final

from exporter.collectors.secret.looks import Seen
from exporter.state import Shelf

# Who steals the state must not guess a short password from it; a new value comes rarely, so each may cost 10 ms.
_ROUNDS: Final = 20_000
_SALT: Final = 16
_AT_REST: Final = 2.0  # seconds: a file written just now may be half written


class Kept:
    """What is remembered of the secrets of one target."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def version(self, name: str, of: str) -> list[int]:
        """Return what the file was like that holds the value known last, nothing where that is of another secret."""
        return list(self._entry(name, of).get("version", ()))

    def forget_others(self, names: frozenset[str]) -> None:
        """Forget what is not asked for any more."""
        if gone := set(self._shelf.keys()) - names:
            self._shelf.put_all(dict.fromkeys(gone))

    def take(self, name: str, seen: Seen) -> None:
        """Note what was seen of a secret; nothing where its file was written just now."""
        now = time.time()
        if seen.rotated is not None:
            self._shelf.put(name, {"of": seen.of, "since": seen.rotated})
        if seen.value is None or 0 <= now - seen.written < _AT_REST or not self._shelf.is_read:
            return  # what is put before the state is read takes the place of what was kept
        before = self._entry(name)
        salt = before.get("salt") or secrets.token_hex(_SALT)
        digest = hashlib.pbkdf2_hmac("sha256", seen.value, bytes.fromhex(salt), _ROUNDS).hex()
        same = hmac.compare_digest(str(before.get("digest", "")), digest)
        entry = {"of": seen.of, "salt": salt, "digest": digest, "version": seen.version}
        if same or before.get("of") == seen.of:
            entry |= {"since": before.get("since") if same else _changed(seen, before, now), "first": before["first"]}
        else:  # the first sight of it
            entry |= {"since": None, "first": min(seen.written, now)}
        self._shelf.put(name, entry)

    def since(self, name: str, of: str) -> float | None:
        """Return when the value was seen to change; None where it is the first."""
        return _number(self._entry(name, of).get("since"))

    def first(self, name: str, of: str) -> float | None:
        """Return when the file was written that had the first value."""
        return _number(self._entry(name, of).get("first"))

    def _entry(self, name: str, of: str | None = None) -> dict[str, Any]:
        """Return what is kept under a name; with `of` nothing where that is of another secret."""
        found = self._shelf.get(name)
        return found if isinstance(found, dict) and of in (None, found.get("of")) else {}


def _changed(seen: Seen, before: dict[str, Any], now: float) -> float:
    """Return when a value became another: when its file was written, unless that is the time of an older file."""
    version = before.get("version") or [0, 0, 0, 0]
    return seen.written if version[2] < seen.version[2] and seen.written <= now else now


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
