"""What keeps quiet beside what, by a real Alertmanager, on one machine and on another."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import yaml

from tests.process import ROOT, free_port
from tests.rules import cases, shipped
from tests.support import until

CONFIG = yaml.safe_load((ROOT / "alertmanager.yml").read_text(encoding="utf-8"))
ALERTS = [rule for rule in shipped() if rule.is_alert]


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

    def states(self, case: str) -> list[tuple[dict[str, str], str]]:
        """Return the labels and the state of each alert of a case; an inhibited one is suppressed."""
        asked = {"filter": f'case="{case}"'}
        alerts: list[dict[str, Any]] = requests.get(f"{self.url}/api/v2/alerts", params=asked, timeout=10).json()
        return [(alert["labels"], alert["status"]["state"]) for alert in alerts]

    def receivers(self, case: str) -> list[tuple[dict[str, str], list[str]]]:
        """Return the labels of each alert of a case, and who is told of it."""
        asked = {"filter": f'case="{case}"'}
        alerts: list[dict[str, Any]] = requests.get(f"{self.url}/api/v2/alerts", params=asked, timeout=10).json()
        return [(alert["labels"], [one["name"] for one in alert["receivers"]]) for alert in alerts]

    def groups(self) -> list[tuple[str, list[str]]]:
        groups: list[dict[str, Any]] = requests.get(f"{self.url}/api/v2/alerts/groups", timeout=10).json()
        return [
            (group["receiver"]["name"], sorted(alert["labels"]["alertname"] for alert in group["alerts"]))
            for group in groups
        ]


@contextmanager
def alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """Start an Alertmanager with the shipped configuration, too patient to send anything, and stop it in the end."""
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    config["receivers"] = [{"name": receiver["name"]} for receiver in config["receivers"]]
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


ONE = {"filepath": "/etc/ssl/shop.pem", "serial_number": "1", "subject_CN": "shop", "issuer_CN": "CA"}
TWO = ONE | {"serial_number": "2"}
WEB = {"ecosystem": "npm", "project": "web"}
BOX = {"ecosystem": "debian", "project": "box"}
ROOT_DISK = {"device": "/dev/sda1", "fstype": "ext4", "mountpoint": "/"}
APP = {"job": "shop", "instance": "one:8000"}
OURS = {"app": "shop"}
OUTPUT = {"path": "/a", "role": "output", "location": "/a"}
OF_PROBES = ("PortClosed", "LoginFailing", "SecurityCheckFailed", "CertificateNotVerified")

OVER: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("PageOverBudget", {"kind": "load"}), ("BundleOverBudget", {"part": "page", "type": "script"}),
    ("BundleOverBudget", {"part": "page", "type": "stylesheet"}), ("SearchLatencyHigh", {"endpoint": "/s"}),
    ("VideoProcessingSlow", {}), ("DeduplicationRateLow", {}),
)  # fmt: skip
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
    ("what is over its budget is not told to miss its target as well",
     [*(named(over) | SHOP | labels for over, labels in OVER), named("PerformanceTargetMissed") | SHOP | {"kind": "x"}],
     [named("PerformanceTargetMissed") | SHOP | labels
      for labels in ({"kind": "load"}, {"kind": "script"}, {"kind": "stylesheet"}, {"kind": "search", "endpoint": "/s"},
                     {"kind": "video"}, {"kind": "deduplication"})]),
    ("requests that fail leave errors in the log",
     [named("HighErrorRate") | SHOP, named("LogErrorsSurge") | CRM], [named("LogErrorsSurge") | SHOP]),
    ("a driver that is missing is told of once",
     [named("BrowserDriverMismatch") | SHOP, named("PrerequisiteMissing") | SHOP | {"name": "ffmpeg"}],
     [named("PrerequisiteMissing") | SHOP | {"name": "chromedriver"}]),
    ("what is stale fails the check of its time",
     [named("CacheStale") | SHOP | {"class": "pages"},
      named("CacheValidationFailed") | SHOP | {"class": "pages", "check": "schema"},
      named("CacheValidationFailed") | SHOP | {"class": "other", "check": "timestamp"}],
     [named("CacheValidationFailed") | SHOP | {"class": "pages", "check": "timestamp"}]),
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
    ("a disk that is nearly full will be full",
     [named("DiskSpaceLow") | HERE | ROOT_DISK, named("DiskWillFillSoon") | HERE | ROOT_DISK | {"mountpoint": "/srv"}],
     [named("DiskWillFillSoon") | HERE | ROOT_DISK]),
    ("memory that ran out was used up",
     [named("OutOfMemoryKill") | HERE, named("ProcessDown") | SHOP, CPU | HERE],
     [named("HighMemoryUsage") | HERE, named("ProcessMemoryNearLimit") | SHOP, named("ServiceRestarting") | SHOP]),
    ("on a busy host everything is slow, and nothing is down",
     [CPU | HERE, named("EndpointDown") | SHOP, named("HighErrorRate") | SHOP],
     [named(other) | CRM for other in ("SlowResponse", "APIResponseOverMaximum", "PageOverBudget")]),
    ("a busy host is known by its name to what has another job",
     [CPU | HERE | {"host": "a"}, named("SlowResponse") | APP | {"instance": "two:8000"}],
     [named("SlowResponse") | APP | {"host": "a"}]),
    ("an application without its database fails",
     [DOWN | SHOP | OURS, named("ProcessDown") | SHOP | OURS, named("HealthCritical") | CRM, DOWN | CRM],
     [named(other) | APP | OURS for other in ("EndpointDown", "HealthCritical", "HighErrorRate", "JobFailureRateHigh",
                                              "CeleryTaskFailures", "StageErrors", "LogErrorsSurge")]),
    ("an application without its queue is slow, and when it is down more than that",
     [named("RedisDown") | SHOP | OURS, named("EndpointDown") | APP | OURS | {"priority": "P0"}],
     [named("CeleryDown") | CRM | OURS, *(named(other) | APP | OURS | {"priority": "P1"}
                                          for other in ("HighErrorRate", "LoginFailing", "WebSocketUnstable"))]),
    ("an application that does not answer is one page",
     [named("EndpointDown") | SHOP | OURS | {"priority": "P0"}],
     [named("FrontendBroken") | CRM | OURS | {"priority": "P0"}, AWAY | APP | OURS,
      *(named(other) | CRM | OURS | {"priority": "P1"} for other in ("ProcessDown", "PortClosed", "LoginFailing"))]),
    ("one that has no name is alone",
     [named("EndpointDown") | SHOP | {"priority": "P0"}, named("ProcessDown") | CRM, DOWN | HERE], []),
    ("the cause that a server tells of comes before what follows",
     [named("PostgreSQLReplicationBroken") | SHOP, named("PostgreSQLArchiveFailing") | SHOP,
      named("MongoDBNoPrimary") | SHOP, named("RedisRejectsConnections") | SHOP, named("HighErrorRate") | SHOP],
     [named(other) | SHOP for other in ("PostgreSQLReplicationLag", "TransactionLogBackupOverdue",
                                        "MongoDBMemberUnhealthy", "MongoDBReplicationLag", "RedisClientsHigh",
                                        "GatewayTimeouts")]),
    ("a queue of Celery that stands still grows",
     [named("CeleryStandstill") | SHOP | {"queue_name": "mail"},
      named("CeleryQueueBacklog") | SHOP | {"queue_name": "other"}],
     [named("CeleryQueueBacklog") | SHOP | {"queue_name": "mail"}]),
    ("jobs of which none is done wait",
     [named("JobQueueGrowing") | SHOP | {"queue": "mail"}, named("JobQueueBacklog") | SHOP | {"queue": "other"}],
     [named("JobQueueBacklog") | SHOP | {"queue": "mail"}]),
    ("a job that fails is told of once",
     [named("StageSuccessRateLow") | SHOP | {"job_name": "script"}, named("ScraperFailing") | CRM | {"job_name": "a"},
      named("JobFailureRateHigh") | SHOP | {"job_name": "image"}],
     [named("JobFailureRateHigh") | SHOP | {"job_name": "script"}, named("StageNotRun") | SHOP | {"job_name": "script"},
      named("StageNotRun") | SHOP | {"job_name": "image"}, named("JobFailureRateHigh") | CRM | {"job_name": "a"}]),
    ("errors with a code are errors of their log",
     [named("StageErrors") | SHOP | {"log": "app"}, named("LogErrorsSurge") | SHOP | {"log": "web"}],
     [named("LogErrorsSurge") | SHOP | {"log": "app"}]),
    ("a folder that is gone is one alert",
     [named("DirectoryNotWritable") | SHOP | OUTPUT, named("PathMissing") | SHOP | OUTPUT | {"path": "/b"}],
     [named("PathMissing") | SHOP | OUTPUT]),
    ("without the process beside it nothing is known of files",
     [named("HelperProcessDying") | HERE, FAILING | SHOP],
     [FAILING | SHOP | {"collector": "log"}, FAILING | CRM | {"collector": "celery"}]),
    ("a certificate that nobody trusts lets nobody in",
     [named("CertificateExpired") | SHOP, named("CertificateNotVerified") | CRM],
     [named("EndpointDown") | SHOP, named("WebSocketUnstable") | CRM, named("LoginFailing") | CRM]),
    ("a certificate that ends has not been renewed in time",
     [named("CertificateExpiresSoon") | SHOP | ONE, named("CertificateRotationOverdue") | SHOP | TWO],
     [named("CertificateRotationOverdue") | SHOP | ONE]),
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
    # each case has machines of its own, as what was fired before stays; what is quiet is heard from any other
    other = [elsewhere(labels, number) for number, labels in enumerate(quiet)]
    expected = {"active": in_case(case, heard + other), "suppressed": in_case(case, quiet)}
    server.fire(*in_case(case, heard + other + quiet))

    def told() -> bool:
        found = server.states(case)
        return all(same([labels for labels, state in found if state == name], expected[name]) for name in expected)

    until(told)
    assert told()


def elsewhere(labels: dict[str, str], number: int) -> dict[str, str]:
    """Return the same alert, alone on another machine."""
    return labels | {name: f"elsewhere-{number}" for name in ("instance", "host", "app") if name in labels}


def in_case(case: str, alerts: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the alerts on machines and of applications that no other case has."""
    own = ("instance", "host", "app")
    return [
        {"case": case} | {name: f"{value} {case}" if name in own else value for name, value in labels.items()}
        for labels in alerts
    ]


def same(one: list[dict[str, str]], other: list[dict[str, str]]) -> bool:
    return sorted(map(sorted, map(dict.items, one))) == sorted(map(sorted, map(dict.items, other)))


def example(matchers: list[str], names: list[str], anything: str) -> dict[str, str]:
    """Return labels that all matchers take, with the first of these names that they take."""
    parsed = [MATCHER.fullmatch(one).groups() for one in matchers]  # type: ignore[union-attr]
    labels = {
        name: value.split("|")[0].replace(".+", anything) for name, operator, value in parsed if "!" not in operator
    }
    fitting = [one for one in names if fits({**labels, "alertname": one}, [m for m in matchers if "alertname" in m])]
    return labels | {"alertname": fitting[0]}


def trial(number: int, rule: dict[str, list[str]]) -> tuple[dict[str, str], dict[str, str], list[dict[str, str]]]:
    """Return a source of a rule, what it keeps quiet, and the same with each label of `equal` being another's."""
    names = ["Any", *sorted({one.name for one in ALERTS})]
    source = example(rule["source_matchers"], names, f"any {number}")
    others = [name for name in names if not fits({**source, "alertname": name}, rule["source_matchers"])]
    quiet = example(rule["target_matchers"], names if "alertname" in rule["equal"] else others + names, f"any {number}")
    for label in {"job", "instance", "target", *rule["equal"]} - {"alertname"}:
        source.setdefault(label, f"{label} {number}")
        quiet.setdefault(label, source[label] if label in rule["equal"] else f"{label} {number} beside")
    heard = [quiet | {label: f"another {label} {number}"} for label in rule["equal"]]
    return source, quiet, heard


def test_every_label_in_equal_counts(server: Alertmanager) -> None:
    """Beside its source an alert is quiet; where one of the labels is another's, as another machine's, it is not."""
    trials = [trial(number, rule) for number, rule in enumerate(CONFIG["inhibit_rules"])]
    active = [one | {"case": "equal"} for source, _, heard in trials for one in (source, *heard)]
    suppressed = [quiet | {"case": "equal"} for _, quiet, _ in trials]
    server.fire(*active, *suppressed)

    def differing() -> list[tuple[dict[str, str], str]]:
        found = server.states("equal")
        return [one for one in found if (one[0] in suppressed) != (one[1] == "suppressed")]

    until(lambda: len(server.states("equal")) == len(active) + len(suppressed) and not differing(), 20)
    assert differing() == []


def test_all_that_fires_goes_to_its_level(server: Alertmanager) -> None:
    """With every set of labels that promtool's tests have seen, which amtool would take minutes for."""
    levels = {"P0": "level-3", "P1": "level-2", "P2": "level-1", "P3": "level-1-digest", None: "dead-mans-switch"}
    seen = [labels | {"case": "all"} for labels in fired()]
    server.fire(*seen)
    until(lambda: server.receivers("all"), 20)
    found = server.receivers("all")
    assert len(found) > 300
    for labels, receivers in found:
        expected = "level-3" if "security" in labels else levels[labels.get("priority")]
        assert receivers == [expected], labels


def test_one_exporter_that_is_away_is_one_notification(server: Alertmanager) -> None:
    server.fire(*(AWAY | {"job": f"job-{name}", "instance": name, "target": name} for name in ("a", "b", "c")))
    until(lambda: any(names.count("TargetDown") >= 3 for _, names in server.groups()))
    told = [names for receiver, names in server.groups() if receiver == "level-2" and "TargetDown" in names]
    assert len(told) == 1  # and no other for the rest of them


SIDES = ("source_matchers", "target_matchers")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"(.*)"')


def fits(labels: Mapping[str, str], matchers: list[str]) -> bool:
    """Tell whether name, severity and priority are what a side asks for, and other labels are there at all."""
    for name, operator, value in (MATCHER.fullmatch(one).groups() for one in matchers):  # type: ignore[union-attr]
        if name not in ("alertname", "severity", "priority"):
            same = name in labels or operator.startswith("!")
        else:
            same = (re.fullmatch(value, labels.get(name, "")) is not None) != operator.startswith("!")
        if not same:
            return False
    return True


def fired() -> Iterator[dict[str, str]]:
    """Yield the labels of all that fires in promtool's tests, with those that prometheus.yml may add."""
    added = {"host": "db1", "app": "shop"}
    for area in sorted({rule.area for rule in ALERTS}):
        for look in cases(area):
            yield from ({**one["exp_labels"], **added, "alertname": look.alert} for one in look.expected)


def test_every_label_in_equal_is_on_both_sides() -> None:
    """Job and instance are on all that fires; every other label is on something of each side, or compares nothing."""
    known = list(fired())
    for rule in CONFIG["inhibit_rules"]:
        source, target = ([labels for labels in known if fits(labels, rule[side])] for side in SIDES)
        assert source, f"nothing that fires: {rule}"
        assert target, f"nothing that fires: {rule}"
        if rule["equal"] in (["host"], ["app"]):
            given = f'{rule["equal"][0]}=~".+"'
            assert all(given in rule[side] for side in SIDES)  # where nobody gives it, nothing is compared
            continue
        assert {"job", "instance"} <= set(rule["equal"]), rule
        assert all(
            {"job", "instance"} <= labels.keys() for labels in source + target if labels["alertname"] != "Watchdog"
        )
        for label in rule["equal"]:
            assert any(label in labels for labels in source), (label, rule)
            assert any(label in labels for labels in target), (label, rule)


def test_only_what_makes_blind_keeps_quiet_what_is_worse() -> None:
    """An inhibition's source has the priority of what it keeps quiet, or a higher one."""
    known = [labels for labels in fired() if "priority" in labels]
    less = set()
    for rule in CONFIG["inhibit_rules"]:
        source, target = (highest(labels for labels in known if fits(labels, rule[side])) for side in SIDES)
        alike = "alertname" in rule["equal"]
        less |= {one for one in source for other in target
                 if source[one] > target[other] and (one == other or not alike)}  # fmt: skip
    assert less == {"TargetDown", "ExternalAPIDown"}


def highest(alerts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the highest priority of each name."""
    found: dict[str, str] = {}
    for labels in alerts:
        found[labels["alertname"]] = min(labels["priority"], found.get(labels["alertname"], "P9"))
    return found
