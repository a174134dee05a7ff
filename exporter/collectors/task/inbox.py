"""The folder in which commands leave what was done: the state's file is open to the running exporter alone."""

import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.task.history import Entry

_FOLDER: Final = "inbox"
_POSIX: Final = os.name == "posix"
_NAME: Final = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}\.json")
_LARGEST: Final = 8192
_AT_ONCE: Final = 200
_LEFT_OVER: Final = 3600.0  # seconds after which a file that was not finished never will be
_NEWEST: Final = 300.0  # seconds that clocks may differ


class InboxError(Trouble):
    """Nothing can be left in the folder."""


@dataclass(frozen=True, slots=True)
class Message:
    """One file of the folder: which checklist and task it is about, and the entry."""

    path: Path
    target: str
    task: str
    entry: Entry


def folder_of(storage: Path) -> Path:
    return storage / _FOLDER


def new_id() -> str:
    """Return an id that sorts by time and that nobody else makes."""
    return f"{time.time_ns():016x}-{secrets.token_hex(8)}"


def make(storage: Path) -> Path:
    """Return the folder, made where it is missing; InboxError where others could put something there."""
    folder = folder_of(storage)
    owner = storage.stat()
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        _sync(storage)
    found = folder.lstat()
    is_open = _POSIX and (found.st_uid not in (0, os.geteuid(), owner.st_uid) or found.st_mode & 0o022)
    if is_open or not stat.S_ISDIR(found.st_mode):
        raise InboxError(
            f"{folder} is no folder of the exporter's user alone, into which nobody else may write", "remove it"
        )
    return folder


@contextmanager
def as_owner(storage: Path) -> Iterator[None]:
    """Be the exporter's user while root works in that user's folders: links there must not lead root elsewhere."""
    owner = storage.stat()
    if not _POSIX or os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def deliver(storage: Path, target: str, task: str, entry: Entry) -> None:
    """Leave an entry; it is on disk when this returns. OSError or InboxError where it cannot be."""
    folder = make(storage)
    data = json.dumps({"target": target, "task": task, **entry.as_json()}).encode()
    if len(data) > _LARGEST:
        raise InboxError("that is too much text; make the note shorter")
    unfinished, finished = folder / f".{entry.id}", folder / f"{entry.id}.json"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(finished)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync(folder)


def _sync(folder: Path) -> None:
    """Have the folder's own entries on disk."""
    if not _POSIX:  # a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def waiting(folder: Path, target: str) -> Iterator[Message]:
    """Yield what waits for a checklist, the oldest first, and so many at once; what is no message is left out."""
    names = sorted(name for name in os.listdir(folder) if _NAME.fullmatch(name))
    found = (message for name in names if (message := _read(folder / name)) is not None and message.target == target)
    yield from (message for message, _ in zip(found, range(_AT_ONCE), strict=False))


def not_understood(folder: Path) -> list[str]:
    """Return the names of files that are no messages."""
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    return [name for name in names if (folder / name).exists() and _read(folder / name) is None]


def tidy(folder: Path) -> None:
    """Remove what a command that was killed has left unfinished."""
    for name in os.listdir(folder):
        if name.startswith(".") and _NAME.fullmatch(f"{name[1:]}.json"):
            with suppress(OSError):
                if time.time() - (folder / name).lstat().st_mtime > _LEFT_OVER:
                    (folder / name).unlink()


def _read(path: Path) -> Message | None:
    if not _NAME.fullmatch(path.name):
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            if not _is_ours(os.fstat(file.fileno())):
                return None
            return _message(path, json.loads(file.read(_LARGEST + 1)))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_ours(found: os.stat_result) -> bool:
    own = getattr(os, "geteuid", lambda: 0)()
    return stat.S_ISREG(found.st_mode) and found.st_uid in (0, own) and found.st_size <= _LARGEST


def _message(path: Path, kept: dict[str, Any]) -> Message | None:
    at = float(kept["at"])
    texts = [kept[name] for name in ("target", "task", "by", "user", "via", "note")]
    if not 0 < at < time.time() + _NEWEST or not all(isinstance(text, str) for text in texts):
        return None
    target, task, by, user, via, note = texts
    return Message(path, target, task, Entry(path.stem, at, by, user, via, note))
