"""Java's own keystores: their certificates stand there in the open, and are read without a password."""

import struct
from collections.abc import Iterator
from typing import Final

MAGIC: Final = b"\xfe\xed\xfe\xed"
MAGIC_JCEKS: Final = b"\xce\xce\xce\xce"
_KEY: Final = 1
_TRUSTED: Final = 2
_DIGEST: Final = 20  # bytes at the end that only who knows the password can check
_MOST: Final = 10_000


class BrokenError(ValueError):
    """Not a keystore, or one that is cut off."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        if count < 0 or len(part) < count:
            raise BrokenError("is cut off")
        self._at += count
        return part

    def number(self) -> int:
        found: int = struct.unpack(">I", self.take(4))[0]
        return found

    def skip_text(self) -> None:
        self.take(struct.unpack(">H", self.take(2))[0])


def certificates(data: bytes) -> Iterator[list[bytes]]:
    """Yield the chain of each entry, in DER; BrokenError where the file is cut off, or of a kind unknown here."""
    reader = _Reader(data[:-_DIGEST])
    reader.take(4)
    version, count = reader.number(), reader.number()
    if version not in (1, 2) or count > _MOST:
        raise BrokenError("is a keystore of a version that is not known")
    for _ in range(count):
        kind = reader.number()
        reader.skip_text()  # its alias
        reader.take(8)  # when it was made
        if kind == _KEY:
            reader.take(reader.number())
            chain = reader.number()
        elif kind == _TRUSTED:
            chain = 1
        else:  # such an entry does not say where it ends
            raise BrokenError("holds secret keys, and what comes after them cannot be found")
        if chain > _MOST:
            raise BrokenError("is cut off")
        yield [_certificate(reader, version) for _ in range(chain)]


def _certificate(reader: _Reader, version: int) -> bytes:
    if version == 2:
        reader.skip_text()  # that it is X.509
    return reader.take(reader.number())
