"""The scans of all projects, made by the day, and what the last of each told; all over restarts."""

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.dependency.firstseen import FirstSeen
from exporter.collectors.dependency.found import Advisory, Origin, Scanned, Updates, Weaknesses
from exporter.collectors.dependency.osv import Wait
from exporter.collectors.dependency.running import Way
from exporter.collectors.dependency.scans import UPDATES, WEAKNESSES, Scan, scans
from exporter.collectors.dependency.settings import SEVERITIES, DependencySettings
from exporter.deadline import Cancel, Deadline
from exporter.longlook import LongLook
from exporter.state import Shelf

_FORMAT: Final = 1  # of what is kept: what an older exporter has kept is forgotten
_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Outdated:
    """What a scan told of newer releases."""

    packages: int
    unscanned: int
    outdated: int
    since: float | None
    lag: float | None


@dataclass(frozen=True, slots=True)
class Known:
    """What a scan told of vulnerabilities: how many by severity, when the oldest was first seen, the worst by name."""

    packages: int
    unscanned: int
    counts: Mapping[str, int]
    first: Mapping[str, float]
    named: Sequence[Sequence[Any]]
    """Severity, first sight, and what a person calls it."""
    times: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """When each was first seen, by severity, those without a name here too."""


class Report(NamedTuple):
    """What the last scan of a project that worked told, and when it began."""

    ecosystem: str
    project: str
    time: float
    outdated: Outdated | None
    known: Known | None
    origins: tuple[Origin, ...] | None
    lists: float | None


class Looks:
    """The scans of a target, and what they told last."""

    def __init__(self, settings: DependencySettings, shelf: Shelf) -> None:
        self.settings = settings
        self._shelf = shelf
        self.scans = list(scans(settings, shelf))
        _tidy(shelf, self.scans)
        self._away: dict[str, float] = {}
        self._long = {scan.name: self._look(scan) for scan in self.scans}

    def all(self) -> list[LongLook]:
        return list(self._long.values())

    def reports(self) -> Iterator[Report]:
        """Yield what each scan told last, however long ago."""
        for scan in self.scans:
            try:
                found = self._long[scan.name].found(math.inf)
            except Trouble:  # troubles() tells
                continue
            yield _report(scan, found.time, found.value)

    def troubles(self) -> Iterator[Trouble]:
        """Yield why a scan told nothing when it was tried last, or has not been made yet."""
        for scan in self.scans:
            look, of = self._long[scan.name], f"{scan.project} ({scan.ecosystem}, {' and '.join(scan.parts)})"
            if look.trouble is not None:
                yield Trouble(f"{of}: {look.trouble}", look.trouble.fix)
                continue
            try:
                look.found(math.inf)
            except NotApplicable as early:
                yield NotApplicable(f"{of}: the first scan has not ended yet", early=early.early)

    def _look(self, scan: Scan) -> LongLook:
        accepted = sorted(self.settings.projects[scan.project].accepted)
        of = hashlib.sha256(f"{_FORMAT} {scan.of} {accepted}".encode()).hexdigest()[:16]
        away = partial(self._rest, scan.name)
        work = partial(self._scan, scan)
        return LongLook(
            scan.name,
            work,
            self.settings.scan_interval,
            self._shelf,
            of=of,
            heavy=True,
            away=away,
            again=lambda _: not self._shelf.is_read,
        )

    def _rest(self, name: str) -> float:
        return max(0.0, self._away.get(name, 0.0) - time.monotonic())

    def _scan(self, scan: Scan, cancel: Cancel) -> dict[str, Any]:
        began = time.time()
        try:
            found = scan.work(Way(Deadline(self.settings.scan_timeout), cancel))
        except Wait as wait:
            self._away[scan.name] = time.monotonic() + wait.seconds
            raise
        return self._kept(scan, found, began)

    def _kept(self, scan: Scan, found: Scanned, began: float) -> dict[str, Any]:
        of = f"{scan.ecosystem} {scan.project}"
        accepted = set(self.settings.projects[scan.project].accepted)
        outdated = _outdated(found.updates, FirstSeen(self._shelf, f"outdated {of}"), began)
        known = _known(found.weaknesses, accepted, FirstSeen(self._shelf, f"vulnerable {of}"), began)
        return {
            UPDATES: asdict(outdated) if outdated is not None else None,
            WEAKNESSES: asdict(known) if known is not None else None,
            "origins": [list(one) for one in found.origins] if found.origins is not None else None,
            "lists": found.lists,
        }


def _tidy(shelf: Shelf, kept: Sequence[Scan]) -> None:
    """Forget what was kept of projects that are watched no more, what was first seen of them after a while."""
    scanned = {f"look {scan.name}" for scan in kept}
    of = {f"{scan.ecosystem} {scan.project}" for scan in kept}
    for key in list(shelf.keys()):
        what, _, whose = key.partition(" ")
        if (what == "look" and key not in scanned) or (what == "advisories" and whose not in of):
            shelf.put(key, None)
        elif what in ("outdated", "vulnerable") and whose not in of:
            FirstSeen(shelf, key).note((), time.time())


def _report(scan: Scan, began: float, told: Mapping[str, Any]) -> Report:
    outdated, known, origins = told[UPDATES], told[WEAKNESSES], told["origins"]
    return Report(
        scan.ecosystem, scan.project, began,
        Outdated(**outdated) if outdated is not None else None,
        Known(**known) if known is not None else None,
        tuple(Origin(*one) for one in origins) if origins is not None else None,
        told["lists"],
    )  # fmt: skip


def _outdated(updates: Updates | None, seen: FirstSeen, now: float) -> Outdated | None:
    if updates is None:
        return None
    # a newer release on top of one that waits already starts no clock anew; an update of the package does
    firsts = seen.note([(f"{one.name} {one.version}",) for one in updates.pending], now)
    lags = [one.lag for one in updates.pending if one.lag is not None]
    return Outdated(updates.packages, updates.unscanned, len(updates.pending), min(firsts, default=None),
                    max(lags, default=None))  # fmt: skip


def _known(weaknesses: Weaknesses | None, accepted: set[str], seen: FirstSeen, now: float) -> Known | None:
    if weaknesses is None:
        return None
    found = [one for one in weaknesses.advisories if not accepted & set(one.names)]
    # an update of the package that leaves it as vulnerable starts no clock anew
    firsts = seen.note([[f"{one.package} {name}" for name in one.names] for one in found], now)
    pairs = sorted(zip(found, firsts, strict=True), key=lambda pair: (SEVERITIES.index(pair[0].severity), pair[1]))
    times: dict[str, list[float]] = {}
    for one, seen_first in pairs:
        times.setdefault(one.severity, []).append(seen_first)
    return Known(
        weaknesses.packages, weaknesses.unscanned,
        {severity: sum(one.severity == severity for one in found) for severity in SEVERITIES},
        {severity: min(seen) for severity, seen in times.items()},
        [[one.severity, seen_first, _called(one)] for one, seen_first in pairs[:_MOST_NAMED]],
        times,
    )  # fmt: skip


def _called(advisory: Advisory) -> str:
    return f"{advisory.package} {advisory.version} ({advisory.names[0]})"
