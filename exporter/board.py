"""The latest snapshot of each target, refreshed when somebody asks."""

import concurrent.futures
import functools
import hashlib
import itertools
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import Collector, Context, Seen, find
from exporter.config import TargetSettings
from exporter.ledger import Ledger
from exporter.selfmetrics import Exporter, Telemetry
from exporter.snapshot import Clock, Round
from exporter.state import State
from exporter.target import Target
from exporter.watchdog import Watchdog

log = logging.getLogger(__name__)

_APART: Final = 0.25  # seconds, at most, between the first rounds of background targets

BUILT_IN: Final = ("host", "exporter")
"""The targets of this process itself; their series carry no label `target`."""


def shelf_of(settings: TargetSettings) -> str:
    """Return where a target's state is kept: what was learned of another thing under the same name is not its own."""
    digest = hashlib.sha256(repr(settings.settings).encode("utf-8", "backslashreplace")).hexdigest()
    return f"target {settings.name} {settings.collector} {digest[:16]}"


def ledger_of(settings: TargetSettings) -> str:
    """Return where what a target's toil told is kept: a followed log keeps its place when a pattern is added."""
    return f"target {settings.name} {settings.collector} toil"


def history_of(settings: TargetSettings) -> str:
    """Return where is kept what stays when the settings change, and when the target goes and comes back."""
    return f"history {settings.name} {settings.collector}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The rounds that a page waits for, and for how many seconds it may, by kind of waiting."""

    rounds: tuple[tuple[Round, float], ...]

    def groups(self, left: float) -> list[tuple[list[concurrent.futures.Future[None]], float]]:
        """Return futures that are awaited together, with the seconds for them."""
        by_wait: dict[float, list[concurrent.futures.Future[None]]] = {}
        for round, patience in self.rounds:
            by_wait.setdefault(min(left, patience), []).append(round.done)
        return [(futures, wait) for wait, futures in by_wait.items()]


class Board:
    """Holds the targets of the configuration in force."""

    def __init__(self, telemetry: Telemetry, clock: Clock = time) -> None:
        self.telemetry = telemetry
        self._clock = clock
        self._watchdog = Watchdog(clock)
        self._targets: dict[str, Target] = {}

    @property
    def state(self) -> State:
        return self.telemetry.state

    def apply(self, settings: Iterable[TargetSettings]) -> None:
        """Watch these targets from now on; those whose settings are as before go on undisturbed."""
        wanted = {target.name: target for target in settings}
        made = {
            name: self._targets[name] if name in self._targets and self._targets[name].settings == target
            else self.make(target) for name, target in wanted.items()
        }  # fmt: skip
        before, self._targets = self._targets, made
        for name, target in before.items():
            if made.get(name) is not target:
                target.close()
        for name, delay in _delays(target.settings for name, target in made.items() if before.get(name) is not target):
            made[name].start(after=before.get(name), delay=delay)
        kept = [target.settings for target in made.values()]
        self.state.keep_only({shelf_of(target) for target in kept} | {ledger_of(target) for target in kept})

    def make(self, settings: TargetSettings) -> Target:
        shelf = self.state.shelf(shelf_of(settings))
        ledger = Ledger(self.state.shelf(ledger_of(settings)))
        history = self.state.shelf(history_of(settings))
        known = functools.partial(self.known, but=settings.name)
        context = Context(settings.name, settings.timeout, shelf, ledger, history, self.state.directory, known)
        collector = self._collector(settings, context)
        return Target(settings, collector, self._clock, self._watchdog, shelf, self.telemetry.helper)

    def _collector(self, settings: TargetSettings, context: Context) -> Collector[Any]:
        if settings.collector == Exporter.kind:
            return Exporter(settings.settings, context, self.telemetry)
        return find(settings.collector)(settings.settings, context)

    def targets(self) -> list[Target]:
        return list(self._targets.values())

    def target(self, name: str) -> Target | None:
        return self._targets.get(name)

    def known(self, metrics: Collection[str], but: str = "") -> dict[str, list[Seen]]:
        """Return by name what the targets say of these metrics; `but` is one that does not count.

        A page begins the rounds of all targets at once: what is half read by then counts as it was before.
        """
        found: dict[str, list[Seen]] = {name: [] for name in metrics}
        for target in self.targets():
            if target.settings.name != but:
                snapshot = target.whole()
                for sample in snapshot.samples():
                    if (name := sample.metric.name) in found:
                        found[name].append(Seen(snapshot.target, sample, snapshot.time))
        return found

    def select(self, collect: Collection[str] = (), exclude: Collection[str] = ()) -> list[Target]:
        """Return the targets of the collectors asked for: all of them if none is named."""
        return [
            target for target in self._targets.values()
            if (not collect or target.settings.collector in collect) and target.settings.collector not in exclude
        ]  # fmt: skip

    def ask(self, targets: Iterable[Target]) -> Waiting:
        """Begin a round over each of these targets whose data are too old; return what to wait for."""
        rounds = []
        for target in targets:
            try:
                round = target.ask()
            except RuntimeError as error:  # no thread can be had just now: the target is shown as it stands
                log.warning("no round can begin: %s", error, extra={"target": target.settings.name})
                continue
            if round is not None:
                rounds.append((round, target.patience(round)))
        return Waiting(tuple(rounds))

    def close(self, seconds: float = 2.0) -> None:
        """Close every target, awaiting their rounds so many seconds in all."""
        deadline = self._clock.monotonic() + seconds
        for target in self._targets.values():
            target.close()  # all are told before any is awaited: one that hangs does not take the time of the others
        for target in self._targets.values():
            target.close(max(0.0, deadline - self._clock.monotonic()))
        self.telemetry.helper.close()
        self._watchdog.close()


def _delays(targets: Iterable[TargetSettings]) -> Iterator[tuple[str, float]]:
    """Yield the name of each target with the seconds until its first round.

    Those of one interval are spread over it: hundreds of probes at once would time how they wait for each other.
    """
    listed = [(target.name, target.interval or 0.0) for target in targets]
    of_interval = Counter(interval for _, interval in listed)
    numbers: dict[float, Iterator[int]] = defaultdict(itertools.count)
    for name, interval in listed:
        yield name, next(numbers[interval]) * min(_APART, interval / of_interval[interval])
