"""Who makes probes: this exporter, by one page for all and page by page, and prometheus-blackbox-exporter."""

import gzip
import re
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from tests.bench.load import Scraper
from tests.bench.probekinds import Kind
from tests.bench.processes import Running, exporter
from tests.blackbox import BLACKBOX, blackbox

_MODULE: Final = "it"
_BEGINNING: Final = 20.0  # seconds until all that probe by themselves have begun
_TOLERATED: Final = 1.0  # seconds that a probe may come after its time, before it is late
_SUCCESS: Final = re.compile(r"(?m)^probe_success(?:\{.*\})? 1$")
_TOOK: Final = re.compile(r"(?m)^probe_duration_seconds(?:\{.*\})? (\S+)$")
_AT: Final = re.compile(r"(?m)^runbook_exporter_read_last_success_timestamp_seconds\{.*read=\"found\".*\} (\S+)$")


@dataclass(frozen=True, slots=True)
class Told:
    """What a page tells of probes: how many went well and are of now, and what each says that it took, in seconds."""

    good: int
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Prober:
    """A process that probes when it is scraped: pages that together probe each target once, so many on each."""

    running: Running
    pages: tuple[str, ...]
    probes: int = 1
    oldest: float = 0.0
    """Seconds that a probe may be older than the page that shows it: more than none of one that probes by itself."""

    @property
    def targets(self) -> int:
        return len(self.pages) * self.probes

    def told(self, page: bytes, asked: float = 0.0) -> Told:
        """Return what a page tells, compressed or not; what is too old for when it was asked for is not good."""
        text = (gzip.decompress(page) if page.startswith(b"\x1f\x8b") else page).decode()
        old = sum(
            float(at) < asked - self.oldest for at in _AT.findall(text)
        )  # of the peer none has a time: it probes always
        return Told(len(_SUCCESS.findall(text)) - old, tuple(map(float, _TOOK.findall(text))))


class Probing:
    """A prober, and the line over which it is scraped."""

    def __init__(self, prober: Prober) -> None:
        self.prober = prober
        self._scraper = Scraper(prober.running)

    def __enter__(self) -> "Probing":
        return self

    def __exit__(self, *_: object) -> None:
        self._scraper.close()

    def told(self, page: str, asked: float = 0.0) -> Told:
        """Ask for a page; return what it tells."""
        return self.prober.told(self._scraper.once(page), asked)

    def round(self) -> int:
        """Have each target probed once; return how many probes went well."""
        return sum(self.told(page).good for page in self.prober.pages)


@contextmanager
def probers(folder: Path, kind: Kind, targets: int, interval: float | None = None) -> Iterator[dict[str, Prober]]:
    """Start them all, each with so many targets of a kind; yield those whose probes go well here.

    Ours probe when a page is asked for, or by themselves at an interval; then there are two, one for each way of
    asking for pages.
    """
    with ExitStack() as stack:
        found = stack.enter_context(_ours(folder, kind, targets, "ours", interval))
        if interval is not None:
            found["each"] = stack.enter_context(_ours(folder, kind, targets, "page by page", interval))["each"]
        if BLACKBOX is not None and kind.module is not None:
            found["theirs"] = stack.enter_context(_theirs(folder, kind, targets))
        yield {key: prober for key, prober in found.items() if _works(prober)}


def _works(prober: Prober) -> bool:
    with Probing(prober) as probing:
        deadline = time.monotonic() + _BEGINNING * bool(prober.oldest)
        while (good := probing.round()) < prober.targets and time.monotonic() < deadline:
            time.sleep(0.5)  # those that probe by themselves begin one after the other
    return good == prober.targets


@contextmanager
def _ours(folder: Path, kind: Kind, targets: int, name: str, interval: float | None) -> Iterator[dict[str, Prober]]:
    pace = "interval: null\nmax_age: 0s" if interval is None else f"interval: {interval:g}s"
    oldest = 0.0 if interval is None else interval + _TOLERATED
    target = textwrap.indent(f"collector: {kind.collector}\n{pace}\n{kind.settings}\n", "    ")
    config = "host: {enabled: false}\ntargets:\n" + "".join(f"  t{number}:\n{target}" for number in range(targets))
    with exporter(folder, config, name=f"{kind.name}, {name}") as running:
        yield {
            "page": Prober(running, (f"/metrics?{urlencode({'collect[]': kind.collector})}",), targets, oldest),
            "each": Prober(running, tuple(f"/probe?target=t{number}" for number in range(targets)), 1, oldest),
        }


@contextmanager
def _theirs(folder: Path, kind: Kind, targets: int) -> Iterator[Prober]:
    place = folder / f"{kind.name}, theirs"
    place.mkdir()
    modules: Mapping[str, object] = {_MODULE: kind.module}
    with blackbox(place, modules) as peer:
        yield Prober(peer.running, (f"/probe?{urlencode({'module': _MODULE, 'target': kind.place})}",) * targets)
