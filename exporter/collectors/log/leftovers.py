"""What rotation leaves of a log: files that were renamed, copied or missed, and are read to their end."""

import os
import time
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from exporter.collectors.log.file import NOTHING, File, Identity
from exporter.collectors.log.rotation import Known, files_beside, is_beside, opened
from exporter.collectors.log.tally import LogTally

Kept = Mapping[str, Any]
"""What was kept of a file, as its entry() has it."""


class Leftovers:
    """The files of one log that are written to no longer, and those that are sought."""

    LINGER: ClassVar[float] = 15.0  # seconds without a new line after which a rotated file is done
    LONGEST_LINGER: ClassVar[float] = 3600.0  # where nothing is written to the file that took its place
    PATIENCE: ClassVar[float] = 5.0  # seconds that a file is sought which is gone, or was emptied
    LONG_PATIENCE: ClassVar[float] = 600.0  # where nothing has taken its place
    LONGEST_PATIENCE: ClassVar[float] = 3600.0  # where its file system may not be mounted
    BLUR: ClassVar[float] = 300.0  # seconds by which the clock of a file system may be behind

    def __init__(self, tally: LogTally, live: Mapping[Identity, File], kept: Mapping[str, Any]) -> None:
        self._tally = tally
        self._live = live
        self.looks = 0  # how many there were
        self.looked: float = kept.get("looked") or 0.0  # when the last one was
        self.old: list[File] = []
        self.sought: dict[str, Kept] = {key: one for key, one in kept.get("files", {}).items() if _had_any(one)}
        self.known = Known(kept.get("beside", {}))
        self._copies: dict[Identity, str] = {}
        self._quiet: dict[Identity, float] = {}
        self._since: dict[str, float] = {}

    # ---- copies

    def is_copy(self, file: File) -> bool:
        """Tell whether a file has nothing but what another has, as `cp` leaves it before the other is emptied."""
        return any(file.begins_as(other) for other in self.originals(file))

    def originals(self, file: File) -> list[File]:
        """Return what a file may be a copy of: by its name, and as it was there before.

        Of two that were found at once the one is what the other took the place of, alike as their lines may be; unless
        it was written last, which only a copy is.
        """
        return [
            other for other in self._live.values()
            if (other.look_of, other.mtime) < (file.look_of, file.mtime) and is_beside(file.path, other.path)
        ]  # fmt: skip

    def hold(self, file: File) -> None:
        """Take a file for the copy of another: it is not read unless the other is emptied."""
        self._copies[file.identity] = file.path
        file.close()

    def is_held(self, identity: Identity, path: str) -> bool:
        """Tell whether this is a copy that has not changed into something else."""
        if identity not in self._copies:
            return False
        file = opened(path)
        if file is None:
            return True
        file.look_of = self.looks
        held = self.is_copy(file)
        file.close()
        if not held:
            del self._copies[identity]
        return held

    def forget_copies(self, there: Collection[Identity]) -> None:
        """Forget the copies that are there no longer."""
        self._copies = {identity: path for identity, path in self._copies.items() if identity in there}

    # ---- seeking

    def seek(self, kept: Kept, key: str) -> None:
        """Look, from now on, for what has all that was read of a file."""
        if _had_any(kept):
            self.sought[key] = kept

    def look_beside(self, paths: Collection[str], only_know: bool = False) -> int:
        """Find what was rotated away since it was last looked at, also more than once; return how many were missed.

        `paths` are those of the log. With `only_know` nothing that is there is missed: it is the first look.
        """
        beside = self._beside(paths)
        for key, kept in list(self.sought.items()):
            if self._find(key, kept, beside) or self._is_given_up(key, kept):
                del self.sought[key]
                self._since.pop(key, None)
        # Asked once: what is a copy now may be what was missed in a moment, when the other is emptied. And one without
        # content may yet become a copy.
        settled = {identity: file for identity, file in beside.items() if file.seen and not self.is_copy(file)}
        missed = [] if only_know else [file for file in settled.values() if self._is_missed(file)]
        for file in missed:
            file.begun = True
            self.take(file)
        self.known.note(settled)
        for file in beside.values():
            if file not in self.old:
                file.close()
        return len(missed)

    def _beside(self, paths: Collection[str]) -> dict[Identity, File]:
        """Return what lies beside the log and is not written to, opened, in the order in which it was written."""
        all_paths = {*paths, *(file.path for file in self.old), *(kept["path"] for kept in self.sought.values())}
        found: dict[Identity, File] = {}
        while _add(found, sorted({other for path in all_paths for other in files_beside(path)})):
            pass  # names may have changed while they were looked at
        _add(found, list(self._copies.values()))
        for identity in found.keys() & self._live.keys():
            found.pop(identity).close()
        for file in found.values():
            file.look_of = self.looks
        return dict(sorted(found.items(), key=lambda one: one[1].mtime))

    def _find(self, key: str, kept: Kept, beside: Mapping[Identity, File]) -> bool:
        """Go on in what has all that was read of a file: itself under another name, or its copy."""
        head, tail, offset = tuple(kept["head"]), tuple(kept["tail"]), kept["offset"]
        for file in sorted(beside.values(), key=lambda file: str(file.identity) != key):
            fits = file.has(head, tail, offset) if offset else str(file.identity) == key
            if fits and not self._is_followed(file):
                file.restore(kept)
                self.take(file)
                return True
        return False

    def claim(self, file: File) -> bool:
        """Go on in a new file that has all that was read of one that is sought; return whether it has."""
        for key, kept in self.sought.items():
            if kept["offset"] and file.has(tuple(kept["head"]), tuple(kept["tail"]), kept["offset"]):
                file.restore(kept)
                del self.sought[key]
                return True
        return False

    def _is_followed(self, file: File) -> bool:
        return any(one.identity == file.identity for one in self.old)

    def was_there(self, file: File) -> bool:
        """Tell whether a file was there at the last look, though under another name, number, or compressed."""
        return self.known.has(file) or file.mtime < self.looked - self.BLUR

    def _is_missed(self, file: File) -> bool:
        """Tell whether a file beside the log was written while nobody looked."""
        if self._is_followed(file) or self.was_there(file):
            return False
        heads = {tuple(kept["head"]) for kept in self.sought.values() if kept["offset"]}
        if any(file.has(head, NOTHING, 0) for head in heads):
            return False
        # one that was emptied in this very moment is not sought yet
        return not any(file.has(one.head, one.tail, one.offset) for one in self._live.values() if one.offset)

    def _is_given_up(self, key: str, kept: Kept) -> bool:
        """Tell whether a file was sought in vain: not at once, as names change while they are looked at."""
        now = time.monotonic()
        if now - self._since.setdefault(key, now) < self._patience(key, kept["path"]):
            return False
        self.lose(kept)
        return True

    def _patience(self, key: str, path: str) -> float:
        """Return the seconds that a file is sought: it may come back, as a file system does that is mounted late."""
        if os.path.exists(path):
            return self.PATIENCE
        return self.LONG_PATIENCE if _is_mounted(os.path.dirname(path), key) else self.LONGEST_PATIENCE

    def lose(self, kept: Kept) -> None:
        """Say that lines of a file may be lost, and how much at least."""
        self._tally.losses[kept.get("why", "vanished")] += 1
        self._tally.counts["lost_bytes"] += max(0, kept["seen"] - kept["offset"])

    # ---- reading to the end

    def take(self, file: File) -> None:
        """Read a file to its end that was rotated away."""
        self._copies.pop(file.identity, None)
        self.old.append(file)
        self.old.sort(key=lambda one: one.mtime)

    def give_back(self, identity: Identity) -> File | None:
        """Return a file that only has another name, and is the log's again."""
        for file in self.old:
            if file.identity == identity:
                self.old.remove(file)
                self._quiet.pop(identity, None)
                return file
        return None

    def is_done(self, file: File) -> bool:
        """Tell whether a rotated file has had no new line for so long that none will come."""
        now = time.monotonic()
        quiet = now - self._quiet.setdefault(file.identity, now)
        replaced = any(other.seen and _took_place(other.path, file.path) for other in self._live.values())
        return quiet >= (self.LINGER if replaced else self.LONGEST_LINGER)

    def stir(self, file: File) -> None:
        """Note that a file still grows."""
        self._quiet.pop(file.identity, None)

    def drop(self, file: File) -> None:
        """Let go of a rotated file that is done."""
        self.old.remove(file)
        self._quiet.pop(file.identity, None)
        file.close()


def _had_any(kept: Kept) -> bool:
    """Tell whether there is anything by which a file is known again, and anything to lose."""
    return bool(kept["offset"] or kept["seen"])


def _took_place(path: str, old: str) -> bool:
    """Tell whether a log of this path is written in the place of an old file."""
    return path == old or is_beside(old, path)


def _is_mounted(folder: str, key: str) -> bool:
    """Tell whether a folder can be read, has something in it, and is on the device that a key of a file names."""
    try:
        return str(os.stat(folder).st_dev) == key.partition(":")[0] and bool(os.listdir(folder))
    except OSError:
        return False


def _add(found: dict[Identity, File], paths: list[str]) -> bool:
    """Open the files that are new; return whether there was one."""
    before = len(found)
    for path in paths:
        file = opened(path)
        if file is None:
            continue
        if file.identity in found:
            file.close()
        else:
            found[file.identity] = file
    return len(found) > before
