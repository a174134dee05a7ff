"""The files of a backup: which there are, of when, how large, and whether they are written no more."""

import fnmatch
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from exporter.collector import Trouble
from exporter.collectors.backup.settings import BackupSettings

MOST: Final = 20_000  # entries of a folder, or of a dump that is one
FUTURE: Final = 300.0  # seconds that a clock may be ahead
_UNFINISHED: Final = (".tmp", ".part", ".partial", ".incomplete")
_BESIDE: Final = (".sha256", ".sha512", ".sha1", ".md5", ".asc", ".sig", "-wal", "-shm", "-journal", ".wal")
_NOTHING: Final = "no file there fits `files`, or the right disk is not mounted"
_LOST: Final = "lost+found"  # of ext4, root's
_SUMS: Final = ("SHA256SUMS", "SHA512SUMS", "SHA1SUMS", "MD5SUMS")
_DIRECTORY_DUMP: Final = "toc.dat"


@dataclass(frozen=True, slots=True)
class File:
    """One backup. `key` tells it from another in its place; `changed` is when it was written to last."""

    name: str
    path: str
    time: float
    size: int | None
    key: str
    changed: float = 0.0
    link: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """The backups at one moment, the oldest first: those that are whole by their times, and how many are not yet."""

    whole: tuple[File, ...]
    unfinished: int = 0
    remarks: tuple[str, ...] = field(default=())


def listed(settings: BackupSettings) -> Listing:
    """Return what files there are; OSError or Trouble where not all could be seen."""
    found, unnamed = _timed(settings, _apart(list(_found(settings))))
    return sorted_out(settings, found, unnamed)


def sorted_out(settings: BackupSettings, found: list[File], unnamed: list[str]) -> Listing:
    """Return them in order, without those that are still written or are of the future."""
    now = time.time()
    remarks = [f"{_one_of(unnamed)} does not fit `time_format`"] if unnamed else []
    if not found and not unnamed:
        remarks.append(_NOTHING if settings.path else "the command lists none")
    if ahead := [file.name for file in found if file.time > now + FUTURE]:
        remarks.append(f"{_one_of(ahead)} is of a time still to come")
    past = [file for file in found if file.time <= now + FUTURE]
    whole = [file for file in past if not now - settings.at_rest < file.changed <= now + FUTURE]
    return Listing(
        tuple(sorted(whole, key=lambda file: (file.time, file.name))), len(past) - len(whole), tuple(remarks)
    )


def _one_of(names: list[str]) -> str:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"{names[0]!r}{more}"


def _found(settings: BackupSettings) -> Iterator[File]:
    seen: set[str] = set()
    for pattern in settings.files or ("*",):
        for name, entry in _matching(settings.path, pattern.strip("/").split("/"), ""):
            if name in seen:  # two patterns may fit one file
                continue
            seen.add(name)
            if len(seen) > MOST:
                fix = "narrow `files`, or give each backup a folder of its own"
                raise Trouble(f"{settings.path} has more than {MOST:,} files that fit", fix)
            file = _file(settings, name, entry)
            if file is not None:
                yield file


def _matching(folder: str, parts: list[str], above: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Yield what fits a pattern, by its name below the backup's folder."""
    with os.scandir(folder) as entries:
        fitting = [entry for entry in entries if _fits(entry.name, parts[0])]
    for entry in fitting:
        if len(parts) == 1:
            yield above + entry.name, entry
        elif entry.is_dir():
            yield from _matching(entry.path, parts[1:], f"{above}{entry.name}/")


def _fits(name: str, pattern: str) -> bool:
    if (name.startswith(".") and not pattern.startswith(".")) or name.endswith((*_UNFINISHED, *_BESIDE)):
        return False
    return name not in (*_SUMS, _LOST) and fnmatch.fnmatchcase(name, pattern)


def _file(settings: BackupSettings, name: str, entry: "os.DirEntry[str]") -> File | None:
    """Return what the file system says of it; None of what is gone, or is no backup."""
    try:
        status = entry.stat()
    except FileNotFoundError:  # removed meanwhile, or a link to nothing
        return None
    path, link = entry.path, entry.is_symlink()
    if stat.S_ISREG(status.st_mode):
        key = f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
        return File(name, path, status.st_mtime, status.st_size, key, status.st_mtime, link)
    if stat.S_ISDIR(status.st_mode) and settings.format in ("auto", "pg_directory"):
        return _directory(settings, name, path, status, link)
    return None


def _directory(settings: BackupSettings, name: str, path: str, own: os.stat_result, link: bool) -> File | None:
    """Return a dump that is a folder; its time is that of its newest member."""
    try:
        if settings.format == "auto":
            os.stat(os.path.join(path, _DIRECTORY_DUMP))  # before thousands of others are looked at
        with os.scandir(path) as entries:
            members = {entry.name: entry.stat() for _, entry in zip(range(MOST + 1), entries, strict=False)}
    except FileNotFoundError:
        return None
    if len(members) > MOST:
        raise Trouble(f"{path} has more than {MOST:,} files", "verify it by a command of its own")
    found = members.values()
    newest = max((one.st_mtime_ns for one in found), default=own.st_mtime_ns)
    size = sum(one.st_size for one in found)
    key = f"{own.st_ino} {len(members)} {size} {newest}"
    return File(name, path, newest / 1e9, size, key, newest / 1e9, link)


def _apart(found: list[File]) -> list[File]:
    """Return them without the links to others of them, as `latest` may be one."""
    real = {file.key for file in found if not file.link}
    links = {file.key: file for file in found if file.link and file.key not in real}
    return [*(file for file in found if not file.link), *links.values()]


def _timed(settings: BackupSettings, found: list[File]) -> tuple[list[File], list[str]]:
    """Return them with the times that their names say, where those count; and the names that say none."""
    if settings.time == "modified":
        return found, []
    zone = ZoneInfo(settings.timezone) if settings.timezone else None
    timed, unnamed = [], []
    for file in found:
        try:
            moment = datetime.strptime(os.path.basename(file.name), settings.time_format)  # noqa: DTZ007  # see below
            moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
            timed.append(File(file.name, file.path, moment.timestamp(), file.size, file.key, file.changed, file.link))
        except (ValueError, OverflowError):
            unnamed.append(file.name)
    return timed, unnamed


def stood_still(path: str) -> Any:
    """Return what changes where a file is written to, replaced or removed; None where it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
