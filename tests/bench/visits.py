"""What one visit to a page by a browser costs."""

import resource
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from exporter.collector import Trouble
from exporter.collectors.page import found_browser
from tests.bench.processes import memory_of
from tests.onetarget import One, one
from tests.pageserver import serving


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit: how long it took, and what the browser and the process that drives it took together."""

    seconds: float
    cpu: float
    """Seconds."""
    memory: int
    """Bytes (PSS) at the peak."""
    processes: int


@dataclass(frozen=True, slots=True)
class Visits:
    """Visits to one small page, which is well; none where there is no browser."""

    made: tuple[Visit, ...]

    def median(self, figure: Callable[[Visit], float]) -> float:
        return statistics.median(figure(visit) for visit in self.made)


class _Peak:
    """The most memory that the children of this process had together."""

    def __init__(self) -> None:
        self.bytes = self.processes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "_Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._over.wait(0.1):
            with suppress(psutil.Error):
                children = own.children(recursive=True)
                self.processes = max(self.processes, len(children))
                self.bytes = max(self.bytes, sum(_proportional(child.pid) for child in children))


def _proportional(pid: int) -> int:
    try:
        return memory_of(pid).proportional
    except OSError:  # it has ended
        return 0


def measure(rounds: int) -> Visits:
    """Visit a page so often, where a browser is installed."""
    try:
        found_browser("")
    except Trouble:
        return Visits(())
    with serving() as site, one("page", f"url: {site.address}/good\nscratch: {site.scratch}") as target:
        return Visits(tuple(_visit(target) for _ in range(rounds)))


def _visit(target: One) -> Visit:
    before, begun = _spent(), time.monotonic()
    with _Peak() as peak:
        found = target.read(90)
    assert found.up, found.reason
    return Visit(time.monotonic() - begun, _spent() - before, peak.bytes, peak.processes)


def _spent() -> float:
    """Return the seconds of CPU of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
