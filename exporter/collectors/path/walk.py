"""The walks of a target, path by path in small steps, in the helper process."""

import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from exporter.collectors.path import rounds
from exporter.collectors.path.entries import Entries, Spent, longest_rest
from exporter.collectors.path.rounds import go_round
from exporter.collectors.path.settings import PathSettings
from exporter.collectors.path.tree import Tree
from exporter.patience import NoAnswer
from exporter.toil import Tell, Toil


class Walk(Toil):
    """Walks through each path again and again.

    What it tells of them stands in `entries.py`. A walk that was cut off by a restart goes on where it was, unless that
    is long ago.
    """

    def run(self, stop: Event, tell: Tell, ready: Callable[[], None]) -> None:
        """Walk until `stop` is set; it is at work once each path was walked, or is known to take its time."""
        interval = self.settings.walk_interval
        walks = [_Walks(name, path, interval, self.kept) for name, path in self.settings.paths.items()]
        go_round(walks, self.kept, stop, tell, ready)


class _Walks:
    """One path: the walk that is under way, and when the next is due. Only `step` may hang, and it is never doubled."""

    def __init__(self, name: str, settings: PathSettings, interval: float, kept: Mapping[str, Any]) -> None:
        self.name = name
        self.settings = settings
        self._interval = interval
        self.entries = Entries(name, settings, kept)
        self._tree: Tree | None = None
        self._spent = Spent()
        self._noted = 0.0
        self._renewed = False
        walked = self.entries.walked
        self._next = walked["ended"] + interval if walked else 0.0

    @property
    def looked(self) -> bool:
        """Whether there is something to show: a walk, or why there is none."""
        return self.entries.walked is not None or self.entries.trouble is not None

    def is_due(self) -> bool:
        now = time.time()
        # a clock that was set back must not put the next walk off
        due = self._tree is not None or not now < self._next <= now + self._interval
        if due and self._tree is None:
            self._begin(now)
        return due

    def _begin(self, now: float) -> None:
        before = self.entries.walk
        if before is not None and self._is_outdated(before["tally"]["began"], now, before["lasted"]):
            before = None
        self._spent = Spent(before["took"], before["lasted"]) if before else Spent()
        self._tree = Tree(self.settings, now, before)
        self._noted = time.monotonic()

    def _is_outdated(self, began: float, now: float, lasted: float) -> bool:
        """Tell whether a walk was away for so long that what it counted before need not be so any more."""
        return abs(now - began) > longest_rest(self._interval, lasted)

    def step(self) -> None:
        """Go a step of the walk that is under way."""
        begun = time.monotonic()
        if self._tree is not None:
            self._tree.step()
        self._spent.took += min(rounds.STEP, time.monotonic() - begun)  # to hang is no work

    def note(self, answer: object) -> None:
        """Take in how the step went; what is no failure of the path itself ends the toil."""
        passed = time.monotonic() - self._noted
        self._noted += passed
        if isinstance(answer, NoAnswer):
            self.entries.hangs(time.time())
            return
        self._spent.lasted += passed
        if isinstance(answer, OSError):
            self.entries.fail(answer, time.time(), self._spent)
            self._rest(min(rounds.RETRY, self._interval))
        elif isinstance(answer, Exception):
            raise answer
        elif self._tree is not None:
            self._go_on(self._tree, time.time())

    def _go_on(self, tree: Tree, now: float) -> None:
        if self._is_outdated(tree.tally.began, now, self._spent.lasted) and not self._renewed:
            self._rest(0.0)
            self._renewed = True  # once: where every walk is held up for as long, one has to come to its end
        elif tree.done:
            self.entries.end(tree, now, self._spent)
            self._rest(self._interval)
        else:
            self.entries.go_on(tree, self._spent)

    def close(self) -> None:
        """Let go of what is open."""
        if self._tree is not None:
            self._tree.close()
            self._tree = None

    def _rest(self, seconds: float) -> None:
        self.close()
        self._renewed = False
        self._next = time.time() + seconds
