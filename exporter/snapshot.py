"""One round over a target, and what it gave."""

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from exporter.backoff import Backoff
from exporter.collector import NotApplicable, Read, Trouble
from exporter.metric import Sample, Samples
from exporter.secret import redact

Status = Literal["ok", "skipped", "failed"]
TIMEOUT: Final = "timeout"
TIMEOUT_FIX: Final = "see whether it hangs, and what it waits for; where it is only slow, raise the target's `timeout`"
_LONGEST_REASON: Final = 400

log = logging.getLogger(__name__)


class Clock(Protocol):
    """The part of the module `time` that the engine uses; tests bring their own."""

    def time(self) -> float: ...
    def monotonic(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one read gave: samples, or the reason why there are none. `time` is when it began, in Unix seconds."""

    read: str
    status: Status
    time: float
    duration: float = 0.0
    samples: tuple[Sample, ...] = ()
    reason: str = ""
    fix: str = ""
    cut: int = 0
    early: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether the read failed, or found something that is not as it should be."""
        return self.status == "failed" or self.has_remark

    @property
    def has_remark(self) -> bool:
        """Whether the read worked, and found something that is not as it should be."""
        return self.status == "ok" and bool(self.reason)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All samples and outcomes of one round over one target; `up` is None while nothing is known yet.

    `facts` are samples of reads that failed now but stay true; `last_success` is by read, in Unix seconds.
    """

    target: str
    collector: str
    time: float
    up: bool | None
    duration: float = 0.0
    reason: str = ""
    fix: str = ""
    outcomes: tuple[Outcome, ...] = ()
    facts: tuple[Sample, ...] = ()
    last_success: Mapping[str, float] = field(default_factory=dict)

    def series(self) -> int:
        """Return how many series the target gave, a histogram being one."""
        return sum(len(outcome.samples) for outcome in self.outcomes) + len(self.facts)

    def samples(self) -> Iterable[Sample]:
        """Yield what the target says of itself, without what the exporter says of the target."""
        return itertools.chain(*(outcome.samples for outcome in self.outcomes), self.facts)


Shape = Callable[[Read, Samples], tuple[tuple[Sample, ...], int]]
"""Brings the samples of a read inside its budget of series, and says how many members were cut."""


class Held:
    """Outcomes of reads with an interval of their own, for as long as they stand: an interval, or a back-off."""

    def __init__(self, reads: Iterable[Read]) -> None:
        self._intervals = {read.name: read.interval for read in reads if read.interval is not None}
        self._backoffs = {name: Backoff(min(15.0, interval), interval) for name, interval in self._intervals.items()}
        self._kept: dict[str, tuple[Outcome, float]] = {}

    def get(self, read: str, now: float) -> Outcome | None:
        """Return what the read gave, if it need not be made again yet."""
        outcome, until = self._kept.get(read, (None, 0.0))
        return outcome if outcome is not None and outcome.time <= now < until else None

    def note(self, outcome: Outcome) -> None:
        """Keep what a read has given just now; what is held already stands as long as it did."""
        interval = self._intervals.get(outcome.read)
        if interval is None or self._kept.get(outcome.read, (None,))[0] is outcome:
            return
        if outcome.status != "failed":
            self._backoffs[outcome.read].succeeded()
        rest = self._backoffs[outcome.read].failed() if outcome.status == "failed" else interval
        self._kept[outcome.read] = outcome, outcome.time + rest


class Round:
    """Reads a target once, read by read. One thread runs it; others look at it and may call cancel()."""

    def __init__(self, reads: Iterable[Read], clock: Clock) -> None:
        self.reads = list(reads)
        self.started = clock.monotonic()
        self.time = clock.time()
        self.outcomes: list[Outcome] = []
        self.done: Future[None] = Future()
        self.done.set_running_or_notify_cancel()  # from now on nobody who waits for it can cancel it
        self.cancelled = False
        self.running = ""
        self.trouble: Outcome | None = None
        self.finished: float | None = None
        self._clock = clock
        self._session: Any = None
        self.connecting = True
        self._seen: set[tuple[Any, ...]] = set()

    def run(self, connect: Callable[[], AbstractContextManager[Any]], held: Held, shape: Shape) -> None:
        """Connect and take every read that is due; nothing that a collector raises gets out."""
        connected = False
        try:
            with connect() as self._session:
                connected, self.connecting = True, False
                for read in self.reads:
                    if self.cancelled:
                        break
                    self._take(read, held, shape)
        except BaseException as error:  # a sys.exit() in a library must not end the target's thread
            log.debug("the round broke off", exc_info=True)
            if not connected:  # what fails after the reads takes nothing from them
                status: Status = "skipped" if isinstance(error, NotApplicable) else "failed"
                self.trouble = self._outcome("connect", status, self.time, error)
        finally:
            self._session, self.connecting = None, False
            self.running = ""
            self.finished = self._clock.monotonic()

    @property
    def early(self) -> bool:
        """Whether more would be known after a while, as a first look at something has not ended."""
        return any(outcome.early for outcome in (*self.outcomes, *([self.trouble] if self.trouble else [])))

    def cancel(self) -> None:
        """Ask the session to let go of what it waits for; the reads that are left are not begun."""
        self.cancelled = True
        cancel = getattr(self._session, "cancel", None)
        if cancel is not None:
            cancel()

    def _take(self, read: Read, held: Held, shape: Shape) -> None:
        now = self._clock.time()
        self.running = read.name
        begun = self._clock.monotonic()
        try:
            outcome = held.get(read.name, now)
            if outcome is None:
                remarks: list[str] = []
                samples, cut = shape(read, _heard(read.function(self._session), remarks))
                took = self._clock.monotonic() - begun
                outcome = Outcome(read.name, "ok", now, took, samples, redact("".join(remarks)), cut=cut)
            self._admit(outcome.samples)
        except NotApplicable as error:
            outcome = self._outcome(read.name, "skipped", now, error, self._clock.monotonic() - begun)
        except BaseException as error:
            log.debug("the read %s failed", read.name, exc_info=True)
            outcome = self._outcome(read.name, "failed", now, error, self._clock.monotonic() - begun)
        self.running = ""
        held.note(outcome)
        self.outcomes.append(outcome)

    def _admit(self, samples: tuple[Sample, ...]) -> None:
        """Refuse a series that stands on the page already: Prometheus would drop one of the two, unsaid."""
        series = [sample[:2] for sample in samples]
        mine = set(series)
        if len(mine) == len(series) and self._seen.isdisjoint(mine):
            self._seen |= mine
            return
        twice = _first_twice(series, self._seen)
        raise Trouble(
            f"{twice[0].name}{list(twice[1])} is given twice", "this is a mistake in the collector: report it"
        )

    def _outcome(self, read: str, status: Status, time: float, error: BaseException, duration: float = 0.0) -> Outcome:
        fix, early = (error.fix, error.early) if isinstance(error, Trouble) else ("", False)
        return Outcome(read, status, time, duration, reason=reason_of(error), fix=redact(fix), early=early)


def _first_twice(series: list[tuple[Any, ...]], before: set[tuple[Any, ...]]) -> tuple[Any, ...]:
    seen = set(before)
    return next(one for one in series if one in seen or seen.add(one))  # type: ignore[func-returns-value]


def _heard(samples: Any, remarks: list[str]) -> Samples:
    """Yield the samples, and keep the remark that they end with, if any."""
    remark = yield from samples
    if remark:
        remarks.append(remark)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a library's own __str__; the round must go on
        log.debug("an exception has no text", exc_info=True)
        return "(its text cannot be had)"


def reason_of(error: BaseException) -> str:
    """Return an exception as one line fit for a page, without secrets and of bounded length."""
    text = redact(_text_of(error)).encode("utf-8", "backslashreplace").decode()
    text = " ".join(text.split())  # after the masking, which knows a secret by its own white space
    if not isinstance(error, Trouble):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
