"""How many messages one fault is: what it raises, in its order, through a real Alertmanager with the shipped routes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from exporter import pack
from exporter.pack import Rule
from exporter.rulescale import to_seconds
from tests.notified import Alertmanager, by_webhook, notifying
from tests.process import ROOT
from tests.support import until

PAGE: Final = ROOT / "docs" / "notifications.md"
FACTOR: Final = 240.0
LAST: Final = 95.0
"""By this minute everything that a fault raises has been told."""


@dataclass(frozen=True)
class Raised:
    """One alert that a fault raises: so many minutes after it the signal is there, and its `for` comes after that."""

    name: str
    target: str
    minute: float = 0.0
    critical: str = "yes"
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def rule(self) -> Rule:
        """Return the rule of the alert that has these labels, or the first."""
        given = {"critical": self.critical, **dict(self.labels)}
        rules = pack.rules().alerts[self.name]
        fitting = [
            rule for rule in rules if all(given.get(name, value) == value for name, value in rule.own_labels.items())
        ]
        return (fitting or list(rules))[0]

    @property
    def at(self) -> float:
        """Return after how many minutes it fires."""
        return self.minute + to_seconds(self.rule.wait) / 60

    def fired(self, fault: str, app: str) -> dict[str, Any]:
        own = self.target == "shop"  # the application's own /metrics
        labels = {**self.rule.labels, **dict(self.labels), "alertname": self.name, "fault": fault + app,
                  "job": "shop" if own else "runbook-exporter",
                  "instance": f"{fault}{app}:{8000 if own else 10420}"}  # fmt: skip
        labels |= {"target": self.target} if self.target.startswith("shop-") else {}
        if app:
            labels["host"] = fault + app
        return labels | ({"app": fault} if app and self.target.startswith("shop") else {})


def failing(target: str, *reads: str) -> list[Raised]:
    return [Raised("CollectorFailing", target, 20, labels=(("read", read), ("collector", "x"))) for read in reads]


def of(name: str, target: str, label: str, *values: str, minute: float = 0.0) -> list[Raised]:
    return [Raised(name, target, minute, labels=((label, value),)) for value in values]


QUEUE: Final = (("queue_name", "mail"),)
FAULTS: Final[dict[str, list[Raised]]] = {
    "PostgreSQL is killed": [
        Raised("PostgreSQLDown", "shop-db"),
        Raised("HealthCritical", "shop-health"),
        Raised("EndpointDown", "shop-api"),
        Raised("LoginFailing", "shop-login"),
        Raised("HighErrorRate", "shop", 2),
        Raised("LogErrorsSurge", "shop-log", 5),
        *of("CeleryTaskFailures", "shop-queue", "name", "orders.pay", "orders.mail", minute=10),
        *failing("shop-db", "activity", "databases", "server", "tables"),
    ],
    "Redis is killed": [
        Raised("RedisDown", "shop-cache"),
        Raised("CeleryDown", "shop-queue"),
        Raised("HealthDegraded", "shop-health"),
        Raised("HighErrorRate", "shop", 2),
        Raised("LogErrorsSurge", "shop-log", 5),
        *failing("shop-cache", "server", "keys"),
        *failing("shop-queue", "workers", "queues"),
    ],
    "the application is killed": [
        Raised("EndpointDown", "shop-api"),
        Raised("HealthCritical", "shop-health", 2),
        Raised("ProcessDown", "shop-process", 2),
        Raised("PortClosed", "shop-port", 1),
        Raised("TargetDown", "shop"),
        Raised("LoginFailing", "shop-login"),
        Raised("FrontendBroken", "shop-page", 5),
        Raised("SystemdUnitFailed", "shop-units"),
        Raised("WebSocketUnstable", "shop-socket", 2),
        *failing("shop-api", "probe"),
    ],
    "a certificate has ended": [
        Raised("CertificateExpired", "shop-api"),
        Raised("EndpointDown", "shop-api", 4),
        Raised("LoginFailing", "shop-api", 4),
        Raised("WebSocketUnstable", "shop-api", 5),
        *failing("shop-api", "probe"),
    ],
    "all workers of Celery end": [
        Raised("CeleryWorkersDown", "shop-queue", labels=QUEUE),
        Raised("CeleryWorkersMissing", "shop-queue"),
        Raised("CeleryTaskStuck", "shop-queue", 30, labels=(("stuck", "waiting"), *QUEUE)),
        Raised("CeleryQueueBacklog", "shop-queue", 20, labels=QUEUE),
    ],
    "a process takes all processors": [
        Raised("HighCPUUsage", ""),
        Raised("SlowResponse", "shop", 1),
        *of("APIHighLatency", "shop", "endpoint", "/a", "/b", minute=1),
        *of("SearchLatencyHigh", "shop", "endpoint", "/search"),
        Raised("APIResponseOverMaximum", "shop-api"),
        Raised("PageOverBudget", "shop-page"),
    ],
    "a disk fills up": [
        Raised("DiskSpaceLow", ""),
        Raised("DiskWillFillSoon", ""),
        Raised("DatabaseStorageLow", "shop-files"),
        Raised("OutputStorageLow", "shop-files", 20),
        Raised("PostgreSQLArchiveFailing", "shop-db", 30),
        Raised("TransactionLogBackupOverdue", "shop-db", 45),
        Raised("DirectoryNotWritable", "shop-files", 40),
    ],
    "a machine is away": [
        Raised("TargetDown", ""),
        Raised("TargetDown", "shop"),
    ],
    "a key of an API is revoked": [
        Raised("APIKeyInvalid", "shop-images", labels=(("key", "main"), ("use", "work"))),
        Raised("APIQuotaLow", "shop-images", 20),
        Raised("APIQuotaExhausted", "shop-images", 30, labels=(("reason", "quota"),)),
        *failing("shop-images", "look", "usage"),
    ],
    "a stage of the processing breaks": [
        Raised("StageErrors", "shop-log", labels=(("event", "script_001"), ("log", "app"))),
        *of("LogErrorsSurge", "shop-log", "log", "app", minute=5),
        *of("StageSuccessRateLow", "shop-jobs", "job_name", "script", minute=10),
        *of("JobFailureRateHigh", "shop-jobs", "job_name", "script", minute=20),
    ],
    "PostgreSQL's standby is lost": [
        Raised("PostgreSQLReplicationBroken", "shop-db", labels=(("side", "primary"), ("slot_name", "standby"))),
        Raised("PostgreSQLReplicationLag", "shop-db", 5),
    ],
}


def told(am: Alertmanager) -> dict[str, set[str]]:
    """Return for each fault what was told of it: receivers with the names of their alerts, without repeats."""
    found: dict[str, set[str]] = {}
    for post in am.inbox.posts:
        group = post.body["groupLabels"]
        found.setdefault(group["fault"], set()).add(f"{post.path[1:]}: {group.get('alertname', 'digest')}")
    return found


def grouped_by_fault(config: dict[str, Any]) -> None:
    """Keep faults apart, that are measured at the same time."""
    by_webhook(config)

    def each(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield route
        for inner in route.get("routes", ()):
            yield from each(inner)

    for route in each(config["route"]):
        if "group_by" in route and "fault" not in route["group_by"]:
            route["group_by"] = [*route["group_by"], "fault"]


def measured(folder: Path) -> dict[str, set[str]]:
    raised = sorted(
        ((one.at, one.fired(f"f{number}", app)) for number, fault in enumerate(FAULTS.values())
         for one in fault for app in ("", "-app")), key=lambda item: item[0],
    )  # fmt: skip
    with notifying(folder, FACTOR, change=grouped_by_fault) as am:
        begin = time.monotonic()

        def passed(minute: float) -> bool:
            return (time.monotonic() - begin) * FACTOR / 60 >= minute

        for at, alert in raised:
            until(partial(passed, at), 60)
            am.fire(alert)
        until(partial(passed, LAST), 60)
        return told(am)


@pytest.mark.long
def test_a_fault_is_one_message(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    found = measured(tmp_path)
    rows = [
        f"| {name} | {len(raised)} | {len(found[f'f{number}'])} | {len(found[f'f{number}-app'])} |"
        f" {', '.join(sorted(found[f'f{number}-app']))} |"
        for number, (name, raised) in enumerate(FAULTS.items())
    ]
    text = HEAD + "\n".join(rows) + "\n"
    if request.config.getoption("--update-golden"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


HEAD: Final = """# One fault, how many messages

Each fault raises alerts, one after the other as their rules have it. Here they went through a real Alertmanager with
alertmanager.yml, on a quicker clock, for an hour and a half; counted are messages, without repeats and ends. The
labels are `app` and `host`, by which prometheus.yml says what belongs together ([alertmanager.md](alertmanager.md)). A
disk that fills up is told again as it gets worse. Measured by `pytest -m long tests/test_alertmanager_faults.py`.

| fault | alerts | messages | with labels | which |
| --- | --- | --- | --- | --- |
"""
