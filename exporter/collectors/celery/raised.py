"""Which exception an event tells, by its class alone: what else it says may be secret."""

import re
from typing import Any, Final

_UNKNOWN: Final = "UnknownException"
_SHOWN: Final = re.compile(r"(\w{1,100})\(")
# Celery wraps what is raised in its own process, as where a child was killed or took too long.
_WRAPPED: Final = "ExceptionWithTraceback"
_HEADER: Final = "Traceback (most recent call last):"
_RAISED: Final = re.compile(r"(?:\w{1,100}\.){0,20}(\w{1,100})(?::|$)")


def class_of(exception: Any, traceback: Any) -> str:
    """Return the class of an exception that is told as text, or else of the last one in its traceback."""
    found = _SHOWN.match(str(exception))
    if found and found[1] != _WRAPPED:
        return found[1]
    return _last_of(str(traceback or "")) or _UNKNOWN


def _last_of(traceback: str) -> str:
    """Return the class that stands below the last stack: that is indented, and what comes after may be any text."""
    _, header, stack = f"\n{traceback}".rpartition(f"\n{_HEADER}\n")
    line = next((line for line in stack.split("\n") if line and not line.startswith(" ")), "") if header else ""
    found = _RAISED.match(line)
    return found[1] if found else ""
