"""What a collector is: a kind of target, its settings, its session and its reads."""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, overload

from exporter.ledger import Ledger
from exporter.metric import Metric, Sample, Samples
from exporter.state import Shelf, State

Session = TypeVar("Session")


class Trouble(Exception):
    """A read or a connection failed for a known reason; `fix` says what a person can do about it.

    `early` is one that ends by itself once a first look, which is under way, has ended.
    """

    def __init__(self, reason: str, fix: str = "", *, early: bool = False) -> None:
        super().__init__(reason)
        self.fix = fix
        self.early = early


class NotApplicable(Trouble):
    """What the read looks at does not exist here: an answer, not a failure."""


class Unable(Trouble):
    """Nothing could be looked at, for a reason of our own, as a missing library: nothing is known of the target."""


def together(troubles: Iterable[Trouble]) -> None:
    """Raise several troubles as one, with each remedy once; nothing where there is none."""
    if said := list(troubles):
        fixes = dict.fromkeys(trouble.fix for trouble in said if trouble.fix)
        raise Trouble("; ".join(map(str, said)), "; ".join(fixes))


@dataclass(frozen=True, slots=True)
class Members:
    """A series budget by member: `labels` tell members apart; beyond `top` of them, by `rank`, they become `other`.

    `rank` is the gauge or counter whose values, added up, put a member among the top.
    """

    labels: tuple[str, ...]
    top: int
    rank: Metric


@dataclass(frozen=True, slots=True)
class Read:
    """One independent look at a target: it works, does not apply, or fails, as a whole."""

    name: str
    function: Callable[..., Samples]
    help: str
    interval: float | None = None
    members: Members | None = None

    def bind(self, collector: object) -> "Read":
        """Return the read as a function of the session alone, for a read that is a method."""
        bound = functools.partial(self.function, collector)
        return Read(self.name, bound, self.help, self.interval, self.members)


@overload
def read(function: Callable[..., Samples], /) -> Read: ...
@overload
def read(
    *, interval: float | None = None, members: Members | None = None
) -> Callable[[Callable[..., Samples]], Read]: ...
def read(
    function: Callable[..., Samples] | None = None,
    /,
    *,
    interval: float | None = None,
    members: Members | None = None,
) -> Read | Callable[[Callable[..., Samples]], Read]:
    """Mark a generator of samples as a read; with `interval` (seconds) it is made no more often than that."""

    def mark(function: Callable[..., Samples]) -> Read:
        if not function.__doc__:
            raise TypeError(f"the read {function.__name__} needs a docstring: it is its description everywhere")
        return Read(function.__name__, function, " ".join(function.__doc__.split()), interval, members)

    return mark(function) if function else mark


def limited(reads: list[Read], top: int) -> list[Read]:
    """Return the reads, with so many members at most that have series of their own."""
    return [item if item.members is None else replace(item, members=replace(item.members, top=top)) for item in reads]


@dataclass(frozen=True, slots=True)
class NoSettings:
    """A collector without settings of its own."""


class Seen(NamedTuple):
    """A sample that another target gives, and when that was read."""

    target: str
    sample: Sample
    time: float


@dataclass(frozen=True, slots=True)
class Context:
    """What a collector is told besides its settings.

    `target` is the name of its target, `timeout` the seconds that a round may take (what it connects with must give
    up before), `shelf` keeps what must outlive a restart, `ledger` has what its toil has told. `history` is for
    what must outlive a change of the settings too, `storage` the state's folder; `known` tells what others say.
    """

    target: str
    timeout: float
    shelf: Shelf
    ledger: Ledger = field(default_factory=lambda: Ledger(State(None).shelf("ledger")))
    history: Shelf = field(default_factory=lambda: State(None).shelf("history"))
    storage: Path | None = None
    known: Callable[[Collection[str]], dict[str, list[Seen]]] = lambda _: {}


class Collector(Generic[Session]):
    """A kind of target. The engine owns its clock, deadline, threads, retries, logging and the label `target`.

    A subclass stands alone in the file exporter/collectors/<kind>.py, or in a folder of that name whose other files
    are `groups` of reads. It never sleeps, never logs and never catches what it cannot mend.
    """

    kind: ClassVar[str] = ""
    job: ClassVar[str] = "runbook-exporter"
    """The job name that dashboards for this kind expect."""
    Settings: ClassVar[type[Any]] = NoSettings
    groups: ClassVar[tuple[ModuleType, ...]] = ()
    interval: ClassVar[float | None] = None
    """Seconds between rounds of a kind that is too expensive to be read at each scrape."""
    timeout: ClassVar[float] = 60.0
    """Seconds that a round in the background may take, if its interval is not shorter."""
    looks_again: ClassVar[bool] = False
    """Whether a round that ends with a remark is followed by another as soon as one that failed."""
    patient: bool = False
    """Whether the next round awaits the interval also after one that failed: many failed logins lock an account."""
    toil: ClassVar[str] = ""
    """`module:class` of the Toil that does this kind's work in the helper process, in place of a watch."""

    def __init__(self, settings: Any, context: Context) -> None:
        self.settings = settings
        self.context = context

    @contextmanager
    def connect(self) -> Iterator[Session]:
        """Yield what the reads share; raising here means that the target is down.

        Where the session has a method `cancel`, another thread calls it when the round is overdue.
        """
        raise TypeError(f"{type(self).__name__} has no connect()")
        yield  # type: ignore[unreachable]  # makes it a generator, as contextmanager asks

    def watch(self, stop: Event, ready: Callable[[], None]) -> None:
        """Listen until `stop` is set, if this kind has to; the engine restarts it with back-off when it ends.

        Call `ready` as soon as it listens: until then it counts as not working.
        """

    def interrupt(self) -> None:
        """Let go of what connect() waits for; another thread calls it when a round is overdue without a session."""

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002  # for those that override it
        """Yield what standard names say of the target as a whole, as `pg_up` does, also while it is down.

        `failing` tells whether any read failed in the last round.
        """
        yield from ()

    def close(self) -> None:
        """Let go of what outlives a round; called once, when neither a round nor the watch runs any more."""

    @classmethod
    def watches(cls) -> bool:
        return bool(cls.toil) or cls.watch is not Collector.watch

    @classmethod
    def declared_reads(cls) -> Mapping[str, Read]:
        """Return the reads of this kind by name, in the order of the source."""
        found: dict[str, Read] = {}
        for space in (*reversed(cls.__mro__), *cls.groups):
            for value in vars(space).values():
                if not isinstance(value, Read):
                    continue
                if value.name in found and isinstance(space, ModuleType):
                    raise TypeError(f"{cls.__name__} has two reads named {value.name}")
                found[value.name] = value
        return found

    def reads(self) -> list[Read]:
        """Return the reads of this target, each a function of the session."""
        own = {id(value) for space in type(self).__mro__ for value in vars(space).values()}
        return [item.bind(self) if id(item) in own else item for item in self.declared_reads().values()]


def kinds() -> list[str]:
    """Return the names of all kinds: the files and folders in exporter/collectors/ that begin with no `_`."""
    from exporter import collectors

    return list(_kinds_in(tuple(collectors.__path__)))


@functools.cache
def _kinds_in(folders: tuple[str, ...]) -> tuple[str, ...]:
    """Return them by where they are; each target of a configuration asks."""
    names = [module.name for module in pkgutil.iter_modules(folders)]
    return tuple(sorted(name for name in names if not name.startswith("_")))


def find(kind: str) -> type[Collector[Any]]:
    """Import the collector of a kind that kinds() names."""
    module = importlib.import_module(f"exporter.collectors.{kind}")
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Collector) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise TypeError(f"exporter.collectors.{kind} must define one Collector, it defines {len(classes)}")
    classes[0].kind = kind
    return classes[0]
