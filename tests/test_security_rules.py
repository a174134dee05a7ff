"""The rules of security and systemd on pages that the real collectors give, laid out over hours for promtool."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests import clamdserver, systemdbus
from tests.apiserver import API, Said, api
from tests.aptroot import SECURITY, STABLE, root
from tests.dependencies import BATCH, needs, pip, record, scan_again, source
from tests.laidout import Page, Story, alerts_of, disagreement, figures, firing, series
from tests.onetarget import One, one
from tests.support import until
from tests.test_runbooks import blocks

DAY: Final = 86_400.0
WRONG: Final = range(2, 17)
"""The steps at which something is wrong: more than the hour that the slowest waits."""
ENDS: Final = 45
PLACE: Final = 'job="runbook-exporter",instance="shop:10420",target="it"'
OURS: Final = ("runbook_secret_", "runbook_dependency_", "apt_", "runbook_browser_", "clamav_", "node_systemd_",
               "runbook_log_events_total", "runbook_log_counted_since")  # fmt: skip


def page(it: One) -> Page:
    """Return the figures of a round that the rules look at."""
    now, text = time.time(), it.text()
    return {name: value for prefix in OURS for name, value in figures(text, prefix, now).items()}


def told(area: str, alert: str, **labels: str) -> dict[str, Any]:
    """Return what promtool finds where an alert fires; `figure` names one of several figures by its priority."""
    figure = labels.pop("figure", "")
    (rule,) = [rule for rule in alerts_of(area) if rule["alert"] == alert
               and figure in ("", rule["labels"]["priority"], rule["labels"].get("part"))
               and (figure or "part" not in rule["labels"])]  # fmt: skip
    return firing(PLACE, rule, **labels)


def agrees(area: str, story: Story, looks: dict[int, list[dict[str, Any]]], folder: Path) -> None:
    assert disagreement(area, list(series(PLACE, story, ENDS)), looks, folder) == ""


def bad_then_good(bad: Page, good: Page) -> Story:
    return [(0, bad), (WRONG[-1] + 1, good)]


# ---- secrets


def rotate(file: Path) -> None:
    """Put another value there a minute ago, for its owner alone."""
    file.write_text("KEY=second-of-all\n", encoding="utf-8")
    os.utime(file, (time.time() - 60,) * 2)
    file.chmod(0o600)


def test_secrets_that_are_old_or_open(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)  # pytest's own folders let nobody in
        folder.chmod(0o755)
        for file in ("old.env", "new.env", "month.env"):
            (folder / file).write_text("KEY=first-of-all\n", encoding="utf-8")
        secrets = "\n".join(f"  {one}: {{file: {folder}/{one}.env, key: KEY}}" for one in ("old", "new"))
        yaml = f"secrets:\n{secrets}\n  month: {{file: {folder}/month.env, by: time, max_age: 31d}}"
        (folder / "old.env").chmod(0o644)
        for file in ("new.env", "month.env"):
            (folder / file).chmod(0o600)
        with one("secret", yaml, tmp_path) as it:
            page(it)
            real = time.time
            patch.setattr(time, "time", lambda: real() + 90.1 * DAY)
            rotate(folder / "new.env")
            bad = page(it)
            for file in ("old.env", "month.env"):
                rotate(folder / file)
            good = page(it)
    late = [told("security", "KeyRotationOverdue", secret=one) for one in ("old", "month")]
    opened = told("security", "SecretReadableByOthers", secret="old")
    looks = {0: [], 2: [opened], 11: [opened], 13: [*late, opened], WRONG[-1] + 1: [], ENDS - 1: []}
    agrees("security", bad_then_good(bad, good), looks, tmp_path)


# ---- packages


@pytest.fixture
def server() -> Iterator[API]:
    with api() as running:
        yield running


def scanned(yaml: str, folder: Path, days: float = 0.0) -> Page:
    """Return the page of an exporter that is started so many days later, once it has scanned all there is."""
    real = time.time

    def is_new(page: Page) -> bool:
        times = [value for name, value in page.items() if name.startswith("runbook_dependency_scanned_timestamp")]
        return (
            bool(times)
            and len(times) == len([name for name in page if "scan_interval" in name])
            and min(times) > -DAY / 2
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + days * DAY)
        with one("dependency", yaml, folder / "state") as it:
            until(lambda: is_new(page(it)), 30)
            return page(it)


def test_packages_that_wait_and_are_vulnerable(server: API, tmp_path: Path) -> None:
    needs("apt-get")
    held = source(server, {("one", "1.0"): [record("GHSA-aaaa-bbbb-cccc", "one", "HIGH")]})
    here = root(tmp_path / "debian", {"bash": "5.1", "zip": "3.0"}, {STABLE: {"bash": "5.2"}, SECURITY: {"zip": "3.1"}})
    pip(tmp_path / "shop", {"one": "1.0", "two": "2.0"}, ("two",))
    yaml = f"""
osv_url: {server.url}
projects:
  shop: {{python: {tmp_path / "shop"}}}
  host: {{debian: true, environment: {{APT_CONFIG: {here.environment["APT_CONFIG"]}}}}}
"""
    new = scanned(yaml, tmp_path)
    held["one", "1.0"].append(record("GHSA-dddd-eeee-ffff", "one", "CRITICAL"))
    bad = scanned(yaml, tmp_path, 31.2)
    pip(tmp_path / "shop", {"one": "2.0", "two": "3.0"})
    (tmp_path / "debian/dpkg/status").write_text("", encoding="utf-8")
    stamp, fetched = tmp_path / "debian/state/periodic/update-success-stamp", time.time() + 33 * DAY
    stamp.touch()
    os.utime(stamp, (fetched, fetched))
    good = scanned(yaml, tmp_path, 33)
    shop, host = {"ecosystem": "python", "project": "shop"}, {"ecosystem": "debian", "project": "host"}
    at_once = [told("security", "VulnerabilityUnpatched", figure=figure, **of)
               for figure, of in (("P1", shop), ("P2", shop), ("P2", host))]  # fmt: skip
    slow = [*(told("security", "DependenciesOutdated", **of) for of in (shop, host)),
            told("security", "SystemUpdatesPending", **host),
            told("security", "DependencyScanOverdue", figure="lists")]  # fmt: skip
    begins, ends = WRONG[0], WRONG[-1] + 1
    looks = {begins - 1: [], begins + 1: at_once, ends - 1: [*at_once, *slow], ends + 1: [], ENDS - 1: []}
    agrees("security", [(0, new), (begins, bad), (ends, good)], looks, tmp_path)


def test_what_could_never_be_scanned(server: API, tmp_path: Path) -> None:
    server.routes[BATCH] = Said({}, status=503)
    pip(tmp_path / "shop", {"one": "1.0"})
    yaml = f"osv_url: {server.url}\nprojects: {{shop: {{python: {tmp_path / 'shop'}}}}}"
    with one("dependency", yaml, tmp_path / "state") as it:
        until(lambda: "503" in it.outcomes()["unanswered"], 30)
        bad = page(it)
        source(server, {})
        scan_again(it)
        good = page(it)
    overdue = told("security", "DependencyScanOverdue", ecosystem="python", project="shop", part="vulnerabilities")
    looks = {0: [], 11: [], 13: [overdue], WRONG[-1] + 1: [], ENDS - 1: []}
    agrees("security", bad_then_good(bad, good), looks, tmp_path)


# ---- browsers and ClamAV


def test_a_driver_that_does_not_fit_and_one_that_is_gone(tmp_path: Path) -> None:
    def prints(name: str, said: str) -> Path:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\necho '{said}'\n", encoding="utf-8")
        file.chmod(0o755)
        return file

    browser, driver = prints("browser", "Chromium 157.0.8100.1"), prints("driver", "ChromeDriver 156.0.8078.1 (x)")
    lines = [f"  {name}: {{browser: [{browser}], driver: [{one}]}}"
             for name, one in (("unfit", driver), ("gone", tmp_path / "gone"), ("fit", browser))]  # fmt: skip
    with one("browser", "\n".join(["browsers:", *lines])) as it:
        bad = page(it)
        prints("driver", "ChromeDriver 157.0.8100.1 (x)")
        prints("gone", "ChromeDriver 157.0.8100.1 (x)")
        good = page(it)
    unfit = [told("security", "BrowserDriverMismatch", browser=name) for name in ("unfit", "gone")]
    looks = {0: [], 1: [], 2: unfit, WRONG[-1]: unfit, WRONG[-1] + 3: [], ENDS - 1: []}
    agrees("security", bad_then_good(bad, good), looks, tmp_path)


def version(days: float) -> str:
    """Return what clamd says whose signatures are so old."""
    return f"ClamAV 1.4.6/27500/{time.strftime('%a %b %d %H:%M:%S %Y', time.gmtime(time.time() - days * DAY))}"


def of_clamd(said: str) -> Page:
    with clamdserver.recorded(VERSION=said) as socket, one("clamd", f"address: {socket}\ntimezone: UTC") as it:
        return page(it)


@pytest.mark.parametrize("said", ["old", "none", "young", "untold"])
def test_signatures_that_are_old_or_none(said: str, tmp_path: Path) -> None:
    answers = {"old": version(3.1), "none": "ClamAV 1.4.6", "young": version(2.5), "untold": "COMMAND UNAVAILABLE"}
    bad, good = (of_clamd(answer) for answer in (answers[said], version(0.5)))
    old = [told("security", "ClamAVSignaturesOld")] if said in ("old", "none") else []
    looks: dict[int, list[dict[str, Any]]] = {0: [], 11: [], 13: old, WRONG[-1] + 1: [], ENDS - 1: []}
    agrees("security", bad_then_good(bad, good), looks, tmp_path)


def test_a_scanner_that_is_gone(tmp_path: Path) -> None:
    with clamdserver.recorded(VERSION=version(0.5)) as socket:
        settings = f"address: {socket}\ntimezone: UTC"
        with one("clamd", settings) as it:
            good = page(it)
    with one("clamd", settings) as it:
        bad = page(it)
    down = told("security", "ClamAVDown")
    agrees("security", bad_then_good(bad, good), {0: [], 1: [], 2: [down], 16: [down], 17: []}, tmp_path)


# ---- systemd


def test_units_that_failed_and_services_that_are_started_again(tmp_path: Path) -> None:
    told_first = systemdbus.recording("user252")
    path = "/org/freedesktop/systemd1/unit/crash_2eservice"
    with systemdbus.recorded(told_first) as (bus, service), one("systemd", f"bus: {bus}") as it:
        first = page(it)
        service.told["properties"][path]["Service.NRestarts"][1] += 3
        three = page(it)
        service.told["properties"][path]["Service.NRestarts"][1] += 1
        four = page(it)
        for unit in service.told["units"]:
            unit[3] = "active" if unit[3] == "failed" else unit[3]
        good = page(it)
    failed = told("systemd", "SystemdUnitFailed", name="fail.service")
    again = told("systemd", "ServiceRestarting", name="crash.service")
    looks = {0: [], 2: [failed], 14: [failed], 15: [failed, again], 18: [again], ENDS - 1: []}
    agrees("systemd", [(0, first), (14, three), (15, four), (18, good)], looks, tmp_path)


# ---- what is logged, and what its page does with it

SECRETS: Final = {
    "key AKIA" + "Z7QX" * 4: "Z7QX",
    "cannot reach postgresql://shop:hunter2-canary@db:5432/shop": "hunter2",
    "OPENAI_API_KEY=sk-proj-" + "Ab1_" * 6: "Ab1_",
    'login {"user": "bob", "password": "canary-12"}': "canary",
    "GET /v1?a=1&token=canary-1234 HTTP/1.1": "canary",
}


def test_a_secret_that_is_logged(tmp_path: Path) -> None:
    log, event = tmp_path / "app.log", 'runbook_log_events_total{log="app",event="secret_logged"}'
    log.write_text("INFO starting\n", encoding="utf-8")
    with one("log", f"logs: {{app: {{files: [{log}]}}}}\nready_events: [secrets]\nmax_age: 0s") as it:
        until(lambda: page(it).get(event) == 0, 30)
        good = page(it)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{next(iter(SECRETS))}\n")
        until(lambda: page(it)[event] == 1, 30)
        bad = page(it)
    logged = told("log", "SecretLogged", log="app")
    agrees("log", [(0, good), (5, bad)], {0: [], 4: [], 5: [logged], 7: [logged], 9: [], ENDS - 1: []}, tmp_path)


def masked(folder: Path) -> Callable[[str], str]:
    (code,) = [code for code in blocks("sh", "SecretLogged") if "pattern=" in code]

    def run(log: str) -> str:
        ended = subprocess.run(["bash", "-eu"], input=code.replace("logs/app.log", log), text=True, cwd=folder,
                               capture_output=True, timeout=30, check=False)  # fmt: skip
        assert ended.stderr == ""
        return ended.stdout

    return run


def test_the_page_on_logged_secrets_shows_where_they_are_and_not_what(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("\n".join(["INFO starting", *SECRETS, "INFO done", ""]), encoding="utf-8")
    shown = masked(tmp_path)("app.log").splitlines()
    assert [line.partition(":")[0] for line in shown] == [str(number) for number in range(2, 2 + len(SECRETS))]
    assert all("<secret>" in line for line in shown)
    assert not any(secret in line for line in shown for secret in SECRETS.values())
