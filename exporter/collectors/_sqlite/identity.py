"""What tells a database from another one in its place."""

import os
import sys
from typing import Final

from exporter.collectors._sqlite.place import Place

_GET_VERSION: Final = 0x80087601 if sys.maxsize > 1 << 32 else 0x80047601  # as Linux has it
_CHANGES: Final = 24  # where the header counts changes, in four bytes


def identity(place: Place) -> list[int]:
    """Return device, inode, the generation of the inode, which a new file with the same one changes, and changes."""
    with place.opened() as database:
        found = os.fstat(database)
        changes = int.from_bytes(os.pread(database, 4, _CHANGES), "big")
        return [found.st_dev, found.st_ino, _generation(database), changes]


def _generation(database: int) -> int:
    """Return how often the inode was another file's, as it were; 0 where the file system does not tell."""
    import fcntl  # not on every system

    try:
        return int.from_bytes(fcntl.ioctl(database, _GET_VERSION, bytes(8)), "little")
    except OSError:
        return 0
