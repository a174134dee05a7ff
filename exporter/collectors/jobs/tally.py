"""Runs that have ended, counted by job; kept so that neither a restart nor a purge makes a count smaller."""

import time
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from exporter.collectors.log.settings import OUTCOMES
from exporter.jobmetrics import BUCKETS, runs
from exporter.metric import Samples
from exporter.state import Shelf

OTHER: Final = "other"
_JOB: Final = "job "
_MARK: Final = "counted until"


class Ended(NamedTuple):
    """Runs of one job that ended alike: how many, the times of the last, and how long those took that are measured."""

    name: str
    outcome: str
    runs: int
    ended: float
    began: float | None
    measured: int
    seconds: float
    buckets: tuple[int, ...]


def single(name: str, outcome: str, ended: float, began: float | None) -> Ended:
    """Return one run."""
    if began is None or began > ended:
        return Ended(name, outcome, 1, ended, began, 0, 0.0, (0,) * len(BUCKETS))
    seconds = ended - began
    return Ended(name, outcome, 1, ended, began, 1, seconds, tuple(int(seconds <= bound) for bound in BUCKETS))


class Tally:
    """Counts of one target's jobs. What a page shows is on disk already, wherever there is a disk."""

    def __init__(self, shelf: Shelf, jobs: Collection[str], top: int) -> None:
        self._shelf = shelf
        self._top = max(top, len(jobs))
        kept = {key: entry for key, entry in shelf.get_all().items() if key.startswith(_JOB)}
        fits = {key.removeprefix(_JOB): entry for key, entry in kept.items() if len(entry["buckets"]) == len(BUCKETS)}
        self._jobs: dict[str, dict[str, Any]] = fits
        self.mark: float | None = shelf.get(_MARK)
        """Until when runs are counted; None where counting has not begun."""
        self._told: Mapping[str, Mapping[str, Any]] = self._copy()
        self._changed: set[str] = set()
        for job in jobs:
            self._entry(job)

    def see(self, ended: Ended, *, counts: bool = True) -> None:
        """Take note of runs that have ended; of those from before the counting only the times."""
        entry = self._entry(ended.name)
        self._last(entry, ended.outcome, ended.ended)
        self._last(entry, "start", ended.began)
        if counts:
            entry["outcomes"][ended.outcome] += ended.runs
            entry["count"] += ended.measured
            entry["sum"] += ended.seconds
            entry["buckets"] = [before + more for before, more in zip(entry["buckets"], ended.buckets, strict=True)]

    def began(self, name: str, moment: float | None) -> None:
        """Take note of when a run started that is under way."""
        self._last(self._entry(name), "start", moment)

    def keep(self, mark: float) -> None:
        """Keep what was counted until then; it is shown once it is on disk."""
        self.mark = mark
        told = self._copy()
        values = {f"{_JOB}{name}": told[name] for name in self._changed}
        self._changed.clear()
        self._shelf.put_all({**values, _MARK: mark}, then=lambda: self._tell(told))
        if self._shelf.problem:
            self._tell(told)

    def samples(self) -> Samples:
        """Yield the counts of all jobs."""
        for name, entry in self._told.items():
            yield from runs(name, entry)

    def names(self) -> list[str]:
        """Return all jobs that are known."""
        return list(self._jobs)

    def name(self, job: str) -> str:
        """Return the name under which a job is told: its own, as long as there are few."""
        return job if job in self._jobs or len(self._jobs) - (OTHER in self._jobs) < self._top else OTHER

    def _tell(self, told: Mapping[str, Mapping[str, Any]]) -> None:
        self._told = told

    def _copy(self) -> dict[str, dict[str, Any]]:
        return {
            name: {**entry, "outcomes": {**entry["outcomes"]}, "last": {**entry["last"]}}
            for name, entry in self._jobs.items()
        }

    def _entry(self, job: str) -> dict[str, Any]:
        name = self.name(job)
        if name not in self._jobs:
            self._jobs[name] = {
                "outcomes": dict.fromkeys(OUTCOMES, 0), "buckets": [0] * len(BUCKETS), "count": 0, "sum": 0.0,
                "last": {}, "since": time.time(),
            }  # fmt: skip
        self._changed.add(name)
        return self._jobs[name]

    def _last(self, entry: dict[str, Any], what: str, moment: float | None) -> None:
        if moment is not None:
            entry["last"][what] = max(moment, entry["last"].get(what, moment))
