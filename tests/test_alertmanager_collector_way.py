"""An incident that nobody answers: from Alertmanager through the exporter and Prometheus to the next level."""

import time
from pathlib import Path

import requests

from tests.alerting import Webhook, alertmanager, quick, webhook
from tests.incidents import when
from tests.process import PLAIN, free_port, prometheus, running
from tests.support import until

_RESEND = "--rules.alert.resend-delay=1s"
HOUR = 3600.0


def post(port: int, path: str, body: object) -> None:
    requests.post(f"http://127.0.0.1:{port}/api/v2/{path}", json=body, timeout=10).raise_for_status()


def told(sink: Webhook, name: str, status: str) -> set[tuple[str, str, str, str]]:
    """Return about which incident, of which priority, with which priority, and by which receiver it was told."""
    return {
        (labels["incident"], labels["incident_priority"], labels["priority"], alert["receiver"])
        for alert in sink.alerts(name, status) if (labels := alert["labels"])
    }  # fmt: skip


def test_an_incident_is_raised_until_somebody_answers(tmp_path: Path) -> None:
    scraper, port, now = free_port(), free_port(), time.time()
    config = f"targets:\n  alerts: {{collector: alertmanager, url: http://127.0.0.1:{port}, max_age: 500ms}}\n"
    with (
        webhook() as sink,
        alertmanager(tmp_path, port, sink),
        running(tmp_path, config, program=PLAIN) as exporter,
        prometheus(tmp_path, quick(exporter.port, scraper, port, tmp_path), scraper, _RESEND),
    ):
        fired = {"Outage": ("P0", 20 * 60), "Trouble": ("P1", 9 * HOUR), "Young": ("P1", 50 * 60)}
        post(port, "alerts", [
            {"labels": {"alertname": name, "priority": own}, "startsAt": when(now - age), "endsAt": when(now + 600)}
            for name, (own, age) in fired.items()
        ])  # fmt: skip
        response = {("Outage", "P0", "P0", "level-3"), ("Trouble", "P1", "P0", "level-3")}
        until(lambda: told(sink, "IncidentResponseOverdue", "firing") == response, 60)
        until(lambda: told(sink, "IncidentResolutionOverdue", "firing") == {("Trouble", "P1", "P0", "level-3")}, 60)
        matchers = [{"name": "alertname", "value": "Trouble", "isRegex": False}]
        silence = {"matchers": matchers, "startsAt": when(now), "endsAt": when(now + HOUR)}
        post(port, "silences", {**silence, "createdBy": "test", "comment": "on it"})
        until(lambda: told(sink, "IncidentResponseOverdue", "resolved") == {("Trouble", "P1", "P0", "level-3")}, 60)
        # answered, and not solved; and what is overdue is itself no incident, however long it lasts
        assert told(sink, "IncidentResolutionOverdue", "resolved") == set()
        assert told(sink, "IncidentResponseOverdue", "firing") == response
