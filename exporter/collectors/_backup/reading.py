"""Reads a backup from its beginning to its end, unpacked where it is packed, within bounds."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import stat
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

from exporter.collector import Trouble
from exporter.collectors._backup.found import Bad, unreadable
from exporter.collectors._backup.programs import lowered, own_end

_PIECE: Final = 1 << 20
_FORGOTTEN: Final = 8 << 20  # bytes after which the kernel need not keep what was read: others want its memory
_MOST_MEMORY: Final = 256 << 20  # that a packed file may ask for
_PACKED: Final = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4", b"\x02\x21\x4c\x18": "lz4",
}  # fmt: skip
# What is unpacked by a program, within bounds of its own.
_PROGRAMS: Final = {"zstd": ("zstd", "-dc", "--memory=256MiB", "-q", "--"), "lz4": ("lz4", "-dcq")}
# zstd and lz4 may have sums of what is in them, which is not looked for; xz has them, unless they were refused
_WITH_SUMS: Final = frozenset({"gzip", "bzip2", "xz"})


class Raw(io.RawIOBase):
    """A file that is read once: what was read does not push out of memory what others need."""

    def __init__(self, path: str) -> None:
        # a pipe in its place must not hold us
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            os.close(self._file)
            raise Trouble("it is no file", "correct `files`")
        self._read = self._forgotten = 0
        self.error: OSError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read a piece."""
        try:
            count = os.readv(self._file, [buffer])
        except OSError as error:
            self.error = error  # libraries between may take it for damage
            raise
        self._read += count
        if self._read - self._forgotten >= _FORGOTTEN or not count:
            os.posix_fadvise(self._file, self._forgotten, self._read - self._forgotten, os.POSIX_FADV_DONTNEED)
            self._forgotten = self._read
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._file)
        super().close()


class Unpacked:
    """What is in a backup, piece by piece; `packed` says how it is packed, or nothing."""

    def __init__(self, stream: BinaryIO, packed: str, most: int) -> None:
        self.packed = packed
        self._stream = stream
        self._most = most
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes at most; none at the end, which is where sums are compared."""
        piece = self._stream.read(_PIECE if size < 0 else size)
        self._take(len(piece))
        return piece

    def readline(self, size: int) -> bytes:
        """Return a line, or as much of it."""
        piece = self._stream.readline(size)
        self._take(len(piece))
        return piece

    @property
    def has_sums(self) -> bool:
        """Whether the way of packing has sums of all that was read."""
        xz = getattr(self._stream, "raw", None)
        return self.packed in _WITH_SUMS and not (isinstance(xz, _XZ) and xz.unsummed)

    def drain(self) -> None:
        """Read to the end."""
        while self.read(_PIECE):
            pass

    def _take(self, count: int) -> None:
        self.count += count
        if self.count > self._most:
            raise Trouble(f"more than {self._most:,} bytes are in it, and no more are read", "raise `max_bytes`")


@contextmanager
def unpacked(path: str, most: int, packed: str | None = None) -> Iterator[Unpacked]:
    """Yield what is in the file; Bad where that cannot be unpacked, Trouble where it cannot be read.

    How it is `packed` is told by its first bytes, unless that is said.
    """
    try:
        raw = Raw(path)
    except OSError as error:
        raise unreadable(error) from None
    with raw, io.BufferedReader(raw, _PIECE) as file:
        packed = packing_of(file.peek(8)[:8]) if packed is None else packed
        try:
            with _unpacking(file, packed, path) as stream:
                yield Unpacked(stream, packed, most)
        except lzma.LZMAError as error:
            if "emory" in str(error):
                raise Trouble("more memory is needed to unpack it than it is given") from None
            raise Bad(f"it cannot be unpacked ({error})") from None
        except (zlib.error, EOFError, gzip.BadGzipFile) as error:
            raise Bad(f"it cannot be unpacked ({error})") from None
        except OSError as error:
            if raw.error is not None:
                raise unreadable(raw.error) from None
            if packed == "bzip2":  # which has no error of its own
                raise Bad(f"it cannot be unpacked ({error})") from None
            raise


def packing_of(beginning: bytes) -> str:
    """Return how a file is packed by its first bytes, nothing where it is not."""
    return next((name for magic, name in _PACKED.items() if beginning.startswith(magic)), "")


@contextmanager
def _unpacking(file: BinaryIO, packed: str, path: str) -> Iterator[BinaryIO]:
    if packed == "gzip":
        with gzip.GzipFile(fileobj=file) as stream:
            yield stream  # type: ignore[misc]
    elif packed == "bzip2":
        with bz2.BZ2File(file) as stream:
            yield stream  # type: ignore[misc]
    elif packed == "xz":
        with io.BufferedReader(_XZ(file), _PIECE) as stream:
            yield stream
    elif packed in _PROGRAMS:
        with _by_program(packed, path) as stream:
            yield stream
    else:
        yield file


class _XZ(io.RawIOBase):
    """xz with a limit of memory, which LZMAFile has none of."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._one: lzma.LZMADecompressor | None = None
        self._rest = b""
        self._any = False
        self.unsummed = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Unpack a piece; the file may be several streams, one after the other."""
        while True:
            if self._one is None and not self._begin():
                return 0
            one = self._one
            assert one is not None  # noqa: S101  # it was begun
            if one.needs_input and not self._rest:
                self._rest = self._file.read(_PIECE)
                if not self._rest:
                    raise EOFError("it ends before its end marker")
            piece, self._rest = one.decompress(self._rest, len(buffer)), b""
            self.unsummed |= one.check == lzma.CHECK_NONE
            if one.eof:
                self._rest, self._one = one.unused_data, None
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)

    def _begin(self) -> bool:
        self._rest = (self._rest or self._file.read(_PIECE)).lstrip(b"\0") if self._any else self._rest
        if self._any and not self._rest:
            return False
        self._any = True
        self._one = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_MEMORY)
        return True


@contextmanager
def _by_program(packed: str, path: str) -> Iterator[BinaryIO]:
    name, *options = _PROGRAMS[packed]
    program = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")
    if program is None:
        raise Trouble(f"{name} is needed to unpack it", f"install the package {name}")
    process = subprocess.Popen(
        [program, *options, path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=lowered(), preexec_fn=own_end,
    )  # fmt: skip
    with process:
        assert process.stdout is not None  # noqa: S101  # it was asked for
        assert process.stderr is not None  # noqa: S101
        try:
            try:
                yield process.stdout  # type: ignore[misc]
            except Bad:  # what it read may end early by zstd's fault
                _check(process, name)
                raise
            _check(process, name)
        finally:
            process.kill()


def _check(process: "subprocess.Popen[bytes]", name: str) -> None:
    """Raise why the program ended before its time, if it did."""
    assert process.stdout is not None  # noqa: S101  # it was asked for
    assert process.stderr is not None  # noqa: S101
    if process.stdout.read(1) != b"" or process.wait() == 0:
        return
    said = process.stderr.read(4096).decode("utf-8", "replace")
    if process.returncode < 0 or "emory" in said or "ermission" in said:
        raise Trouble(f"{name} could not unpack it within its bounds")
    raise Bad(f"it cannot be unpacked ({name})")
