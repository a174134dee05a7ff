"""The walks of a target, path by path in small steps, in the helper process."""

import math
import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any, Final

from exporter.collectors.path.entries import Entries, Spent, longest_rest
from exporter.collectors.path.settings import PathSettings
from exporter.collectors.path.tree import Tree
from exporter.patience import NoAnswer, Patience
from exporter.toil import Tell, Toil

STEP: Final = 5.0  # seconds after which a step counts as hanging, and the other paths go on without it
FIRST_LOOK: Final = 10.0  # seconds after which the toil is at work, though a first walk takes longer
RETRY: Final = 30.0  # seconds until a place that could not be had is asked for again
_TELL: Final = 1.0  # seconds between two accounts of walks that are under way
_REST: Final = 1.0  # seconds between two looks at whether there is something to do


class Walk(Toil):
    """Walks through each path again and again.

    What it tells of them stands in `entries.py`. A walk that was cut off by a restart goes on where it was, unless that
    is long ago.
    """

    def run(self, stop: Event, tell: Tell, ready: Callable[[], None]) -> None:
        """Walk until `stop` is set; it is at work once each path was walked, or is known to take its time."""
        interval = self.settings.walk_interval
        walks = [_Walks(name, path, interval, self.kept) for name, path in self.settings.paths.items()]
        known = {key for walk in walks for key in walk.entries.keys}
        tell({key: None for key in self.kept if key not in known})
        patience = Patience(STEP)
        begun = time.monotonic()
        told = -math.inf
        announced = False
        try:
            while not stop.is_set():
                busy = _step(walks, patience)
                if not busy or time.monotonic() - told >= _TELL:
                    _tell(walks, tell)
                    told = time.monotonic()
                if not announced and (all(walk.looked for walk in walks) or time.monotonic() - begun > FIRST_LOOK):
                    announced = True
                    _tell(walks, tell)
                    ready()
                if not busy:
                    stop.wait(_REST)
            _tell(walks, tell)
        finally:
            patience.close()
            hanging = patience.hanging()
            for walk in walks:
                if walk.name not in hanging:
                    walk.close()


def _step(walks: "list[_Walks]", patience: Patience) -> bool:
    """Have each walk that is due go a step; return whether there is more to do at once."""
    due = {walk.name: walk for walk in walks if walk.is_due()}
    answers = patience.run({name: walk.step for name, walk in due.items()})
    for name, answer in answers.items():
        due[name].note(answer)
    return any(not isinstance(answer, Exception) for answer in answers.values())


def _tell(walks: "list[_Walks]", tell: Tell) -> None:
    changes: dict[str, Any] = {}
    for walk in walks:
        changes |= walk.entries.changes()
    if changes:
        tell(changes)


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
        self._spent.took += min(STEP, time.monotonic() - begun)  # to hang is no work

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
            self._rest(min(RETRY, self._interval))
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
