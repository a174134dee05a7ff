"""Whole lines to counts: levels, events, jobs, and what does not fit the log's format."""

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from exporter.collectors.log.levels import REACH, WORD, level_of_value, level_of_word
from exporter.collectors.log.matching import Hit, Matcher, searcher
from exporter.collectors.log.readymade import TRACEBACK
from exporter.collectors.log.settings import ACCESS_FORMATS, MIXED_FORMATS, FollowedLog
from exporter.collectors.log.tally import JobTally, LogTally
from exporter.collectors.log.times import Clock
from exporter.collectors.log.tracebacks import MARK, NOWHERE, is_continuation, step

if TYPE_CHECKING:
    from exporter.collectors.log.access import Access

_REQUEST: Final = b" HTTP/"  # in the lines of requests, where a server writes its messages between them
_decode = json.JSONDecoder().decode

Object = Mapping[str, Any]


class Lines:
    """How the lines of one log are read, and where they are counted."""

    def __init__(
        self, settings: FollowedLog, tally: LogTally, matcher: Matcher, jobs: Mapping[str, JobTally],
        access: "Access | None", of_requests: Matcher,
    ) -> None:  # fmt: skip
        """Look for what `matcher` has in lines that a program writes, and for `of_requests` in what clients send."""
        self._settings = settings
        self._tally = tally
        self._matcher = matcher
        self._of_requests = of_requests
        self._jobs = jobs
        self._access = access
        self._clock = Clock(settings, searcher(settings.time_pattern))
        self._level = searcher(settings.level_pattern)
        self._of_text = settings.format in ("text", *MIXED_FORMATS)
        self._take = self._reader()

    def take(self, text: bytes, place: int) -> int:
        """Count whole lines, each with its end; return where the next one stands as to a traceback."""
        text = cleaned(text)
        lines = text.split(b"\n")
        lines.pop()
        self._tally.counts["lines"] += len(lines)
        return self._take(text, lines, place)

    def time_of(self, line: bytes) -> float | None:
        """Return the time that a line tells of itself."""
        line = cleaned(line).rstrip(b"\n")
        if self._settings.format in ("json", "nginx_json") and (found := _object(line)) is not None:
            return self._time_in(found)
        return self._clock.of_line(line)

    def _reader(self) -> Callable[[bytes, list[bytes], int], int]:
        if self._settings.format == "json":
            return self._take_json
        if self._settings.format in MIXED_FORMATS:
            return self._take_mixed
        return self._take_access if self._settings.format in ACCESS_FORMATS else self._take_text

    def _take_text(self, text: bytes, lines: list[bytes], place: int) -> int:
        place = self._count_messages(lines, place, MARK in text)
        self._search(text, self._time_of_hit)
        return place

    def _take_access(self, text: bytes, lines: list[bytes], place: int) -> int:
        if self._access is not None:
            self._tally.counts["unparsed"] += self._access.feed(lines)
        self._search(text, self._time_of_hit, self._of_requests)
        return place

    def _take_mixed(self, text: bytes, lines: list[bytes], place: int) -> int:
        requests = [line for line in lines if _REQUEST in line and b'"' in line]
        if self._access is not None:
            self._tally.counts["unparsed"] += self._access.feed(requests)
        others = [line for line in lines if _REQUEST not in line or b'"' not in line]
        place = self._count_messages(others, place, MARK in text)
        self._search(b"\n".join([*requests, b""]), self._time_of_hit, self._of_requests)
        self._search(b"\n".join([*others, b""]), self._time_of_hit)
        return place

    def _take_json(self, _text: bytes, lines: list[bytes], place: int) -> int:
        found: list[Object | None] = [_object(line) for line in lines]
        levels = self._tally.levels
        for one in found:
            if one is not None:
                levels[level_of_value(_picked(one, self._settings.fields.level))] += 1
        if None in found:
            place = self._take_strays(lines, found, place)
        elif lines:
            place = NOWHERE
        texts = [line if one is None else self._text_of(one) for line, one in zip(lines, found, strict=True)]
        joined = b"\n".join([*texts, b""])
        self._search(joined, lambda hit: self._time_of_hit(hit, found[joined.count(b"\n", 0, hit.place)]))
        return place

    def _take_strays(self, lines: list[bytes], found: list[Object | None], place: int) -> int:
        """Count the lines between objects: they are no objects, but a traceback's are not held against it."""
        levels, counts = self._tally.levels, self._tally.counts
        for index, (line, one) in enumerate(zip(lines, found, strict=True)):
            if one is not None:
                place = NOWHERE
                continue
            place, inside, begins = step(place, line)
            if inside and not begins and MARK in line:
                lines[index] = b""  # the event is the one that it belongs to
            if not inside and not is_continuation(line):
                levels[self._level_of(line)] += 1
                counts["unparsed"] += 1
        return place

    def _count_messages(self, lines: list[bytes], place: int, traced: bool) -> int:
        if traced or place != NOWHERE:
            lines, place = self._without_tracebacks(lines, place)
        if self._level is not None:
            self._count_by_pattern(lines)
            return place
        found: dict[bytes, int] = {}
        rest: list[bytes] = []
        search, reach = WORD.search, REACH
        for line in lines:
            if match := search(line, 0, reach):
                word = match[0]
                found[word] = found.get(word, 0) + 1
            else:
                rest.append(line)
        for word, count in found.items():
            self._tally.levels[level_of_word(word)] += count
        self._count_unparsed(rest)
        return place

    def _count_by_pattern(self, lines: list[bytes]) -> None:
        assert self._level is not None  # noqa: S101  # for the type checker
        rest = []
        for line in lines:
            level = self._level(line)
            if level is None:
                rest.append(line)
            else:
                self._tally.levels[level_of_value(level)] += 1
        self._count_unparsed(rest)

    def _count_unparsed(self, lines: list[bytes]) -> None:
        """Count lines without a level as messages of which nothing is known, unless they go on with another.

        They are not in the log's format only where a pattern says what that is: many logs have no levels at all.
        """
        count = sum(1 for line in lines if not is_continuation(line))
        self._tally.levels["other"] += count
        if self._level is not None:
            self._tally.counts["unparsed"] += count

    def _without_tracebacks(self, lines: list[bytes], place: int) -> tuple[list[bytes], int]:
        rest = []
        for line in lines:
            place, inside, begins = step(place, line)
            if begins and TRACEBACK in self._tally.events:
                self._tally.events[TRACEBACK] += 1
            if not inside:
                rest.append(line)
        return rest, place

    def _level_of(self, line: bytes) -> str:
        found = WORD.search(line, 0, REACH)
        return level_of_word(found[0]) if found else "other"

    def _search(self, text: bytes, when: Callable[[Hit], float | None], matcher: Matcher | None = None) -> None:
        """Count the events in the text, and what it says of jobs, in the order of the lines."""
        seen = []
        for name, hits in (matcher or self._matcher).find(text):
            if isinstance(name, str):
                count = sum(1 for _ in hits)
                if name != TRACEBACK or not self._of_text:  # there they are counted as wholes
                    self._tally.events[name] += count
            else:
                seen += [(hit.place, name, hit) for hit in hits]
        for _, (job, what), hit in sorted(seen, key=lambda one: one[:2]):
            moment = when(hit)
            self._jobs[job].see(what, _run_of(hit.match), time.time() if moment is None else moment)

    def _text_of(self, found: Object) -> bytes:
        names = self._settings.fields.message
        values = (
            [value for name in names if (value := _picked(found, (name,))) is not None] if names else found.values()
        )
        return " ".join(map(str, values)).replace("\n", " ").encode("utf-8", "replace")

    def _time_of_hit(self, hit: Hit, found: Object | None = None) -> float | None:
        return self._clock.of_line(hit.line) if found is None else self._time_in(found)

    def _time_in(self, found: Object) -> float | None:
        return self._clock.of_value(_picked(found, self._settings.fields.time))


def cleaned(text: bytes) -> bytes:
    """Return the text as UTF-8 throughout, with plain ends of lines."""
    if not text.isascii():
        text = text.decode("utf-8", "replace").encode()
    return text.replace(b"\r\n", b"\n") if b"\r" in text else text


def _object(line: bytes) -> Object | None:
    try:
        found = _decode(line.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _picked(found: Object, names: tuple[str, ...]) -> Any:
    """Return the first of these fields that is there; a name with dots is one, or leads into objects."""
    for name in names:
        if name in found:
            return found[name]
        if "." in name:
            inner: Any = found
            for part in name.split("."):
                inner = inner.get(part) if isinstance(inner, dict) else None
            if inner is not None:
                return inner
    return None


def _run_of(match: Any) -> str:
    found = match.groupdict().get(b"id")  # in bytes, as the pattern is
    return found.decode("utf-8", "replace")[:200] if found else ""
