"""What a verification can find: a backup is damaged, or, by Trouble, could not be judged."""

from typing import Final

from exporter.collector import Trouble

CHECKSUMS: Final = "checksums"
"""What a verdict rests on: sums within the backup cover its data."""
STRUCTURE: Final = "structure"
"""Its structure alone: damage within the data may stay unseen."""
SIDECAR: Final = "sidecar"
DAMAGE: Final = "damage"

_SHOWN: Final = 200


class Bad(Exception):
    """The backup is damaged, or is not what it must be."""


def unreadable(error: OSError) -> Trouble:
    """Return why a backup could not be read: by no fault of its own, as far as that can be told."""
    if isinstance(error, PermissionError):
        return Trouble("it may not be read", "let the exporter's user read it, and enter the folders above it")
    return Trouble(f"it could not be read ({error.strerror or type(error).__name__})",
                   "see its disk or mount, and the kernel's log")  # fmt: skip


def shortened(text: str) -> str:
    """Return what somebody else said, on one line of bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
