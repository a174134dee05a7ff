"""What one visit to a page costs: `python -m tests.bench.visits [ROUNDS]`."""

import resource
import statistics
import sys
import threading
import time
from contextlib import suppress

import psutil

from tests.bench.processes import memory_of
from tests.onetarget import one
from tests.pageserver import Site, serving


class Peak:
    """The most memory (PSS) that the browser and the process that drives it had together."""

    def __init__(self) -> None:
        self.bytes = self.processes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
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
                self.bytes = max(self.bytes, sum(_pss(child.pid) for child in children))


def _pss(pid: int) -> int:
    try:
        return memory_of(pid).proportional
    except OSError:
        return 0


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(site: Site, rounds: int) -> dict[str, float]:
    """Return medians over so many visits: seconds, seconds of the processor, MB at the peak, processes."""
    found: list[tuple[float, float, float, float]] = []
    with one("page", f"url: {site.address}/good\nscratch: {site.scratch}") as target:
        for _ in range(rounds):
            before, began = _spent(), time.monotonic()
            with Peak() as peak:
                assert target.read(90).up
            found.append((time.monotonic() - began, _spent() - before, peak.bytes / 1e6, peak.processes))
    names = ("seconds", "CPU seconds", "MB (PSS) at the peak", "processes")
    return {name: statistics.median(column) for name, column in zip(names, zip(*found, strict=True), strict=True)}


def main() -> None:
    """Measure, and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with serving() as site:
        for name, value in measured(site, rounds).items():
            print(f"{name:24} {value:8.2f}")


if __name__ == "__main__":
    main()
