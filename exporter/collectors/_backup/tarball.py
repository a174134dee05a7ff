"""Tar archives, packed or not, read to the last byte."""

import fnmatch
import tarfile
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from exporter.collector import Trouble
from exporter.collectors._backup.found import CHECKSUMS, STRUCTURE, Bad
from exporter.collectors._backup.reading import Unpacked, unpacked

_MOST_NAMES: Final = 100_000
_PIECE: Final = 64 << 10
_MOST_PADDING: Final = 16 << 10  # behind the last member: tar writes 10 KiB at a time, unless it is told otherwise


def verify(request: Mapping[str, Any]) -> str:
    """Verify an archive; return what that rests on."""
    return CHECKSUMS if members_of(request).has_sums else STRUCTURE


class Archive(NamedTuple):
    """The names of an archive's first members, and whether sums of its data were compared."""

    names: list[str]
    has_sums: bool


def members_of(request: Mapping[str, Any]) -> Archive:
    """Read all of an archive; Bad where it is cut, or is none."""
    names: list[str] = []
    missing = set(request["members"])
    with unpacked(request["path"], request["max_bytes"]) as content:
        kept = _Tail(content)
        try:
            with tarfile.open(fileobj=kept, mode="r|", errorlevel=2) as archive:  # type: ignore[call-overload]
                for member in archive:
                    if len(names) < _MOST_NAMES:
                        names.append(member.name)
                    missing -= {pattern for pattern in missing if fnmatch.fnmatchcase(member.name, pattern)}
                    archive.members = []  # it would keep all of them
                end: int = archive.offset
        except tarfile.TarError as error:
            raise Bad(f"it cannot be read as tar ({error})") from None
        _check_end(kept.block(end))
        content.drain()  # the sums of what it is packed by stand at the end
        has_sums = content.has_sums
        if not has_sums:
            _check_padding(content.count - end)
    if not names:
        raise Bad("nothing is in it")
    if missing:
        raise Bad(f"no member fits {min(missing)!r}")
    return Archive(names, has_sums)


class _Tail:
    """What is read, with the last of it kept: tarfile reads ahead, and does not tell why it ends."""

    def __init__(self, content: Unpacked) -> None:
        self._content = content
        self._kept = b""

    def read(self, size: int) -> bytes:
        piece = self._content.read(size)
        self._kept = self._kept[-_PIECE:] + piece
        return piece

    def block(self, place: int) -> bytes:
        """Return the block that begins there, or what is there of it."""
        start = place - (self._content.count - len(self._kept))
        return self._kept[start : start + tarfile.BLOCKSIZE] if start >= 0 else b""


def _check_end(block: bytes) -> None:
    """Refuse an archive that ends by anything but a block of zeros."""
    if not block:
        raise Bad("it has no end: tar did not come to its end, or a part is missing")
    if block.strip(b"\0"):
        raise Bad("one of its headers is damaged")


def _check_padding(count: int) -> None:
    """Refuse to judge an archive after which much follows: where data are missing, zeros read as its end."""
    if count > _MOST_PADDING:
        reason = f"{count:,} bytes follow its last member: it may not have been written to its end"
        raise Trouble(reason, "write it with tar's own size of blocks, or compress it")
