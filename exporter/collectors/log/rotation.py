"""What lies beside a log: the files that it was rotated to."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from exporter.collectors.log.file import File, Identity, Print, printed
from exporter.collectors.log.settings import COMPRESSED

_STAMP: Final = r"[._-]\d[\d.T:_-]*"
_MOST: Final = 1000  # files beside a log that are looked at
_REMEMBERED: Final = 50
_BEGINNING: Final = 256  # bytes by which a file beside a log is known again


def names_beside(path: str) -> "re.Pattern[str]":
    """Return the names that a log of this path is rotated to: api.log.1, api.log-20261125, api-20261125.log, ..."""
    name = os.path.basename(path)
    stem, dot, ending = name.rpartition(".")
    other = f"|{re.escape(stem)}{_STAMP}{re.escape(dot + ending)}" if stem else ""
    return re.compile(rf"{re.escape(name)}(?:{_STAMP}|\.old){other}")


def is_beside(path: str, other: str) -> bool:
    """Tell whether the name of the first is one that the second is rotated to."""
    same = os.path.dirname(path) == os.path.dirname(other)
    return same and names_beside(other).fullmatch(os.path.basename(path)) is not None


def files_beside(path: str) -> Iterator[str]:
    """Yield the paths of what a log was rotated to, as far as it can be read."""
    folder, names = os.path.dirname(path), names_beside(path)
    with suppress(OSError):
        found = [name for name in os.listdir(folder) if names.fullmatch(name) and not name.endswith(COMPRESSED)]
        yield from (os.path.join(folder, name) for name in sorted(found)[:_MOST])


def opened(path: str) -> File | None:
    """Open what lies beside a log; None where that cannot be, or where it is no file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        file = File.opened(path)
    except OSError:
        return None
    try:
        file.first_line()  # some say only then that they cannot be read
    except OSError:
        file.close()
        return None
    return file


class Known:
    """The files beside a log that were there before: what is new among them was written while nobody looked."""

    def __init__(self, kept: Mapping[str, list[int | str]]) -> None:
        self._prints: dict[str, Print] = {name: (int(size), str(sum)) for name, (size, sum) in kept.items()}

    def entry(self) -> dict[str, Print]:
        return dict(self._prints)

    def has(self, file: File) -> bool:
        """Tell whether the file was there; its number alone does not tell, as numbers are given again."""
        told = self._prints.get(str(file.identity))
        return told is not None and told[0] > 0 and _beginning(file, told[0]) == told

    def note(self, files: "Mapping[Identity, File]") -> None:
        """Take these files as known. One that was not seen may just have got another name, so some of those stay."""
        now = {str(identity): _beginning(file, _BEGINNING) for identity, file in files.items()}
        gone = [name for name in self._prints if name not in now][-_REMEMBERED:]
        self._prints = {name: self._prints[name] for name in gone} | now


def _beginning(file: File, size: int) -> Print:
    return printed(os.pread(file.descriptor, size, 0))
