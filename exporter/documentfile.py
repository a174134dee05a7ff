"""A file that somebody else writes, read within bounds."""

import os
import stat

from exporter.collector import Trouble

_FIX = "create it, let the exporter's user read it, or correct the path"


def load(path: str, most: int) -> tuple[bytes, float]:
    """Return what stands in a file and when it was written; Trouble where it is none, or larger than `most` bytes."""
    try:
        # O_NONBLOCK, as a named pipe would have us wait for its writer
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Trouble(f"{path} is not a regular file", _FIX)
            data = file.read(most + 1)
    except OSError as error:
        raise Trouble(f"{path} cannot be read ({error.strerror})", _FIX) from None
    if len(data) > most:
        raise Trouble(f"{path} is larger than {most} bytes", "make it smaller, or allow more with `max_bytes`")
    return data, status.st_mtime
