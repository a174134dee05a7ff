"""Follows the logs of a target, in the helper process: reads what is new, counts it, and tells both at one stroke."""

import os
import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any, ClassVar

from exporter.collectors.log.file import Chunk, File
from exporter.collectors.log.files import Files
from exporter.collectors.log.lines import Lines
from exporter.collectors.log.matching import Matcher
from exporter.collectors.log.settings import ACCESS_FORMATS, FollowedLog, LogsSettings
from exporter.collectors.log.tally import JobTally, LogTally, job_key, log_key
from exporter.toil import Changes, Tell, Toil

TURN = 16
"""Chunks of a file that are read before it is another's turn."""


class Follow(Toil):
    """Reads all logs of a target, in turns."""

    PAUSE: ClassVar[float] = 0.5  # seconds between two looks where nothing is written
    TELL: ClassVar[float] = 1.0  # seconds between two tellings
    BEAT: ClassVar[float] = 5.0  # seconds after which it is told that a log was looked at, though nothing is new

    def __init__(self, settings: LogsSettings, kept: Mapping[str, Any]) -> None:
        super().__init__(settings, kept)
        matcher = Matcher(_patterns(settings))
        self._jobs = {name: JobTally(kept.get(job_key(name), {})) for name in settings.jobs}
        self._logs = [Log(name, log, matcher, self._jobs, settings, kept) for name, log in settings.logs.items()]
        wanted = {*map(log_key, settings.logs), *map(job_key, settings.jobs)}
        self._forgotten: set[str] = {key for key in kept if key not in wanted and not _is_access(key, settings)}
        self._told = 0.0

    def run(self, stop: Event, tell: Tell, ready: Callable[[], None]) -> None:
        """Look at all logs again and again, and tell what was counted."""
        try:
            self.tell(tell)
            ready()
            while not stop.is_set():
                more = False
                for log in self._logs:
                    more = log.read() or more
                    if time.monotonic() - self._told >= self.TELL:
                        self.tell(tell)
                if not more:
                    stop.wait(self.PAUSE)
            self.tell(tell)
        finally:
            self.close()

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
        self, name: str, settings: FollowedLog, matcher: Matcher, jobs: Mapping[str, JobTally],
        target: LogsSettings, kept: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self._key = log_key(name)
        mine = kept.get(self._key)
        self._tally = LogTally(target.event_patterns(), mine or {})
        self.files = Files(settings, self._tally, mine)
        self._access = None
        if settings.format in ACCESS_FORMATS:
            from exporter.collectors.log.access import Access

            self._access = Access(name, settings.format, settings.access, kept)
        self._lines = Lines(settings, self._tally, matcher, jobs, self._access)
        self._since: float | None = mine["since"] if mine else time.time() if settings.start == "end" else None
        self._last: float | None = mine["last"] if mine else None
        self._last_line = b""
        self._mtime = 0.0
        self._told: dict[str, Any] = {}
        self._told_at = 0.0

    def read(self) -> bool:
        """Read a turn of each file; return whether there is more to read."""
        more = False
        for file in self.files.all():
            try:
                more = self._read(file) or more
            except OSError as error:
                self.files.lose_touch(file, error)
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
        self._last_line = chunk.text[chunk.text.rfind(b"\n", 0, -1) + 1 :]
        self._mtime = file.mtime
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
        if self._last_line:
            told = self._lines.time_of(self._last_line)
            self._last = self._mtime if told is None else told
            self._last_line = b""
        newest = self.files.newest()
        if newest is not None and newest.first is None and newest.offset and not newest.begun:
            newest.first = self._lines.time_of(newest.first_line())  # it was there before, and begun at its end
        entry = {
            **self._tally.entry(), **self.files.entry(), "since": self._since, "last": self._last,
            "first": newest.first if newest else None, "open": len(self.files.live), "behind": self.files.behind(),
            "problems": [[*problem] for problem in self.files.problems],
        }  # fmt: skip
        access = dict(self._access.changed()) if self._access else {}
        now = time.monotonic()
        if entry == self._told and not access and now - self._told_at < beat:
            return {}
        self._told, self._told_at = entry, now
        return {self._key: {**entry, "looked": time.time()}, **access}


def _patterns(settings: LogsSettings) -> dict[Any, str]:
    jobs = {(job, what): pattern for job, one in settings.jobs.items() for what, pattern in one.patterns().items()}
    return {**settings.event_patterns(), **jobs}


def _is_access(key: str, settings: LogsSettings) -> bool:
    logs = [name for name, log in settings.logs.items() if log.format in ACCESS_FORMATS]
    return any(key.startswith(f"access {name} ") for name in logs)
