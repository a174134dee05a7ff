"""The checksums of a DuckDB file's blocks, verified without DuckDB: also of those that no query reads, as of indexes.

The layout is the same in every version from 0.10 to 2.0. Blocks begin after three headers of 4 KiB. Header and block
begin with a checksum of what follows. One block holds 64 pieces of metadata, each beginning with where the next one
lies. The free list is such a chain: a count, then the numbers of blocks that hold nothing.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

HEADER: Final = 4096
HEADERS: Final = 3 * HEADER
_FACTOR: Final = 0xBF58476D1CE4E5B9
_START: Final = 5381
_WORD: Final = (1 << 64) - 1
_NOWHERE: Final = _WORD
_PIECES: Final = 64  # of metadata in a block
_NUMBER: Final = (1 << 56) - 1  # the lower bits of a place are the block's number, the others the piece's
_USUAL_SIZE: Final = 256 << 10
# checksum, iteration, metadata, free list, blocks, size of a block, size of a vector, version
_DATABASE: Final = struct.Struct("<8Q")


class Unknown(Exception):
    """The file is not laid out as is known here."""


class Layout(NamedTuple):
    """Where the file's blocks are, and which of them hold something."""

    size: int
    used: tuple[int, ...]


def checksum(data: bytes | memoryview) -> int:
    """Return DuckDB's checksum of the bytes, whose number is a multiple of 8.

    It is the exclusive or of each word times a factor; made of all words at once, each in 16 bytes of one number.
    """
    words = memoryview(data).cast("B").cast("Q")
    count = len(words)
    wide = bytearray(16 * count)
    memoryview(wide).cast("Q")[::2] = words
    products = int.from_bytes(wide, "little") * _FACTOR
    while count > 1:
        count = (count + 1) // 2
        products = (products >> (128 * count)) ^ (products & ((1 << (128 * count)) - 1))
    return (products ^ _START) & _WORD


def is_whole(block: bytes) -> bool:
    """Return whether a header or block has the checksum that stands before it."""
    return len(block) >= 16 and int.from_bytes(block[:8], "little") == checksum(memoryview(block)[8:])


def are_database_headers(beginning: bytes) -> bool:
    """Return whether the second and third header are there, as in no file but DuckDB's."""
    headers = [beginning[place : place + HEADER] for place in (HEADER, 2 * HEADER)]
    return all(len(header) == HEADER and any(header) and is_whole(header) for header in headers)


def identity_of(path: str) -> list[int]:
    """Return what tells the file from another in its place, and last how often it had a checkpoint: that only grows."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found, beginning = os.fstat(file), os.pread(file, HEADERS, 0)
    finally:
        os.close(file)
    counters = (int.from_bytes(beginning[place + 8 : place + 16], "little") for place in (HEADER, 2 * HEADER))
    # the first header is written once; from DuckDB 2.0 on each file has another
    return [found.st_dev, found.st_ino, zlib.crc32(beginning[:HEADER]), max(counters)]


def broken_in(path: str) -> tuple[int, ...]:
    """Return the numbers of used blocks that do not have their checksums; none where the layout is not known."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return tuple(broken(file, layout_of(file)))
    except Unknown:  # encrypted, or of a version to come: what DuckDB can read must do
        return ()
    finally:
        os.close(file)


def layout_of(file: int) -> Layout:
    """Return how an unencrypted file is laid out; Unknown where it is not as expected."""
    beginning = os.pread(file, HEADERS, 0)
    if not are_database_headers(beginning):
        raise Unknown("its headers do not have their checksums")
    slots = [_DATABASE.unpack_from(beginning, place) for place in (HEADER, 2 * HEADER)]
    _, _, _, free, count, size, _, _ = max(slots, key=lambda slot: slot[1])
    size = size or _USUAL_SIZE
    if size % 4096 or not 4096 <= size <= 16 << 20 or HEADERS + count * size > os.fstat(file).st_size:
        raise Unknown("its size is not that of its blocks")
    unused = set(_free(file, free, size, count))
    return Layout(size, tuple(number for number in range(count) if number not in unused))


def broken(file: int, layout: Layout) -> Iterator[int]:
    """Yield the numbers of used blocks that do not have their checksums."""
    for number in layout.used:
        if not is_whole(os.pread(file, layout.size, HEADERS + number * layout.size)):
            yield number


def _free(file: int, place: int, size: int, blocks: int) -> tuple[int, ...]:
    if place == _NOWHERE:
        return ()
    data = b"".join(_chain(file, place, size, blocks))
    if len(data) < 8:
        raise Unknown("its free list is cut short")
    count = int.from_bytes(data[:8], "little")
    if count > blocks or len(data) < 8 + 8 * count:
        raise Unknown("its free list has more than there is")
    free = struct.unpack_from(f"<{count}Q", data, 8)
    if len(set(free)) != count or any(number >= blocks for number in free):
        raise Unknown("its free list names blocks that are not there")
    return free


def _chain(file: int, place: int, size: int, blocks: int) -> Iterator[bytes]:
    length = (size - 8) // _PIECES // 8 * 8
    seen: set[int] = set()
    while place != _NOWHERE:
        number, piece = place & _NUMBER, place >> 56
        if number >= blocks or piece >= _PIECES or place in seen:
            raise Unknown("its metadata leads nowhere")
        seen.add(place)
        data = os.pread(file, length, HEADERS + number * size + 8 + piece * length)
        place = int.from_bytes(data[:8], "little")
        yield data[8:]
