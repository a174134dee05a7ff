"""What the toil tells of a class, and the reads read: plain data by key."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from exporter.collectors.cache.settings import ClassSettings

Told = dict[str, Any]

FORMAT: Final = 1  # of the entries: one more with every change of what they hold, or of what it means
KINDS: Final = ("surveyed", "checked", "trouble")


@lru_cache(maxsize=1024)
def signature(settings: ClassSettings) -> str:
    """Return what an entry is marked with, so that none is taken for one of other settings, or of another version."""
    return hashlib.sha256(repr((FORMAT, settings)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


class Entries:
    """The entries of one class.

    `surveyed` is what the last walk gave, `checked` what the checks after it found, `trouble` why there is no walk now.
    """

    def __init__(self, name: str, settings: ClassSettings, kept: Mapping[str, Any]) -> None:
        self._of = signature(settings)
        self.keys = tuple(f"{kind} {name}" for kind in KINDS)
        self._told: dict[str, Any] = {key: kept.get(key) for key in self.keys}
        self._entries = {kind: self._fitting(kept.get(f"{kind} {name}")) for kind in KINDS}
        self._name = name

    def get(self, kind: str) -> Told | None:
        return self._entries[kind]

    def put(self, kind: str, told: Told | None) -> None:
        """Take in an entry in place of the one before; None where there is none any more."""
        self._entries[kind] = None if told is None else {"of": self._of, **told}

    def changes(self) -> dict[str, Any]:
        """Return what is to be told, and count it as told."""
        now = {f"{kind} {self._name}": told for kind, told in self._entries.items()}
        changed = {key: value for key, value in now.items() if value != self._told[key]}
        self._told |= changed
        return changed

    def _fitting(self, told: Told | None) -> Told | None:
        return told if told is not None and told.get("of") == self._of else None
