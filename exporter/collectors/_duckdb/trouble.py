"""Why DuckDB does not open or read a database, with what to do about it."""

import re
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble


class Damaged(Trouble):
    """The database itself is broken: what it holds does not fit its checksums, or cannot be decoded."""


# By DuckDB's own words, as its errors carry no numbers; what fits first holds.
_VERSION: Final = re.compile(
    r"database file with version number (\d+), but we can only read versions? (?:between )?(\d+)(?: and (\d+))?"
)
_NEWER: Final = re.compile(r"storage version greater than|created with a newer version|WAL of version|from the future")
_KNOWN: Final = (
    (r"Could not set lock on file", "another process has it open for writing",
     "read a copy (`open: copy`), or see who holds it"),
    (r"not a valid DuckDB database file", "it is no DuckDB database", "correct `path`"),
    (r"Out of Memory Error|could not allocate block|max_temp_directory_size", "it cannot be read with so little memory",
     "raise `memory_limit`"),
    (r"No space left on device", "the folder for the copy is full", "make room there, or name another with `scratch`"),
    (r"Permission denied", "it may not be read", "let the exporter's user read it"),
    (r"[Ee]xtension .*(?:not (?:be )?(?:found|loaded|installed)|required|needed)",
     "it needs an extension of DuckDB that the exporter's user does not have", "install that: INSTALL ... in DuckDB"),
)  # fmt: skip
_DAMAGED: Final = re.compile(
    r"[Cc]orrupt|checksum|Failed to deserialize|Failed to load metadata|Could not read (?:enough|all) bytes"
    r"|WAL does not match database file|WAL checkpoint iteration does not match"
)
_ENCRYPTED: Final = re.compile(r"encrypted database .* without a key")


def encrypted(path: str) -> NotApplicable:
    return NotApplicable(f"{path} is encrypted, and what is inside cannot be read without its key")


def explained(error: Any, path: str, opened: str) -> Trouble:
    """Return a duckdb.Error as a Trouble, with the remedy where one is known; `opened` is the copy of `path`."""
    text = " ".join(str(error).split()).replace(opened, path)
    if (found := _VERSION.search(text)) is not None:
        return _other_version(path, *found.groups())
    if _NEWER.search(text):
        return _newer(path, "")
    if _ENCRYPTED.search(text):
        return encrypted(path)
    for pattern, reason, fix in _KNOWN:
        if re.search(pattern, text):
            return Trouble(f"{path}: {reason} ({text})", fix)
    if _DAMAGED.search(text):
        return Damaged(f"{path} is damaged: {text}", "restore it from a backup")
    return Trouble(f"{path}: {text}", "see whether the application can read it; if so, this is a mistake: report it")


def _other_version(path: str, version: str, lowest: str, highest: str | None) -> Trouble:
    readable = f"{lowest} to {highest}" if highest else lowest
    if int(version) < int(lowest):
        fix = "have the application write it with a newer DuckDB, or install an older library for the exporter"
        return Trouble(f"{path} is of the old storage version {version}; the library here reads {readable}", fix)
    return _newer(path, f" {version}; it reads {readable}")


def _newer(path: str, which: str) -> Trouble:
    fix = "install a newer one for the exporter: pip install --upgrade duckdb"
    return Trouble(f"{path} is of a newer storage version than the library here reads{which}", fix)
