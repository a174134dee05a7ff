"""A walk through the places of a path, in steps that are short, from any folder on."""

import errno
import fnmatch
import os
import re
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from exporter.collectors.path import logs, places, rotation
from exporter.collectors.path.settings import PathSettings
from exporter.collectors.path.tally import Found, Tally

CHUNK: Final = 500  # entries of one step: some milliseconds
LONGEST: Final = 0.5  # seconds of one step, where a file system is slow: it must not be taken for one that hangs
DEEPEST: Final = 256  # folders below one another, each held open on the way down
MOST_PLACES: Final = 20_000  # of a pattern: all of them are held in memory
_SNAPSHOT: Final = 1.0  # seconds between two of them
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)

if TYPE_CHECKING:
    _Scan = os._ScandirIterator[str]


@dataclass(slots=True)
class _Folder:
    """A folder on the way from a place down to where the walk is; `left` are the names of those still to be walked."""

    descriptor: int
    name: str
    identity: tuple[int, int]
    left: list[str] = field(default_factory=list)


class Tree:
    """One walk. Each folder is read to its end, then those in it are walked in the order of their names.

    So the name of the last folder that was read tells all that was done, and `snapshot` has that with the figures up
    to there. Symbolic links are never followed, but for one that is itself the place.
    """

    def __init__(self, settings: PathSettings, began: float, snapshot: dict[str, Any] | None = None) -> None:
        self.settings = settings
        self.done = False
        self.tally = Tally(**snapshot["tally"]) if snapshot else Tally(began, older=[0] * len(settings.all_ages))
        self.found = Found(**snapshot["found"]) if snapshot else Found()
        self.snapshot = snapshot
        self._position: list[str] = snapshot["position"] if snapshot else []
        self._limits = [self.tally.began - age for age in settings.all_ages]
        self._wanted = re.compile(fnmatch.translate(settings.files)).match if settings.files else None
        self._copy = os.path.abspath(settings.copy) if settings.copy else ""
        self._places: list[str] | None = None
        self._way: list[_Folder] = []
        self._scan: _Scan | None = None
        self._names: logs.Names = {}
        self._device = 0
        self._noted = time.monotonic()

    def step(self) -> None:
        """Do a little of it; OSError where the place cannot be had at all."""
        if self._places is None:
            self._begin()
        begun = time.monotonic()
        for _ in range(CHUNK):
            if self.done or time.monotonic() - begun > LONGEST:
                return
            if self._scan is None:
                self._next_folder()
            else:
                self._next_entry(self._scan)

    def close(self) -> None:
        """Let go of the folders that are open."""
        if self._scan is not None:
            self._scan.close()
            self._scan = None
        while self._way:
            os.close(self._way.pop().descriptor)

    # ---- the places themselves

    def _begin(self) -> None:
        found = places.find(self.settings)
        self.tally.cut = self.tally.cut or len(found.names) > MOST_PLACES
        statuses, unreadable = places.statuses(found.names[:MOST_PLACES])
        self._places = sorted(statuses, reverse=True)
        if self._position:  # the places themselves were looked at before the first folder
            self._places = [place for place in self._places if place > self._position[0]]
            self._return_to(self._position)
            return
        self.tally.unreadable += found.unreadable + unreadable
        self.found.unseen = found.unreadable + unreadable + max(0, len(found.names) - MOST_PLACES)
        for place, status in statuses.items():
            self._look_at(place, status)
        if self.settings.role == "log":
            files = {place: status for place, status in statuses.items() if stat.S_ISREG(status.st_mode)}
            logs.note_places(self.tally, self.settings, files)

    def _look_at(self, place: str, status: os.stat_result) -> None:
        self.found.add(status, self.settings)
        if stat.S_ISREG(status.st_mode):
            self.tally.met += 1
            self._add_file(os.path.basename(place), status, self._copy)

    # ---- from folder to folder

    def _next_folder(self) -> None:
        while self._way and not self._way[-1].left:
            os.close(self._way.pop().descriptor)
        if self._way:
            self._enter(self._way[-1].left.pop())
        elif self._places:
            self._device = 0
            self._enter(self._places.pop())
        else:
            self.done = True

    def _enter(self, name: str) -> None:
        try:
            folder = self._open(name)
        except OSError as error:
            self._pass(error)
            return
        if folder is None:
            return
        self._way.append(folder)
        self.tally.folders += 1
        try:
            self._scan = os.scandir(folder.descriptor)
        except OSError as error:
            self._lose(error, len(self._way) - 1)

    def _pass(self, error: OSError) -> None:
        """Go on without a folder that cannot be opened."""
        # gone since it was seen, or a link has come in its place; and a place may be a file
        if not isinstance(error, places.GONE) and error.errno != errno.ELOOP:
            self._lose(error, len(self._way))

    def _lose(self, error: OSError, depth: int) -> None:
        """Count a folder that cannot be read; raise where it is the only place, and nothing is known without it."""
        if depth == 0 and not self.settings.is_pattern:
            raise error
        self.tally.unreadable += 1

    def _open(self, name: str) -> _Folder | None:
        """Open a folder below the last one, or a place; None where it is not walked."""
        above = self._way[-1] if self._way else None
        if len(self._way) >= DEEPEST:
            raise OSError(f"more than {DEEPEST} folders below one another")
        how = _FOLDER | _NO_LINK if above else _FOLDER
        descriptor = os.open(name, how, dir_fd=above.descriptor if above else None)
        try:
            status = os.fstat(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        identity = (status.st_dev, status.st_ino)
        self._device = self._device or status.st_dev
        crosses = status.st_dev != self._device and not self.settings.cross_filesystems
        if crosses or any(folder.identity == identity for folder in self._way):  # or a loop of mounts
            os.close(descriptor)
            return None
        return _Folder(descriptor, name, identity)

    def _return_to(self, position: Sequence[str]) -> None:
        """Go down to the folder that was read last, and note what is left beside the way."""
        for depth, name in enumerate(position):
            try:
                folder = self._open(name)
            except OSError as error:
                self._pass(error)
                return
            if folder is None:
                return
            self._way.append(folder)
            next_name = position[depth + 1] if depth + 1 < len(position) else ""
            folder.left = sorted((one for one in _folders_in(folder.descriptor) if one > next_name), reverse=True)

    # ---- the entries of a folder

    def _next_entry(self, scan: "_Scan") -> None:
        try:
            entry = next(scan, None)
            if entry is not None:
                self._meet(entry)
                return
        except places.GONE:  # gone since it was listed
            return
        except OSError as error:  # it may be listed, but what is in it may not be looked at; or its disk fails
            self._lose(error, len(self._way) - 1)
        self._end_folder()

    def _meet(self, entry: os.DirEntry[str]) -> None:
        self.tally.met += 1
        if self.settings.max_entries is not None and self.tally.met > self.settings.max_entries:
            self.tally.cut = self.done = True
        elif entry.is_dir(follow_symlinks=False):
            self._way[-1].left.append(entry.name)
        elif entry.is_file(follow_symlinks=False):
            self._meet_file(entry)

    def _meet_file(self, entry: os.DirEntry[str]) -> None:
        is_log = self.settings.role == "log" and len(self._names) < rotation.MOST_NAMES
        wanted = self._wanted is None or self._wanted(entry.name)
        if not (wanted or is_log):
            return
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):  # something else has come in its place since it was listed
            return
        if is_log:
            self._names[entry.name] = status
        if wanted:
            copy = os.path.join(self._copy, *self._below(), entry.name) if self._copy else ""
            self._add_file(entry.name, status, copy)

    def _add_file(self, name: str, status: os.stat_result, copy: str) -> None:
        if self._wanted is not None and not self._wanted(name):
            return
        self.tally.add(status, self._limits)
        if copy:
            try:
                if _lacks(copy, status):
                    self.tally.add_unsynced(status)
            except OSError:
                self.tally.copies_unreadable += 1

    def _below(self) -> list[str]:
        return [folder.name for folder in self._way[1:]]

    def _end_folder(self) -> None:
        if self._scan is not None:
            self._scan.close()
            self._scan = None
        self._way[-1].left.sort(reverse=True)
        if self._names:
            wanted: Callable[[str], object] = self._wanted or bool
            folder = "/".join([self._way[0].name, *self._below()])
            logs.note_folder(self.tally, self.settings, folder, self._names, wanted)
            self._names = {}
        if time.monotonic() - self._noted >= _SNAPSHOT:
            self._noted = time.monotonic()
            position = [folder.name for folder in self._way]
            self.snapshot = {"position": position, "tally": asdict(self.tally), "found": asdict(self.found)}


def _lacks(copy: str, status: os.stat_result) -> bool:
    """Tell whether the copy lacks the file by rsync's rule: it is missing, or has another size or time."""
    try:
        there = os.lstat(copy)
    except places.GONE:
        return True
    return (there.st_size, int(there.st_mtime)) != (status.st_size, int(status.st_mtime))


def _folders_in(descriptor: int) -> list[str]:
    with suppress(OSError), os.scandir(descriptor) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []
