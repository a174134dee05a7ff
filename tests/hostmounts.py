"""The host's mounts, for one worker at a time: one that hangs must not be there for tests that look at all of them."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = Path(tempfile.gettempdir()) / "runbook-exporter-tests.mounts"
_held = 0  # tests of one worker run one after the other, and may ask again


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other worker has mounts of its own or looks at the host's, and keep it so."""
    global _held
    with _LOCK.open("w") as file:
        if not _held:
            fcntl.flock(file, fcntl.LOCK_EX)
        _held += 1
        try:
            yield
        finally:
            _held -= 1
