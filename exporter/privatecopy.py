"""A private copy of files that somebody else writes: as they stood at one moment, or none at all.

The files are a main file, whose content must not change while it is copied, and logs beside it that may grow: of
those so much is taken as was there at the beginning. Whoever writes takes no notice: nothing is locked, and nothing
of theirs is written.
"""

import errno
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from exporter.collector import Trouble
from exporter.scratch import alone, empty, private

_PIECE: Final = 8 << 20
_COMPARED: Final = 1 << 20
_TICK: Final = 0.02  # twice the longest time in which the kernel's clock of files may stand still
_COARSE_TICK: Final = 2.1  # that of file systems that keep whole seconds
_REST: Final = 0.05  # before the second try; doubled for each one after, up to a second
_LONGEST_REST: Final = 1.0
_ROOM_LEFT: Final = 64 << 20  # so much stays free beside the copy
_SPILLED: Final = 256 << 20  # what who reads the copy may write beside it, four times the copy at most


class ChangedError(Exception):
    """Somebody wrote to the file while it was copied."""


@dataclass(frozen=True, slots=True)
class State:
    """What tells one state of a file from another."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @property
    def is_coarse(self) -> bool:
        """Whether its file system seems to keep whole seconds."""
        return self.modified % 1_000_000_000 == 0


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy: its main file, when it was as it is (Unix seconds), how many tries it took, and a folder for more."""

    path: str
    time: float
    tries: int
    folder: str


@contextmanager
def copied(
    path: str, logs: Sequence[str], folder: str, *, most: int, header: int, tries: int = 8, name: str = "copy"
) -> Iterator[Copy]:
    """Have a copy of the file, and of those of its `logs` (what follows its name) that exist, in a private folder.

    `most` bytes are copied at most, into room that is taken before. The first `header` bytes are read again at the
    end, whatever the clock of the file system says. What earlier copies left in the folder and beside it is removed
    first; where another process is at work in it, the folder is one with a number. The copy has the `name`.
    """
    with private(folder) as own:
        copy = _copied(path, logs, own, most, header, tries, name)
        yield copy


def _copied(path: str, logs: Sequence[str], folder: str, most: int, header: int, tries: int, name: str) -> Copy:
    for number in range(1, tries + 1):
        now = time.time()
        try:
            return Copy(_try(path, logs, folder, most, header, name), now, number, folder)
        except ChangedError:
            empty(folder)
        if number < tries:
            time.sleep(min(_LONGEST_REST, _REST * 2 ** (number - 1)))
    reason = f"{path} was written to during each of {tries} tries to copy it"
    raise Trouble(reason, "if it lasts, read a backup instead (`open: backup`), or see what writes all the time")


def _try(path: str, logs: Sequence[str], folder: str, most: int, header: int, called: str) -> str:
    names = ("", *logs)
    before = _settled(path, names)
    main = before[""]
    if main is None:
        raise Trouble(f"{path}: no such file", "create the database, or correct `path`")
    size = sum(state.size for state in before.values() if state is not None)
    if size > most:
        fix = "raise `max_copy_size`, or have a backup read with `open: backup`"
        raise Trouble(f"{path} has {size} bytes with what stands beside it, and {most} are copied at most", fix)
    target = os.path.join(folder, "copy", called)  # apart from what else lies there, whatever it is called
    os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
    _take_room(folder, {target + name: state.size for name, state in before.items() if state is not None})
    for name, state in before.items():
        if state is not None:
            _copy(path + name, target + name, state, whole=name == "")
    _check_same(path, target, header)
    for name in logs:
        if (state := before[name]) is not None:
            _check_same(path + name, target + name, state.size)
    _check_unchanged(path, before)
    return target


def _settled(path: str, names: Sequence[str]) -> dict[str, State | None]:
    """Return the states of the files, such that any later write to one of them is seen by its time."""
    states = _states(path, names)
    coarse = any(state.is_coarse for state in states.values() if state is not None)
    # a write right after the look would else have the same time: clocks of files stand still for a while
    time.sleep(_COARSE_TICK if coarse else _TICK)
    again = _states(path, names)
    if again[""] != states[""]:
        raise ChangedError
    return again


def _states(path: str, names: Sequence[str]) -> dict[str, State | None]:
    return {name: _state(path + name) for name in names}


def _state(path: str) -> State | None:
    try:
        return _state_of(os.stat(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from None


def _state_of(found: os.stat_result) -> State:
    return State(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _check_unchanged(path: str, before: dict[str, State | None]) -> None:
    for name, state in before.items():
        now = _state(path + name)
        if (state is None or now is None) and state is not now:
            raise ChangedError
        if state is None or now is None or now == state:
            continue
        grown = (now.device, now.inode) == (state.device, state.inode) and now.size >= state.size
        if name == "" or not grown:
            raise ChangedError


def _copy(source: str, target: str, state: State, *, whole: bool) -> None:
    """Copy as many bytes as the state has; ChangedError where it is another file by now."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ChangedError from None
    except OSError as error:
        raise _unreadable(source, error) from None
    try:
        found = _state_of(os.fstat(descriptor))
        if (found.device, found.inode) != (state.device, state.inode) or (whole and found != state):
            raise ChangedError
        with open(target, "r+b", buffering=0) as file:
            _pour(descriptor, file.fileno(), state, whole=whole)
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _pour(source: int, target: int, state: State, *, whole: bool) -> None:
    done, move = 0, _by_kernel
    while done < state.size:
        try:
            moved = move(source, target, min(_PIECE, state.size - done), done)
        except OSError as error:
            if move is _by_hand:
                raise _failed(error) from None
            moved, move = 0, _by_hand  # another kind of file system, or one that cannot do that
            continue
        if moved == 0 and move is _by_kernel:
            move = _by_hand
            continue
        if moved == 0 or (whole and _state_of(os.fstat(source)) != state):
            raise ChangedError
        done += moved


def _by_kernel(source: int, target: int, size: int, offset: int) -> int:
    return os.copy_file_range(source, target, size, offset, offset)


def _by_hand(source: int, target: int, size: int, offset: int) -> int:
    piece = os.pread(source, min(size, _COMPARED), offset)
    return os.pwrite(target, piece, offset)


def _check_same(source: str, target: str, size: int) -> None:
    """Read the first bytes of both again: a second reading that gives the same was not written to meanwhile."""
    try:
        with open(source, "rb", buffering=0) as one, open(target, "rb", buffering=0) as other:
            for offset in range(0, size, _COMPARED):
                length = min(_COMPARED, size - offset)
                if os.pread(one.fileno(), length, offset) != os.pread(other.fileno(), length, offset):
                    raise ChangedError
    except FileNotFoundError:
        raise ChangedError from None
    except OSError as error:
        raise _unreadable(source, error) from None


def _take_room(folder: str, sizes: Mapping[str, int]) -> None:
    """Make the files of the copy as large as they will be, if there is room for them."""
    with alone(os.path.dirname(folder)):  # two copies must not both count on the same room
        _check_room(folder, sum(sizes.values()))
        for target, size in sizes.items():
            _make(target, size)


def _check_room(folder: str, size: int) -> None:
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    needed = size + min(_SPILLED, 4 * size) + _ROOM_LEFT
    if free < needed:
        fix = "make room there, or name another folder with `scratch`"
        raise Trouble(f"{folder} has {free} bytes free, and the copy needs {needed}", fix)


def _make(target: str, size: int) -> None:
    with open(target, "xb", buffering=0, opener=_private) as file:
        if not size:
            return
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                raise _failed(error) from None
            # a file system that cannot: it grows with what is written


def _failed(error: OSError) -> Trouble:
    return Trouble(f"the copy failed ({error.strerror})", "see the disks of the database and of `scratch`")


def _unreadable(path: str, error: OSError) -> Trouble:
    return Trouble(f"{path}: {error.strerror}", "let the exporter's user read it")
