"""Walks through a large tree: what they do to the scrapes meanwhile, and what they cost the helper process."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.bench.load import Scraper, Scrapes
from tests.bench.processes import Running, exporter, tree_cpu
from tests.support import until

_PER_FOLDER: Final = 1000
_LONGEST: Final = 600.0  # seconds, for one walk
_FILES: Final = "runbook_path_files"
_SECONDS: Final = "runbook_path_walk_duration_seconds"
_ENDED: Final = "runbook_path_walked_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Walked:
    """Scrapes of the host's page, every one a round, at rest and while so many files are walked again and again."""

    files: int
    rest: Scrapes
    walking: Scrapes
    seconds: float
    """How long one walk takes."""
    cpu: float
    """Seconds of CPU that the helper spends on one walk."""
    memory: int
    """Resident bytes of the helper."""


def measure(place: Path, files: int, batches: int, batch: int) -> Walked:
    """Measure one exporter that has nothing to walk, and then one that never rests."""
    tree, nothing = place / "tree", place / "nothing"
    nothing.mkdir()
    _make(tree, files)
    try:
        with exporter(place, _config(nothing, "1h"), name="exporter at rest") as server:
            rest = _scraped(server, batches, batch)
        with exporter(place, _config(tree, "1s"), name="exporter that walks") as server:
            until(lambda: _figure(server, _FILES), _LONGEST)
            assert _figure(server, _FILES) == files
            walking = _scraped(server, batches, batch)
            (helper,) = psutil.Process(server.pid).children()
            cpu = _cpu_of_a_walk(server, helper.pid)
            return Walked(files, rest, walking, _figure(server, _SECONDS), cpu, helper.memory_info().rss)
    finally:
        shutil.rmtree(tree)


def _make(tree: Path, files: int) -> None:
    for first in range(0, files, _PER_FOLDER):
        folder = tree / f"{first // 100_000}" / f"{first // _PER_FOLDER}"
        folder.mkdir(parents=True)
        for number in range(first, min(files, first + _PER_FOLDER)):
            os.close(os.open(folder / f"file-{number}", os.O_CREAT | os.O_WRONLY, 0o644))


def _config(folder: Path, interval: str) -> str:
    path = f"{{path: {folder}, role: output}}"
    return (
        "host: {max_age: 0s}\n"
        f"targets: {{files: {{collector: path, max_age: 0s, walk_interval: {interval}, paths: {{it: {path}}}}}}}\n"
    )


def _scraped(server: Running, batches: int, batch: int) -> Scrapes:
    scraper = Scraper(server)
    scraper.once()
    for _ in range(batches):
        scraper.batch(batch)
    scraper.close()
    return scraper.result


def _cpu_of_a_walk(server: Running, helper: int) -> float:
    """Return the seconds of CPU from the end of one walk to the end of the next."""
    spent = []
    for _ in range(2):
        before = _figure(server, _ENDED)
        until(lambda: _figure(server, _ENDED) > before, _LONGEST)  # noqa: B023  # it is called at once
        spent.append(tree_cpu(helper))
    return spent[1] - spent[0]


def _figure(server: Running, metric: str) -> float:
    """Return the value of the metric's only series, 0 where there is none yet."""
    found = re.search(rf"^{metric}(?:\{{.*\}})? (\S+)$", server.page(), re.MULTILINE)
    return float(found[1]) if found else 0.0
