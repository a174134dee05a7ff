"""alertmanager_templates/: how messages read, as amtool renders them."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from exporter import pack
from tests.process import ROOT

FOLDER: Final = ROOT / "alertmanager_templates"
AREAS: Final = FOLDER / "areas.tmpl"
LABELS: Final = {"alertname": "PostgreSQLDown", "priority": "P0", "severity": "critical", "job": "runbook-exporter",
                 "instance": "db1:10420", "target": "shop-db"}  # fmt: skip
SUMMARY: Final = "A PostgreSQL server does not answer."


def one(status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status, "labels": LABELS | labels, "startsAt": "2026-11-29T09:30:00Z",
        "endsAt": "2026-11-29T10:35:20Z",
        "annotations": {"summary": SUMMARY, "description": "shop-db is down.", "runbook_url": "https://r.example.org/x"},
    }  # fmt: skip


def message(*alerts: dict[str, Any]) -> dict[str, Any]:
    """Return what Alertmanager gives to a template, of these alerts."""
    common = set.intersection(*(set(alert["labels"].items()) for alert in alerts))
    firing = any(alert["status"] == "firing" for alert in alerts)
    return {
        "receiver": "level-3", "status": "firing" if firing else "resolved", "alerts": alerts,
        "groupLabels": {name: value for name, value in common if name in ("alertname", "job", "instance", "target")},
        "commonLabels": dict(common), "commonAnnotations": {}, "externalURL": "https://alerts.example.org",
    }  # fmt: skip


def rendered(template: str, data: dict[str, Any], folder: Path) -> str:
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
    ended = subprocess.run(
        ["amtool", "template", "render", f"--template.glob={FOLDER}/*.tmpl", f"--template.data={folder / 'data.json'}",
         f'--template.text={{{{ template "{template}" . }}}}'],
        capture_output=True, text=True, timeout=30, check=False, env={"TZ": "Europe/Berlin"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.removesuffix("\n")


HERE: Final = {"instance": "127.0.0.1:10420"}
MANY: Final = [one(slot_name=name) for name in "abc"]
SUBJECTS: Final = [
    ("P0 PostgreSQLDown, shop-db on db1", [one()]),
    ("P0 resolved: PostgreSQLDown, shop-db on db1", [one("resolved")]),
    ("P0 PostgreSQLDown (3), shop-db on db1", MANY),
    ("P0 PostgreSQLDown, shop-db on db1", [one(), one("resolved", slot_name="b")]),
    ("P0 PostgreSQLDown, shop-db", [one(**HERE)]),
    ("P0 PostgreSQLDown, shop-db", [one(instance="shop-db")]),
    ("P0 PostgreSQLDown, db1:10420", [one(target="")]),
    ("P0 PostgreSQLDown (2)", [one(instance="a", target="a"), one(instance="b", target="b")]),
    ("P0 2 alerts, shop-db on db1", [one(), one(alertname="Other")]),
    ("P0 IncidentResponseOverdue, RedisDown on db1", [one(alertname="IncidentResponseOverdue", incident="RedisDown")]),
    ("warning Foreign, shop-db on db1", [one(alertname="Foreign", priority="", severity="warning")]),
    (f"P0 PostgreSQLDown, {'long-name-' * 4}l", [one(target="long-name-" * 5)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "alerts"), SUBJECTS, ids=[f"{n}: {subject}" for n, (subject, _) in enumerate(SUBJECTS)]
)
def test_the_subject_says_how_bad_what_and_where(subject: str, alerts: list[dict[str, Any]], tmp_path: Path) -> None:
    assert rendered("runbook.subject", message(*alerts), tmp_path) == subject
    assert len(subject) <= 60


def test_the_name_of_every_alert_is_whole_in_a_subject() -> None:
    longest = max(pack.rules().alerts, key=len)
    assert len(f"P0 resolved: {longest}") <= 60


@pytest.mark.parametrize(("subject", "count"), [("P3 digest: PostgreSQLDown", 1), ("P3 digest: 3 alerts", 3)])
def test_the_digest_says_how_much_there_is(subject: str, count: int, tmp_path: Path) -> None:
    assert rendered("runbook.digest", message(*MANY[:count]), tmp_path) == subject


def test_a_text_says_what_since_when_and_where_to_go_on(tmp_path: Path) -> None:
    alert = one(grafana="https://g.example.org", runbooks="https://r.example.org")
    text = rendered("runbook.text", message(alert), tmp_path)
    answer = quote('{alertname="PostgreSQLDown",instance="db1:10420",job="runbook-exporter",target="shop-db"}', safe="")
    assert text.splitlines() == [
        SUMMARY,
        "shop-db is down.",
        "Since Sun 29 Nov 10:30 CET",
        "Runbook: https://r.example.org/x",
        "Dashboard: https://g.example.org/d/runbook-postgres?var-instance=db1%3A10420&var-target=shop-db",
        "Labels: alertname=PostgreSQLDown, instance=db1:10420, target=shop-db",
        "",
        f"Take it on (silence it while you do): https://alerts.example.org/#/silences/new?filter={answer}",
    ]


def test_what_is_over_says_how_long_it_took(tmp_path: Path) -> None:
    text = rendered("runbook.text", message(one("resolved")), tmp_path)
    assert "Over at 11:35, after 1h5m20s; began Sun 29 Nov 10:30 CET" in text
    assert "silence" not in text


def test_what_is_over_is_told_apart_from_what_still_fires(tmp_path: Path) -> None:
    text = rendered("runbook.text", message(one(), one("resolved", slot_name="b")), tmp_path)
    assert text.index("Since") < text.index("\nResolved:\n") < text.index("Over at") < text.index("Take it on")


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r'define "(\w+\.default\.\w+)"', (FOLDER / "others.tmpl").read_text())))
)
def test_other_ways_read_as_well(name: str, tmp_path: Path) -> None:
    """They have no settings here, and Alertmanager uses these names by itself."""
    text = rendered(name, message(one()), tmp_path)
    assert text.startswith(("P0 PostgreSQLDown, shop-db on db1", SUMMARY))


def test_every_alert_leads_to_its_dashboard(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    text = areas()
    if request.config.getoption("--update-golden"):
        AREAS.write_text(text, encoding="utf-8")
    assert AREAS.read_text(encoding="utf-8") == text, "alerts have changed; --update-golden writes it anew"
    for name, area in (("CeleryDown", "jobs"), ("DiskSpaceLow", "host"), ("NobodyKnows", "exporter")):
        said = rendered("runbook.text", message(one(alertname=name, grafana="https://g.example.org")), tmp_path)
        assert f"\nDashboard: https://g.example.org/d/runbook-{area}?var-instance=" in said


def areas() -> str:
    """Return the template that knows which dashboard draws the signal of an alert."""
    drawn = {file.stem: file.read_text(encoding="utf-8") for file in sorted(pack.dashboards_folder().glob("*.json"))}
    known: dict[str, list[str]] = {}
    for name, rules in sorted(pack.rules().alerts.items()):
        signals = [rule.condition[0] for rule in rules if rule.condition]
        found = [area for area, text in drawn.items() if any(signal in text for signal in signals)]
        if found:
            known.setdefault(rules[0].area if rules[0].area in found else found[0], []).append(name)
    cases = [f'match "^({"|".join(names)})$" .Labels.alertname }}}}{area}\n' for area, names in sorted(known.items())]
    said = "{{/* Which dashboard draws an alert; made of rules/ and grafana/ by its test (--update-golden). */}}"
    begin, end = '{{- define "runbook.area" -}}\n{{ if ', "{{- else }}exporter\n{{- end -}}\n{{- end -}}\n"
    return f"{said}\n{begin}{'{{- else if '.join(cases)}{end}"
