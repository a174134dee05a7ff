"""INFO, as Redis and its like tell it: sections of names with values, of which any may be missing."""

import math
from collections.abc import Iterator
from typing import Any, Final

from exporter.collectors.redis.reply import StrangeError

Number = int | float
_LONGEST_WHOLE: Final = 20  # digits of a number of 64 bits, with its sign
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
    """Return a text as a finite number; None where it is none."""
    if text is None:
        return None
    if text.isdecimal() and len(text) <= _LONGEST_WHOLE:
        return int(text)
    try:
        value = float(text)
    except ValueError:
        return _WORDS.get(text)
    if not math.isfinite(value):
        return None
    return int(value) if text[:1] == "-" and text[1:].isdecimal() else value
