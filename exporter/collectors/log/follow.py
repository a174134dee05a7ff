"""Follows the logs of a target, in the helper process: reads what is new, counts it, and tells both at one stroke."""

import os
import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any, ClassVar

from exporter.collectors.log.file import Chunk, File, Identity
from exporter.collectors.log.files import Files
from exporter.collectors.log.lines import Lines
from exporter.collectors.log.matching import Matcher
from exporter.collectors.log.settings import ACCESS_FORMATS, FollowedLog, LogsSettings
from exporter.collectors.log.tally import JobTally, LogTally, job_key, later, log_key
from exporter.toil import Changes, Tell, Toil

TURN = 16
"""Chunks of a file that are read before it is another's turn."""


class Follow(Toil):
    """Reads all logs of a target, in turns."""

    PAUSE: ClassVar[float] = 0.5  # seconds between two looks where nothing is written
    TELL: ClassVar[float] = 1.0  # seconds between two tellings
    BEAT: ClassVar[float] = 5.0  # seconds after which it is told that a log was looked at, though nothing is new
    CATCH_UP: ClassVar[float] = 60.0  # seconds that what was written meanwhile may take to read before it counts as new

    def __init__(self, settings: LogsSettings, kept: Mapping[str, Any]) -> None:
        super().__init__(settings, kept)
        matchers = Matcher(_patterns(settings)), Matcher(settings.request_patterns())
        self._jobs = {name: JobTally(kept.get(job_key(name), {})) for name in settings.jobs}
        self._logs = [Log(name, log, matchers, self._jobs, settings, kept) for name, log in settings.logs.items()]
        wanted = {*map(log_key, settings.logs), *map(job_key, settings.jobs)}
        self._forgotten: set[str] = {key for key in kept if key not in wanted and not _is_access(key, settings)}
        self._told = 0.0

    def run(self, stop: Event, tell: Tell, ready: Callable[[], None]) -> None:
        """Look at all logs again and again, and tell what was counted."""
        try:
            self.tell(tell)
            self._catch_up(stop, tell)
            self.tell(tell)
            ready()
            while not stop.is_set():
                if not self._read_and_tell(tell):
                    stop.wait(self.PAUSE)
            self.tell(tell)
        finally:
            self.close()

    def _catch_up(self, stop: Event, tell: Tell) -> None:
        """Read what was written while nobody looked; until then no log is told to have been looked at.

        Figures that rise while they are shown are taken for what happens now.
        """
        until = time.monotonic() + self.CATCH_UP
        while self._read_and_tell(tell) and not stop.is_set() and time.monotonic() < until:
            pass
        for log in self._logs:
            log.is_current = log.is_current or not stop.is_set()

    def _read_and_tell(self, tell: Tell) -> bool:
        more = False
        for log in self._logs:
            more = log.read() or more
            if time.monotonic() - self._told >= self.TELL:
                self.tell(tell)
        return more

    def read(self) -> bool:
        """Read a turn of each log; return whether there is more to read."""
        return any(list(map(Log.read, self._logs)))

    def close(self) -> None:
        for log in self._logs:
            log.files.close()

    def tell(self, tell: Tell) -> None:
        """Look for files, and tell what has changed; that nothing has is told from time to time."""
        for log in self._logs:
            log.files.look()
        changes: dict[str, Any] = dict.fromkeys(self._forgotten)
        for log in self._logs:
            changes |= log.changes(self.BEAT)
        for name, job in self._jobs.items():
            if job.changed:
                changes[job_key(name)] = job.entry()
                job.changed = False
        if changes:
            tell(changes)
        self._forgotten = set()
        self._told = time.monotonic()


class Log:
    """One log at work: its files, and what was counted in them."""

    def __init__(
        self, name: str, settings: FollowedLog, matchers: tuple[Matcher, Matcher], jobs: Mapping[str, JobTally],
        target: LogsSettings, kept: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self._key = log_key(name)
        mine = kept.get(self._key)
        self._tally = LogTally(target.events_in(name), mine or {})
        self.files = Files(settings, self._tally, mine)
        self._access = None
        if settings.format in ACCESS_FORMATS:
            from exporter.collectors.log.access import Access

            self._access = Access(name, settings.format, settings.access, kept)
        self._lines = Lines(settings, self._tally, matchers[0], jobs, self._access, matchers[1])
        self._since: float | None = mine["since"] if mine else time.time() if settings.start == "end" else None
        self._last: float | None = mine["last"] if mine else None
        self._looked: float | None = mine.get("looked") if mine else None
        self.is_current = False  # whether it was read to its end once, or for long enough
        self._last_lines: dict[Identity, tuple[bytes, float]] = {}  # since the last telling, with their times
        self._told: tuple[dict[str, Any], bool] | None = None
        self._told_at = 0.0

    def read(self) -> bool:
        """Read a turn of each file; return whether there is more to read."""
        more = False
        for file in self.files.all():
            try:
                more = self._read(file) or more
            except OSError as error:
                self.files.lose_touch(file, error)
        self.is_current = self.is_current or not more
        return more

    def _read(self, file: File) -> bool:
        seen, mtime = file.seen, file.mtime
        status = os.fstat(file.descriptor)
        if (status.st_size, status.st_mtime) == (seen, mtime) and file.is_read:
            return self._at_the_end(file, grown=False)
        if file.was_emptied():
            self.files.look_beside()
            return True
        file.look()
        if file.offset == 0 and file.mtime != mtime:
            self.files.look_beside()  # there is nothing yet by which it could be seen that it was emptied
        if file.offset == 0 and file in self.files.live.values() and self.files.hold_if_copy(file):
            return False
        for _ in range(TURN):
            chunk = file.read()
            if chunk is None:
                file.is_read = True
                return self._at_the_end(file, file.seen != seen)
            file.is_read = False
            if not self._count(file, chunk):
                self.files.look_beside()
                return True
        return True

    def _at_the_end(self, file: File, grown: bool) -> bool:
        leftovers = self.files.leftovers
        if file in leftovers.old:
            if grown:
                leftovers.stir(file)
            if leftovers.is_done(file):
                chunk = file.read(to_the_end=True)
                if chunk is not None:
                    self._count(file, chunk)
                leftovers.drop(file)
        return False

    def _count(self, file: File, chunk: Chunk) -> bool:
        at_the_beginning = file.offset == 0
        if not file.advance(chunk):
            return False
        self._tally.counts["bytes"] += len(chunk.raw)
        self._tally.counts["cut"] += chunk.cut
        if not chunk.text:
            return True
        if at_the_beginning:
            file.first = self._first_time(file, chunk.text)
        file.place = self._lines.take(chunk.text, file.place)
        self._last_lines[file.identity] = chunk.text[chunk.text.rfind(b"\n", 0, -1) + 1 :], file.mtime
        return True

    def _first_time(self, file: File, text: bytes) -> float | None:
        """Return when a file was begun: as its first line tells, or else when that was read, if it was new then."""
        found = self._lines.time_of(text[: text.find(b"\n") + 1])
        found = file.mtime if found is None and file.begun else found
        if self._since is None:
            self._since = found
        return found

    def changes(self, beat: float) -> Changes:
        """Return what is to be told: nothing where nothing has changed, and that was said less than `beat` ago."""
        for line, mtime in self._last_lines.values():
            told = self._lines.time_of(line)
            self._last = later(self._last, mtime if told is None else told)
        self._last_lines.clear()
        newest = self.files.newest()
        if newest is not None and newest.first is None and newest.offset and not newest.begun:
            newest.first = self._lines.time_of(newest.first_line())  # it was there before, and begun at its end
        entry = {
            **self._tally.entry(), **self.files.entry(), "since": self._since, "last": self._last,
            "first": newest.first if newest else None, "open": len(self.files.live), "behind": self.files.behind(),
            "problems": [[*problem] for problem in self.files.told_problems()],
        }  # fmt: skip
        access = dict(self._access.changed()) if self._access else {}
        now = time.monotonic()
        state = entry, self.is_current
        if state == self._told and not access and now - self._told_at < beat:
            return {}
        self._told, self._told_at = state, now
        if self.is_current:
            self._looked = time.time()
        return {self._key: {**entry, "looked": self._looked}, **access}


def _patterns(settings: LogsSettings) -> dict[Any, str]:
    jobs = {(job, what): pattern for job, one in settings.jobs.items() for what, pattern in one.patterns().items()}
    return {**settings.event_patterns(), **jobs}


def _is_access(key: str, settings: LogsSettings) -> bool:
    logs = [name for name, log in settings.logs.items() if log.format in ACCESS_FORMATS]
    return any(key.startswith(f"access {name} ") for name in logs)
