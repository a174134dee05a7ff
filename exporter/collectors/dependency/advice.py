"""Records of advisories, cut down to what counts, and several names of one vulnerability made one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from exporter.collectors.dependency.found import Advisory, Package
from exporter.collectors.dependency.running import changed
from exporter.collectors.dependency.severity import UNKNOWN, scored, word_in, worst

_PUNCTUATION: Final = re.compile("[-_.]+")


class Record(NamedTuple):
    """What counts of an advisory: its other names, its severity by words and by scores, whether it was taken back."""

    modified: str
    aliases: list[str]
    word: str
    score: str
    withdrawn: bool


class Records:
    """The records that are known, by advisory and package; as they can be kept."""

    def __init__(self, kept: Any) -> None:
        self._known: dict[str, Record] = {}
        for key, values in kept.items() if isinstance(kept, dict) else ():
            if isinstance(values, list) and len(values) == len(Record._fields):
                self._known[key] = Record(*values)
        self._used: set[str] = set()

    def knows(self, name: str, package: str, modified: str) -> bool:
        """Tell whether the record of an advisory is known as it is now."""
        known = self._known.get(f"{name} {package}")
        return known is not None and known.modified == modified and bool(modified)

    def put(self, name: str, package: str, record: Record) -> None:
        self._known[f"{name} {package}"] = record

    def get(self, name: str, package: str) -> Record:
        self._used.add(f"{name} {package}")
        return self._known[f"{name} {package}"]

    def kept(self, *, used: bool) -> dict[str, list[Any]]:
        """Return them as JSON can hold them, on demand without those that nobody asked for."""
        return {key: list(record) for key, record in self._known.items() if not used or key in self._used}


def record_of(told: Mapping[str, Any], name: str, package: str, modified: str) -> Record:
    """Return what counts of an advisory for a package."""
    aliases, affected = told.get("aliases", []), told.get("affected", [])
    listed = isinstance(aliases, list) and all(isinstance(alias, str) for alias in aliases)
    if told.get("id") != name or not listed or not isinstance(affected, list):
        raise changed("an advisory of OSV")
    # what is said of this package alone goes before what is said of all
    ours = [one for one in affected if isinstance(one, dict) and _is_of(one, package)]
    word = _first(worst(map(word_in, ours)), word_in(told))
    score = _first(worst(map(scored, ours)), scored(told))
    return Record(modified, aliases, word, score, bool(told.get("withdrawn")))


def _is_of(affected: Mapping[str, Any], package: str) -> bool:
    named = affected.get("package")
    name = named.get("name") if isinstance(named, dict) else None
    return isinstance(name, str) and _alike(name) == _alike(package)


def _alike(name: str) -> str:
    """Return a name without what is no difference in Python's index; npm's differ in more."""
    return _PUNCTUATION.sub("-", name).lower()


def _first(*severities: str) -> str:
    return next((severity for severity in severities if severity != UNKNOWN), UNKNOWN)


def advisories(named: Mapping[Package, Mapping[str, str]], records: Records) -> list[Advisory]:
    """Return each vulnerability of each package once, however many names it has and versions there are."""
    found: dict[str, tuple[str, dict[str, Record]]] = {}
    for package, names in named.items():
        _, known = found.setdefault(package.name, (package.version, {}))
        for name in names:
            record = records.get(name, package.name)
            if not record.withdrawn:
                known[name] = record
    return [
        Advisory(package, version, tuple(sorted(_names(group))), _severity(list(group.values())))
        for package, (version, known) in sorted(found.items())
        for group in _groups(known)
    ]


def _names(group: Mapping[str, Record]) -> set[str]:
    return {*group, *(alias for record in group.values() for alias in record.aliases)}


def _severity(group: Sequence[Record]) -> str:
    """Return the severity that a word of any of them means, else that of the scores."""
    return _first(worst(record.word for record in group), worst(record.score for record in group))


def _groups(records: Mapping[str, Record]) -> Iterator[dict[str, Record]]:
    """Yield the records that share a name with one another, directly or by a third."""
    left = dict(sorted(records.items()))
    while left:
        name, record = next(iter(left.items()))
        group, names = {name: left.pop(name)}, {name, *record.aliases}
        while joined := [other for other, its in left.items() if names & {other, *its.aliases}]:
            for other in joined:
                group[other] = left.pop(other)
                names |= {other, *group[other].aliases}
        yield group
