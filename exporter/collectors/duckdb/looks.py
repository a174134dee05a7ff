"""The looks into a database that are made in the background, each in a throwaway process."""

import time
from functools import partial
from typing import Any, Final, NamedTuple

from exporter.collector import Context, Trouble
from exporter.collectors._duckdb.asking import look
from exporter.collectors._duckdb.blocks import identity_of
from exporter.collectors.duckdb.settings import DuckDBSettings
from exporter.deadline import Cancel
from exporter.longlook import LongLook

_FORMAT: Final = 2  # of what the looks find: what an older exporter has kept is forgotten
_CONTENTS: Final = "exporter.collectors._duckdb.contents:read"
_INTEGRITY: Final = "exporter.collectors._duckdb.integrity:check"
_AGAIN: Final = 600.0  # seconds before which all of a database is not read again, whatever was found


class Check(LongLook):
    """The look that reads everything; what was damaged, or has become another file, is read again soon."""

    path: str = ""

    def rest(self) -> float:
        left, found = super().rest(), self._found
        if found is None or self.trouble is not None:
            return left
        if not found.value["ok"] or self.is_of_another(found.value):
            return min(left, max(0.0, found.time + _AGAIN - time.time()))
        return left

    def hasten(self) -> None:
        """Have it made soon, unless it failed, found damage already, or was made just now."""
        if self._found is not None and self.trouble is None and self._found.value["ok"]:
            self._due = min(self._due, self._found.time + _AGAIN)

    def is_of_another(self, found: Any) -> bool:
        """Return whether another file has taken the place of the one that was read; False where there is none now."""
        if found["file"] is None:
            return False
        try:
            *now, checkpoints = identity_of(self.path)
        except OSError:
            return False
        # a backup that was written into the file has its number, and mostly had fewer checkpoints
        return bool(found["file"][:-1] != now or checkpoints < found["file"][-1])


class Looks(NamedTuple):
    """What is looked for in a database."""

    contents: LongLook
    integrity: Check


def looks_of(settings: DuckDBSettings, context: Context) -> Looks:
    """Return the looks into a database; none is made yet."""
    of = f"{_FORMAT} {settings.open} {settings.path} {settings.backup}"
    integrity = Check(
        "integrity", partial(_check, settings, context.target), settings.integrity_interval, context.shelf, of=of,
        heavy=True,
    )  # fmt: skip
    integrity.path = settings.path
    read = partial(_read, settings, context.target, integrity)
    return Looks(LongLook("contents", read, settings.read_interval, context.shelf, of=of), integrity)


def _read(settings: DuckDBSettings, target: str, integrity: LongLook, cancel: Cancel) -> Any:
    timeout = settings.read_timeout
    found = look(_CONTENTS, settings, f"{target}-contents", timeout=timeout, cancel=cancel, seconds=timeout / 2)
    if damage := found.get("damage"):
        integrity.hasten()
        raise Trouble(damage, "see whether it is still so in the next copy; then restore a backup")
    return found


def _check(settings: DuckDBSettings, target: str, cancel: Cancel) -> Any:
    ask = partial(look, _INTEGRITY, settings, f"{target}-integrity", timeout=settings.integrity_timeout, cancel=cancel)
    found = ask()
    # a torn copy must call nobody: damage is what two copies show
    return found if found["ok"] else ask()
