"""What was told of many tasks, by their ids, in as little memory as will do."""

import sys
from collections import OrderedDict
from typing import Final, NamedTuple

_LONGEST: Final = 200  # characters of a name


class Known(NamedTuple):
    """What is known of a task that was sent or received."""

    name: str
    queue: str
    due: float | None
    """When it was sent, or may begin at the earliest."""


class Table:
    """Tasks by their ids; of more than `most` those are forgotten that were noted first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[int, Known] = OrderedDict()  # by the hash of the id, which is a third of its size
        self.has_forgotten = False

    def __contains__(self, uuid: str) -> bool:
        return hash(uuid) in self._known

    def put(self, uuid: str, known: Known) -> None:
        key = hash(uuid)
        shared = Known(sys.intern(known.name[:_LONGEST]), sys.intern(known.queue[:_LONGEST]), known.due)
        self._known[key] = shared
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
            self.has_forgotten = True

    def find(self, uuid: str) -> Known | None:
        return self._known.get(hash(uuid))

    def take(self, uuid: str) -> Known | None:
        return self._known.pop(hash(uuid), None)
