"""One alert as Alertmanager tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from exporter.collectors.alertmanager.api import strange

PRIORITIES: Final = frozenset({"P0", "P1", "P2", "P3"})
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; `silences` are the ids of those that keep it quiet now, `start` is in Unix seconds."""

    fingerprint: str
    name: str
    priority: str
    start: float
    silences: tuple[str, ...]
    inhibited: bool
    muted: bool

    @property
    def quiet(self) -> bool:
        """Tell whether nobody is told of it now, for whatever reason."""
        return bool(self.silences) or self.inhibited or self.muted

    def state(self, silenced_since: Mapping[str, float]) -> str:
        """Return what becomes of it; a silence made before it began was no answer to it, but a plan."""
        if self.silences:
            planned = any(silenced_since.get(silence, self.start + 1) <= self.start for silence in self.silences)
            return "planned" if planned else "silenced"
        if self.inhibited:
            return "inhibited"
        return "muted" if self.muted else "active"


def alert_in(entry: Any) -> Alert:
    """Return the alert that an entry of the API describes."""
    try:
        labels, status = entry["labels"], entry["status"]
        return Alert(
            fingerprint=str(entry["fingerprint"]),
            name=str(labels.get("alertname") or NONE),
            priority=_priority(labels),
            start=seconds(entry["startsAt"]),
            silences=tuple(map(str, status["silencedBy"])),
            inhibited=bool(status["inhibitedBy"]),
            muted=bool(status.get("mutedBy")),  # a field that has been there from 0.28 on, and is empty up to 0.33
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise strange("alerts") from None


def seconds(text: str) -> float:
    """Return a time of the API in Unix seconds; one without its zone is no time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.timestamp()


def _priority(labels: Mapping[str, Any]) -> str:
    """Return the priority of one of our rules; others may say anything there, or nothing."""
    priority = labels.get("priority")
    return priority if priority in PRIORITIES else NONE
