"""Quick looks at every path, each given up where its file system does not answer."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from exporter.collector import Trouble
from exporter.collectors.path import encryption, permissions, places
from exporter.collectors.path.entries import HANGS_FIX, fix_for, longest_rest, signature
from exporter.collectors.path.settings import PathSettings, PathsSettings
from exporter.collectors.path.tally import Found
from exporter.patience import NoAnswer, Patience

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a place at one moment; of a pattern, the folder above its first wildcard is looked at."""

    found: Found | None
    """What the place itself is like; None of a pattern, which only a walk resolves."""
    room: os.statvfs_result | None
    """None where there is no such place."""


class Looks:
    """The paths of a target in one round: quick looks, and what the walks have told."""

    def __init__(
        self, settings: PathsSettings, patience: Patience, entries: Mapping[str, Any], encrypts: encryption.Remembered
    ) -> None:
        self.settings = settings
        self.paths = settings.paths
        self.troubles: dict[str, Trouble] = {}
        """Why a path could not be looked at, by its name."""
        self._patience = patience
        self._entries = entries
        self.looks = self.each("look", {name: partial(_look, path) for name, path in self.paths.items()})
        self.encrypts = encrypts.of

    def entry(self, what: str, name: str) -> dict[str, Any] | None:
        """Return what the walks told of a path, None where that is about other settings."""
        entry: dict[str, Any] | None = self._entries.get(f"{what} {name}")
        return entry if entry is not None and entry.get("of") == signature(self.paths[name]) else None

    def current(self, name: str) -> dict[str, Any] | None:
        """Return what the last walk gave, unless that is out of date, or the path may no longer be walked."""
        walked, trouble = self.entry("walked", name), self.entry("trouble", name)
        if walked is None or (trouble is not None and not trouble.get("hangs")):
            return None
        return None if self._is_outdated(walked) else walked

    def not_walked(self, name: str) -> Iterator[Trouble]:
        """Yield why the path is not walked now, or since when it was not; nothing where a look at it said as much."""
        if name not in self.looks:
            return
        where, trouble, walked = self.paths[name].path, self.entry("trouble", name), self.entry("walked", name)
        if trouble is not None:
            yield Trouble(f"{where}: {trouble['reason']}", trouble["fix"])
        elif walked is not None and self._is_outdated(walked):
            minutes = (time.time() - walked["ended"]) / 60
            yield Trouble(f"{where}: not walked for {minutes:.0f} minutes")
        elif walked is not None and (hidden := walked.get("copies_unreadable")):
            reason = f"{self.paths[name].copy}: {hidden} files of the copy could not be looked at"
            yield Trouble(reason, "let the exporter's user enter all folders of the copy")

    def _is_outdated(self, walked: Mapping[str, Any]) -> bool:
        age: float = time.time() - walked["ended"]
        return age > longest_rest(self.settings.walk_interval, walked["lasted"])

    def each(self, what: str, functions: Mapping[str, Callable[[], Value]]) -> dict[str, Value]:
        """Return what each function says of its path; why one fails is among the troubles."""
        answers = self._patience.run({(what, name): function for name, function in functions.items()})
        found: dict[str, Value] = {}
        for (_, name), answer in answers.items():
            if isinstance(answer, Exception):
                self.troubles.setdefault(name, _trouble(answer, self.paths[name]))
            else:
                found[name] = answer
        return found

    def answered(self) -> Iterator[tuple[str, PathSettings, Look]]:
        """Yield the paths that could be looked at."""
        for name, look in self.looks.items():
            yield name, self.paths[name], look


def _look(settings: PathSettings) -> Look:
    place, found = places.base(settings), Found()
    try:
        found.add(os.stat(place), settings)
        room = os.statvfs(place)
    except places.GONE:
        return Look(None if settings.is_pattern else Found(), None)
    return Look(None if settings.is_pattern else found, room)


def writable(settings: PathSettings) -> bool | None:
    """Tell whether the path's user may write there; where nothing is, nobody can."""
    user = permissions.user_named(settings.user)
    try:
        return permissions.may_write(user, places.base(settings))
    except places.GONE:
        return False


def _trouble(error: Exception, settings: PathSettings) -> Trouble:
    if isinstance(error, NoAnswer):
        return Trouble(f"no answer from {settings.path}", HANGS_FIX)
    if isinstance(error, Trouble):
        return Trouble(f"{settings.path}: {error}", error.fix)
    if isinstance(error, OSError):
        return Trouble(f"{settings.path}: {error.strerror or error}", fix_for(error))
    raise error
