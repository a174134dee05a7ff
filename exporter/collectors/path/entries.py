"""What the toil tells of a path, and the reads read: plain data by key."""

import errno
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final

from exporter.collectors.path.places import GONE
from exporter.collectors.path.settings import PathSettings
from exporter.collectors.path.tree import Tree

Entry = dict[str, Any]

_FIXES: Final = {
    errno.EACCES: "let the exporter's user enter the folders above it and read it, or give the exporter "
    "CAP_DAC_READ_SEARCH",
    errno.ELOOP: "symbolic links on the way to it lead in a circle: `namei -l` shows which; make them anew, or "
    "correct `path`",
    errno.ESTALE: "mount it anew: its server has another idea of it",
    errno.ENOTCONN: "mount it anew: its server is gone",
}
HANGS_FIX: Final = "see to the file system's server, or unmount it with `umount -l`"
FORMAT: Final = 3  # of the entries: one more with every change of what they hold, or of what it means
_INTERVALS: Final = 3
_SLACK: Final = 60.0  # seconds, for a machine that is busy


@lru_cache(maxsize=1024)
def signature(settings: PathSettings) -> str:
    """Return what an entry is marked with, so that none is taken for one of other settings, or of another version."""
    return hashlib.sha256(repr((FORMAT, settings)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


@dataclass(slots=True)
class Spent:
    """The seconds of a walk: those it worked, and those it lasted.

    It lasts longer where it waits for the walks of other paths; what hung, or was switched off, is in neither.
    """

    took: float = 0.0
    lasted: float = 0.0


def longest_rest(interval: float, lasted: float) -> float:
    """Return the seconds after which a walk is out of date: several intervals, and times that a walk lasts."""
    return _INTERVALS * (interval + lasted) + _SLACK


def fix_for(error: OSError) -> str:
    """Return what a person can do about a place that cannot be looked at."""
    return _FIXES.get(error.errno or 0, "")


class Entries:
    """The entries of one path.

    `walked` is what the last walk gave, `walk` how far the one under way has come, `logs` since when each log was not
    rotated, `trouble` why there is no walk now.
    """

    def __init__(self, name: str, settings: PathSettings, kept: Mapping[str, Any]) -> None:
        self._of = signature(settings)
        self._walked, self._walk, self._logs, self._trouble = self.keys = tuple(
            f"{what} {name}" for what in ("walked", "walk", "logs", "trouble")
        )
        self._told: dict[str, Any] = {key: kept.get(key) for key in self.keys}
        self._entries: dict[str, Any] = {key: self._fitting(kept.get(key)) for key in self.keys}
        self._snapshot: Entry | None = None

    @property
    def walked(self) -> Entry | None:
        return self._entries[self._walked]  # type: ignore[no-any-return]

    @property
    def walk(self) -> Entry | None:
        return self._entries[self._walk]  # type: ignore[no-any-return]

    @property
    def trouble(self) -> Entry | None:
        return self._entries[self._trouble]  # type: ignore[no-any-return]

    def changes(self) -> dict[str, Any]:
        """Return what is to be told, and count it as told."""
        changed = {key: value for key, value in self._entries.items() if value != self._told[key]}
        self._told |= changed
        return changed

    def go_on(self, tree: Tree, spent: Spent) -> None:
        """Note how far a walk has come."""
        self._entries[self._trouble] = None
        if tree.snapshot is not None and tree.snapshot is not self._snapshot:
            self._snapshot = tree.snapshot
            self._entries[self._walk] = {"of": self._of, **asdict(spent), **tree.snapshot}

    def end(self, tree: Tree, now: float, spent: Spent) -> None:
        """Note what a walk gave."""
        logs = _since_when(self._entries[self._logs] or {}, tree.tally.logs, now)
        figures = asdict(tree.tally) | asdict(tree.found)
        del figures["logs"]
        self._entries[self._logs] = {**logs, "of": self._of} if logs else None
        self._finish({
            **figures, **asdict(spent), "ended": now, "complete": now, "whole": tree.tally.whole,
            "unrotated": min((since for _, size, since in logs.values() if size), default=None),
        })  # fmt: skip

    def fail(self, error: OSError, now: float, spent: Spent) -> None:
        """Note that there is no such place, or why it cannot be walked."""
        before = self.walked or {}
        if isinstance(error, GONE):
            self._finish({**asdict(spent), "ended": now, "complete": before.get("complete"), "gone": True})
            return
        reason = error.strerror or str(error)
        self._entries[self._trouble] = {"of": self._of, "time": now, "reason": reason, "fix": fix_for(error)}

    def hangs(self, now: float) -> None:
        """Note that the file system does not answer."""
        if self.trouble is None:
            told = {"of": self._of, "time": now, "reason": "no answer", "fix": HANGS_FIX, "hangs": True}
            self._entries[self._trouble] = told

    def _finish(self, walked: Entry) -> None:
        self._entries[self._walked] = {"of": self._of, **walked}
        self._entries[self._walk] = self._entries[self._trouble] = None

    def _fitting(self, entry: Entry | None) -> Entry | None:
        return entry if entry is not None and entry.get("of") == self._of else None


Logs = dict[str, list[float]]
"""Of each log its inode, its size, and since when it was not rotated: when its first line came, if that is known."""


def _since_when(before: Mapping[str, Any], seen: Mapping[str, list[float]], now: float) -> Logs:
    """Return since when each log was not rotated; one that is empty is not under way yet."""
    found: Logs = {}
    for name, (inode, size, rotated) in seen.items():
        known = before.get(name)
        if known is None:  # the first look at it: its first line came after the last rotation
            since = rotated or now
        elif known[0] == inode and 0 < known[1] <= size:
            since = known[2]
        else:  # another file, or the same one emptied, or one that nothing was written to before
            since = now
        found[name] = [inode, size, since]
    return found
