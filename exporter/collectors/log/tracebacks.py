"""Tracebacks: many lines that are one event, and no messages of their own."""

from typing import Final

from exporter.collectors.log.levels import REACH, WORD

MARK: Final = b"Traceback (most recent call last)"
_GROUP: Final = b"+ Exception Group Traceback"
_BLANK: Final = (b" ", b"\t", b"\r", b"")
_STAMPED: Final = b"0123456789[{<"  # begins a line that has a time, an object or a level in front
_AFTER: Final = 20  # lines that a message of an exception may go on for, and what leads to the next traceback

NOWHERE: Final = 0
FRAMES: Final = -1
"""Where a line stands: outside of a traceback, among its frames, or, above 0, behind its exception."""


def is_continuation(line: bytes) -> bool:
    """Tell whether a line without a level belongs to the message before it, by its look alone."""
    return line[:1] in _BLANK or line.startswith((b"Caused by:", b"During handling of", b"The above exception was"))


def step(place: int, line: bytes) -> tuple[int, bool, bool]:
    """Return where the line after this one stands, whether this one is a traceback's, and whether one begins here."""
    if place == FRAMES and not _is_message(line):
        return (FRAMES if line[:1] in _BLANK or MARK in line else _AFTER), True, False
    if place > 0 and line.startswith(MARK):  # of what was raised while the one before was handled
        return FRAMES, True, False
    if MARK in line:
        after = _AFTER if _GROUP in line else FRAMES
        return after, line.lstrip(b" +|").startswith((MARK, b"Exception Group")), True
    if place > 0 and not WORD.search(line, 0, REACH):
        return place - 1, True, False
    return NOWHERE, False, False


def _is_message(line: bytes) -> bool:
    return line[:1] != b"" and line[:1] in _STAMPED and WORD.search(line, 0, REACH) is not None
