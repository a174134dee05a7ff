"""One file of a log: its place in it, and how it is known again."""

import hashlib
import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

CHUNK: Final = 256 << 10
"""Bytes read at once, and the longest line that is read whole."""
_HEAD: Final = 1024
_TAIL: Final = 64

Print = tuple[int, str]
"""So many bytes, and what they come to."""
NOTHING: Final[Print] = (0, "")


class Identity(NamedTuple):
    """What a file is called by the file system for as long as it exists; afterwards another may be called so."""

    device: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "Identity":
        return cls(stat.st_dev, stat.st_ino)

    def __str__(self) -> str:
        return f"{self.device}:{self.inode}"


class Chunk(NamedTuple):
    """What was read at once: whole lines to count, and what stands in the file; `cut` tells of a line too long."""

    text: bytes
    raw: bytes
    cut: bool = False


class File:
    """An open file that is read line by line; `offset` is behind the last line that was counted."""

    __slots__ = ("begun", "descriptor", "first", "head", "identity", "is_read", "look_of", "mtime", "offset", "path",
                 "place", "seen", "skipping", "tail")  # fmt: skip

    def __init__(self, path: str, descriptor: int, stat: os.stat_result) -> None:
        self.path = path
        self.descriptor = descriptor
        self.identity = Identity.of(stat)
        self.look_of = 0  # the number of the look that found it, 0 where it was followed before
        self.begun = False  # whether its first line was read while it was followed
        self.mtime = stat.st_mtime
        self.seen = stat.st_size
        self._reset()

    def _reset(self) -> None:
        self.is_read = False  # whether no whole line was left when it was last read
        self.offset = 0
        self.head = self.tail = NOTHING
        self.skipping = False  # within a line too long, which has been counted
        self.place = 0  # as to a traceback
        self.first: float | None = None  # the time of its first line

    @classmethod
    def opened(cls, path: str) -> "File":
        """Open a file; OSError where that cannot be, or where it is none."""
        # a pipe would wait for its writer
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return cls(path, descriptor, os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise

    def entry(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return {
            "path": self.path, "offset": self.offset, "head": [*self.head], "tail": [*self.tail], "seen": self.seen,
            "skipping": self.skipping, "place": self.place, "first": self.first,
        }  # fmt: skip

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on where it was left."""
        self.offset, self.skipping, self.place = kept["offset"], kept["skipping"], kept["place"]
        self.head, self.tail = _print(kept["head"]), _print(kept["tail"])
        self.first = kept["first"]
        self.begun = True

    def look(self) -> os.stat_result:
        """Return how the file stands now; what has changed is yet to be read."""
        stat = os.fstat(self.descriptor)
        self.is_read = self.is_read and (stat.st_size, stat.st_mtime) == (self.seen, self.mtime)
        self.seen, self.mtime = stat.st_size, stat.st_mtime
        return stat

    def read(self, to_the_end: bool = False) -> Chunk | None:
        """Return whole lines from the offset on, None where there is none; `to_the_end` takes an unfinished one too."""
        data = os.pread(self.descriptor, CHUNK, self.offset)
        holes = len(data) - len(data.lstrip(b"\0"))  # left behind where a file was emptied under its writer
        if holes:
            return Chunk(b"", data[:holes])
        if self.skipping:
            end = data.find(b"\n") + 1
            return Chunk(b"", data[:end] if end else data) if data else None
        end = data.rfind(b"\n") + 1
        if end:
            return Chunk(data[:end], data[:end])
        if len(data) == CHUNK:
            return Chunk(data + b"\n", data, cut=True)
        return Chunk(data + b"\n", data) if data and to_the_end else None

    def advance(self, chunk: Chunk) -> bool:
        """Take the chunk as counted; return False where it was emptied, or is another, since it was last looked at."""
        head, tail = self._prints_after(chunk.raw)
        if not self.is_same():  # asked after reading: what was read before it was emptied is still right
            return False
        self.head, self.tail = head, tail
        self.skipping = chunk.cut or (self.skipping and not chunk.raw.endswith(b"\n"))
        self.offset += len(chunk.raw)
        return True

    def _prints_after(self, raw: bytes) -> tuple[Print, Print]:
        before = os.pread(self.descriptor, min(_HEAD, self.offset), 0) if self.offset < _HEAD else b""
        head = printed((before + raw)[:_HEAD]) if self.offset < _HEAD else self.head
        missing = min(max(0, _TAIL - len(raw)), self.offset)
        before = os.pread(self.descriptor, missing, self.offset - missing) if missing else b""
        return head, printed((before + raw)[-_TAIL:])

    def begin_at(self, offset: int) -> None:
        """Take what is there up to the offset as counted."""
        self.offset = offset
        self.head = self._printed(0, min(offset, _HEAD))
        self.tail = self._printed(offset - min(offset, _TAIL), min(offset, _TAIL))

    def last_end(self) -> int:
        """Return where its last whole line ends, as far as that is near its end."""
        start = max(0, self.seen - CHUNK)
        data = os.pread(self.descriptor, self.seen - start, start)
        return start + data.rfind(b"\n") + 1 if b"\n" in data or not start else self.seen

    def is_same(self) -> bool:
        """Tell whether the file still has what was counted of it, rather than being emptied or another."""
        return self.has(self.head, self.tail, self.offset)

    def first_line(self) -> bytes:
        """Return what stands first in the file, up to the end of the line or a few kilobytes."""
        return os.pread(self.descriptor, 4096, 0).partition(b"\n")[0]

    def has(self, head: Print, tail: Print, offset: int) -> bool:
        """Tell whether it begins, and goes on before the offset, as told."""
        return self._printed(0, head[0]) == head and self._printed(offset - tail[0], tail[0]) == tail

    def was_emptied(self) -> bool:
        """Tell whether the file no longer has what was counted of it, or, where that is nothing, what was seen."""
        size = os.fstat(self.descriptor).st_size
        return size < (self.offset or self.seen) or not self.is_same()

    def begins_as(self, other: "File") -> bool:
        """Tell whether all that is known of its beginning is the other's too."""
        mine = os.pread(self.descriptor, _HEAD, 0)
        return bool(mine) and mine == os.pread(other.descriptor, len(mine), 0)

    def begin_anew(self) -> None:
        self._reset()
        self.look()

    def _printed(self, offset: int, size: int) -> Print:
        return printed(os.pread(self.descriptor, size, offset)) if size else NOTHING

    def close(self) -> None:
        os.close(self.descriptor)


def printed(data: bytes) -> Print:
    """Return the length of some bytes and what they come to."""
    return (len(data), hashlib.blake2b(data, digest_size=12).hexdigest()) if data else NOTHING


def _print(kept: list[Any]) -> Print:
    return kept[0], kept[1]
