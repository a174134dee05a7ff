"""Folders for work of a moment: private, one process at a time in each, and empty afterwards."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from exporter.collector import Trouble

_LOCK: Final = "lock"


@contextmanager
def private(folder: str) -> Iterator[None]:
    """Have an empty folder of one's own, which is empty again at the end."""
    import fcntl  # not on every system

    _make(folder)
    lock = os.open(os.path.join(folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "give each exporter a `scratch` of its own; or a process that looked before still hangs"
            raise Trouble(f"another process uses {folder}", fix) from None
        empty(folder)
        try:
            yield
        finally:
            empty(folder)
    finally:
        os.close(lock)


def clear(folder: str) -> None:
    """Remove what a process that was killed has left in its folder, unless another is at work there."""
    if os.path.isdir(folder):
        with private(folder):
            pass


def empty(folder: str) -> None:
    """Remove everything in the folder but its lock."""
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        elif entry.name != _LOCK:
            os.unlink(entry.path)


def _make(folder: str) -> None:
    """Make the folder, which nobody else can enter; refuse one that somebody else could put in its place."""
    above = os.path.dirname(folder)
    try:
        for one in (above, folder):
            if not os.path.isdir(one):
                os.makedirs(one, 0o700)
        outer, inner = os.stat(above), os.lstat(folder)
    except OSError as error:
        fix = "let the exporter's user write there, or name another folder with `scratch`"
        raise Trouble(f"{error.filename}: {error.strerror}", fix) from None
    me, mode = os.geteuid(), stat.S_IMODE(outer.st_mode)
    fix = "remove it, or name another folder with `scratch`"
    if outer.st_uid not in (0, me) or (mode & 0o022 and not mode & stat.S_ISVTX):
        raise Trouble(f"{above} is a folder that others may change", fix)
    if not stat.S_ISDIR(inner.st_mode) or inner.st_uid != me or stat.S_IMODE(inner.st_mode) & 0o077:
        raise Trouble(f"{folder} is not a folder that only the exporter's user can enter", fix)
