"""Until when each alert was quiet: what Alertmanager forgets as soon as a silence or an inhibition is over."""

from collections.abc import Iterable
from typing import Final

from exporter.collectors.alertmanager.alert import Alert
from exporter.state import Shelf

# An Alertmanager that was restarted knows no alerts until Prometheus sends them again.
KEPT: Final = 3600.0
_NOW: Final = 0.0  # in place of a time: it is quiet now
_KEY: Final = "quiet "  # before the fingerprint: the shelf holds other things of the target too


class Memory:
    """Remembers, over restarts too, when each alert was seen to be quiet last."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._quiet = _recalled(shelf)
        self._seen: dict[str, float] = {}

    def note(self, alerts: Iterable[Alert], now: float) -> None:
        """Take in what is quiet now, and forget alerts that are long gone."""
        changes: dict[str, float | None] = {}
        for alert in alerts:
            self._seen[alert.fingerprint] = now
            before = self._quiet.get(alert.fingerprint)
            after = _NOW if alert.quiet else now if before == _NOW else before
            if after is not None and after != before:
                changes[alert.fingerprint] = self._quiet[alert.fingerprint] = after
        changes |= dict.fromkeys(self._forgotten(now))
        if changes:
            self._shelf.put_all({_KEY + fingerprint: when for fingerprint, when in changes.items()})

    def unanswered_since(self, alert: Alert) -> float:
        """Return since when somebody should have answered an alert that is not quiet: its start, or the last quiet."""
        return max(alert.start, self._quiet.get(alert.fingerprint, alert.start))

    def _forgotten(self, now: float) -> list[str]:
        gone = [one for one in self._quiet if now - self._seen.setdefault(one, now) > KEPT]
        for fingerprint in gone:
            del self._quiet[fingerprint]
        self._seen = {one: seen for one, seen in self._seen.items() if one in self._quiet}
        return gone


def _recalled(shelf: Shelf) -> dict[str, float]:
    kept = ((key, when) for key, when in shelf.get_all().items() if key.startswith(_KEY))
    return {key.removeprefix(_KEY): when for key, when in kept if isinstance(when, float)}
