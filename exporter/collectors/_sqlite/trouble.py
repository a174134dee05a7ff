"""What can be wrong with a SQLite file, in words, with what to do about it."""

import sqlite3
from typing import Final


class Trouble(Exception):
    """Told to the exporter as its own Trouble, by name: importing that would take longer than the look."""

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.fix = fix


class NotApplicable(Trouble):
    """The look does not apply: an answer, not a failure."""


class Changed(Trouble):
    """The file was written to while it was read, so what was read may be torn."""


class Shut(Trouble):
    """Somebody keeps all readers out."""


class Damaged(Trouble):
    """SQLite says of the file itself that it is damaged."""


OVERWRITTEN: Final = (
    "keep it, and put a backup in its place; or correct `path`; an encrypted database cannot be read without its key"
)
# by the primary code: https://www.sqlite.org/rescode.html
_FIXES: Final = {
    sqlite3.SQLITE_PERM: "let the exporter's user read the file, and pass through its directory",
    sqlite3.SQLITE_BUSY: "see who holds the lock: `fuser -v FILE`, and end its transaction",
    sqlite3.SQLITE_NOMEM: "give the machine more memory",
    sqlite3.SQLITE_READONLY: "open it once with the application, or as its user with sqlite3",
    sqlite3.SQLITE_IOERR: "the disk or its file system fails: see the kernel's log, and copy what can be read",
    sqlite3.SQLITE_CORRUPT: "put a backup in its place, or save what can be read (runbook SQLiteIntegrityFailed)",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_CANTOPEN: "let the exporter's user read FILE, FILE-wal and FILE-shm",
    sqlite3.SQLITE_NOTADB: OVERWRITTEN,
    sqlite3.SQLITE_AUTH: "the SQLite library here forbids it",
}
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# what an application brings along, and no one else has
OWN: Final = ("no such collation sequence", "no such function", "unknown function", "no such module")
_SCHEMA: Final = "malformed database schema"


def explained(error: sqlite3.Error, path: str, *, newer: bool = False) -> Trouble:
    """Return what SQLite says as a Trouble; of a file that a `newer` SQLite wrote, a schema may be just that."""
    text = str(error)
    code = getattr(error, "sqlite_errorcode", None)
    if "unsupported file format" in text or (newer and text.startswith(_SCHEMA)):
        return too_new(text)
    if text.startswith(OWN):
        return NotApplicable(f"{text}: it is the application's own", "have the application look itself")
    if not isinstance(code, int):
        return Trouble(text)
    fix = _FIXES.get(code & 0xFF, "").replace("FILE", path)
    if code & 0xFF == sqlite3.SQLITE_READONLY:
        text = "its log must be recovered first, which reading alone cannot do"
    return (Damaged if code & 0xFF in _DAMAGED else Trouble)(text, fix)


def too_new(what: str) -> Trouble:
    """Return that this library is too old for the file."""
    fix = f"run the exporter with a newer SQLite than {sqlite3.sqlite_version}"
    return Trouble(f"written for a newer SQLite: {what}", fix)


def unreachable(path: str, error: OSError) -> Trouble:
    """Return why a file cannot be looked at."""
    if isinstance(error, FileNotFoundError):
        return Trouble(f"{path}: no such file", "start the application that makes it, or correct `path`")
    if isinstance(error, PermissionError):
        fix = "let the exporter's user read it and pass through its folder, as by the group of both"
        return Trouble(f"{path}: permission denied", fix)
    if isinstance(error, NotADirectoryError):
        return Trouble(f"{path}: a part of this path is no directory", "correct `path`")
    return Trouble(f"{path}: {error.strerror or error}", "see whether its disk or its mount is well")
