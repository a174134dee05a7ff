"""One file of a cache, opened once, so that all that is said of it is said of the same file."""

import json
import os
import stat
import zlib
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from exporter.unzipping import Unzipping

_HOW: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_PIECE: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b\x08"  # how a response begins that was kept as it came, compressed
_NO_GZIP: Final = "is no gzip to its end"
REASONS: Final = ("changing", "out_of_time", "refused", "too_large", "unpaired", "unreadable")
"""Why an entry is not judged."""


class NotNow(Exception):
    """An entry cannot be judged: why, as one word."""

    def __init__(self, reason: str, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.gone = gone


class Unfit(Exception):
    """An entry is not as it must be."""


class Entry:
    """A regular file below a folder; NotNow where it cannot be had."""

    def __init__(self, root: str, name: str, most: int) -> None:
        self.name = name
        self.shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
        self._place = os.path.join(root, name)
        self._most = most
        self._data: bytes | None = None
        self._document: Any = None
        try:
            self._descriptor = os.open(self._place, _HOW)
        except FileNotFoundError:
            raise NotNow("changing", gone=True) from None  # vanished since it was listed
        except OSError:
            raise NotNow("unreadable") from None
        self._status = os.fstat(self._descriptor)
        if not stat.S_ISREG(self._status.st_mode):
            os.close(self._descriptor)
            raise NotNow("unreadable")

    @property
    def changed(self) -> float:
        """When it was changed last."""
        return self._status.st_mtime

    def data(self) -> bytes:
        """Return what stands in it, unpacked where it is a response that was kept compressed."""
        if self._data is None:
            if self._status.st_size > self._most:
                raise NotNow("too_large")
            data = self._read()
            self._data = self._unpacked(data) if data.startswith(_GZIP) else data
        return self._data

    def _unpacked(self, data: bytes) -> bytes:
        unzipping = Unzipping()
        try:
            plain = unzipping.take(data, self._most + 1)
        except zlib.error:
            raise Unfit(_NO_GZIP) from None
        if len(plain) > self._most:
            raise NotNow("too_large")
        if not unzipping.whole:
            raise Unfit(_NO_GZIP)
        return plain

    def _read(self) -> bytes:
        pieces = bytearray()
        try:
            while len(pieces) <= self._most and (piece := os.read(self._descriptor, _PIECE)):
                pieces += piece
        except OSError:
            raise NotNow("unreadable") from None
        if len(pieces) > self._most:
            raise NotNow("too_large")
        return bytes(pieces)

    def document(self) -> Any:
        """Return the JSON value in it."""
        if self._data is None or self._document is None:
            try:
                self._document = json.loads(self.data().decode("utf-8-sig"), parse_constant=_refuse)
            except UnicodeDecodeError:
                raise Unfit("is not UTF-8") from None
            except ValueError:
                raise Unfit("is not JSON" if self.data().strip() else "is empty") from None
            except RecursionError:
                raise NotNow("too_large") from None
        return self._document

    def same(self) -> bool:
        """Tell whether the file is still the one in its place, and as it was when it was opened."""
        try:
            return _identity(os.fstat(self._descriptor)) == _identity(self._status) == _identity(os.lstat(self._place))
        except OSError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
