"""What a probe costs, kind by kind, beside prometheus-blackbox-exporter: on the same servers, by turns."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench import paced
from tests.bench.paced import Paced
from tests.bench.probekinds import Kind, served
from tests.bench.probesides import Prober, Probing, probers
from tests.bench.processes import Memory
from tests.bench.scale import Scale

INTERVAL: Final = 15.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU that a probe takes, batch by batch, and the memory of who makes it."""

    batches: tuple[float, ...]
    memory: Memory

    @property
    def median(self) -> float:
        return statistics.median(self.batches)

    @property
    def carried(self) -> float:
        """How many targets at the interval keep one core busy."""
        return INTERVAL * 1000 / self.median


@dataclass(frozen=True, slots=True)
class Probed:
    """By kind, and by who probes: `page` and `each` are ours, `theirs` the peer; who cannot probe here is not there."""

    targets: int
    costs: dict[str, dict[str, Cost]]
    paced: dict[str, dict[str, Paced]]


def measure(place: Path, scale: Scale) -> Probed:
    """Measure each kind by itself, and some of them at a real interval as well."""
    folder = place / "probes"
    folder.mkdir()
    with served(folder) as kinds:
        return measured(folder, kinds, scale)


def measured(folder: Path, kinds: Sequence[Kind], scale: Scale) -> Probed:
    """Return what these kinds cost."""
    costs = {kind.name: _by_itself(folder, kind, scale) for kind in kinds}
    return Probed(scale.probe_targets, costs, _at_pace(folder, [kind for kind in kinds if kind.paced], scale))


def _by_itself(folder: Path, kind: Kind, scale: Scale) -> dict[str, Cost]:
    with probers(folder, kind, scale.probe_targets) as found, ExitStack() as stack:
        probing = {key: stack.enter_context(Probing(prober)) for key, prober in found.items()}
        batches = _by_turns(probing, scale.probe_batches, scale.probe_rounds)
        return {key: Cost(batches[key], prober.running.memory()) for key, prober in found.items()}


def _by_turns(probing: dict[str, Probing], batches: int, rounds: int) -> dict[str, tuple[float, ...]]:
    """Have each probe by turns, so that what else the machine does falls on all of them."""
    found: dict[str, list[float]] = {key: [] for key in probing}
    for number in range(batches):
        for key in probing if number % 2 else reversed(probing):
            found[key].append(1000 * _each(probing[key], rounds))
    return {key: tuple(costs) for key, costs in found.items()}


def _each(probing: Probing, rounds: int) -> float:
    """Return the seconds of CPU for a probe."""
    prober = probing.prober
    before = prober.running.cpu()
    good = sum(probing.round() for _ in range(rounds))
    assert good == rounds * prober.targets, f"{prober.running.name}: only {good} probes went well"
    return (prober.running.cpu() - before) / good


def _at_pace(folder: Path, kinds: Sequence[Kind], scale: Scale) -> dict[str, dict[str, Paced]]:
    """Have all targets of these kinds probed side by side."""
    place = folder / "paced"
    place.mkdir()
    with ExitStack() as stack:
        found: dict[tuple[str, str], Prober] = {}
        for kind in kinds:
            sides = stack.enter_context(probers(place, kind, scale.paced_targets, scale.paced_seconds))
            found |= {(kind.name, key): prober for key, prober in sides.items()}
        took = paced.measure(found, scale.paced_seconds, scale.paced_rounds) if found else {}
    return {
        kind.name: {key: one for (name, key), one in took.items() if name == kind.name}
        for kind in kinds
    }  # fmt: skip
