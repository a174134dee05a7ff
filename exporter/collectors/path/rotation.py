"""Logs and their rotated files, told apart by their names."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Final

MOST_NAMES: Final = 10_000  # of logs, and what was rotated from them, in one folder
_PACKED: Final = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4", ".z"})
# app.log.1, app.log-20261125.gz, app.log.2026-11-25_10-00, app-20261125.log.gz, app.log.old
_ROTATED: Final = re.compile(
    r"(?P<stem>.+?)[._-](?:[0-9][0-9._T:-]{0,40}|old)(?P<suffix>\.[A-Za-z][A-Za-z0-9]{0,8})?(?P<packed>\.[A-Za-z0-9]{1,4})?"
)


def base_of(name: str, names: Collection[str]) -> str | None:
    """Return the log among the names that a file was rotated from, None where it was not."""
    found = _ROTATED.fullmatch(name)
    if found is None:
        return None
    return next((base for base in _bases(found) if base != name and base in names), None)


def _bases(found: re.Match[str]) -> Iterator[str]:
    stem, suffix, packed = found["stem"], found["suffix"] or "", found["packed"] or ""
    if packed.lower() in {"", *_PACKED} or suffix.lower() in _PACKED:
        yield stem
        if suffix and suffix.lower() not in _PACKED:
            yield stem + suffix


def groups(names: Collection[str]) -> dict[str, list[str]]:
    """Return the logs among the names, each with the files that were rotated from it."""
    known = set(names)
    found: dict[str, list[str]] = {name: [] for name in known if base_of(name, known) is None}
    for name in known:
        base = base_of(name, known)
        while base is not None and base not in found:  # app.log.1.2 of app.log.1 of app.log
            base = base_of(base, known)
        if base is not None:
            found[base].append(name)
    return found


def files_in(folder: str) -> dict[str, os.stat_result]:
    """Return the regular files of a folder, of a huge one only the first that are met."""
    found: dict[str, os.stat_result] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False) and len(found) < MOST_NAMES:
                    found[entry.name] = entry.stat(follow_symlinks=False)
    return found
