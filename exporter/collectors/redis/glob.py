"""Patterns of keys, as Redis itself matches them: `*`, `?`, `[a-c]`, `[^a-c]` and `\\`."""

import re
from typing import Final

_STAR: Final = b"*"
_ANY: Final = b"."
_ALL: Final = frozenset(range(256))


def compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Return a pattern of Redis as one of ours, for fullmatch(); no name takes it long, whatever the pattern."""
    *parts, last = _between_stars(pattern)
    if not parts:
        return re.compile(last, re.DOTALL)
    first, *middle = parts
    # where a part fits first is as good as any later place: with none tried again, many stars cost no more than one
    some = b"".join(b"(?>.*?" + part + b")" for part in middle if part)
    return re.compile(first + some + b".*" + last, re.DOTALL)


def _between_stars(pattern: bytes) -> list[bytes]:
    parts, place = [b""], 0
    while place < len(pattern):
        piece, place = _piece(pattern, place)
        if piece == _STAR:
            parts.append(b"")
        else:
            parts[-1] += piece
    return parts


def _piece(pattern: bytes, place: int) -> tuple[bytes, int]:
    """Return what stands at a place, as an expression or a star, and the place behind it."""
    letter = pattern[place : place + 1]
    if letter == b"*":
        return _STAR, place + 1
    if letter == b"?":
        return _ANY, place + 1
    if letter == b"[":
        return _class(pattern, place + 1)
    if letter == b"\\" and place + 1 < len(pattern):
        place += 1
    return _one_of({pattern[place]}), place + 1


def _class(pattern: bytes, place: int) -> tuple[bytes, int]:
    """Return `[...]`, of which the end may be missing, as an expression."""
    negated = pattern[place : place + 1] == b"^"
    place += negated
    letters: set[int] = set()
    while place < len(pattern) and pattern[place : place + 1] != b"]":
        if pattern[place : place + 1] == b"\\" and place + 1 < len(pattern):
            letters.add(pattern[place + 1])
            place += 2
        elif pattern[place + 1 : place + 2] == b"-" and place + 2 < len(pattern):
            low, high = sorted((pattern[place], pattern[place + 2]))
            letters.update(range(low, high + 1))
            place += 3
        else:
            letters.add(pattern[place])
            place += 1
    return _one_of(_ALL - letters if negated else letters), place + 1


def _one_of(letters: set[int] | frozenset[int]) -> bytes:
    if not letters:
        return b"(?!)"
    return b"[" + b"".join(b"\\x%02x" % letter for letter in sorted(letters)) + b"]"
