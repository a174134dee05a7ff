"""Many patterns over many lines at once: RE2 takes time in proportion to the text, whatever the patterns."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from exporter.collector import Trouble
from exporter.collectors.log.patterncheck import LARGEST
from exporter.collectors.log.times import Search

# Bytes that a pattern, and all together, may take with their states; RE2 begins the states anew when they are full.
_MEMORY_OF_ALL: Final = 16 << 20
_PROBE: Final = b"\x00\x01"


class Hit(NamedTuple):
    """A line in which a pattern was found: where the line begins in the text, and the match."""

    place: int
    line: bytes
    match: Any


class Matcher:
    """Patterns by name, and the lines of a text that have them."""

    def __init__(self, patterns: Mapping[Any, str]) -> None:
        self._names = list(patterns)
        self._each = [compiled(pattern) for pattern in patterns.values()]
        self._all = _re2().Set.SearchSet(_options(_MEMORY_OF_ALL))
        for pattern in patterns.values():
            self._all.Add(_by_line(pattern))
        self._probe = self._all.Add(_PROBE)
        self._all.Compile()
        if self._all.Match(_PROBE) != [self._probe]:
            raise Trouble("the patterns together are too large for RE2", "take counted repetitions out of them")

    def find(self, text: bytes) -> Iterator[tuple[Any, Iterator[Hit]]]:
        """Yield each pattern that the text has, with its lines; a line once for each pattern."""
        for index in self._all.Match(text) or ():
            if index != self._probe:
                yield self._names[index], _hits(self._each[index], text)


def _hits(pattern: Any, text: bytes) -> Iterator[Hit]:
    begin = 0
    while (found := pattern.search(text, begin)) is not None:
        start = text.rfind(b"\n", 0, found.start()) + 1
        end = text.find(b"\n", found.end())
        end = len(text) if end < 0 else end
        yield Hit(start, text[start:end], found)
        begin = end + 1
        if begin >= len(text):
            return


def compiled(pattern: str) -> Any:
    """Return the pattern as one that stays within a line; Trouble where it is none."""
    try:
        return _re2().compile(_by_line(pattern), _options())
    except _re2().error as error:
        raise Trouble(f"a pattern is none that RE2 takes: {error}", "correct it; `check` finds its place") from None


def searcher(pattern: str) -> Search | None:
    """Return the function that gives the first group of a pattern in a line; None without a pattern."""
    if not pattern:
        return None
    search = compiled(pattern).search

    def first_group(line: bytes) -> str | None:
        found = search(line)
        group = found.group(1) if found else None
        return None if group is None else group.decode("utf-8", "replace")

    return first_group


def _by_line(pattern: str) -> bytes:
    return f"(?m:{pattern})".encode()


def _options(memory: int = LARGEST) -> Any:
    options = _re2().Options()
    options.never_nl = True  # `\s` and `[^x]` would go on into the next line
    options.log_errors = False
    options.max_mem = memory
    return options


def _re2() -> Any:
    try:
        import re2
    except ImportError:
        raise Trouble("the package google-re2 is missing", "install it: pip install 'runbook-exporter[log]'") from None
    return re2
