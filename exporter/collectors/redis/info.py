"""INFO, as Redis and its like tell it: sections of names with values, of which any may be missing."""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from exporter.collectors.redis.reply import StrangeError

Number = int | float
_LONGEST_WHOLE: Final = 20  # digits of a number of 64 bits, with its sign
_FIGURE: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORDS: Final = {"ok": 1, "true": 1, "err": 0, "fail": 0, "false": 0}


class Info:
    """What INFO told: `fields` by name, of all sections, and the sections that are lists."""

    def __init__(self, told: Any) -> None:
        self.fields: dict[str, str] = {}
        self._lists: dict[str, list[tuple[str, str]]] = {}
        if not isinstance(told, bytes):
            raise StrangeError("INFO tells nothing")
        entries: list[tuple[str, str]] | None = None
        for line in told.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if line.startswith("# "):
                entries = self._lists.setdefault(line[2:], []) if line[2:] in _LISTS else None
            elif colon and entries is not None:
                entries.append((name, value))
            elif colon:
                self.fields[name] = value
        if "redis_version" not in self.fields:
            raise StrangeError("INFO names no version")

    @property
    def mode(self) -> str:
        """standalone, sentinel or cluster; Valkey calls it server_mode."""
        return self.fields.get("redis_mode") or self.fields.get("server_mode", "")

    def text(self, name: str) -> str:
        return self.fields.get(name, "")

    def number(self, name: str) -> Number | None:
        """Return a field as a number; None where it is missing, or none."""
        return number(self.fields.get(name))

    def entries(self, section: str, prefix: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the entries of a section that is a list: of `cmdstat_get:calls=1` it is "get" and {"calls": "1"}."""
        for name, value in self._lists.get(section, ()):
            if name.startswith(prefix):
                yield name.removeprefix(prefix), pairs(value)

    def numbered(self, prefix: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the fields `slave0`, `slave1`, ... of a prefix, each taken apart."""
        for name, value in self.fields.items():
            if name.startswith(prefix) and name[len(prefix) :].isdigit():
                yield name, pairs(value)


_LISTS: Final = frozenset({"Commandstats", "Errorstats", "Latencystats", "Keyspace", "Modules", "Keysizes"})


def pairs(text: str) -> dict[str, str]:
    """Return `a=1,b=2` by name."""
    return dict(part.partition("=")[::2] for part in text.split(","))


def number(text: str | None) -> Number | None:
    """Return a text as a finite number, or a word that stands for one; None where it is neither."""
    if text is None:
        return None
    return _WORDS[text] if text in _WORDS else figure(text)


def figure(text: str) -> Number | None:
    """Return a text as a finite number; None where it is none.

    float() takes more than people mean by one: `2024_01`, blanks around it, other figures than 0 to 9.
    """
    if _FIGURE.fullmatch(text) is None:
        return None
    if len(text) <= _LONGEST_WHOLE and text.removeprefix("-").isdecimal():
        return int(text)
    value = float(text)
    return value if math.isfinite(value) else None
