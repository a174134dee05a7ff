"""The files of a target, each read anew only where it has changed."""

import os
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from exporter.certificates import UnreadableError, library
from exporter.collector import Trouble
from exporter.collectors.tls import judge
from exporter.collectors.tls.contents import Contents, NoneHeldError, parse
from exporter.collectors.tls.places import Places, find
from exporter.collectors.tls.settings import TLSFilesSettings
from exporter.documentfile import load
from exporter.patience import NoAnswer, Patience

Version = tuple[int, ...] | None
HANGS_FIX = "see whether the file system's server answers; a keystore that takes long to open comes later by itself"
_READABLE = "let the exporter's user read it, or leave it out"


class Read(NamedTuple):
    """What was read of a file, or why it could not be, and what it was like then."""

    version: tuple[Version, Version]
    contents: Contents | None
    problem: str = ""
    remarks: tuple[str, ...] = ()
    holds_other: bool = False
    """Whether it is well, and holds other things than certificates."""


@dataclass(slots=True)
class Look:
    """All files at one moment: what each holds, and what could not be had, by path."""

    found: dict[str, Contents] = field(default_factory=dict)
    unreadable: dict[str, Trouble] = field(default_factory=dict)
    """Files and folders; also paths of the configuration, where nothing was found."""
    remarks: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    """Files of folders and patterns that hold other things than certificates."""
    cut: int = 0
    """How many files were left out, as there are more than may be looked at."""


class Files:
    """The files of a target."""

    def __init__(self, settings: TLSFilesSettings) -> None:
        self._settings = settings
        self._patience = Patience(settings.path_timeout)
        self._read: dict[str, Read] = {}
        self._named = {os.path.abspath(path) for path in settings.paths}

    def look(self) -> Look:
        """Look at all of them; what hangs is given up."""
        library()
        look = Look()
        paths = self._found(look)
        look.cut = max(0, len(paths) - self._settings.max_files)
        paths = paths[: self._settings.max_files]
        answers = self._patience.run({("file", path): partial(self._one, path) for path in paths})
        self._read = {path: one for path, one in list(self._read.items()) if ("file", path) in answers}
        for (_, path), answer in answers.items():
            if isinstance(answer, Exception):
                look.unreadable[path] = trouble(path, answer)
            elif answer.holds_other and path not in self._named:
                look.passed.append(path)
            elif answer.contents is None:
                look.unreadable[path] = Trouble(f"{path} {answer.problem}", "put a whole one there, or leave it out")
            else:
                look.found[path] = answer.contents
                look.remarks += [f"{path} {remark}" for remark in answer.remarks]
        return look

    def close(self) -> None:
        self._patience.close()

    def _found(self, look: Look) -> list[str]:
        """Return the paths of all files, each once."""
        settings = self._settings
        answers = self._patience.run({("path", path): partial(find, path, settings.endings) for path in settings.paths})
        files: dict[str, None] = {}
        for (_, path), answer in answers.items():
            if isinstance(answer, Places):
                files |= dict.fromkeys(answer.files)
                look.unreadable |= {folder: _closed(folder) for folder in answer.closed}
            else:
                look.unreadable[path] = trouble(path, answer)
        return sorted(files)

    def _one(self, path: str) -> Read:
        beside = judge.key_beside(path)
        version = _version(os.stat(path)), _version_of(beside)
        known = self._read.get(path)
        if known is not None and known.version == version:
            return known
        found = self._read[path] = self._anew(path, beside, version)  # also where nobody waits for it any more
        return found

    def _anew(self, path: str, beside: str, version: tuple[Version, Version]) -> Read:
        settings = self._settings
        data, _ = load(path, settings.max_bytes)
        password = settings.password.reveal().encode() if settings.password is not None else None
        try:
            contents = parse(data, password)
        except UnreadableError as error:
            return Read(version, None, str(error), holds_other=isinstance(error, NoneHeldError))
        return Read(version, contents, "", tuple(judge.remarks(contents, judge.keys_at(beside))))


def trouble(path: str, error: Any) -> Trouble:
    """Return what an error means to a person."""
    if isinstance(error, NoAnswer):
        return Trouble(f"no answer from {path}", HANGS_FIX)
    if isinstance(error, Trouble):
        return error
    if isinstance(error, OSError):
        return Trouble(f"{path} cannot be read ({error.strerror or error})", _READABLE)
    raise error


def _closed(folder: str) -> Trouble:
    return Trouble(f"{folder} cannot be looked into", "let the exporter's user enter and list it, or leave it out")


def _version(status: os.stat_result) -> Version:
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _version_of(path: str) -> Version:
    try:
        return _version(os.stat(path))
    except OSError:
        return None
