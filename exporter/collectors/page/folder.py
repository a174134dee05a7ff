"""The folder of a browser for as long as it runs, with its profile; it is gone at the end, whoever ended it."""

import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from exporter.collector import Trouble

_BEGINS: Final = "runbook-page-"
_NAME: Final = re.compile(r"runbook-page-\w{8}")
PROFILE: Final = "p"  # short, as the browser makes sockets below
LONGEST: Final = 40
"""Bytes of the path of a folder that the browser's files may be kept in: its sockets have 107 for theirs."""
_FRESH: Final = 60.0  # seconds in which a folder may have no lock yet
_TRIES: Final = 50
_NAP: Final = 0.02


@contextmanager
def private_folder(scratch: str, owner: Mapping[str, Any]) -> Iterator[str]:
    """Yield a new folder with a profile in it that belongs to the browser's user; both are gone at the end.

    What exporters that were killed have left beside it is removed as well.
    """
    _refuse_another()
    above = scratch or tempfile.gettempdir()
    if len(os.fsencode(above)) > LONGEST:
        raise Trouble(
            f"{above} is too long a path for a browser", "name a shorter one with `scratch`, such as /var/tmp"
        )
    try:
        _tidy(above)
        made = tempfile.mkdtemp(prefix=_BEGINS, dir=above)
    except OSError as error:
        fix = "let the exporter's user write there, or name another folder with `scratch`"
        raise Trouble(f"{above}: {error.strerror}", fix) from None
    lock = _locked(made)
    try:
        os.chmod(made, 0o711)  # noqa: S103  # the browser's user gets through, and sees nothing else
        profile = os.path.join(made, PROFILE)
        os.mkdir(profile, 0o700)
        if owner:
            os.chown(profile, owner["user"], owner["group"])
        yield made
    except BaseException:
        _end_strays(made)  # none, unless the process that ends the browser was killed itself
        raise
    finally:
        _remove(made)
        if lock is not None:
            os.close(lock)


# What hangs in the kernel cannot be killed: no other is begun then.
_left_behind: dict[str, str] = {}  # by process, with the folder


def _refuse_another() -> None:
    for pid in [pid for pid, made in _left_behind.items() if not _is_of(pid, made)]:
        del _left_behind[pid]
    for pid in _left_behind:
        fix = "see what it waits for, such as a disk or a mount whose server is gone"
        raise Trouble(f"the browser of an earlier visit could not be killed, and still hangs (process {pid})", fix)


def _end_strays(made: str) -> None:
    """Kill what still runs with files in there."""
    strays: list[str] = []
    for _ in range(_TRIES):
        strays = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if _is_of(pid, made)]
        for pid in strays:
            with suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
        if not strays:
            return
        time.sleep(_NAP)
    _left_behind.update(dict.fromkeys(strays, made))


def _is_of(pid: str, made: str) -> bool:
    try:
        return f"={made}/".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it is gone
        return False


def _remove(made: str) -> None:
    # what was killed a moment ago may just have made a file
    for _ in range(_TRIES):
        shutil.rmtree(made, ignore_errors=True)
        if not os.path.lexists(made):
            return
        time.sleep(_NAP)


def _tidy(above: str) -> None:
    for entry in list(os.scandir(above)):
        if not _NAME.fullmatch(entry.name) or not entry.is_dir(follow_symlinks=False):
            continue
        with suppress(OSError):
            seen = entry.stat(follow_symlinks=False)
            if seen.st_uid == os.geteuid() and time.time() - seen.st_ctime > _FRESH:
                _tidy_one(entry.path)


def _tidy_one(left: str) -> None:
    lock = _locked(left)
    if lock is not None:
        _remove(left)
        os.close(lock)


def _locked(place: str) -> int | None:
    """Return the descriptor that holds the folder's lock; None where somebody else does."""
    import fcntl  # not on every system

    lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
