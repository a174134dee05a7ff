"""Why DuckDB does not open or read a database, with what to do about it."""

import re
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble


class Damaged(Trouble):
    """The database itself is broken: what it holds does not fit its checksums, or cannot be decoded."""


OVERWRITTEN: Final = "keep it, and put a backup in its place; or correct `path`"
"""What to do where something else is in the place of a database."""

# What is not DuckDB's own words: names, values and paths.
_OTHERS_WORDS: Final = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'|(?<!\w)/\S*")
# By DuckDB's own words, as its errors carry no numbers; what fits first holds.
_VERSION: Final = re.compile(
    r"database file with version number (\d+), but we can only read versions? (?:between )?(\d+)(?: and (\d+))?"
)
_NEWER: Final = re.compile(r"storage version greater than|created with a newer version|WAL of version|from the future")
_KNOWN: Final = (
    (r"Could not set lock on file", "another process has it open for writing",
     "read a copy (`open: copy`), or see who holds it"),
    (r"not a valid DuckDB database file", "it is no DuckDB database", OVERWRITTEN),
    (r"Out of Memory Error|could not allocate block|max_temp_directory_size", "it cannot be read with so little memory",
     "raise `memory_limit`"),
    (r"No space left on device", "the folder for the copy is full", "make room there, or name another with `scratch`"),
    (r"Permission denied", "it may not be read", "let the exporter's user read it"),
    (r"Input/output error", "its disk, or that of the copy, cannot be read", "see the disks, and the kernel's log"),
    (r"Too many open files", "the process that looks may open too few files", "raise `LimitNOFILE=` of the unit"),
    (r"Bad file descriptor|Could not write", "what reading it takes cannot be written",
     "see the disk of `scratch`, and its limits; a backup should have no `.wal` beside it"),
    (r"[Ee]xtension .*(?:not (?:be )?(?:found|loaded|installed)|required|needed)",
     "it needs an extension of DuckDB that the exporter's user does not have", "install that: INSTALL ... in DuckDB"),
)  # fmt: skip
_DAMAGED: Final = re.compile(
    r"Corrupt(?:ed)? \w+|\b(?:is|are|be|been) corrupt(?:ed)?|checksum \d+ does not match|Failed to deserialize"
    r"|Failed to load metadata|Could not read (?:enough|all) bytes|WAL does not match database file"
    r"|WAL checkpoint iteration does not match"
)
_ENCRYPTED: Final = re.compile(r"encrypted database .* without a key")


def encrypted(path: str) -> NotApplicable:
    return NotApplicable(f"{path} is encrypted, and what is inside cannot be read without its key")


def explained(error: Any, path: str, opened: str) -> Trouble:
    """Return a duckdb.Error as a Trouble, with the remedy where one is known; `opened` is the copy of `path`."""
    text = " ".join(str(error).split()).replace(opened, path)
    words = _OTHERS_WORDS.sub("...", text.replace(path, "..."))
    if (found := _VERSION.search(words)) is not None:
        return _other_version(path, *found.groups())
    if _NEWER.search(words):
        return _newer(path, "")
    if _ENCRYPTED.search(words):
        return encrypted(path)
    for pattern, reason, fix in _KNOWN:
        if re.search(pattern, words):
            return Trouble(f"{path}: {reason} ({text})", fix)
    if _DAMAGED.search(words):
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
