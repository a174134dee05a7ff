"""What a walk adds up, file by file; as plain data between two steps, so that it survives a restart."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from exporter.collectors.path.permissions import group_of, owner_of
from exporter.collectors.path.settings import PathSettings

_BLOCK = 512  # bytes, of st_blocks on every system
_MOST_OWNERS = 20
_MOST_LOGS = 200


@dataclass(slots=True)
class Tally:
    """Figures of the files met so far. Ages are judged by the time at which the walk began."""

    began: float
    met: int = 0
    files: int = 0
    folders: int = 0
    size: int = 0
    allocated: float = 0.0
    oldest: float | None = None
    newest: float | None = None
    older: list[int] = field(default_factory=list)
    unreadable: int = 0
    cut: bool = False
    unsynced: int = 0
    oldest_unsynced: float | None = None
    copies_unreadable: int = 0
    largest_log: int | None = None
    rotated: int = 0
    logs: dict[str, list[float]] = field(default_factory=dict)
    """Of each log its inode, its size (0 where it is done with), and when the last file was rotated from it."""

    @property
    def whole(self) -> bool:
        """Whether everything was seen, so that sums are sums."""
        return not (self.unreadable or self.cut)

    def add(self, status: os.stat_result, limits: Sequence[float]) -> None:
        """Count a file; `limits` are the times before which it is older than each age."""
        changed = status.st_mtime
        self.files += 1
        self.size += status.st_size
        # shared out among its names, as each of them may be met
        self.allocated += getattr(status, "st_blocks", 0) * _BLOCK / max(1, status.st_nlink)
        if self.oldest is None or changed < self.oldest:
            self.oldest = changed
        if self.newest is None or changed > self.newest:
            self.newest = changed
        for place, limit in enumerate(limits):
            if changed < limit:
                self.older[place] += 1

    def add_log(
        self, name: str, status: os.stat_result, rotated: Sequence[os.stat_result], over: float | None = None
    ) -> None:
        """Take in a log with the files that were rotated from it.

        One with a date in its name is done with where nothing was written to it since `over`: the next line gets a file
        of its own.
        """
        self.largest_log = max(self.largest_log or 0, status.st_size)
        self.rotated = max(self.rotated, len(rotated))
        if len(self.logs) >= _MOST_LOGS:
            return
        if over is None:
            last = max((one.st_ctime for one in rotated), default=0.0)  # their names came to them then
            self.logs[name] = [status.st_ino, status.st_size, last]
        else:
            self.logs[name] = [status.st_ino, status.st_size if status.st_mtime >= over else 0, 0.0]

    def add_unsynced(self, status: os.stat_result) -> None:
        """Count a file that the copy lacks, since it stands there as it does."""
        # a file moved or unpacked here keeps its old time of modification; this one tells when it came
        since = status.st_ctime
        self.unsynced += 1
        if self.oldest_unsynced is None or since < self.oldest_unsynced:
            self.oldest_unsynced = since


@dataclass(slots=True)
class Found:
    """What the places of a path are like themselves: how many there are, their permissions and owners."""

    places: int = 0
    unseen: int = 0
    """Places that could not be looked at, so that what is said of all goes for the others alone."""
    mode: int = 0
    excess: int = 0
    strangers: int = 0
    owners: list[list[str]] = field(default_factory=list)

    def add(self, status: os.stat_result, settings: PathSettings) -> None:
        """Take in one place; the permissions of several are those that any of them gives."""
        mode = stat.S_IMODE(status.st_mode)
        owner, group = owner_of(status.st_uid), group_of(status.st_gid)
        widest = settings.widest(folder=stat.S_ISDIR(status.st_mode))
        self.places += 1
        self.mode |= mode
        self.excess |= mode & ~widest if widest is not None else 0
        self.strangers += bool(settings.owner) and settings.owner not in (owner, str(status.st_uid))
        if [owner, group] not in self.owners and len(self.owners) < _MOST_OWNERS:
            self.owners.append([owner, group])
