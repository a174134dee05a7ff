"""The files of one log, found again and again: those that are written to, and what rotation leaves of them."""

import glob
import os
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from typing import Any, Final

from exporter.collectors.log.file import File, Identity
from exporter.collectors.log.leftovers import Leftovers
from exporter.collectors.log.rotation import is_beside
from exporter.collectors.log.settings import COMPRESSED, FollowedLog
from exporter.collectors.log.tally import LogTally

MOST_FILES: Final = 200
_LONG: Final = 0.1  # seconds that finding the files may take without being spared
_REST: Final = 20
Problem = tuple[str, str]
"""What is wrong, and what to do about it."""


class Files:
    """Finds the files of a log, and notices what happens to them."""

    def __init__(self, settings: FollowedLog, tally: LogTally, kept: Mapping[str, Any] | None) -> None:
        """Go on with what was kept; None where this log was never looked at."""
        self._settings = settings
        self._never_looked = kept is None
        self._added = set(settings.files) - set((kept or {}).get("patterns", ()))
        self.live: dict[Identity, File] = {}
        self.leftovers = Leftovers(tally, self.live, kept or {})
        self._forget_others(set((kept or {}).get("patterns", ())) - set(settings.files))
        self._problems: list[Problem] = []  # of the last look
        self._failures: list[Problem] = []  # of reading, since they were told
        self._rests_until = 0.0

    def entry(self) -> dict[str, Any]:
        """Return what is kept."""
        entries = {str(file.identity): file.entry() for file in self.all()}
        return {
            "files": {**self.leftovers.sought, **entries},
            "beside": self.leftovers.known.entry(),
            "patterns": [*self._settings.files],
        }

    def all(self) -> Iterator[File]:
        """Yield all files, what is left over first."""
        yield from [*self.leftovers.old]
        yield from [*self.live.values()]

    def newest(self) -> File | None:
        """Return the file that was written last."""
        return max(self.live.values(), key=lambda file: file.mtime, default=None)

    def behind(self) -> int:
        """Return how many bytes are there and not counted."""
        return sum(max(0, file.seen - file.offset) for file in self.all())

    def told_problems(self) -> list[Problem]:
        """Return what is wrong, to be told: that a read has failed is told once."""
        problems = [*self._problems, *self._failures]
        self._failures = []
        return problems

    def close(self) -> None:
        for file in self.all():
            with suppress(OSError):
                file.close()

    def _forget_others(self, removed: Collection[str]) -> None:
        """Forget the files that a pattern was for which is no longer configured: they are not lost."""
        for key, kept in list(self.leftovers.sought.items()):
            if _is_of(kept["path"], removed) and not _is_of(kept["path"], self._settings.files):
                del self.leftovers.sought[key]

    # ---- looking

    def look(self) -> None:
        """Find new files, and those that are where they were no longer."""
        began = time.monotonic()
        if began < self._rests_until:
            return
        self._problems = []
        self.leftovers.looks += 1
        there = self._there()
        took = time.monotonic() - began
        # a pattern over a large tree is no reason to walk it all the time
        self._rests_until = began + _REST * took if took > _LONG else 0.0
        self.leftovers.forget_copies(there.keys())
        gone = [file for identity, file in self.live.items() if identity not in there]
        for file in gone:
            with suppress(OSError):
                file.look()  # what it got before it was renamed is sought after a kill, as it has not been read
            self.leftovers.take(self.live.pop(file.identity))
        for identity, file in self.live.items():
            file.path = there[identity]
        new = [path for identity, path in there.items() if self._is_new(identity, path)]
        # what was followed before first: the others may be its copies
        for path in sorted(new, key=lambda path: not self._was_followed(path)):
            self._begin(path)
        if gone or new or self.leftovers.sought or self.leftovers.looks == 1:
            self.look_beside()
        self.leftovers.looked = time.time()
        self._never_looked = False
        self._added = set()

    def look_beside(self) -> None:
        """Notice which files were emptied, and find what was rotated away."""
        unread = [kept for file in self.all() if (kept := self._begun_anew(file)) is not None]
        paths = {file.path for file in self.all()}
        paths |= {path for path in self._settings.files if not glob.has_magic(path)}
        missed = self.leftovers.look_beside(paths, only_know=self._never_looked)
        if missed:  # it may be all that those had which were emptied meanwhile
            list(map(self._begun_anew, self.all()))
        for kept in unread:
            if not missed and not self._may_be_read_yet(kept["seen"]):
                self.leftovers.lose(kept)

    def _may_be_read_yet(self, size: int) -> bool:
        """Tell whether a new file may be the copy of one that had this size before it was emptied."""
        return any(file.begun and not file.offset and file.seen >= size for file in self.live.values())

    def _there(self) -> dict[Identity, str]:
        """Return the files that the settings name, by identity."""
        found: dict[Identity, str] = {}
        for path in [path for pattern in self._settings.files for path in self._matching(pattern)]:
            try:
                status = os.stat(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._problems.append(_problem(path, error))
                continue
            if stat.S_ISREG(status.st_mode):
                found.setdefault(Identity.of(status), path)
        return self._bounded(found)

    def _matching(self, pattern: str) -> list[str]:
        if not glob.has_magic(pattern):
            return [pattern]
        base = pattern
        while glob.has_magic(base):
            base = os.path.dirname(base)
        try:
            os.scandir(base or ".").close()  # glob says nothing of what it may not look into
        except FileNotFoundError:
            return []
        except OSError as error:
            self._problems.append(_problem(base, error))
            return []
        return sorted(path for path in glob.iglob(pattern, recursive=True) if not path.endswith(COMPRESSED))

    def _bounded(self, found: dict[Identity, str]) -> dict[Identity, str]:
        """Return no more than can be followed; what is followed stays so."""
        if len(found) <= MOST_FILES:
            return found
        self._problems.append(
            (f"{len(found)} files match, and {MOST_FILES} are followed", "name fewer: only those that are written to")
        )
        first = sorted(found, key=lambda identity: identity not in self.live)[:MOST_FILES]
        return {identity: found[identity] for identity in first}

    # ---- beginning and ending

    def _is_new(self, identity: Identity, path: str) -> bool:
        if identity in self.live or self.leftovers.is_held(identity, path):
            return False
        back = self.leftovers.give_back(identity)
        if back is not None:
            back.path = path
            self.live[identity] = back
        return back is None

    def _was_followed(self, path: str) -> bool:
        return any(kept["path"] == path for kept in self.leftovers.sought.values())

    def _begin(self, path: str) -> None:
        """Open a file that is new at a path of the log, and find the place to read it from."""
        try:
            file = File.opened(path)
        except FileNotFoundError:
            return
        except OSError as error:
            self._problems.append(_problem(path, error))
            return
        if any(file.identity == one.identity for one in self.all()):
            file.close()
            return
        self.live[file.identity] = file
        kept = self.leftovers.sought.pop(str(file.identity), None)
        if kept is not None:
            self._take_up(file, kept)
        elif self._is_from_before(file):
            if self._settings.start == "end":
                file.begin_at(file.last_end())
        elif self.leftovers.was_there(file):
            file.begin_at(file.last_end())  # it was read before it was rotated away, and was put back or unpacked
        else:
            file.begun = True
            file.look_of = self.leftovers.looks

    def _is_from_before(self, file: File) -> bool:
        """Tell whether a file was there before this log, or the pattern that it matches, was first looked at."""
        if self._never_looked:
            return True
        return bool(self._added) and not _is_named(file.path, set(self._settings.files) - self._added)

    def _take_up(self, file: File, kept: Mapping[str, Any]) -> None:
        """Go on in a file that was followed before; one that is another by now is begun."""
        file.restore(kept)
        if file.was_emptied():
            file.seen = kept["seen"]
            self.look_beside()

    def _begun_anew(self, file: File) -> Mapping[str, Any] | None:
        """Begin a file anew that was emptied, and look for its copy; return what it had if nothing of it was read."""
        before = file.entry()
        if not file.was_emptied():
            return None
        kept = {**before, "why": "truncated"}
        file.begin_anew()
        file.begun = True
        if kept["offset"]:
            self.leftovers.seek(kept, f"{file.identity} up to {kept['offset']}")
        return None if kept["offset"] else kept

    def hold_if_copy(self, file: File) -> bool:
        """Leave a file alone that is the copy of another so far; return whether it is.

        One that is the copy of what was emptied since is gone on with from where that was read to.
        """
        if not file.begun:
            return False
        if any(other.was_emptied() for other in self.leftovers.originals(file)):
            self.look_beside()
        held = not self.leftovers.claim(file) and self.leftovers.is_copy(file)
        if held:
            self.leftovers.hold(self.live.pop(file.identity))
        return held

    def lose_touch(self, file: File, error: OSError) -> None:
        """Let go of a file that cannot be read any more; it is gone on with where that is possible again."""
        self.leftovers.seek(file.entry(), str(file.identity))
        self._failures.append(_problem(file.path, error))
        if self.live.pop(file.identity, None) is None:
            self.leftovers.drop(file)
        else:
            file.close()


def _is_named(path: str, patterns: Collection[str]) -> bool:
    return any(path == one or fnmatch(path, one) for one in patterns)


def _is_of(path: str, patterns: Collection[str]) -> bool:
    """Tell whether one of these patterns names a file, or what it was rotated from."""
    return _is_named(path, patterns) or any(is_beside(path, one) for one in patterns)


def _problem(path: str, error: OSError) -> Problem:
    fix = f"let the exporter read it: setfacl -m u:USER:r {path}, or add it to the group that may"
    return f"{path}: {error.strerror}", fix if isinstance(error, PermissionError) else "correct it"
