"""Takes turns between walks, each in small steps: one that hangs holds up no other."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any, Final, Protocol

from exporter.patience import Patience
from exporter.toil import Tell

STEP: Final = 5.0  # seconds after which a step counts as hanging, and the others go on without it
RETRY: Final = 30.0  # seconds until a place that could not be had is asked for again
_FIRST_LOOK: Final = 10.0  # seconds after which there is something to show, though a first walk takes longer
_TELL: Final = 1.0  # seconds between two accounts of walks that are under way
_REST: Final = 1.0  # seconds between two looks at whether there is something to do


class Told(Protocol):
    """The entries of a walk."""

    @property
    def keys(self) -> tuple[str, ...]: ...
    def changes(self) -> dict[str, Any]: ...


class Walker(Protocol):
    """One place that is walked again and again. Only `step` may hang, and it is never doubled."""

    @property
    def name(self) -> str: ...
    @property
    def entries(self) -> Told: ...
    @property
    def looked(self) -> bool:
        """Whether there is something to show: a walk, or why there is none."""

    def is_due(self) -> bool: ...
    def step(self) -> None: ...
    def note(self, answer: object) -> None:
        """Take in how the step went; what is no failure of the place itself ends the toil."""

    def close(self) -> None: ...


def go_round(
    walks: Sequence[Walker], kept: Mapping[str, Any], stop: Event, tell: Tell, ready: Callable[[], None]
) -> None:
    """Walk until `stop` is set; it is at work once each place was walked, or is known to take its time."""
    known = {key for walk in walks for key in walk.entries.keys}
    tell({key: None for key in kept if key not in known})
    patience = Patience(STEP)
    try:
        _go_on(walks, patience, stop, tell, ready)
    finally:
        patience.close()
        hanging = patience.hanging()
        for walk in walks:
            if walk.name not in hanging:
                walk.close()


def _go_on(walks: Sequence[Walker], patience: Patience, stop: Event, tell: Tell, ready: Callable[[], None]) -> None:
    begun, told, announced = time.monotonic(), -math.inf, False
    while not stop.is_set():
        busy = _step(walks, patience)
        is_first = not announced and (all(walk.looked for walk in walks) or time.monotonic() - begun > _FIRST_LOOK)
        if is_first or not busy or time.monotonic() - told >= _TELL:
            _tell(walks, tell)
            told = time.monotonic()
        if is_first:
            announced = True
            ready()
        if not busy:
            stop.wait(_REST)
    _tell(walks, tell)


def _step(walks: Sequence[Walker], patience: Patience) -> bool:
    """Have each walk that is due go a step; return whether there is more to do at once."""
    due = {walk.name: walk for walk in walks if walk.is_due()}
    answers = patience.run({name: walk.step for name, walk in due.items()})
    for name, answer in answers.items():
        due[name].note(answer)
    return any(not isinstance(answer, Exception) for answer in answers.values())


def _tell(walks: Sequence[Walker], tell: Tell) -> None:
    changes: dict[str, Any] = {}
    for walk in walks:
        changes |= walk.entries.changes()
    if changes:
        tell(changes)
