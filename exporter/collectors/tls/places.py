"""From a path as it is configured to the files that it names."""

import fnmatch
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from exporter.collector import Trouble
from exporter.collectors.tls.settings import WILD

_NOTHING = "create them, correct the path, or leave it out"


class Places(NamedTuple):
    """The files of a path in the order of their names, and the folders in its way that cannot be looked into."""

    files: list[str]
    closed: list[str]


def find(path: str, endings: tuple[str, ...]) -> Places:
    """Return the files; Trouble where there is none, OSError where the folder above a pattern cannot be listed."""
    whole = os.path.abspath(path)
    closed: list[str] = []
    found = sorted(_matching(whole, closed)) if WILD.search(whole) else [whole]
    files = [file for place in found for file in _files(place, endings, closed)]
    if not files and not closed:
        raise Trouble(f"{path}: nothing there is a file of certificates by its name", _NOTHING)
    return Places(files, closed)


def _files(place: str, endings: tuple[str, ...], closed: list[str]) -> list[str]:
    """Return the file itself, or those of the folder that it is; a folder that cannot be listed is among the closed."""
    try:
        is_file = not stat.S_ISDIR(os.stat(place).st_mode)
    except OSError:  # looking at it will say why
        is_file = True
    if is_file:
        return [place]
    try:
        with os.scandir(place) as entries:
            names = [entry.name for entry in entries if entry.name.lower().endswith(endings) and not _is_folder(entry)]
    except OSError:
        closed.append(place)
        return []
    return [os.path.join(place, name) for name in sorted(names)]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle: looking at it will say so
        return False


def _matching(whole: str, closed: list[str]) -> list[str]:
    """Return the places that fit a pattern; the folder above its first wildcard must be there."""
    parts = whole.split("/")
    wild = next(number for number, part in enumerate(parts) if WILD.search(part))
    start = "/".join(parts[:wild]) or "/"
    os.listdir(start)  # of what is in there nothing is known, where it cannot be listed
    places = [start]
    for part in parts[wild:]:
        places = [found for place in places for found in _inside(place, part, closed)]
    return places


def _inside(place: str, part: str, closed: list[str]) -> Iterator[str]:
    try:
        names = sorted(os.listdir(place)) if WILD.search(part) else [part]
        for name in names:
            hidden = name.startswith(".") and not part.startswith(".")
            if not hidden and fnmatch.fnmatchcase(name, part):
                whole = os.path.join(place, name)
                os.lstat(whole)
                yield whole
    except (FileNotFoundError, NotADirectoryError):  # no folder of that kind
        return
    except OSError:
        closed.append(place)
