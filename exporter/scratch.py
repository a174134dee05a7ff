"""Folders for work of a moment: private, one process at a time in each, and empty afterwards."""

import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from exporter.collector import Trouble

_VAR_TMP: Final = "/var/tmp"  # noqa: S108  # the folder below it is made so that nobody else can enter
_LOCK: Final = "lock"
_MARK: Final = b"runbook-exporter\n"  # in the lock: the folder is one of these
_NAME: Final = re.compile(r".+-[0-9a-f]{8}(\.[2-9])?")
_AT_ONCE: Final = 3  # processes that do the same, as `test` beside the exporter
_PATIENCE: Final = 10.0
_NAP: Final = 0.01


def own() -> str:
    """Return where these folders lie, unless another place is named: beside them are those of other targets."""
    return os.path.join(_VAR_TMP, f"runbook-exporter-{os.geteuid()}")


@contextmanager
def private(folder: str) -> Iterator[str]:
    """Yield an empty folder of one's own, which is empty again at the end; in use, one of that name and a number.

    What others left beside it, who are at work no more, is removed as well.
    """
    one, lock = _free(folder)
    try:
        with suppress(OSError):  # a disk that is full may be so by what is removed now
            os.pwrite(lock, _MARK, 0)
        empty(one)
        _tidy(os.path.dirname(folder))
        try:
            yield one
        finally:
            empty(one)
    finally:
        os.close(lock)


@contextmanager
def alone(folder: str) -> Iterator[None]:
    """Be the only one, of all who have a folder of their own in this one, while the block runs."""
    import fcntl  # not on every system

    until = time.monotonic() + _PATIENCE
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # it may be entered and not listed: then without
        yield
        return
    try:
        while time.monotonic() < until:  # others may lock it for reasons of their own
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_NAP)
        yield
    finally:
        os.close(descriptor)


def clear(folder: str) -> None:
    """Remove what processes that were killed have left in this folder and those beside it."""
    _tidy(os.path.dirname(folder))


def empty(folder: str) -> None:
    """Remove everything in the folder but its lock."""
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        elif entry.name != _LOCK:
            os.unlink(entry.path)


def _free(folder: str) -> tuple[str, int]:
    """Return a folder that nobody works in, made where there is none, and the descriptor that holds its lock."""
    for number in range(1, _AT_ONCE + 1):
        one = folder if number == 1 else f"{folder}.{number}"
        _make(one)
        lock = _locked(one, os.O_CREAT)
        if lock is not None:
            os.chmod(one, 0o700)
            return one, lock
    fix = "give each exporter a `scratch` of its own; or a process that looked before still hangs"
    raise Trouble(f"other processes use {folder}", fix)


def _locked(folder: str, flags: int = 0) -> int | None:
    """Return the descriptor that holds the folder's lock; None where another process does."""
    import fcntl  # not on every system

    lock = os.open(os.path.join(folder, _LOCK), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _tidy(above: str) -> None:
    """Empty the folders of this kind that nobody is at work in; what is not such a one is left alone."""
    try:
        found = list(os.scandir(above))
    except OSError:  # none yet, or one that may be entered and not listed
        return
    for entry in found:
        if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            with suppress(OSError):  # of another user, or without a lock
                _tidy_one(entry.path)


def _tidy_one(folder: str) -> None:
    if os.lstat(folder).st_uid != os.geteuid():
        return
    lock = _locked(folder)
    if lock is None:
        return
    try:
        if os.pread(lock, len(_MARK) + 1, 0) == _MARK:
            os.chmod(folder, 0o700)
            empty(folder)
    finally:
        os.close(lock)


def _make(folder: str) -> None:
    """Make the folder, which nobody else can enter; refuse one that somebody else could put in its place."""
    above = os.path.dirname(folder)
    try:
        for one in (above, folder):
            if not os.path.isdir(one):
                os.makedirs(one, 0o700, exist_ok=True)  # another target's look may be as far
        outer, inner = os.stat(above), os.lstat(folder)
    except OSError as error:
        fix = "let the exporter's user write there, or name another folder with `scratch`"
        raise Trouble(f"{error.filename}: {error.strerror}", fix) from None
    me, mode = os.geteuid(), stat.S_IMODE(outer.st_mode)
    fix = "remove it, or name another folder with `scratch`"
    if outer.st_uid not in (0, me) or (mode & 0o022 and not mode & stat.S_ISVTX):
        raise Trouble(f"{above} is a folder that others may change", fix)
    # one group may pass through where a server works, and one that was killed has left it so
    if not stat.S_ISDIR(inner.st_mode) or inner.st_uid != me or stat.S_IMODE(inner.st_mode) & 0o067:
        raise Trouble(f"{folder} is not a folder that only the exporter's user can enter", fix)
