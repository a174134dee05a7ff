"""A log that bursts: what following it does to the scrapes meanwhile, and what it costs the helper process."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.bench.load import Scraper, Scrapes
from tests.bench.processes import Running, exporter, tree_cpu
from tests.support import until

_BLOCK: Final = 1000
_LONGEST: Final = 20_000  # scrapes after which it will never catch up


@dataclass(frozen=True, slots=True)
class Burst:
    """Scrapes of the host's page, every one a round, while nothing is logged and until so many lines are counted."""

    lines: int
    size: int
    """Bytes that they have."""
    rest: Scrapes
    bursting: Scrapes
    seconds: float
    """From the burst until the page shows all of it."""
    cpu: float
    """Seconds of CPU that the helper spends on it."""


def measure(place: Path, lines: int, batches: int, batch: int) -> Burst:
    """Scrape an exporter that follows a silent log, then write to that all at once, and scrape on."""
    log = place / "burst.log"
    log.touch()
    with exporter(place, _config(log), name="exporter that follows") as server:
        until(lambda: "runbook_log_lines_total{" in server.page(), 30)  # it has looked: what comes now counts
        scraper = Scraper(server)
        for _ in range(batches):
            scraper.batch(batch)
        rest, scraper.result = scraper.result, Scrapes()
        (helper,) = psutil.Process(server.pid).children()
        before = tree_cpu(helper.pid)
        _write(log, lines)
        while _counted(server) < lines:
            assert len(scraper.result.seconds) < _LONGEST
            scraper.batch(batch)
        scraper.close()
        spent = tree_cpu(helper.pid) - before
    return Burst(lines, log.stat().st_size, rest, scraper.result, sum(scraper.result.seconds), spent)


def _config(log: Path) -> str:
    return (
        "host: {max_age: 0s}\n"
        f"targets: {{app: {{collector: log, max_age: 0s, logs: {{it: {{files: [{log}], format: json}}}}}}}}\n"
    )


def _write(log: Path, lines: int) -> None:
    line = '{"timestamp": "2026-11-25T08:00:00Z", "level": "%s", "logger": "shop", "message": "order %d is %s"}\n'
    block = "".join(
        line % ("ERROR", number, "refused, SCRAPE_001") if number % 50 == 0 else line % ("INFO", number, "taken")
        for number in range(_BLOCK)
    )
    with log.open("a", encoding="ascii") as file:
        for _ in range(lines // _BLOCK):
            file.write(block)
        file.writelines(block.splitlines(keepends=True)[: lines % _BLOCK])


def _counted(server: Running) -> int:
    found = re.search(r"^runbook_log_lines_total\{.*\} (\d+)$", server.page(), re.MULTILINE)
    return int(found[1]) if found else 0
