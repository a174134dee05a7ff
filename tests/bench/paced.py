"""Probes at a real interval: what they take by the clock, and whether any comes late."""

import statistics
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from tests.bench.probesides import Prober, Probing
from tests.bench.processes import Memory

_LATE: Final = 10.0  # seconds after which Prometheus gives a scrape up
_TOLERATED: Final = 0.01  # seconds by which clocks may differ
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Paced:
    """What so many targets took that were probed once in each interval."""

    targets: int
    interval: float
    rounds: int
    seconds: float
    cpu: float
    """Seconds of CPU in all of them, with what is spent between probes."""
    memory: Memory
    late: int
    """Probes that failed, were not made at their time, or whose page was not there in time."""
    slowest: float
    """Seconds from when a page was due until it was there, at most."""
    told: tuple[float, ...]
    """What the probes say that they took, in seconds."""

    def percentile(self, percent: int) -> float:
        """Return a percentile of what the probes say that they took, in seconds."""
        return statistics.quantiles(self.told, n=100, method="inclusive")[percent - 1]

    @property
    def busy(self) -> float:
        """The share of one core."""
        return self.cpu / self.seconds

    @property
    def each(self) -> float:
        """Seconds of CPU for one probe."""
        return self.cpu / (self.targets * self.rounds)

    @property
    def carried(self) -> float:
        """How many targets at this interval keep one core busy, if as much comes of more."""
        return self.targets / self.busy


def measure(probers: Mapping[Key, Prober], interval: float, rounds: int) -> dict[Key, Paced]:
    """Have all of them probe side by side, each page of theirs at its own moment in each interval."""
    start = threading.Barrier(len(probers))
    with ThreadPoolExecutor(len(probers)) as pool:
        under_way = {key: pool.submit(_measured, prober, interval, rounds, start) for key, prober in probers.items()}
        return {key: future.result() for key, future in under_way.items()}


def _measured(prober: Prober, interval: float, rounds: int, start: threading.Barrier) -> Paced:
    apart = interval / len(prober.pages)
    late, slowest, told = 0, 0.0, list[float]()
    with Probing(prober) as probing:
        start.wait(60)
        before, begun = prober.running.cpu(), time.monotonic()
        for number in range(rounds * len(prober.pages)):
            due = begun + number * apart
            time.sleep(max(0.0, due - time.monotonic()))  # the pace that is measured, not a wait for something
            page = probing.told(prober.pages[number % len(prober.pages)], time.time() - _TOLERATED)
            took = time.monotonic() - due
            late += prober.probes - (page.good if took <= min(_LATE, interval) else 0)
            slowest = max(slowest, took)
            told += page.seconds
        time.sleep(max(0.0, begun + rounds * interval - time.monotonic()))
        seconds, cpu = time.monotonic() - begun, prober.running.cpu() - before
    return Paced(prober.targets, interval, rounds, seconds, cpu, prober.running.memory(), late, slowest, tuple(told))
