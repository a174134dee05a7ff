"""The collector dependency as a whole: its page, what outlives restarts and failures, deadlines, what it leaves."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from exporter.snapshot import Snapshot
from tests.apiserver import API, Said, api
from tests.aptroot import SECURITY, publish, root
from tests.dependencies import (
    BATCH,
    NOBODY,
    figures,
    in_turn,
    needs,
    pip,
    record,
    scan_again,
    source,
)  # fmt: skip
from tests.livedependencies import dependencies
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.support import until

DAY = 86400.0
SHOP = {"one": "1.0", "two": "2.0"}
HIGH = record("GHSA-aaaa-bbbb-cccc", "one", "HIGH")
OF = 'ecosystem="python",project="shop"'
FIRST = f'runbook_dependency_first_seen_timestamp_seconds{{{OF},severity="high"}}'
SINCE = f"runbook_dependency_outdated_since_timestamp_seconds{{{OF}}}"
SCANNED = f'runbook_dependency_scanned_timestamp_seconds{{{OF},part="vulnerabilities"}}'
# What is another with each run: golden files have it as `~`.
_MOVING = re.compile(r"(?m)^(\S*_timestamp_seconds(?:\{.*\})?) \S+$")


@pytest.fixture
def server() -> Iterator[API]:
    with api() as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the wall clock so many seconds ahead of what it is, or behind."""
    real = time.time

    def ahead(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return ahead


@contextmanager
def watched(server: API, folder: Path, *lines: str, more: str = "") -> Iterator[One]:
    """Watch a project of Python, with what an earlier process kept; all of its scans were made."""
    settings = "".join(f"\n    {line}" for line in (f"python: {folder / 'shop'}", *lines))
    yaml = f"max_age: 0s\nosv_url: {server.url}\n{more}\nprojects:\n  shop:{settings}"
    with one("dependency", yaml, folder / "state") as target:
        until(lambda: "has not ended" not in target.outcomes()["unanswered"], 60)
        yield target


def test_the_page(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    needs("apt-get")
    with dependencies(tmp_path) as lines:
        settings = yaml.safe_load(lines)["dependencies"]
        del settings["collector"]
        with one("dependency", yaml.safe_dump(settings | {"max_age": "0s"})) as target:
            until(lambda: target.outcomes()["unanswered"] == "ok", 60)
            page = target.text().splitlines(keepends=True)
    shown = [line for line in page if re.match(r"(# (HELP|TYPE) )?(runbook_dependency_|apt_)", line)]
    golden("dependency.prom", _MOVING.sub(r"\1 ~", "".join(shown)))


def test_what_is_fit_to_alert_by(server: API, tmp_path: Path) -> None:
    source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP, ("two",))
    began = time.time()
    with watched(server, tmp_path) as target:
        page = figures(target)
    assert page[f"runbook_dependency_outdated{{{OF}}}"] == 1
    assert page[f'runbook_dependency_vulnerabilities{{{OF},severity="high"}}'] == 1
    assert page[f'runbook_dependency_vulnerabilities{{{OF},severity="critical"}}'] == 0
    assert page['runbook_dependency_deadline_seconds{severity="critical"}'] == 0
    assert 'runbook_dependency_deadline_seconds{severity="low"}' not in page
    assert f'runbook_dependency_first_seen_timestamp_seconds{{{OF},severity="low"}}' not in page
    for moment in (FIRST, SINCE, SCANNED):
        assert began - 1 <= page[moment] <= time.time()


def test_what_was_found_and_when_outlives_restarts(server: API, tmp_path: Path, clock: Callable[[float], None]) -> None:
    source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP, ("two",))
    with watched(server, tmp_path) as target:
        before = figures(target)
    asked = len(server.asked)
    with watched(server, tmp_path) as target:
        assert figures(target) == before
    assert len(server.asked) == asked
    clock(2 * DAY)
    with watched(server, tmp_path) as target:
        until(lambda: figures(target)[SCANNED] > before[SCANNED] + DAY, 60)
        later = figures(target)
    assert later[FIRST] == before[FIRST]
    assert later[SINCE] == before[SINCE]
    assert server.count(f"/v1/vulns/{HIGH['id']}") == 1


def test_an_update_that_stays_as_vulnerable_starts_no_clock_anew(
    server: API, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    held = source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP, ("one",))
    with watched(server, tmp_path) as target:
        before = figures(target)
        clock(DAY)
        pip(tmp_path / "shop", {**SHOP, "one": "1.1"}, ("one",))
        held["one", "1.1"] = [HIGH]
        scan_again(target)
        after = figures(target)
    assert after[FIRST] == before[FIRST]
    assert after[SINCE] >= before[SINCE] + DAY  # the update was made: what is pending now is another


def test_a_new_name_of_an_old_vulnerability_starts_no_clock_anew(
    server: API, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    held = source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP)
    with watched(server, tmp_path) as target:
        before = figures(target)[FIRST]
        clock(DAY)
        held["one", "1.0"] = [HIGH | {"withdrawn": "2026-01-01T00:00:00Z", "modified": "2"},
                              record("PYSEC-9", "one", "HIGH", aliases=[HIGH["id"]])]  # fmt: skip
        scan_again(target)
        assert figures(target)[FIRST] == before


def test_what_vanishes_for_a_while_starts_no_clock_anew(
    server: API, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    held = source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP)
    with watched(server, tmp_path) as target:
        before = figures(target)[FIRST]
        found = held.pop(("one", "1.0"))
        clock(DAY)
        scan_again(target)
        assert FIRST not in figures(target)
        held["one", "1.0"] = found
        clock(80 * DAY)
        scan_again(target)
        assert figures(target)[FIRST] == before
        del held["one", "1.0"]
        clock(81 * DAY)
        scan_again(target)
        held["one", "1.0"] = found
        clock(180 * DAY)
        scan_again(target)
        assert figures(target)[FIRST] >= before + 179 * DAY


def test_scans_that_fail_for_long_start_no_clock_anew(
    server: API, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP)
    with watched(server, tmp_path) as target:
        before = figures(target)[FIRST]
        clock(200 * DAY)
        scan_again(target)
        assert figures(target)[FIRST] == before


def test_another_project_beside_it_changes_nothing(server: API, tmp_path: Path) -> None:
    source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP)
    pip(tmp_path / "more", {"two": "2.0"})
    with watched(server, tmp_path) as target:
        before = figures(target, OF)
    both = f"{{shop: {{python: {tmp_path / 'shop'}}}, more: {{python: {tmp_path / 'more'}}}}}"
    with one("dependency", f"osv_url: {server.url}\nprojects: {both}", tmp_path / "state") as target:
        assert figures(target, OF) == before


def test_what_is_kept_of_a_project_goes_with_it(server: API, tmp_path: Path, clock: Callable[[float], None]) -> None:
    source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP)
    other = f"max_age: 0s\nosv_url: {server.url}\nprojects: {{other: {{python: {tmp_path / 'none'}}}}}"
    with watched(server, tmp_path) as target:
        before = figures(target)[FIRST]
    with one("dependency", other, tmp_path / "state") as target:
        kept = target.target.collector.context.history.keys()
        assert [key for key in kept if key.endswith("shop")] == ["vulnerable python shop"]
    with watched(server, tmp_path) as target:
        assert figures(target)[FIRST] == before
    for days in (1, 92):
        clock(days * DAY)
        with one("dependency", other, tmp_path / "state") as target:
            kept = target.target.collector.context.history.keys()
    assert not [key for key in kept if key.endswith("shop")]


@pytest.mark.parametrize("said", [Said({}, 500), Said({}, 429), Said({"results": []}), Said(b"<html>")],
                         ids=["500", "429", "short", "login"])  # fmt: skip
def test_a_source_that_fails_leaves_what_it_told_before(server: API, tmp_path: Path, said: Said) -> None:
    source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP)
    with watched(server, tmp_path) as target:
        before = figures(target, "vulnerabilities")
        server.routes[BATCH] = said
        scan_again(target)
        assert figures(target, "vulnerabilities") == before
        outcomes = target.outcomes()
    assert outcomes["vulnerabilities"] == "ok"
    assert "shop (python, vulnerabilities): " in outcomes["unanswered"]


def test_a_source_that_never_answered_tells_nothing(server: API, tmp_path: Path) -> None:
    server.routes[BATCH] = Said({}, 500)
    pip(tmp_path / "shop", SHOP)
    with watched(server, tmp_path) as target:
        until(lambda: "status 500" in target.outcomes()["unanswered"], 60)
        page = figures(target)
    assert not [name for name in page if name.startswith(("runbook_dependency_vuln", "runbook_dependency_first"))]
    assert SCANNED not in page
    assert page[SCANNED.replace("scanned_timestamp", "scan_interval")] == DAY
    assert page[f"runbook_dependency_outdated{{{OF}}}"] == 0  # the other scan told its part


def test_an_index_that_is_dead_leaves_what_it_told_before(server: API, tmp_path: Path) -> None:
    source(server, {})
    pip(tmp_path / "shop", SHOP, ("two",))
    with watched(server, tmp_path) as target:
        before = figures(target, "updates") | figures(target, "outdated")
        pip(tmp_path / "shop", SHOP, silent=True)
        scan_again(target)
        assert figures(target, "updates") | figures(target, "outdated") == before
        assert "index knows none of the 2" in target.outcomes()["unanswered"]


def test_a_source_that_hangs_holds_up_no_page(server: API, tmp_path: Path) -> None:
    released = threading.Event()
    server.routes[BATCH] = Said({}, after=released)
    pip(tmp_path / "shop", SHOP)
    with one("dependency", f"osv_url: {server.url}\nprojects: {{shop: {{python: {tmp_path / 'shop'}}}}}") as target:
        until(lambda: server.count(BATCH) == 1, 60)
        began = time.monotonic()
        assert target.read().up
        assert "has not ended" in target.outcomes()["unanswered"]
        assert time.monotonic() - began < 2
        began = time.monotonic()
    assert time.monotonic() - began < 8  # it is cut where the exporter ends
    released.set()


def test_we_stay_away_for_as_long_as_we_are_asked_to(server: API, tmp_path: Path) -> None:
    source(server, {})
    pip(tmp_path / "shop", SHOP)
    server.routes[BATCH] = in_turn(Said({}, 429, {"Retry-After": "600"}))
    with watched(server, tmp_path) as target:
        until(lambda: "too often" in target.outcomes()["unanswered"], 60)
        rests = [look.rest() for look in target.target.collector.looks.all()]  # type: ignore[attr-defined]
    assert sum(590 < rest <= 600 for rest in rests) == 1


def test_what_is_past_its_deadline_is_told_by_name(server: API, tmp_path: Path, clock: Callable[[float], None]) -> None:
    bad = [HIGH, record("GHSA-low1-low1-low1", "one", "LOW"), record("GHSA-crit-crit-crit", "one", "CRITICAL")]
    source(server, {("one", "1.0"): bad})
    pip(tmp_path / "shop", SHOP)
    with watched(server, tmp_path, more="deadlines: {high: 2d}") as target:
        assert target.outcomes()["vulnerabilities"] == (
            "ok past their deadline: shop: one 1.0 (GHSA-crit-crit-crit), critical"
        )
        clock(2 * DAY + 60)
        assert "one 1.0 (GHSA-aaaa-bbbb-cccc), high" in target.outcomes()["vulnerabilities"]
        assert "low" not in target.outcomes()["vulnerabilities"]


def test_all_that_are_past_their_deadline_are_counted(server: API, tmp_path: Path) -> None:
    bad = [record(f"GHSA-aaaa-bbbb-{number:04}", "one", "CRITICAL") for number in range(30)]
    source(server, {("one", "1.0"): bad})
    pip(tmp_path / "shop", SHOP)
    with watched(server, tmp_path) as target:
        assert target.outcomes()["vulnerabilities"].endswith(" and 25 more")


def test_where_advisories_come_from_now_tells_what_is_known(server: API, tmp_path: Path) -> None:
    source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP)
    with watched(server, tmp_path) as target:
        assert FIRST in figures(target)
    yaml = f"osv_url: {NOBODY}\nprojects: {{shop: {{python: {tmp_path / 'shop'}}}}}"
    with one("dependency", yaml, tmp_path / "state") as target:
        assert FIRST not in target.page()  # what another source told is not this one's


def test_what_is_of_the_host_is_told_where_its_packages_are_watched(tmp_path: Path) -> None:
    of_host = {"upgrades", "reboot"}
    with one("dependency", f"osv_url: {NOBODY}\nprojects: {{shop: {{python: {tmp_path}}}}}") as target:
        assert not of_host & target.outcomes().keys()
    with one("dependency", f"osv_url: {NOBODY}\nprojects: {{host: {{debian: true}}}}") as target:
        assert of_host <= target.outcomes().keys()


def test_before_the_first_scan_nothing_is_told_of_what_waits(tmp_path: Path) -> None:
    settings = f"projects: {{host: {{debian: true, environment: {{PATH: {tmp_path}}}}}}}"  # there is no apt-get
    with one("dependency", settings) as target:
        assert target.outcomes()["upgrades"] == "skipped no scan for it has worked yet"


def test_what_was_judged_does_not_count(server: API, tmp_path: Path) -> None:
    source(server, {("one", "1.0"): [record("GHSA-aaaa-bbbb-cccc", "one", "HIGH", aliases=["CVE-2026-1"])]})
    pip(tmp_path / "shop", SHOP)
    with watched(server, tmp_path) as target:
        assert FIRST in figures(target)
    with watched(server, tmp_path, "accepted: [CVE-2026-1]") as target:
        assert sum(figures(target, "_dependency_vulnerabilities{").values()) == 0


def test_private_packages_are_told_to_nobody(server: API, tmp_path: Path) -> None:
    source(server, {})
    pip(tmp_path / "shop", {**SHOP, "shop-secret-plans": "1.0"})
    with watched(server, tmp_path, 'private: ["shop-*"]') as target:
        assert figures(target, "_packages", "vulnerabilities") == {
            f'runbook_dependency_packages{{{OF},part="vulnerabilities"}}': 2
        }
    assert not [asked for asked in server.asked if b"secret-plans" in asked.body]


def test_security_updates_of_debian_are_vulnerabilities(
    server: API, tmp_path: Path, clock: Callable[[float], None]
) -> None:
    needs("apt-get")
    here = root(tmp_path, {"zip": "3.0"}, {SECURITY: {"zip": "3.1"}})
    yaml = f"""
max_age: 0s
debian_security_severity: critical
projects:
  host: {{debian: true, environment: {{APT_CONFIG: {here.environment["APT_CONFIG"]}}}}}
"""
    first = 'runbook_dependency_first_seen_timestamp_seconds{ecosystem="debian",project="host",severity="critical"}'
    with one("dependency", yaml) as target:
        until(lambda: target.outcomes()["unanswered"] == "ok", 60)
        before = figures(target)[first]
        clock(DAY)
        publish(tmp_path, SECURITY, {"zip": "3.2"})
        here.fetch()
        scan_again(target)
        assert figures(target)[first] == before  # a newer update on top of one that waits starts no clock anew
        page = target.page()
    assert page['apt_upgrades_pending{origin="Debian-Security:12/oldstable-security",arch="amd64"}'] == "1"
    assert float(page["apt_package_cache_timestamp_seconds"]) > before - 60


@pytest.mark.parametrize("well", [True, False])
def test_many_rounds_leave_nothing(server: API, tmp_path: Path, well: bool) -> None:
    source(server, {("one", "1.0"): [HIGH]})
    if not well:
        server.routes[BATCH] = Said({}, 500)
    pip(tmp_path / "shop", SHOP, ("two",))
    with watched(server, tmp_path) as target:
        until(lambda: (target.outcomes()["unanswered"] == "ok") == well, 60)
        leaves_nothing(target, 500)


def test_many_scans_leave_nothing(server: API, tmp_path: Path) -> None:
    source(server, {("one", "1.0"): [HIGH]})
    pip(tmp_path / "shop", SHOP, ("two",))

    class Scanning(One):
        def read(self, seconds: float = 20.0) -> Snapshot:
            scan_again(self)
            return super().read(seconds)

    with watched(server, tmp_path) as target:
        leaves_nothing(Scanning(target.target), 15, warm=3)
