"""From a path as it is configured to the places that it names."""

import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from exporter.collectors.path.settings import WILD, PathSettings

GONE: Final = (FileNotFoundError, NotADirectoryError)


@dataclass(slots=True)
class Places:
    """The places of a path in the order of their names, and how many could not be looked at."""

    names: list[str] = field(default_factory=list)
    unreadable: int = 0


def base(settings: PathSettings) -> str:
    """Return the place itself, or the folder above the first wildcard of a pattern."""
    whole = os.path.abspath(settings.path)
    if not settings.is_pattern:
        return whole
    parts = whole.split("/")
    wild = next(number for number, part in enumerate(parts) if WILD.search(part))
    return "/".join(parts[:wild]) or "/"


def find(settings: PathSettings) -> Places:
    """Return the places; OSError where the place, or the folder above a pattern's first wildcard, cannot be had."""
    start = base(settings)
    os.stat(start)
    if not settings.is_pattern:
        return Places([start])
    found = Places([start])
    for part in os.path.abspath(settings.path).removeprefix(start).strip("/").split("/"):
        _go_on(found, part, start)
    found.names = sorted(found.names)
    return found


def _go_on(found: Places, part: str, start: str) -> None:
    """Go one part of the pattern deeper; OSError where the folder it starts from cannot be listed."""
    look = _matching(part) if WILD.search(part) else _named(part)
    before, found.names = found.names, []
    for place in before:
        try:
            found.names.extend(os.path.join(place, name) for name in look(place))
        except GONE:
            continue
        except OSError:
            if place == start:  # of what is in there nothing is known
                raise
            found.unreadable += 1


def _named(part: str) -> Callable[[str], Iterable[str]]:
    def look(place: str) -> Iterable[str]:
        os.lstat(os.path.join(place, part))
        return [part]

    return look


def _matching(part: str) -> Callable[[str], Iterable[str]]:
    matches = re.compile(fnmatch.translate(part)).match
    hidden = part.startswith(".")

    def look(place: str) -> Iterator[str]:
        with os.scandir(place) as entries:
            for entry in entries:
                # as in a shell, a wildcard does not stand for the dot that hides a file
                if (hidden or not entry.name.startswith(".")) and matches(entry.name):
                    yield entry.name

    return look


def statuses(names: Sequence[str]) -> tuple[dict[str, os.stat_result], int]:
    """Return the places that are there, each once however many links lead to it, and how many are out of reach."""
    found: dict[tuple[int, int], tuple[str, os.stat_result]] = {}
    unreadable = 0
    for name in names:
        try:
            status = os.stat(name)
        except FileNotFoundError:  # just gone, or a link to nothing
            continue
        except OSError:
            unreadable += 1
            continue
        found.setdefault((status.st_dev, status.st_ino), (name, status))
    return dict(found.values()), unreadable
