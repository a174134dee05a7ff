"""What is counted of a log and of jobs: plain figures that JSON can hold."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from exporter.collectors.log.levels import LEVELS
from exporter.collectors.log.settings import OUTCOMES
from exporter.jobmetrics import BUCKETS

COUNTS: Final = ("lines", "bytes", "unparsed", "cut", "lost_bytes")
LOSSES: Final = ("truncated", "vanished")
"""Why lines may be lost: a file was emptied before it was read to its end, or went away."""
_AHEAD: Final = 86_400.0  # seconds by which a time may be ahead, as one without its zone is
_OPEN_RUNS: Final = 1000  # of one job; beyond that the oldest is taken to have been forgotten


def later(before: float | None, moment: float) -> float:
    """Return when something was last: not earlier than was told, unless that has been a mistake."""
    is_future = before is not None and before > time.time() + _AHEAD
    return moment if before is None or is_future else max(before, moment)


def log_key(log: str) -> str:
    return f"log {log}"


def job_key(job: str) -> str:
    return f"job {job}"


class LogTally:
    """The counters of one log."""

    __slots__ = ("counts", "events", "levels", "losses")

    def __init__(self, events: Iterable[str], kept: Mapping[str, Any]) -> None:
        self.counts: dict[str, int] = {name: kept.get(name, 0) for name in COUNTS}
        self.levels = _known(LEVELS, kept.get("levels", {}))
        self.events = _known(events, kept.get("events", {}))
        self.losses = _known(LOSSES, kept.get("losses", {}))

    def entry(self) -> dict[str, Any]:
        return {**self.counts, "levels": {**self.levels}, "events": {**self.events}, "losses": {**self.losses}}


def _known(names: Iterable[str], kept: Mapping[str, int]) -> dict[str, int]:
    return {name: kept.get(name, 0) for name in names}


class JobTally:
    """The runs of one job: those that ended, and when those began that have not."""

    __slots__ = ("buckets", "changed", "count", "last", "open", "outcomes", "since", "sum")

    def __init__(self, kept: Mapping[str, Any]) -> None:
        self.outcomes = _known(OUTCOMES, kept.get("outcomes", {}))
        buckets = kept.get("buckets", ())
        fits = len(buckets) == len(BUCKETS)
        self.buckets = [*buckets] if fits else [0] * len(BUCKETS)
        self.count: int = kept.get("count", 0) if fits else 0
        self.sum: float = kept.get("sum", 0.0) if fits else 0.0
        self.last: dict[str, float] = dict(kept.get("last", {}))
        self.open: dict[str, float] = dict(kept.get("open", {}))
        self.since: float = kept.get("since") or time.time()
        self.changed = "since" not in kept

    def entry(self) -> dict[str, Any]:
        return {
            "outcomes": {**self.outcomes}, "buckets": [*self.buckets], "count": self.count, "sum": self.sum,
            "last": {**self.last}, "open": {**self.open}, "since": self.since,
        }  # fmt: skip

    def see(self, what: str, run: str, moment: float) -> None:
        """Count a line of the job: `started`, `finished` or `failed`."""
        self.changed = True
        if what == "started":
            self._note("start", moment)
            self.open.pop(run, None)
            self.open[run] = moment
            if len(self.open) > _OPEN_RUNS:
                del self.open[next(iter(self.open))]
            return
        outcome = "success" if what == "finished" else "failure"
        self.outcomes[outcome] += 1
        self._note(outcome, moment)
        began = self.open.pop(run, None)
        if began is not None:
            self._measure(max(0.0, moment - began))

    def _note(self, what: str, moment: float) -> None:
        self.last[what] = later(self.last.get(what), moment)

    def _measure(self, seconds: float) -> None:
        self.count += 1
        self.sum += seconds
        for index, bound in enumerate(BUCKETS):
            self.buckets[index] += seconds <= bound
