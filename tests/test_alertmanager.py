"""alertmanager.yml: who hears of what, by amtool, and what keeps quiet beside what, by a real Alertmanager."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.process import ROOT, free_port
from tests.rules import Rule, shipped
from tests.support import until

FILE = ROOT / "alertmanager.yml"
TEXT = FILE.read_text(encoding="utf-8")
CONFIG = yaml.safe_load(TEXT)
LEVELS = {"P0": "level-3", "P1": "level-2", "P2": "level-1", "P3": "level-1"}
ALERTS = [rule for rule in shipped() if rule.is_alert]


def amtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["amtool", *arguments], capture_output=True, text=True, timeout=30, check=False)


def routed(**labels: str) -> str:
    """Return the receiver that amtool says."""
    given = [f"{name}={value}" for name, value in labels.items()]
    return amtool("config", "routes", "test", f"--config.file={FILE}", *given).stdout.strip()


def test_the_configuration_is_right() -> None:
    ended = amtool("check-config", FILE)
    assert ended.returncode == 0, ended.stderr


def test_the_examples_in_its_comments_are_right(tmp_path: Path) -> None:
    uncommented = re.sub(r"(?m)^    # (?=\w+_configs:|  )", "    ", TEXT)
    assert {"email_configs", "slack_configs", "pagerduty_configs"} <= {
        key for receiver in yaml.safe_load(uncommented)["receivers"] for key in receiver
    }
    file = tmp_path / "alertmanager.yml"
    file.write_text(uncommented, encoding="utf-8")
    ended = amtool("check-config", file)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=str)
def test_every_alert_goes_to_the_level_of_its_priority(rule: Rule) -> None:
    expected = LEVELS[rule.labels["priority"]] if "priority" in rule.labels else "dead-mans-switch"
    expected = "level-3" if "security" in rule.labels else expected
    assert routed(alertname=rule.name, job="j", instance="i", **rule.labels) == expected


def test_what_has_no_priority_is_not_lost() -> None:
    assert routed(alertname="Foreign", severity="page") == "level-1"


def test_every_receiver_is_on_this_machine_until_it_is_replaced() -> None:
    hooks = [hook for receiver in CONFIG["receivers"] for hook in receiver["webhook_configs"]]
    assert [hook["url"].partition("/level")[0].partition("/dead")[0] for hook in hooks] == ["http://127.0.0.1:9095"] * 4
    assert [receiver["name"] for receiver in CONFIG["receivers"]] == [
        "level-1",
        "level-2",
        "level-3",
        "dead-mans-switch",
    ]


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """A running Alertmanager."""

    url: str

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def fire(self, *alerts: dict[str, str]) -> None:
        answer = requests.post(f"{self.url}/api/v2/alerts", json=[{"labels": labels} for labels in alerts], timeout=10)
        assert answer.ok, answer.text

    def states(self) -> list[tuple[dict[str, str], str]]:
        """Return the labels and the state of each alert; an inhibited one is suppressed."""
        alerts: list[dict[str, Any]] = requests.get(f"{self.url}/api/v2/alerts", timeout=10).json()
        return [(alert["labels"], alert["status"]["state"]) for alert in alerts]

    def groups(self) -> list[tuple[str, list[str]]]:
        groups: list[dict[str, Any]] = requests.get(f"{self.url}/api/v2/alerts/groups", timeout=10).json()
        return [
            (group["receiver"]["name"], sorted(alert["labels"]["alertname"] for alert in group["alerts"]))
            for group in groups
        ]


@contextmanager
def alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """Start an Alertmanager with the shipped configuration, too patient to send anything, and stop it in the end."""
    config = yaml.safe_load(TEXT)
    for route in [config["route"], *config["route"]["routes"]]:
        route["group_wait"] = "1h"
    file, port = folder / "alertmanager.yml", free_port()
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    arguments = [f"--config.file={file}", f"--storage.path={folder}", f"--web.listen-address=127.0.0.1:{port}",
                 "--cluster.listen-address="]  # fmt: skip
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(["prometheus-alertmanager", *arguments], stdout=log, stderr=log) as process,
    ):
        server = Alertmanager(f"http://127.0.0.1:{port}")
        try:
            until(server.is_ready, 20)
            yield server
        finally:
            process.kill()


HERE = {"job": "runbook-exporter", "instance": "one:10420"}
THERE = {"job": "runbook-exporter", "instance": "two:10420"}
SHOP = {**HERE, "target": "shop-db"}
CRM = {**HERE, "target": "crm-db"}
DOWN = {"alertname": "PostgreSQLDown", "priority": "P0", "severity": "critical"}
AWAY = {"alertname": "TargetDown", "priority": "P1", "severity": "critical"}
CONNECTIONS = {"alertname": "PostgreSQLConnectionsHigh", "severity": "warning", "priority": "P2"}
LAG = {"alertname": "PostgreSQLReplicationLag", "severity": "critical", "priority": "P1"}
BACKUP = {"alertname": "TransactionLogBackupOverdue", "severity": "critical", "priority": "P1"}
FAILING = {"alertname": "CollectorFailing", "severity": "warning", "priority": "P2", "collector": "postgres"}
DAMAGED = {"alertname": "PostgreSQLChecksumFailure", "severity": "critical", "priority": "P0"}
CPU = {"alertname": "HighCPUUsage", "severity": "warning", "priority": "P2"}
OVERDUE = {"alertname": "IncidentResponseOverdue"}
ENDPOINT = {"alertname": "AnyPriority"}


def named(alert: str) -> dict[str, str]:
    """Return the labels of an alert that no other inhibits by its severity."""
    return {"alertname": alert, "severity": "critical"}


CRITICAL, WARNING, INFO = ({"severity": severity} for severity in ("critical", "warning", "info"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as started:
        yield started


OF_TARGETS = (
    "PostgreSQL|PgBouncer|Redis|MongoDB|DuckDB|SQLite|Celery|Job|Cache|Endpoint|Port|Login|Security|Certificate|Frontend|API|"
    "Backup|Recovery|Restore|ClamAV|Dependenc|Vulnerability|SystemUpdates|SystemdUnit|ServiceRestarting|ecosystem|read=|WebSocket|Health|Page|Slow|Search|CollectorFailing|severity|Incident|stuck|part|key|"
    "reason"
)
OWN = {"queue", "queue_name", "endpoint", "class", "location", "filepath", "serial_number", "subject_CN", "issuer_CN",
       "read", "model", "backup", "ecosystem", "project", "name"}  # fmt: skip
"""What tells members of one target apart, on the alerts of each pair."""
ONE = {"filepath": "/etc/ssl/shop.pem", "serial_number": "1", "subject_CN": "shop", "issuer_CN": "CA"}
TWO = ONE | {"serial_number": "2"}
WEB = {"ecosystem": "npm", "project": "web"}
BOX = {"ecosystem": "debian", "project": "box"}
OF_PROBES = ("PortClosed", "LoginFailing", "SecurityCheckFailed", "CertificateNotVerified")

CASES: list[tuple[str, list[dict[str, str]], list[dict[str, str]]]] = [
    # what fires and is heard, and what is quiet beside it
    ("a server that is down explains its symptoms",
     [DOWN | SHOP],
     [CONNECTIONS | SHOP, LAG | SHOP, BACKUP | SHOP, FAILING | SHOP | {"read": "tables"}]),
    ("it explains neither another server's nor damaged data",
     [DOWN | SHOP, CONNECTIONS | CRM, FAILING | CRM, DAMAGED | SHOP, CPU | HERE], []),
    ("it explains nothing on another machine",
     [DOWN | SHOP, CONNECTIONS | THERE | {"target": "shop-db"}], []),
    *((f"{store} that is down explains what is said of it",
       [named(f"{store}Down") | SHOP],
       [*(named(other) | SHOP for other in others), FAILING | SHOP | {"collector": store.lower()}])
      for store, others in (("PgBouncer", ("ConnectionPoolWaiting", "PgBouncerClientsHigh")),
                            ("Redis", ("RedisMemoryHigh", "CacheHitRateLow")), ("MongoDB", ("MongoDBNoPrimary",)),
                            ("DuckDB", ("DuckDBLocked", "DuckDBIntegrityNotChecked")), ("SQLite", ("SQLiteLocked",)))),
    ("a file that is gone does not explain that it was damaged",
     [named("SQLiteDown") | SHOP, named("SQLiteIntegrityFailed") | SHOP,
      named("DuckDBDown") | CRM, named("DatabaseIntegrityFailed") | CRM], []),
    ("growth beyond what is usual is growth beyond the target",
     [named("DuckDBGrowthHigh") | SHOP], [named("DuckDBGrowthOverTarget") | SHOP]),
    ("an endpoint that is down is not slow or unstable as well",
     [named("EndpointDown") | SHOP, named("APIResponseOverMaximum") | CRM],
     [*(named(other) | SHOP for other in ("WebSocketUnstable", "APIResponseOverMaximum", "HealthDegraded",
                                          "HealthReportStale", "PageOverBudget")), FAILING | SHOP]),
    ("it explains no certificate and no other target",
     [named("EndpointDown") | SHOP, named("CertificateExpiresNow") | SHOP, named("PortClosed") | CRM], []),
    *((f"what {alert} tells is not told again", [named(alert) | SHOP], [FAILING | SHOP]) for alert in OF_PROBES),
    ("more than is allowed is more than is aimed at",
     [named("APIResponseOverMaximum") | SHOP], [named("APIResponseOverTarget") | SHOP]),
    ("an application that is slow is one alert",
     [named("SlowResponse") | SHOP, named("APIHighLatency") | CRM | {"endpoint": "/a"}],
     [named("APIHighLatency") | SHOP | {"endpoint": "/a"},
      named("SearchLatencyHigh") | SHOP | {"endpoint": "/search"}]),
    ("a search that is as slow as no endpoint should be is told of once",
     [named("APIHighLatency") | SHOP | {"endpoint": "/search"},
      named("SearchLatencyHigh") | SHOP | {"endpoint": "/b"}],
     [named("SearchLatencyHigh") | SHOP | {"endpoint": "/search"}]),
    ("of a certificate that a server shows the nearest end is told",
     [named("CertificateExpired") | SHOP, named("CertificateExpiresNow") | CRM],
     [named("CertificateExpiresNow") | SHOP, named("CertificateExpiresSoon") | SHOP,
      named("CertificateExpiresSoon") | CRM]),
    ("certificates on disk are told of each for itself",
     [named("CertificateExpired") | SHOP | ONE, named("CertificateExpiresNow") | SHOP | TWO,
      named("CertificateExpiresNow") | SHOP | ONE | {"filepath": "/etc/ssl/other.pem"}],
     [named("CertificateExpiresNow") | SHOP | ONE, named("CertificateExpiresSoon") | SHOP | TWO]),
    ("a page that is broken explains its errors",
     [named("FrontendBroken") | SHOP | {"element": "#root"}], [named("FrontendErrors") | SHOP | {"kind": "exception"}]),
    ("a queue that nobody listens to waits",
     [named("JobQueueWithoutWorkers") | SHOP | {"queue": "mail"}, named("JobQueueBacklog") | SHOP | {"queue": "other"}],
     [named("JobQueueBacklog") | SHOP | {"queue": "mail"}]),
    ("a queue that no worker of Celery consumes waits",
     [named("CeleryWorkersDown") | SHOP | {"queue_name": "mail"},
      named("CeleryTaskStuck") | SHOP | {"queue_name": "other", "stuck": "waiting"}],
     [named("CeleryTaskStuck") | SHOP | {"queue_name": "mail", "stuck": "waiting"},
      named("CeleryWorkersMissing") | SHOP]),
    ("an API that is down says nothing of keys and limits, and has cost what it has cost",
     [named("ExternalAPIDown") | SHOP, named("APIBudgetExceeded") | SHOP, named("APIKeyInvalid") | CRM],
     [*(named(other) | SHOP for other in ("APIKeyInvalid", "APIPermissionMissing", "APIQuotaLow", "APIQuotaExhausted",
                                          "APIUsageAnomaly")), FAILING | SHOP | {"collector": "api"}]),
    ("a model that is down says nothing of its API",
     [named("ExternalAPIDown") | SHOP | {"part": "model"}, named("APIQuotaLow") | SHOP, FAILING | SHOP], []),
    ("a key that is rejected uses nothing up",
     [named("APIKeyInvalid") | SHOP | {"key": "main"}, named("APIKeyInvalid") | CRM | {"key": "admin"},
      named("APIQuotaLow") | CRM],
     [named("APIQuotaLow") | SHOP, named("APIQuotaExhausted") | SHOP, FAILING | SHOP, FAILING | CRM]),
    ("what a key may not do cannot be read",
     [named("APIPermissionMissing") | SHOP | {"read": "usage"}, FAILING | SHOP | {"read": "look"}],
     [FAILING | SHOP | {"read": "usage"}]),
    ("what is used up is why its call is refused",
     [named("APIQuotaExhausted") | SHOP | {"reason": "day"}, FAILING | SHOP | {"read": "cost"}],
     [FAILING | SHOP | {"read": "search"}]),
    ("nothing is less than little",
     [named("APIQuotaExhausted") | SHOP | {"reason": "money"},
      named("APIQuotaExhausted") | CRM | {"reason": "quota", "model": "small"},
      named("APIQuotaLow") | CRM | {"model": "large"}],
     [named("APIQuotaLow") | SHOP | {"model": "small"}, named("APIQuotaLow") | CRM | {"model": "small"}]),
    ("a damaged backup is small, and is not restored",
     [named("BackupCorrupt") | SHOP | {"backup": "db"}, named("BackupShrunk") | SHOP | {"backup": "media"},
      named("BackupOverdue") | SHOP | {"backup": "db"}],
     [named(other) | SHOP | {"backup": "db"} for other in ("BackupShrunk", "BackupNotVerified", "RestoreTestOverdue")]),
    ("a backup that is overdue is older than was promised",
     [named("BackupOverdue") | SHOP | {"backup": "db", "part": "age"},
      named("RecoveryPointExceeded") | SHOP | {"backup": "media"},
      named("RestoreTestOverdue") | SHOP | {"backup": "db"}],
     [named(other) | SHOP | {"backup": "db"} for other in ("RecoveryPointExceeded", "BackupNotVerified")]),
    ("where there never was a whole backup none is restored",
     [named("BackupOverdue") | SHOP | {"backup": "db", "part": "never"}],
     [named("RestoreTestOverdue") | SHOP | {"backup": "db", "part": "never"}]),
    ("what is not verified is a read that fails",
     [named("BackupNotVerified") | SHOP | {"backup": "db"}, FAILING | SHOP | {"read": "unseen"}],
     [FAILING | SHOP | {"read": "unjudged"}]),
    ("a scanner that is down says nothing of its signatures",
     [named("ClamAVDown") | SHOP, named("ClamAVSignaturesOld") | CRM],
     [named("ClamAVSignaturesOld") | SHOP, FAILING | SHOP | {"read": "version"}]),
    ("a scan that fails gets old, and lists by themselves",
     [FAILING | SHOP | {"read": "unanswered"}, named("DependencyScanOverdue") | SHOP | {"part": "lists"},
      FAILING | CRM | {"read": "updates"}, named("DependencyScanOverdue") | CRM | WEB | {"part": "updates"}],
     [named("DependencyScanOverdue") | SHOP | WEB | {"part": "updates"}]),
    ("one vulnerability is told of once, by project",
     [named("VulnerabilityUnpatched") | SHOP | WEB, named("VulnerabilityUnpatched") | SHOP | BOX | WARNING],
     [named("VulnerabilityUnpatched") | SHOP | WEB | WARNING, named("VulnerabilityUnpatched") | SHOP | WEB | INFO,
      named("VulnerabilityUnpatched") | SHOP | BOX | INFO,
      named("SystemUpdatesPending") | SHOP | BOX]),
    ("security updates that wait are updates that wait",
     [named("SystemUpdatesPending") | SHOP | BOX, named("DependenciesOutdated") | SHOP | WEB,
      named("RebootPending") | SHOP],
     [named("DependenciesOutdated") | SHOP | BOX]),
    ("a service that was started too often has failed",
     [named("SystemdUnitFailed") | SHOP | {"name": "a.service"},
      named("ServiceRestarting") | SHOP | {"name": "b.service"}],
     [named("ServiceRestarting") | SHOP | {"name": "a.service"}]),
    ("what cannot be scraped says nothing",
     [AWAY | HERE], [CONNECTIONS | SHOP, CPU | HERE, DOWN | SHOP]),
    ("other machines still do", [AWAY | HERE, CPU | THERE], []),
    ("by way 2 a target that cannot be scraped takes nobody with it",
     [AWAY | {"job": "postgres", "instance": "shop-db", "target": "shop-db"},
      CPU | {"job": "node", "instance": "host", "target": "host"}],
     [CONNECTIONS | {"job": "postgres", "instance": "shop-db", "target": "shop-db"}]),
    ("the Watchdog is never quiet", [AWAY | HERE, {"alertname": "Watchdog", "severity": "none"}], [DOWN | SHOP]),
    ("the stricter of one alert comes first",
     [ENDPOINT | SHOP | CRITICAL], [ENDPOINT | SHOP | WARNING, ENDPOINT | SHOP | INFO]),
    ("a warning comes before what is for information", [ENDPOINT | SHOP | WARNING], [ENDPOINT | SHOP | INFO]),
    ("another target's is its own", [ENDPOINT | SHOP | CRITICAL, ENDPOINT | CRM | WARNING], []),
    ("another alert is its own", [ENDPOINT | SHOP | CRITICAL, CPU | SHOP], []),
    ("one incident that is overdue says nothing of another",
     [OVERDUE | SHOP | CRITICAL | {"incident": "PostgreSQLDown"}, OVERDUE | SHOP | WARNING | {"incident": "Slow"}], []),
    ("on a host, which has no target when all is scraped at once",
     [ENDPOINT | HERE | CRITICAL, ENDPOINT | THERE | WARNING], [ENDPOINT | HERE | WARNING]),
]  # fmt: skip


@pytest.mark.parametrize(("case", "heard", "quiet"), CASES, ids=[name for name, _, _ in CASES])
def test_inhibition(case: str, heard: list[dict[str, str]], quiet: list[dict[str, str]], server: Alertmanager) -> None:
    # each case has machines of its own, as what was fired before stays
    expected = {"active": in_case(case, heard), "suppressed": in_case(case, quiet)}
    server.fire(*in_case(case, heard + quiet))

    def states() -> dict[str, list[dict[str, str]]]:
        mine = [(labels, state) for labels, state in server.states() if about(labels).endswith(case)]
        return {state: [labels for labels, found in mine if found == state] for state in expected}

    until(lambda: all(same(states()[state], expected[state]) for state in expected))
    assert all(same(states()[state], expected[state]) for state in expected)


def in_case(case: str, alerts: list[dict[str, str]]) -> list[dict[str, str]]:
    return [labels | {"instance": f"{labels['instance']} {case}"} if "instance" in labels else labels | {"case": case}
            for labels in alerts]  # fmt: skip


def about(labels: dict[str, str]) -> str:
    return labels.get("instance", "") + labels.get("case", "")


def same(one: list[dict[str, str]], other: list[dict[str, str]]) -> bool:
    return sorted(map(sorted, map(dict.items, one))) == sorted(map(sorted, map(dict.items, other)))


def test_one_exporter_that_is_away_is_one_notification(server: Alertmanager) -> None:
    server.fire(*(AWAY | {"job": f"job-{name}", "instance": name, "target": name} for name in ("a", "b", "c")))
    until(lambda: any(names.count("TargetDown") >= 3 for _, names in server.groups()))
    assert [receiver for receiver, names in server.groups() if "TargetDown" in names] == ["level-2"]


def test_every_label_in_equal_is_on_both_sides() -> None:
    """Alerts that name what they are about keep these labels; what is the same alert has the same ones."""
    for rule in CONFIG["inhibit_rules"]:
        assert {"job", "instance"} <= set(rule["equal"]) <= {"alertname", "job", "instance", "target", *OWN}
        names = [matcher for side in ("source_matchers", "target_matchers") for matcher in rule[side]]
        of_targets = all(re.search(OF_TARGETS, name) for name in names)
        assert ("target" in rule["equal"]) == of_targets
