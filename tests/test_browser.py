"""Browsers and their drivers: Chromium as it is installed here, and scripts that print other versions."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter import config
from exporter.collectors.browser import fits
from tests.commands import is_running, needs
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.support import until

CHROME = "Google Chrome {} "
DRIVER = "ChromeDriver {} (730482a940ce25ae7cf051320d8340e793acf8b9-refs/branch-heads/8078@{{#2244}})"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Return what puts scripts onto an otherwise empty path; with a version alone, what such a program prints."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(**scripts: str) -> None:
        for name, script in scripts.items():
            file = tmp_path / name.replace("_", "-")
            said = (DRIVER if "driver" in name else CHROME).format(script)
            file.write_text(f"#!/bin/sh\n{script if ' ' in script else f'echo {chr(39)}{said}{chr(39)}'}\n")
            file.chmod(0o755)

    return put


def compatible(target: One, browser: str = "chrome") -> str | None:
    return target.page().get(f'runbook_browser_driver_compatible{{browser="{browser}"}}')


def versions(target: One) -> list[tuple[str, str]]:
    start = "runbook_browser_version_info{"
    found = [series for series in target.page() if series.startswith(start)]
    return [(series.split('"')[3], series.split('"')[5]) for series in found]


def test_those_that_are_really_installed() -> None:
    needs("chromium", "chromedriver")
    said = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    with one("browser", "browsers: {chromium: {}, chrome: {}}") as target:
        assert compatible(target, "chromium") == "1"
        (first, second) = versions(target)
        assert first == second
        assert f" {first[0]} " in said
        assert target.outcomes() == {"chromium": "ok", "chrome": "ok"}


def test_every_figure(installed: Callable[..., None], golden: Callable[[str, str], None]) -> None:
    installed(
        chromium="156.0.8078.108", chromedriver="156.0.8078.79", microsoft_edge="155.0.1.2", msedgedriver="154.0.1.2"
    )
    with one("browser", "browsers: {chrome: {}, edge: {}}") as target:
        golden("browser.prom", "".join(line for line in target.text().splitlines(True) if "runbook_browser_" in line))


@pytest.mark.parametrize(("browser", "driver", "fit"), [
    ("156.0.8078.108", "156.0.8078.108", True),
    ("156.0.8078.108", "156.0.8078.12", True),
    ("156.0.8078.108", "156.0.8000.1", True),
    ("157.0.8100.1", "156.0.8078.108", False),
    ("155.0.8000.1", "156.0.8078.108", False),
    ("115.0.5790.170", "115.0.5700.1", True),
    ("115.0.5790.170", "114.0.5735.90", False),
    ("114.0.5735.199", "114.0.5735.90", True),
    ("114.0.5735.199", "114.0.5700.90", False),
    ("15.0.874.121", "156.0.874.121", False),
])  # fmt: skip
def test_which_fit(installed: Callable[..., None], browser: str, driver: str, fit: bool) -> None:
    assert fits(browser, driver) is fit
    installed(google_chrome=browser, chromedriver=driver)
    with one("browser", "") as target:
        assert compatible(target) == ("1" if fit else "0")
        assert versions(target) == [(browser, driver)]
        said = target.outcomes()["chrome"]
        assert ("does not drive the browser" in said) is not fit
        assert ("is of another build" in said) is (fit and browser.split(".")[2] != driver.split(".")[2])


def test_an_update_of_the_browser_alone_is_seen_and_so_is_the_drivers(installed: Callable[..., None]) -> None:
    installed(google_chrome="156.0.1.1", chromedriver="156.0.1.1")
    with one("browser", "browsers: {chrome: {}}") as target:
        assert compatible(target) == "1"
        installed(google_chrome="157.0.1.1")
        assert compatible(target) == "0"
        installed(chromedriver="157.0.1.1")
        assert compatible(target) == "1"
        assert target.outcomes() == {"chrome": "ok"}


def test_what_is_missing_or_cannot_run_does_not_fit(installed: Callable[..., None], tmp_path: Path) -> None:
    with one("browser", "") as target:
        assert compatible(target) == "0"
        assert versions(target) == [("", "")]
        assert "no browser: google-chrome cannot be run" in target.outcomes()["chrome"]
        installed(google_chrome="156.0.1.1")
        assert compatible(target) == "0"
        assert versions(target) == [("156.0.1.1", "")]
        assert "no driver: chromedriver cannot be run (No such file" in target.outcomes()["chrome"]
        installed(chromedriver="echo cannot load libnss3.so >&2; exit 127")
        assert compatible(target) == "0"
        assert "chromedriver ended with 127: 'cannot load libnss3.so'" in target.outcomes()["chrome"]


@pytest.mark.parametrize(("script", "said"), [
    ("echo Chrome of some sort", "failed chromedriver tells no version: 'Chrome of some sort'"),
    ("echo geckodriver 0.36.0", "skipped chromedriver is of a browser whose driver has no version to fit"),
    ("while :; do :; done", "failed chromedriver has not told its version within 0.3 s"),
    ("while :; do echo 1234567890123456789012345678901234567890; done", "wrote more than 65536 bytes"),
])  # fmt: skip
def test_of_what_tells_no_version_nothing_is_known(installed: Callable[..., None], script: str, said: str) -> None:
    installed(google_chrome="156.0.1.1", chromedriver=script)
    with one("browser", "browsers: {chrome: {timeout: 300ms}}") as target:
        began = time.monotonic()
        assert compatible(target) is None
        assert time.monotonic() - began < 10
        assert versions(target) == []
        assert said in target.outcomes()["chrome"]


def test_one_that_hangs_is_killed_with_all_that_it_started(installed: Callable[..., None], tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    installed(google_chrome=f"/bin/sleep 300 & echo $! > {noted}; wait", chromedriver="156.0.1.1")
    with one("browser", "timeout: 1s\nbrowsers: {chrome: {timeout: 200ms}}") as target:
        assert compatible(target) is None
    pid = int(noted.read_text())
    until(lambda: not is_running(pid))


def test_others_are_given_by_their_commands(tmp_path: Path, installed: Callable[..., None]) -> None:
    installed(my_chrome="156.0.1.1", my_driver="156.0.1.1")
    given = f"{{browser: [{tmp_path}/my-chrome, --version], driver: [{tmp_path}/my-driver, -v]}}"
    with one("browser", f"browsers: {{app: {given}}}") as target:
        assert compatible(target, "app") == "1"


@pytest.mark.parametrize(("settings", "problem"), [
    ("browsers: {}", "browsers: is empty"),
    ("browsers: {crhome: {}}", "does not say what prints the versions; .*chrome"),
    ("browsers: {app: {browser: [chrome]}}", "does not say what prints the versions"),
    ("browsers: {'a b': {}}", "cannot have this name"),
    ("browsers: {chrome: {driver: ['']}}", "names no program"),
    ("browsers: {chrome: {user: nobody-at-all}}", "there is no user"),
    ("browsers: {chrome: {timeout: 0s}}", "leaves no time"),
])  # fmt: skip
def test_settings_that_are_wrong(settings: str, problem: str) -> None:
    with pytest.raises(config.ConfigError, match=problem), one("browser", settings):
        pass


def test_rounds_leave_nothing(installed: Callable[..., None]) -> None:
    installed(google_chrome="156.0.1.1", chromedriver="156.0.1.1")
    with one("browser", "") as target:
        leaves_nothing(target, 60, warm=20)
    with one("browser", "browsers: {app: {browser: [/no/browser], driver: [/no/driver]}}") as target:
        leaves_nothing(target, 150, warm=20)
