"""The walks through the classes of a cache, in small steps, and the checks after each; in the helper process."""

import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from exporter.collectors.cache.checking import checked
from exporter.collectors.cache.entries import Entries
from exporter.collectors.cache.listing import Listing
from exporter.collectors.cache.settings import ClassSettings
from exporter.collectors.path import rounds
from exporter.collectors.path.entries import HANGS_FIX, fix_for
from exporter.collectors.path.places import GONE
from exporter.collectors.path.rounds import go_round
from exporter.deadline import Cancel
from exporter.patience import NoAnswer
from exporter.toil import Tell, Toil


class Survey(Toil):
    """Walks through each class again and again; a walk that a restart cut off is begun anew."""

    def run(self, stop: Event, tell: Tell, ready: Callable[[], None]) -> None:
        """Walk until `stop` is set; it is at work once each class was walked, or is known to take its time."""
        cancel = Cancel()
        interval = self.settings.walk_interval
        surveys = [_Class(name, one, interval, self.kept, cancel) for name, one in self.settings.classes.items()]
        try:
            go_round(surveys, self.kept, stop, tell, ready)
        finally:
            cancel.cancel()


class _Class:
    """One class: the walk under way, and when the next is due. Only `step` may hang, and it is never doubled."""

    def __init__(
        self, name: str, settings: ClassSettings, interval: float, kept: Mapping[str, Any], cancel: Cancel
    ) -> None:
        self.name = name
        self.settings = settings
        self.entries = Entries(name, settings, kept)
        self._interval = interval
        self._cancel = cancel
        self._listing: Listing | None = None
        self._checking = False
        self._checked: dict[str, Any] | None = None
        self._began = self._took = 0.0
        surveyed = self.entries.get("surveyed")
        self._next = surveyed["ended"] + interval if surveyed else 0.0

    @property
    def looked(self) -> bool:
        """Whether there is something to show: a walk, or why there is none."""
        found = "surveyed" if self.settings.validate is None else "checked"
        return self.entries.get(found) is not None or self.entries.get("trouble") is not None

    def is_due(self) -> bool:
        now = time.time()
        # a clock that was set back must not put the next walk off
        due = self._listing is not None or not now < self._next <= now + self._interval
        if due and self._listing is None:
            self._listing = Listing(self.settings, now)
            self._began, self._took = time.monotonic(), 0.0
        return due

    def step(self) -> None:
        """Go a step of the walk that is under way; after the last one, have its newest entries looked into."""
        listing = self._listing
        if listing is None or self._checked is not None:
            return
        begun = time.monotonic()
        if not listing.done:
            listing.step()
            self._took += min(rounds.STEP, time.monotonic() - begun)  # to hang is no work
        elif self.settings.validate is not None:
            self._checking = True
            self._checked = checked(self.settings, listing.newest(), self._cancel)

    def note(self, answer: object) -> None:
        """Take in how the step went; what is no failure of the folder itself ends the toil."""
        if isinstance(answer, NoAnswer):
            if not self._checking and self.entries.get("trouble") is None:
                self._fail("no answer", HANGS_FIX, hangs=True)
        elif isinstance(answer, GONE):
            self._fail("there is no such folder", "create it, or correct `path`")
            self._rest(min(rounds.RETRY, self._interval))
        elif isinstance(answer, OSError):
            self._fail(answer.strerror or str(answer), fix_for(answer))
            self._rest(min(rounds.RETRY, self._interval))
        elif isinstance(answer, Exception):
            raise answer
        elif self._listing is not None:
            self._go_on(self._listing)

    def _fail(self, reason: str, fix: str, **more: Any) -> None:
        self.entries.put("trouble", {"time": time.time(), "reason": reason, "fix": fix, **more})

    def _go_on(self, listing: Listing) -> None:
        self.entries.put("trouble", None)
        if not listing.done:
            return
        if not self._checking:
            self.entries.put("surveyed", self._surveyed(listing))
        if self.settings.validate is None or self._checked is not None:
            self.entries.put("checked", self._checked)
            self._rest(self._interval)

    def _surveyed(self, listing: Listing) -> dict[str, Any]:
        figures = listing.figures()
        before = self.entries.get("surveyed") or {}
        is_empty = figures["whole"] and figures["entries"] == 0
        since = (before.get("empty_since") or figures["began"]) if is_empty else None
        lasted = time.monotonic() - self._began
        return {**figures, "ended": time.time(), "took": self._took, "lasted": lasted, "empty_since": since}

    def close(self) -> None:
        """Let go of what is open."""
        if self._listing is not None:
            self._listing.close()
            self._listing = None
        self._checking, self._checked = False, None

    def _rest(self, seconds: float) -> None:
        self.close()
        self._next = time.time() + seconds
