"""Long looks at one file: what was found does not hold for another one in its place."""

from collections.abc import Sequence
from typing import Any

from exporter.collector import NotApplicable
from exporter.longlook import Found, LongLook


class FileLook(LongLook):
    """A look whose answer names the file, as `file`; where another one lies there, it is made again at once."""

    _hastened: Any = None

    def found_of(self, file: Sequence[int], stands: float) -> Found:
        """Return what was found of this file, or say why there is nothing."""
        found = self._found
        if found is None or _is_same(found.value["file"], file):
            return self.found(stands)
        if self._hastened is None or not _is_same(self._hastened, file):  # once: it may fail
            self._hastened = file
            self.hasten()
        raise NotApplicable(f"another file has taken its place since the last look ({self.name})", "wait for the next")


def _is_same(then: Sequence[int], now: Sequence[int]) -> bool:
    """Tell whether a file is the one from before, by _sqlite.identity; its count of changes never goes back.

    But for one: a transaction that was broken off may have counted already.
    """
    return list(then[:-1]) == list(now[:-1]) and now[-1] >= then[-1] - 1
