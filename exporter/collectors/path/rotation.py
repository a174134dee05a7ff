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
# 20261125, 2026-11-25, 2026-11, each perhaps with a time of day behind it; 1795593600
_DATED: Final = re.compile(
    r"(?:(?P<stem>.+?)[._-])?(?P<date>(?:(?:19|20)[0-9]{2}(?:(?P<sep>[._-])(?:0[1-9]|1[0-2])(?:(?P=sep)[0-3][0-9])?"
    r"|(?:0[1-9]|1[0-2])[0-3][0-9])|1[0-9]{9})[0-9._T:-]{0,30})(?P<suffix>\.[A-Za-z][A-Za-z0-9]{0,8})?"
)
_NUMBERED: Final = re.compile(r"(?P<stem>.*log|.*\.(?:out|err|txt|jsonl?))[._-](?:[0-9]+(?:[._-][0-9]+)*|old)")


def groups(names: Collection[str], linked: Collection[str] = ()) -> dict[str, list[str]]:
    """Return the logs among the names, each with the files that were rotated from it.

    A file that a link leads to is a log, whatever its name. Where each file has its date before its suffix, the newest
    is the log. Where a log is gone, its rotated files are no logs.
    """
    known = set(names)
    families: dict[str, list[str]] = {}
    for name in known:
        families.setdefault(_origin(name, known), []).append(name)
    logs = (
        (_newest(set(members).intersection(linked)) or (name if name in known else _written(members)), members)
        for name, members in families.items()
    )
    return {log: [name for name in members if name != log] for log, members in logs if log is not None}


def is_dated(name: str) -> bool:
    """Tell whether the name has a date: then the file keeps it, and the next one gets another."""
    return _DATED.fullmatch(name) is not None


def _written(names: Collection[str]) -> str | None:
    """Return which of some dated files is written: with the date at its end, a name was given by a rotation."""
    suffixes = {name: found["suffix"] for name in names if (found := _DATED.fullmatch(name))}
    return _newest([name for name, suffix in suffixes.items() if suffix and suffix.lower() not in _PACKED])


def _newest(names: Collection[str]) -> str | None:
    def date(name: str) -> tuple[str, str]:
        found = _DATED.fullmatch(name)
        return "".join(filter(str.isdigit, found["date"])) if found else "", name

    return max(names, key=date, default=None)


def _origin(name: str, known: Collection[str]) -> str:
    """Return the name of the log that a file was rotated from, its own where it was not."""
    while (above := _above(name, known)) is not None:  # app.log.1.2 of app.log.1 of app.log
        name = above
    return name


def _above(name: str, known: Collection[str]) -> str | None:
    """Return a name that is one step nearer to the log's; it need not be there where this one says enough."""
    if found := _ROTATED.fullmatch(name):
        base = next((base for base in _bases(found) if base != name and base in known), None)
        if base is not None:
            return base
    stem, suffix = os.path.splitext(name)
    if suffix.lower() in _PACKED:
        return stem
    if found := _DATED.fullmatch(name):
        return (found["stem"] or "") + (found["suffix"] or "")
    found = _NUMBERED.fullmatch(name)
    return found["stem"] if found else None


def _bases(found: re.Match[str]) -> Iterator[str]:
    stem, suffix, packed = found["stem"], found["suffix"] or "", found["packed"] or ""
    if packed.lower() in {"", *_PACKED} or suffix.lower() in _PACKED:
        yield stem
        if suffix and suffix.lower() not in _PACKED:
            yield stem + suffix


def files_in(folder: str) -> dict[str, os.stat_result]:
    """Return the regular files of a folder, of a huge one only the first that are met."""
    found: dict[str, os.stat_result] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False) and len(found) < MOST_NAMES:
                    found[entry.name] = entry.stat(follow_symlinks=False)
    return found
