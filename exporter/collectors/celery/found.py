"""What a look at a broker finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass
class Queue:
    """One queue that is there; None is what is not known."""

    length: int
    consumers: int | None = None
    priorities: Mapping[str, int] = field(default_factory=dict)
    since: float | None = None  # when the oldest message began to wait, at the latest
    unacked: int | None = None
    unacked_since: float | None = None


@dataclass
class Found:
    """The queues that are there, what goes for all of them, and what could not be looked at."""

    queues: dict[str, Queue] = field(default_factory=dict)
    unacked: int | None = None
    unacked_since: float | None = None
    names: set[str] = field(default_factory=set)  # queues that the broker tells of besides
    unsure: set[str] = field(default_factory=set)  # of which it is not known whether they are there, or said already
    is_bare: bool = False  # the broker shows no sign of Celery
    remarks: list[str] = field(default_factory=list)
    troubles: dict[str, tuple[str, str]] = field(default_factory=dict)  # (reason, remedy) by what was asked


class Source(Protocol):
    """A broker: Redis or RabbitMQ."""

    def look(self, names: Mapping[str, bool], now: float) -> Found:
        """Look at these queues; True goes for those that workers consume, or did: they are there, if empty as well."""

    def remember(self, name: str, kept: Mapping[str, Any]) -> None:
        """Go on from what was kept of a queue, or of all ("")."""

    def kept(self, name: str) -> dict[str, Any]:
        """Return what is to be kept of a queue, or of all ("")."""

    def close(self) -> None: ...
