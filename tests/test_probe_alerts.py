"""The alerts of probes and certificates on what a real exporter tells of real servers: each under its name, once."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.alerting import Way, whole_way
from tests.answering import answering, page
from tests.liveendpoints import endpoints
from tests.liveprobes import probes
from tests.process import ROOT, free_port
from tests.support import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

EXPECTED: Final = {
    ("EndpointDown", "shop-gone", "P0"),
    ("EndpointDown", "names-gone", "P0"),
    ("EndpointDown", "later", "P0"),
    ("EndpointDown", "later-blog", "P2"),
    ("PortClosed", "mail-gone", "P1"),
    ("PlainHTTPServed", "shop-plain", "P2"),
    ("HealthDegraded", "shop-health", "P2"),
    ("CertificateNotVerified", "shop-untrusted", "P2"),
    ("CertificateExpired", "mail-ended", "P0"),
    ("CertificateExpired", "certificates", "P0"),
    ("CertificateRotationOverdue", "certificates", "P3"),
    ("CertificateNotReadable", "certificates", "P2"),
    ("CertificateExpiresNow", "mail-soon", "P1"),
    ("CertificateExpiresSoon", "mail-soon", "P2"),
}
BUSY: Final = {"APIResponseOverTarget", "APIResponseOverMaximum"}
"""What fires as well where the machine is busy."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that runs, and the port where a server can be started."""

    way: Way
    port: int

    def firing(self) -> set[tuple[str, str, str]]:
        """Return name, target and priority of the alerts that fire now, of these areas."""
        found = self.way.prometheus.query('ALERTS{alertstate="firing"}')
        return {
            (one["alertname"], one["target"], one["priority"])
            for one in found
            if one["alertname"] in of_areas() - BUSY and not one["target"].startswith("gateway")
        }


def of_areas() -> set[str]:
    files = [yaml.safe_load((ROOT / "rules" / f"{area}.yml").read_text()) for area in ("probe", "certificate")]
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return {rule["alert"] for rule in rules if "alert" in rule}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    port = free_port()

    def folder(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    with ExitStack() as stack:
        targets = stack.enter_context(endpoints(folder("endpoints"))) + stack.enter_context(probes(folder("probes")))
        targets += f"""
  later: {{collector: http, url: "http://127.0.0.1:{port}/", interval: 2s}}
  later-blog: {{collector: http, url: "http://127.0.0.1:{port}/blog", interval: 2s, critical: false}}
"""
        way = stack.enter_context(whole_way(folder("way"), f"targets:{targets}"))
        yield Seen(way, port)


def test_what_is_wrong_fires_under_its_own_name_and_nothing_beside_it(seen: Seen) -> None:
    fired: set[tuple[str, str, str]] = set()

    def all_fired() -> bool:
        fired.update(seen.firing())
        return fired >= EXPECTED

    with suppress(AssertionError):  # what is still missing is told below
        until(all_fired, 240)
    assert fired == EXPECTED


def test_an_endpoint_that_is_down_reaches_people_and_is_resolved_once_it_answers(seen: Seen) -> None:
    def of(status: str) -> set[tuple[str, str]]:
        got = seen.way.webhook.alerts("EndpointDown", status)
        return {
            (one["labels"]["target"], one["receiver"]) for one in got if one["labels"]["target"].startswith("later")
        }

    until(lambda: of("firing") == {("later", "level-3"), ("later-blog", "level-1")}, 60)
    with answering(page(b"Welcome"), port=seen.port):
        until(lambda: not any(target.startswith("later") for _, target, _ in seen.firing()), 60)
        until(lambda: of("resolved") == {("later", "level-3"), ("later-blog", "level-1")}, 60)
