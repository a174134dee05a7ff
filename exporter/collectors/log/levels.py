"""Levels: what loggers call them, and the few that are told."""

import re
from typing import Any, Final

LEVELS: Final = ("critical", "error", "warning", "info", "debug", "other")

_WORDS: Final = {
    "critical": ("critical", "fatal", "panic", "emerg", "emergency", "alert", "crit"),
    "error": ("error", "err", "severe"),
    "warning": ("warning", "warn"),
    "info": ("info", "information", "notice", "log"),
    "debug": ("debug", "trace", "verbose", "fine", "finer", "finest"),
}
_LEVEL_OF: Final = {word: level for level, words in _WORDS.items() for word in words}
_UPPER: Final = "|".join(sorted((word.upper() for word in _LEVEL_OF if word != "fine"), key=len, reverse=True))
_LOWER: Final = "|".join(sorted((word for word in _LEVEL_OF if word not in ("log", "fine")), key=len, reverse=True))

REACH: Final = 200
"""Bytes at the beginning of a line in which its level stands."""
# Written as a program writes it: in capitals, or in brackets, after `level=`, or at the beginning before a colon.
WORD: Final = re.compile(
    rf"\b(?:{_UPPER})\b|\[(?:{_LOWER})\]|\b(?:level|lvl|severity)=\"?(?:{_LOWER})\b|\A(?:{_LOWER}):".encode()
)


def level_of_word(found: bytes) -> str:
    """Return the level that WORD has found."""
    word = found.decode().lower().rpartition("=")[2].strip('[]:"')
    return _LEVEL_OF.get(word, "other")


def level_of_value(value: Any) -> str:
    """Return the level that a field or a group tells: a word, or a number as pino and bunyan write it."""
    if isinstance(value, str):
        word = value.strip().lower()
        return _LEVEL_OF.get(word) or (level_of_value(int(word)) if word.isdecimal() and len(word) < 4 else "other")
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 100:
        return ("debug", "debug", "debug", "info", "warning", "error")[int(value // 10)] if value < 60 else "critical"
    return "other"
