"""What is known of one backup over restarts: verdicts, the last success, sizes, restores."""

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from exporter.collectors.backup.files import FUTURE, File, Listing
from exporter.collectors.backup.settings import BackupSettings
from exporter.state import Shelf

_MOST_VERDICTS: Final = 50
_SOON: Final = 600.0  # seconds until what could not be verified is tried again, at least
_BAD_AGAIN: Final = 3600.0  # seconds until what was found damaged is looked at again, at least
_TIMES: Final = 20  # what takes long is tried again no sooner than after so many times as long
_LOOKED_BACK: Final = 10  # backups that are verified in search of a whole one
_OLDER: Final = 2 * 86_400.0  # seconds that a dump may be older than its file: it tells its time without a zone

Entry = Mapping[str, Any]


class Kept:
    """One backup's past. The round notes what files there are; the look, what it found in them."""

    def __init__(self, name: str, settings: BackupSettings, shelf: Shelf) -> None:
        self.name = name
        self.settings = settings
        self._shelf = shelf
        self._key = f"backup {name}"
        kept = shelf.get(self._key)
        if not isinstance(kept, dict) or kept.get("of") != settings.place:
            kept = {"of": settings.place}
        self._kept: dict[str, Any] = kept
        self._lock = threading.RLock()  # rounds and looks both write
        self._aside: set[str] = set()
        self.listing: Listing | None = None
        """What files there are now; None while they cannot be seen."""

    # ---- what the round notes

    def note(self, listing: Listing | None) -> None:
        """Take in what files there are now; None where they cannot be seen, and what was known stays."""
        with self._lock:
            self.listing, self._aside = listing, set()
            if listing is None:
                return
            whole = listing.whole
            newest = whole[-1] if whole else None
            self._kept["newest"] = {"name": newest.name, "time": newest.time, "size": newest.size} if newest else None
            self._kept["seen"] = {"count": len(whole), "oldest": whole[0].time if whole else None}
            if newest:
                now = time.time()
                self._kept["first_seen"] = min(self._kept.get("first_seen", now), now)
                self._note_sizes(whole, newest)
            self._forget(whole)
            self._keep()

    def _note_sizes(self, whole: tuple[File, ...], newest: File) -> None:
        """Keep the size of the newest, and of the one before, which rotation may have taken."""
        sizes = [one for one in self._kept.get("sizes", []) if one[0] < newest.time]
        sizes = [*sizes, *([one.time, one.size] for one in whole[-2:-1]), [newest.time, newest.size]]
        by_time = {one[0]: one for one in sizes if one[1] is not None}
        self._kept["sizes"] = sorted(by_time.values())[-2:]

    def _forget(self, whole: tuple[File, ...]) -> None:
        verdicts = self._verdicts()
        there = [self._of(file) for file in whole]
        self._kept["verdicts"] = {of: verdicts[of] for of in there if of in verdicts}

    # ---- what the looks note

    def judged(self, file: File, answer: Entry) -> None:
        """Note a verdict: the file is whole, or damaged."""
        with self._lock:
            before, of = self._verdicts().get(self._of(file), {}).get("of"), [_made(file, answer), file.name]
            self._put(file, {**answer, "time": time.time(), "of": of})
            if self._kept.get("last") in (before, of):  # it may be whole no more
                self._kept["last"] = None
            self._kept["last"] = self._newest_good()
            self._keep()

    def _newest_good(self) -> list[Any] | None:
        """Return time and name of the newest that is whole; a clock that was ahead has made none."""
        known = [entry["of"] for entry in self._verdicts().values() if entry.get("good")]
        if last := self._kept.get("last"):
            known.append(last)
        return max((of for of in known if of[0] <= time.time() + FUTURE), default=None)

    def unjudged(self, file: File, answer: Entry) -> None:
        """Note why a file could not be verified; a verdict that it has stays."""
        with self._lock:
            tried = {**answer, "time": time.time()}
            self._put(file, {**self._verdicts().get(self._of(file), {}), "unable": tried})
            self._keep()

    def set_aside(self, file: File) -> None:
        """Leave a file alone until the files are seen again: it is no more what it was."""
        with self._lock:
            self._aside |= {file.key}

    def restored(self, file: File, answer: Entry) -> None:
        """Note how a restore went; one that did not succeed leaves the last success as it is."""
        with self._lock:
            kept = dict(self._kept.get("restore", {}))
            kept["tried"] = {**answer, "time": time.time(), "of": file.key}
            if "good" in answer:  # what was found stays where the next could not be tried
                kept["judged"] = kept["tried"]
            if answer.get("good"):
                kept["last"] = {"time": time.time(), "seconds": answer["seconds"]}
            self._kept["restore"] = kept
            self._keep()

    def _put(self, file: File, entry: Entry) -> None:
        verdicts = {**self._verdicts(), self._of(file): entry}
        self._kept["verdicts"] = dict(list(verdicts.items())[-_MOST_VERDICTS:])

    def _verdicts(self) -> dict[str, Any]:
        found: dict[str, Any] = self._kept.get("verdicts", {})
        return found

    # ---- what is due

    def due(self) -> File | None:
        """Return what is to be verified now: the newest, and where that is not whole, those before in turn."""
        whole = self.listing.whole if self.listing else ()
        for number, file in enumerate(reversed(whole[-_LOOKED_BACK:])):
            entry = self._verdicts().get(self._of(file))
            if self._is_due(entry, newest=number == 0):
                return None if file.key in self._aside else file
            if entry is None or entry.get("good") or "good" not in entry:
                return None
        return None

    def _is_due(self, entry: Entry | None, *, newest: bool) -> bool:
        if entry is None:
            return True
        if not newest and "good" in entry:
            return False
        tried = [one for one in (entry, entry.get("unable")) if one and "time" in one]
        last = max(tried, key=lambda one: one["time"])
        rest = self.settings.verify_interval
        if not last.get("good"):
            soon = _BAD_AGAIN if "good" in last else _SOON
            rest = min(rest, max(soon, _TIMES * last["seconds"]))
        return not 0 <= time.time() - last["time"] < rest

    def restore_due(self) -> File | None:
        """Return what is to be restored for a test now: the newest that is whole."""
        whole = self.listing.whole if self.listing else ()
        if self.settings.restore is None or not whole or self.due() is not None:
            return None
        good = (file for file in reversed(whole) if self._verdicts().get(self._of(file), {}).get("good"))
        newest = next(good, None)
        if newest is None or newest.key in self._aside or self._rests(newest, self.settings.restore.interval):
            return None
        return newest

    def _rests(self, file: File, interval: float) -> bool:
        """Tell whether a restore was tried lately: one that failed counts for the same file only."""
        tried = self.restore.get("tried")
        if tried is None or not (tried.get("good") or tried.get("of") == file.key):
            return False
        again = max(_BAD_AGAIN, _TIMES * tried["seconds"])
        rest = interval if tried.get("good") else min(interval, again)
        return bool(0 <= time.time() - tried["time"] < rest)

    @property
    def awaited(self) -> str:
        """What has its first look, or its first restore, yet to come; nothing where none has."""
        due = self.due()
        if due is not None and self._of(due) not in self._verdicts():
            return f"{due.name!r} has not been verified yet"
        if (due := self.restore_due()) is not None and self.restore.get("tried", {}).get("of") != due.key:
            return f"{due.name!r} has not been restored yet"
        return ""

    @property
    def is_written(self) -> bool:
        """Whether there is none but what may still be written to."""
        return self.listing is not None and not self.listing.whole and self.listing.unfinished > 0

    # ---- what is known

    @property
    def newest(self) -> Entry | None:
        """Name, time and size of the newest; None where there is none."""
        return self._kept.get("newest")

    @property
    def verdict(self) -> Entry | None:
        """What was found of the newest, if anything was; `good` is in it where it was judged."""
        return self._kept.get("verdict")

    @property
    def seen(self) -> Entry:
        """How many there are, and the time of the oldest."""
        found: Entry = self._kept.get("seen", {})
        return found

    @property
    def restore(self) -> Entry:
        """The last restore that was tried, and the last that succeeded."""
        found: Entry = self._kept.get("restore", {})
        return found

    @property
    def last_success(self) -> float | None:
        """When the newest whole backup was made, which may be gone by now."""
        last = self._newest_good()
        return last[0] if last else None

    @property
    def first_seen(self) -> float | None:
        return self._kept.get("first_seen")

    @property
    def unverified_since(self) -> float | None:
        """Since when the newest, whichever it was, has not been judged; None where it is."""
        return self._kept.get("unverified")

    @property
    def previous_size(self) -> int | None:
        sizes = self._kept.get("sizes", [])
        return sizes[0][1] if len(sizes) > 1 else None

    def _of(self, file: File) -> str:
        return f"{file.key} {self.settings.way}"

    def _keep(self) -> None:
        whole = self.listing.whole if self.listing else ()
        if self.listing is not None:
            entry = self._verdicts().get(self._of(whole[-1])) if whole else None
            self._kept["verdict"] = entry
            if not whole or (entry is not None and "good" in entry):
                self._kept.pop("unverified", None)
            else:
                now = time.time()
                self._kept["unverified"] = min(self._kept.get("unverified", now), now)
        self._shelf.put(self._key, self._kept)


def _made(file: File, answer: Entry) -> float:
    """Return when a backup was made: by its file, or by itself where it is an old one that was copied anew."""
    made: float | None = answer.get("made")
    return file.time if made is None or file.time - made < _OLDER else made
