"""Reads the Prometheus text format 0.0.4, strictly: what is doubtful is an error that names its line."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Final, TypeVar, cast, get_args

from exporter.metric import Histogram, Kind, Summary, Value

Labels = tuple[tuple[str, str], ...]
"""Names and values in the order of the names, without empty values, which are the same as none."""

_BLANK = r"[ \t]*+"
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_PAIR: Final = re.compile(rf"{_BLANK}([a-zA-Z_][a-zA-Z0-9_]*+){_BLANK}={_BLANK}({_QUOTED}){_BLANK}(?:,{_BLANK}|\Z)")
_SAMPLE: Final = re.compile(
    rf'{_BLANK}({_NAME}){_BLANK}(?:\{{((?:[^"{{}}]|{_QUOTED})*+)\}})?+{_BLANK}(?<=[ \t}}])([^ \t]++){_BLANK}(.*)'
)
_COMMENT: Final = re.compile(rf"{_BLANK}#{_BLANK}(HELP|TYPE)[ \t]++([^ \t]++)(?:[ \t]++(.*))?")
_WHOLE_NAME: Final = re.compile(_NAME)
_NUMBER: Final = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|(inf|infinity|nan))", re.ASCII | re.IGNORECASE)
_ESCAPE: Final = re.compile(r"\\(.?)")
_ESCAPED: Final = {"\\": "\\", "n": "\n", '"': '"'}
_KINDS: Final = frozenset(get_args(Kind))
_PARTS: Final = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
_BOUND: Final = {"histogram": "le", "summary": "quantile"}
_EXACT: Final = float(2**53)

Key = TypeVar("Key")
Entry = TypeVar("Entry")


class Malformed(ValueError):
    """The text breaks a rule of the format."""


@dataclass(slots=True)
class _Points:
    """The lines of one histogram or summary."""

    bounds: dict[float, float] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Family:
    """All series of one metric name."""

    name: str
    kind: Kind = "untyped"
    help: str = ""
    series: dict[Labels, Value] = field(default_factory=dict)
    points: dict[Labels, _Points] = field(default_factory=dict, repr=False)

    def names(self) -> set[str]:
        """Return its name, and those that its lines begin with."""
        return {self.name, *(self.name + part for part in _PARTS.get(self.kind, ()))}


def parse(text: str) -> list[Family]:
    """Return the families of a text in the order of their first lines."""
    if text and not text.endswith("\n"):
        raise Malformed("the last line does not end")
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            reader.line(line)
        except Malformed as error:
            raise Malformed(f"line {number}: {error}") from None
    return reader.families()


class _Reader:
    def __init__(self) -> None:
        self._owners: dict[str, Family] = {}
        self._helps: dict[str, str] = {}

    def families(self) -> list[Family]:
        found = {family.name: family for family in self._owners.values()}
        for family in found.values():
            family.help = self._helps.get(family.name, "")
            make: Callable[[str, _Points], Value] = _histogram if family.kind == "histogram" else _summary
            family.series.update((labels, make(family.name, points)) for labels, points in family.points.items())
        return [family for family in found.values() if family.series]

    def line(self, line: str) -> None:
        if comment := _COMMENT.fullmatch(line):
            self._comment(comment[1], comment[2], comment[3] or "")
        elif line.strip(" \t") and not line.lstrip(" \t").startswith("#"):
            self._sample(line)

    def _comment(self, word: str, name: str, text: str) -> None:
        if not _WHOLE_NAME.fullmatch(name):
            raise Malformed(f"{word} of {name!r}, which is not a metric name")
        if word == "TYPE":
            self._own(Family(name, _kind(text.strip(" \t"))))
        elif name in self._helps:
            raise Malformed(f"a second HELP of {name}")
        else:
            self._helps[name] = _unescaped(text)

    def _own(self, family: Family) -> Family:
        for name in family.names():
            if name in self._owners:
                raise Malformed(f"{name} is there already, by itself or as a part of {self._owners[name].name}")
            self._owners[name] = family
        return family

    def _sample(self, line: str) -> None:
        found = _SAMPLE.fullmatch(line)
        if not found:
            raise Malformed(f"not a sample: {line!r}")
        name, pairs, value, rest = found.groups()
        if rest:
            raise Malformed("a timestamp, or whatever stands after the value, is not supported")
        family = self._owners.get(name) or self._own(Family(name))
        labels = _labels(pairs or "")
        if family.kind in _PARTS:
            _add_part(family, name.removeprefix(family.name), labels, _number(value))
        else:
            _add(family.series, _key(labels), _number(value))


def _add_part(family: Family, part: str, labels: dict[str, str], value: float) -> None:
    bound = labels.pop(_BOUND[family.kind], None)
    points = family.points.setdefault(_key(labels), _Points())
    if part in ("_sum", "_count") and bound is None:
        _add(points.totals, part, value)
    elif part == _PARTS[family.kind][0] and bound is not None:
        _add(points.bounds, _number(bound), value)
    else:
        raise Malformed(f"not a line of a {family.kind}")


def _add(series: dict[Key, Entry], key: Key, value: Entry) -> None:
    if key in series:
        raise Malformed("this series is there already")
    series[key] = value


def _key(labels: dict[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def _labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    at = 0
    while text[at:].strip(" \t"):
        found = _PAIR.match(text, at)
        if not found:
            raise Malformed(f"not a label: {text[at:]!r}")
        _add(labels, found[1], _unescaped(found[2][1:-1]))
        at = found.end()
    return labels


def _unescaped(text: str) -> str:
    try:
        return _ESCAPE.sub(lambda found: _ESCAPED[found[1]], text) if "\\" in text else text
    except KeyError as error:
        raise Malformed(f"no such escape sequence: \\{error.args[0]}") from None


def _number(text: str) -> float:
    found = _NUMBER.fullmatch(text)
    value = float(text) if found else 0.0
    if not found or (value - value != 0 and not found[1]):
        raise Malformed(f"not a number: {text!r}")
    return int(value) if abs(value) < _EXACT and value.is_integer() else value


def _kind(text: str) -> Kind:
    if text not in _KINDS:
        raise Malformed(f"not a type: {text!r}")
    return cast(Kind, text)


def _histogram(name: str, points: _Points) -> Histogram:
    bounds = sorted(points.bounds.items())
    total, count = _totals(name, points)
    counts = [_count(name, value) for _, value in bounds] + [count]
    if counts != sorted(counts) or points.bounds.get(inf, count) != count:
        raise Malformed(f"{name}: a bucket counts more than a wider one")
    return Histogram(tuple(zip((bound for bound, _ in bounds if bound != inf), counts, strict=False)), count, total)


def _summary(name: str, points: _Points) -> Summary:
    total, count = _totals(name, points)
    return Summary(tuple(sorted(points.bounds.items())), count, total)


def _totals(name: str, points: _Points) -> tuple[float, int]:
    if len(points.totals) < 2:
        raise Malformed(f"{name}: its _sum or its _count is missing")
    return points.totals["_sum"], _count(name, points.totals["_count"])


def _count(name: str, value: float) -> int:
    if value < 0 or not float(value).is_integer():
        raise Malformed(f"{name}: {value!r} is not a count")
    return int(value)
