"""What the tests of the engine share: a clock, scripted targets, and a board over them."""

import concurrent.futures
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from exporter.board import Board
from exporter.collector import Collector, Context, Members, Read
from exporter.config import TargetSettings
from exporter.metric import Metric, Samples
from exporter.pages import Pages
from exporter.selfmetrics import Telemetry
from exporter.snapshot import Clock, Snapshot
from exporter.state import State
from exporter.target import Target
from tests.support import until

# made without gauge(), so that the catalogue holds the program's own only
VALUE = Metric("test_value", "gauge", "A value.", labels=("read",), source="the test")
FACT = Metric("test_made_timestamp_seconds", "gauge", "When it was made.", source="the test", fact=True)
NOTHING: Mapping[str, Any] = {}


class FakeClock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - 1_799_000_000.0


class Session:
    """What the reads of one round share."""

    def __init__(self, script: "Script") -> None:
        self._script = script
        self.let_go = Event()

    def cancel(self) -> None:
        with self._script.counting(self._script.cancels):
            self._script.cancel(self)


@dataclass
class Tally:
    """How often something was done, and how much of it at once at most."""

    count: int = 0
    now: int = 0
    most: int = 0


CONTEXT = Context("t", 5.0, State(None).shelf("t"))


def _nothing(*_: object) -> None:
    return


@dataclass(eq=False, repr=False)
class Script:
    """What a target does: its reads by name, and what happens on the way."""

    reads: Mapping[str, Callable[[Session], Samples]]
    intervals: Mapping[str, float] = field(default_factory=dict)
    members: Mapping[str, Members] = field(default_factory=dict)
    connecting: Callable[[], object] = _nothing
    leaving: Callable[[], object] = _nothing
    cancel: Callable[[Session], object] = _nothing
    closing: Callable[[], object] = _nothing
    watching: Callable[[Event], object] | None = None
    rounds: Tally = field(default_factory=Tally)
    cancels: Tally = field(default_factory=Tally)
    closes: Tally = field(default_factory=Tally)
    closed_during_a_round: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __repr__(self) -> str:
        return "the script"  # its state is kept under what its settings look like

    @contextmanager
    def counting(self, tally: Tally) -> Iterator[None]:
        with self._lock:
            tally.count, tally.now = tally.count + 1, tally.now + 1
            tally.most = max(tally.most, tally.now)
        try:
            yield
        finally:
            with self._lock:
                tally.now -= 1


class Scripted(Collector[Session]):
    """A collector that does what its settings, a Script, say."""

    settings: Script

    @contextmanager
    def connect(self) -> Iterator[Session]:
        with self.settings.counting(self.settings.rounds):
            self.settings.connecting()
            yield Session(self.settings)
            self.settings.leaving()

    def reads(self) -> list[Read]:
        script = self.settings
        return [Read(name, function, f"The read {name}.", script.intervals.get(name), script.members.get(name))
                for name, function in script.reads.items()]  # fmt: skip

    def close(self) -> None:
        self.settings.closed_during_a_round |= self.settings.rounds.now > 0
        with self.settings.counting(self.settings.closes):
            self.settings.closing()


class Watching(Scripted):
    """The same with a watch."""

    def watch(self, stop: Event, ready: Callable[[], None]) -> None:
        assert self.settings.watching is not None
        ready()
        self.settings.watching(stop)


def gives(read: str, value: float = 1) -> Callable[[Session], Samples]:
    """Return a read that gives one sample."""

    def function(_: Session) -> Samples:
        yield VALUE(value, read=read)

    return function


def raises(error: BaseException) -> Callable[[Session], Samples]:
    """Return a read that gives one sample and then fails."""

    def function(_: Session) -> Samples:
        yield VALUE(-1, read="before it failed")
        raise error

    return function


def settings(script: Script, name: str = "t", **more: Any) -> TargetSettings:
    return TargetSettings(name=name, collector="scripted", settings=script, **more)


class Bench(Board):
    """A board over scripted targets. On leaving, what hangs is let go, and no thread may be left."""

    def __init__(self, *targets: TargetSettings, clock: Clock | None = None, state: State | None = None) -> None:
        self.clock = FakeClock()
        self.pages = Pages()
        self._before = set(threading.enumerate())
        self._gates: list[Event] = []
        self._made: list[Target] = []
        super().__init__(Telemetry(state or State(None)), clock or self.clock)
        self.apply(targets)

    def _collector(self, settings: TargetSettings, context: Context) -> Collector[Any]:
        return (Watching if settings.settings.watching else Scripted)(settings.settings, context)

    def make(self, settings: TargetSettings) -> Target:
        self._made.append(super().make(settings))
        return self._made[-1]

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        for gate in self._gates:
            gate.set()
        self.close(5.0)
        until(lambda: not self.threads())

    def threads(self, prefix: str = "") -> list[str]:
        """Return the names of the threads begun since the bench was."""
        return [thread.name for thread in set(threading.enumerate()) - self._before if thread.name.startswith(prefix)]

    def gate(self) -> Event:
        """Return what a script can wait for; it opens at the end of the test at the latest."""
        self._gates.append(Event())
        return self._gates[-1]

    def advance(self, seconds: float) -> None:
        """Move the clock; whoever sleeps until some time looks again, as nothing else would wake him."""
        self.clock.now += seconds
        for condition in (*(target._changed for target in self._made), self._watchdog._changed):
            with condition:
                condition.notify_all()

    def read(self, targets: Collection[Target], seconds: float) -> list[Snapshot]:
        """Do what the endpoints do for a scrape that has so many seconds, in the thread of the caller."""
        begun = self._clock.monotonic()
        for futures, wait in self.ask(targets).groups(seconds):
            concurrent.futures.wait(futures, max(0.0, begun + wait - self._clock.monotonic()))
        return [target.view(begun) for target in targets]

    def look(self, seconds: float = 5.0) -> Snapshot:
        """Return the snapshot of the one target, asked for by a scrape that has so many seconds."""
        (snapshot,) = self.read(self.targets(), seconds)
        return snapshot

    def look_at(self, name: str, seconds: float = 5.0) -> Snapshot:
        """Return the snapshot of the target of that name."""
        (snapshot,) = self.read([target for target in self.targets() if target.settings.name == name], seconds)
        return snapshot

    def page(self, seconds: float = 5.0) -> dict[str, str]:
        """Return a scrape's page as values by series."""
        targets = self.targets()
        page = self.pages.page(targets, self.read(targets, seconds), labelled=True, zipped=False)
        return series_of(page.decode())


def series_of(page: str) -> dict[str, str]:
    """Return the values of a page by series; each stands on it once."""
    lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
    found = {series: value for series, _, value in lines}
    assert len(found) == len(lines)
    return found


def outcomes(snapshot: Snapshot) -> dict[str, str]:
    """Return how each read fared: `ok`, or its status and the reason."""
    return {outcome.read: " ".join(filter(None, (outcome.status, outcome.reason))) for outcome in snapshot.outcomes}


def values(snapshot: Snapshot) -> dict[str, float]:
    """Return the values of VALUE by read."""
    return {sample.labels[0]: float(str(sample.value)) for sample in snapshot.samples() if sample.metric is VALUE}
