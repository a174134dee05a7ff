"""Work that burns CPU: it runs in the niced helper process and tells what it learned, entry by entry."""

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

Changes = Mapping[str, Any]
"""Entries by key, each a value that JSON can hold; None forgets the key."""
Tell = Callable[[Changes], None]


class Toil:
    """The work of one target, in a thread of the helper process.

    `settings` are the target's own, secrets among them: what is told or raised must hold none. `kept` has every entry
    that the toil of this target has told and not forgotten, before a restart, a kill or a change of its settings too.
    """

    def __init__(self, settings: Any, kept: Mapping[str, Any]) -> None:
        self.settings = settings
        self.kept = kept

    def run(self, stop: Event, tell: Tell, ready: Callable[[], None]) -> None:
        """Work until `stop` is set; call `ready` once there is something to show.

        What one call of `tell` hands over is kept as a whole or not at all: a position and what was counted up to it
        belong into the same call. Values are absolute. Raising ends the work; it is begun again after a while.
        """
        raise NotImplementedError
