"""The incidents: how many, since when, and since when nobody has answered."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

from exporter.collector import Members, read
from exporter.collectors.alertmanager.alert import seconds
from exporter.collectors.alertmanager.api import entries, strange
from exporter.collectors.alertmanager.session import Session
from exporter.metric import Samples, gauge

ALERTS = gauge(
    "runbook_incident_alerts",
    "Alerts that fire, by name, priority (`none` where a rule gives none of ours) and state: active, which somebody is"
    " told of; silenced since it began; planned, silenced since before it began; inhibited by another alert; muted by"
    " a time interval (where Alertmanager tells it of each alert; up to 0.33 it does not).",
    labels=("alertname", "priority", "state"),
    source="/api/v2/alerts, /api/v2/silences",
)
START = gauge(
    "runbook_incident_start_timestamp_seconds",
    "Since when the oldest of these alerts fires, as Alertmanager says.",
    labels=("alertname", "priority", "state"),
    source="/api/v2/alerts, /api/v2/silences",
    fold="min",
)
UNANSWERED = gauge(
    "runbook_incident_unanswered_timestamp_seconds",
    "Since when the oldest of the active alerts is told without an answer: since it began, or since it was last seen"
    " silenced, inhibited or muted.",
    labels=("alertname", "priority"),
    source="/api/v2/alerts, and what was seen before",
    fold="min",
)

Key = TypeVar("Key", bound=tuple[str, ...])


@read(members=Members(("alertname",), 200, ALERTS))
def incidents(session: Session) -> Samples:
    """Which alerts fire, since when, and what became of them."""
    since = _silenced_since(session)
    session.memory.note(session.alerts, session.time)
    states = {alert.fingerprint: alert.state(since) for alert in session.alerts}
    by_state = [(alert.name, alert.priority, states[alert.fingerprint]) for alert in session.alerts]
    for (name, priority, state), count in sorted(Counter(by_state).items()):
        yield ALERTS(count, alertname=name, priority=priority, state=state)
    starts = zip(by_state, (alert.start for alert in session.alerts), strict=True)
    for (name, priority, state), start in sorted(_oldest(starts).items()):
        yield START(start, alertname=name, priority=priority, state=state)
    active = [alert for alert in session.alerts if not alert.quiet]
    waiting = (((alert.name, alert.priority), session.memory.unanswered_since(alert)) for alert in active)
    for (name, priority), unanswered in sorted(_oldest(waiting).items()):
        yield UNANSWERED(unanswered, alertname=name, priority=priority)


def _oldest(times: Iterable[tuple[Key, float]]) -> Mapping[Key, float]:
    oldest: dict[Key, float] = {}
    for key, time in times:
        oldest[key] = min(time, oldest.get(key, time))
    return oldest


def _silenced_since(session: Session) -> Mapping[str, float]:
    """Return when each silence began, by its id; nobody is asked where nothing is silenced."""
    if not any(alert.silences for alert in session.alerts):
        return {}
    try:
        return {
            str(one["id"]): seconds(one["startsAt"]) for one in entries(session.api.get("/api/v2/silences"), "silences")
        }
    except (KeyError, TypeError, ValueError):
        raise strange("silences") from None
