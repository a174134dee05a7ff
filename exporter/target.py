"""One target at work: its thread, its rounds, and what a page may show of it now."""

import logging
import threading
from typing import Any

from exporter.backoff import Backoff
from exporter.budget import Budget
from exporter.collector import Collector, Read
from exporter.config import TargetSettings
from exporter.helper import Helper
from exporter.knowledge import Knowledge
from exporter.metric import Sample, Samples
from exporter.pace import Pace
from exporter.snapshot import Clock, Held, Round, Snapshot
from exporter.state import Shelf
from exporter.watchdog import Watchdog
from exporter.watcher import Watcher, watch_of

log = logging.getLogger(__name__)


class Target:
    """Runs rounds over one target, one at a time, in a thread of its own, however many ask."""

    def __init__(
        self,
        settings: TargetSettings,
        collector: Collector[Any],
        clock: Clock,
        watchdog: Watchdog,
        shelf: Shelf,
        helper: Helper,
    ) -> None:
        self.settings = settings
        self.collector = collector
        self.reads = collector.reads()
        self.intervals = {read.name: read.interval for read in self.reads if read.interval}
        self._clock = clock
        self._watchdog = watchdog
        watch = watch_of(collector, helper)
        self._watcher = Watcher(settings.name, watch) if watch else None
        self._budgets = {read.name: Budget(read, settings.series_limit) for read in self.reads}
        self._knowledge = Knowledge(settings, self.reads, shelf)
        self._held = Held(self.reads)
        self._pace = Pace()
        interval = settings.interval
        self._backoff = Backoff(1.0, 30.0) if interval is None else Backoff(min(15.0, interval), interval)
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._canceller: threading.Thread | None = None
        self._after: threading.Event | None = None
        self.ended = threading.Event()
        self._round: Round | None = None  # asked for, or under way
        self._last: Round | None = None  # the last one that ended
        self._snapshot = self._knowledge.nothing(clock.time())
        self._partial: tuple[tuple[Any, ...], Snapshot] | None = None
        self._due = clock.monotonic()

    def start(self, after: "Target | None" = None, delay: float = 0.0) -> None:
        """Begin what runs without being asked: a watch, and after `delay` seconds the rounds of a background target.

        `after` is the target that had this one's name before: nothing is opened until it has let go, or for as long
        as this one's timeout.
        """
        self._after = after.ended if after is not None else None
        if self._watcher:
            self._watcher.start(self._after)
        if self.settings.interval is not None:
            with self._changed:
                self._due += delay
                self._wake()

    def listen(self) -> None:
        """Begin the watch alone: for a person who asks once."""
        if self._watcher:
            self._watcher.start()

    def await_watch(self, seconds: float) -> None:
        """Wait so many seconds at most until the watch listens, or has failed to."""
        if self._watcher:
            self._watcher.settled.wait(seconds)

    def ask(self) -> Round | None:
        """Return the round that a page should wait for: a new one where what is known is too old."""
        with self._changed:
            if self.settings.interval is not None or self._closed:
                return None
            return self._round or (None if self._is_fresh() else self._begin())

    def run_now(self) -> Round:
        """Return the round under way, or one that begins now whatever is known: for a person who asks."""
        with self._changed:
            return self._round or self._begin()

    def patience(self, round: Round) -> float:
        """Return how many seconds a page may wait for this round."""
        return self._pace.patience(round.started + self.settings.timeout - self._clock.monotonic())

    def view(self, asked: float | None = None) -> Snapshot:
        """Return what is known now; the same object for as long as nothing has changed.

        `asked` is when the page that shows it was asked for: another page may have begun a round since, and what
        was fresh enough then is shown rather than a round that this page did not wait for.
        """
        with self._changed:
            round = self._round
            if round is None or (self.settings.interval is not None and not self._is_overdue(round)):
                return self._snapshot
            if asked is not None and self._was_fresh(asked):
                return self._snapshot
            stale = self._is_stale(round)
            state = (round, len(round.outcomes), self._is_overdue(round), stale)
            if self._partial is None or self._partial[0] != state:
                up = None if self._is_overdue(round) else self._snapshot.up
                self._partial = (state, self._settle(round, stale=stale, up=up))
            return self._partial[1]

    def whole(self) -> Snapshot:
        """Return what the last round gave that has ended; of one that is overdue, that."""
        with self._changed:
            running = self._round is not None and self._is_overdue(self._round)
            return self.view() if running else self._snapshot

    def close(self, seconds: float = 0.0) -> None:
        """Stop for good; the collector is closed as soon as no round runs, awaited so many seconds at most."""
        with self._changed:
            was_closed, self._closed = self._closed, True
            self._changed.notify_all()
            thread, round = self._thread, self._round
        if self._watcher:
            self._watcher.stop()
        if round is not None:
            self._overdue(round)
        if not was_closed:
            # what hangs in it may never come back: nobody but this thread waits for that
            threading.Thread(
                target=self._let_go, args=(thread,), name=f"close {self.settings.name}", daemon=True
            ).start()
        self.ended.wait(seconds)

    # ---- in the target's thread

    def _loop(self) -> None:
        if self._after is not None:
            self._after.wait(self.settings.timeout)
        while (round := self._next_round()) is not None:
            try:
                self._run(round)
            except BaseException:  # it must not leave what was known before standing for ever
                log.critical("the round broke off", exc_info=True, extra={"target": self.settings.name})
                self._give_up(round)
        self._dismiss()

    def _run(self, round: Round) -> None:
        token = self._watchdog.arm(self.settings.timeout, lambda: self._expired(round))
        round.run(self.collector.connect, self._held, self._fit)
        self._watchdog.disarm(token)
        if not self._closed:  # what ends after that tells nobody
            self._end(round)

    def _next_round(self) -> Round | None:
        with self._changed:
            while not self._closed:
                if self._round is not None:
                    return self._round
                wait = None if self.settings.interval is None else self._due - self._clock.monotonic()
                if wait is not None and wait <= 0:
                    return self._begin()
                self._changed.wait(wait)
            return None

    def _fit(self, read: Read, samples: Samples) -> tuple[tuple[Sample, ...], int]:
        return self._budgets[read.name].fit(samples)

    def _end(self, round: Round) -> None:
        with self._changed:
            # one that came back long after its time tells of then, not of now
            before, self._snapshot = self._snapshot, self._settle(round, stale=self._is_stale(round))
            self._round, self._last, self._partial = None, round, None
            self._pace.note(self._snapshot, overran=round.cancelled or self._is_overdue(round))
            self._due = self._clock.monotonic() + self._rest(self._snapshot)
        log_change(before, self._snapshot)
        round.done.set_result(None)

    def _give_up(self, round: Round) -> None:
        """End a round that the exporter itself could not bring to its end: the target counts as down."""
        with self._changed:
            self._snapshot = self._knowledge.nothing(round.time, "a mistake of the exporter; its log says more")
            self._round, self._last, self._partial = None, round, None
            self._due = self._clock.monotonic() + self._back_off()
        if not round.done.done():
            round.done.set_result(None)

    def _dismiss(self) -> None:
        """Let nobody wait for a round that was asked for and will not begin."""
        with self._changed:
            round, self._round = self._round, None
        if round is not None:
            round.done.set_result(None)

    def _rest(self, snapshot: Snapshot) -> float:
        """Return the seconds before the next round may begin."""
        again = self.collector.looks_again and any(outcome.has_remark for outcome in snapshot.outcomes)
        if snapshot.up is False or again:
            return self._back_off()
        self._backoff.succeeded()
        return self.settings.interval or 0.0

    def _back_off(self) -> float:
        """Count a failure, and return the seconds to wait."""
        wait = self._backoff.failed()
        return max(wait, self.settings.interval or 0.0) if self.collector.patient else wait

    def _let_go(self, thread: threading.Thread | None) -> None:
        """Close the collector when neither a round nor the watch runs any more."""
        if thread is not None:
            thread.join()
        if self._watcher:
            self._watcher.stop(None)
        try:
            self.collector.close()
        except BaseException:
            log.warning("closing failed", exc_info=True, extra={"target": self.settings.name})
        self.ended.set()

    # ---- with the lock held

    def _is_fresh(self) -> bool:
        now = self._clock.monotonic()
        return now < self._due or self._was_fresh(now)

    def _was_fresh(self, then: float) -> bool:
        return self._last is not None and then - self._last.started < self.settings.max_age

    def _begin(self) -> Round:
        self._wake()  # first: where no thread can be had, the next page tries again
        self._round = Round(self._pace.order(self.reads), self._clock)
        return self._round

    def _wake(self) -> None:
        if self._thread is None and not self._closed:
            thread = threading.Thread(target=self._loop, name=f"target {self.settings.name}", daemon=True)
            thread.start()
            self._thread = thread
        self._changed.notify_all()

    def _is_overdue(self, round: Round) -> bool:
        return self._age(round) >= self.settings.timeout

    def _is_stale(self, round: Round) -> bool:
        return self._age(round) > self.settings.timeout + self.settings.max_age

    def _age(self, round: Round) -> float:
        return (self._clock.monotonic() if round.finished is None else round.finished) - round.started

    def _settle(self, round: Round, *, stale: bool = False, up: bool | None = None) -> Snapshot:
        watch = self._watcher.outcome(round.time) if self._watcher else None
        extra = [] if watch is None else [watch]
        return self._knowledge.settle(round, self._clock.monotonic(), extra, stale=stale, up=up)

    # ---- past the timeout

    def _expired(self, round: Round) -> None:
        """Called by the watchdog: say so, unless it is the same again, and have the session let go."""
        if round is self._round and not self._pace.overran:
            place = f"the read {round.running}" if round.running else "connecting"
            log.warning("no answer within %g s: %s", self.settings.timeout, place,
                        extra={"target": self.settings.name})  # fmt: skip
        self._overdue(round)

    def _overdue(self, round: Round) -> None:
        """Have the session let go, in a thread of its own, since letting go may hang as well."""
        with self._changed:
            if round is not self._round or round.cancelled:
                return
            if round.running:
                self._pace.stuck(round.running)
            round.cancelled = True
            if self._canceller is not None and self._canceller.is_alive():
                return
            self._canceller = threading.Thread(
                target=self._cancel, args=(round,), name=f"cancel {self.settings.name}", daemon=True
            )
            self._canceller.start()

    def _cancel(self, round: Round) -> None:
        try:
            round.cancel()
            if round.connecting:
                self.collector.interrupt()
        except BaseException:
            log.debug("cancelling failed", exc_info=True, extra={"target": self.settings.name})


def log_change(before: Snapshot, after: Snapshot) -> None:
    """Say once what changed for the worse or the better, of the target and of its reads."""
    extra = {"target": after.target}
    if after.up is False:
        if before.up is not False:
            log.warning("down: %s", after.reason, extra=extra)
        return
    if before.up is False:
        log.info("up again", extra=extra)
    was = {outcome.read: outcome.status for outcome in before.outcomes if before.up}
    for outcome in after.outcomes:
        last = was.get(outcome.read)
        if outcome.status == "failed" and last != "failed":
            log.warning("the read %s fails: %s", outcome.read, outcome.reason, extra=extra)
        elif outcome.status == "ok" and last == "failed":
            log.info("the read %s works again", outcome.read, extra=extra)
        elif outcome.status == "skipped" and last != "skipped":
            log.debug("the read %s does not apply: %s", outcome.read, outcome.reason, extra=extra)
