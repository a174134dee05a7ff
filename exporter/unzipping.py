"""Text compressed by gzip, decompressed piece by piece: one member after the other, however many there are."""

import zlib
from typing import Any, Final

_MEMBER: Final = 31  # bits of a window of the usual size, with gzip's head around it


class Unzipping:
    """What came so far of a text."""

    def __init__(self) -> None:
        self._member: Any = None

    @property
    def whole(self) -> bool:
        """Whether the last member is there to its end; a text without any is whole as well."""
        return self._member is None or bool(self._member.eof)

    def take(self, piece: bytes, most: int) -> bytes:
        """Return what a piece holds, at most so many bytes, which is all that can be had then; zlib.error of others."""
        found = bytearray()
        while piece and len(found) < most:
            if self.whole:
                self._member = zlib.decompressobj(_MEMBER)
            found += self._member.decompress(piece, most - len(found))
            piece = self._member.unused_data
        return bytes(found)
