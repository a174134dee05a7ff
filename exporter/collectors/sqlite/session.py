"""What the reads of one round share: the answer of the process that looked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.sqlite.looks import FileLook


@dataclass(frozen=True, slots=True)
class Locked:
    """Since when the lock of writers was held at each look without anything committed, in Unix seconds."""

    since: float
    by: str


@dataclass(frozen=True, slots=True)
class Session:
    """One look at the database, and what longer looks found before."""

    answer: Mapping[str, Any]
    readable: bool
    locked: Locked | None
    objects: Mapping[str, int] | None
    integrity: FileLook | None
    tables: FileLook | None
    integrity_timeout: float

    @property
    def time(self) -> float:
        return float(self.answer["time"])

    def count(self, kind: str) -> int | None:
        """Return how many objects of a kind there are; None where they could not be counted."""
        return None if self.objects is None else self.objects.get(kind, 0)

    def part(self, name: str) -> Any:
        """Return a part of the answer; Trouble where that could not be had."""
        part: Mapping[str, Any] = self.answer[name]
        if "answer" not in part:
            raise (NotApplicable if part["absent"] else Trouble)(part["reason"], part["fix"])
        return part["answer"]
