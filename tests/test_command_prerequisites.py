"""Programs that must be installed: those that are here, those that are not, and a browser that is really driven."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.collectors.command.prerequisites import Prerequisite, version_in
from exporter.collectors.command.session import Session
from exporter.collectors.command.settings import PrerequisiteSettings
from exporter.command import Ended
from tests.answering import answering, page, silent
from tests.commands import needs
from tests.onetarget import one


def told(page: dict[str, str], name: str) -> tuple[str | None, str | None]:
    """Return whether a prerequisite will do, and its version."""
    start = f'runbook_prerequisite_info{{name="{name}",version="'
    versions = [series.removeprefix(start).removesuffix('"}') for series in page if series.startswith(start)]
    assert len(versions) <= 1
    return page.get(f'runbook_prerequisite_ok{{name="{name}"}}'), next(iter(versions), None)


def prerequisite(settings: str, name: str = "it", more: str = "") -> tuple[str | None, str | None]:
    with one("command", f"prerequisites: {{{name}: {settings}}}\n{more}") as target:
        return told(target.page(), name)


def program(folder: Path, script: str, name: str = "tool") -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(("name", "command"), [
    ("python", "python3"), ("node", "node"), ("ffmpeg", "ffmpeg"), ("chrome", "chromium"),
    ("chromedriver", "chromedriver"),
])  # fmt: skip
def test_those_known_by_name_are_really_asked(name: str, command: str) -> None:
    needs(command)
    ok, version = prerequisite("{}", name)
    assert ok == "1"
    flag = "-version" if name == "ffmpeg" else "--version"
    said = subprocess.run([command, flag], capture_output=True, text=True, check=True, timeout=60).stdout
    assert version
    assert version.count(".") >= 1
    assert version in said


@pytest.mark.parametrize(
    ("least", "ok"), [("3.8", "1"), ("3.11", "1"), ("3.11.0", "1"), ("3.12", "0"), ("4", "0"), ("3", "1")]
)
def test_versions_are_compared_by_their_figures(least: str, ok: str) -> None:
    assert prerequisite(f"{{command: [echo, Python 3.11.0], at_least: {least}}}") == (ok, "3.11.0")


def test_one_that_is_not_there_fails_or_hangs_will_not_do(tmp_path: Path) -> None:
    assert prerequisite("{command: [no-such-program, --version]}") == ("0", None)
    assert prerequisite("{command: [/etc/passwd]}") == ("0", None)
    assert prerequisite(f"{{command: [{program(tmp_path, 'echo Tool 1.2; exit 1')}]}}") == ("0", None)
    began = time.monotonic()
    assert prerequisite(f"{{command: [{program(tmp_path, 'sleep 60')}], timeout: 200ms}}") == ("0", None)
    assert time.monotonic() - began < 5


def test_a_known_one_that_is_not_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert prerequisite("{}", "chrome") == ("0", None)
    program(tmp_path, "echo Chromium 99.0.1", "chromium-browser")
    assert prerequisite("{}", "chrome") == ("1", "99.0.1")
    program(tmp_path, "echo Google Chrome 100.0.2 unknown", "google-chrome")
    assert prerequisite("{}", "chrome") == ("1", "100.0.2")


def test_one_without_a_version_will_do_unless_one_is_asked_for() -> None:
    assert prerequisite("{command: ['true']}") == ("1", "")
    with one("command", "prerequisites: {it: {command: ['true'], at_least: 1}}") as target:
        said = target.outcomes()["it"]
        assert told(target.page(), "it") == (None, None)
    assert "it does not tell its version" in said
    assert "`at_least`" in said


@pytest.mark.parametrize(("output", "version"), [
    (b"Python 3.11.2\n", "3.11.2"),
    (b"v20.20.2\n", "20.20.2"),
    (b"ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026\nbuilt with gcc 12 (Debian 12.2.0)\n", "5.1.9"),
    (b"ffmpeg version N-109468-gd39b34123d Copyright (c) 2000-2026\nbuilt with gcc 12.2.0\n", ""),
    (b"ChromeDriver 156.0.8078.79 (a21ce95c24ce-refs/branch-heads/8078@{#1704})\n", "156.0.8078.79"),
    (b"tool one 1.2.3\n", "1.2.3"),
    (b"", ""), (b"\xff\xfe 1.2", "1.2"), (b"secret 1234567890123", ""), (b"x1.2", ""),
    (b"1.2.3.4.5.6.7.8", "1.2.3.4.5.6"),
])  # fmt: skip
def test_a_version_is_figures_on_the_first_line(output: bytes, version: str) -> None:
    assert version_in(Ended(0, output, b"", 0.1, in_time=True)) == version


def test_a_version_may_be_told_as_an_error() -> None:
    assert version_in(Ended(0, b"", b'openjdk version "17.0.2" 2022\n', 0.1, in_time=True)) == "17.0.2"


# ---- the browser


@pytest.fixture
def leftovers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Return what lies where a browser may leave things behind; its path is short, as sockets stand below it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield lambda: os.listdir(folder)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Return what puts a script in chromedriver's place."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def put(script: str) -> None:
        program(tmp_path, script, "chromedriver")

    return put


def test_a_browser_is_driven_and_leaves_nothing_behind(leftovers: Callable[[], list[str]]) -> None:
    needs("chromium", "chromedriver")
    ok, version = prerequisite("{at_least: 100}", "webdriver")
    assert ok == "1"
    said = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert version
    assert version in said
    assert leftovers() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another user")
def test_a_browser_is_driven_as_another_user(leftovers: Callable[[], list[str]]) -> None:
    needs("chromium", "chromedriver")
    assert prerequisite("{user: nobody}", "webdriver")[0] == "1"
    assert leftovers() == []


@pytest.mark.parametrize("script", [
    "exit 1", "echo ChromeDriver was started; exec sleep 60", "exec sleep 60",
    "echo ChromeDriver was started successfully on port 1.; exec sleep 60", "while :; do echo x; done",
])  # fmt: skip
def test_a_driver_that_brings_no_browser_about(
    script: str, driver: Callable[[str], None], leftovers: Callable[[], list[str]]
) -> None:
    driver(script)
    began = time.monotonic()
    assert prerequisite("{timeout: 500ms}", "webdriver") == ("0", None)
    assert time.monotonic() - began < 5
    assert leftovers() == []


LISTENS = "echo ChromeDriver was started successfully on port {port}.; exec sleep 60"


def cut(session: Session) -> str:
    """Return why a browser could not be waited for in a round; a plain Trouble, in which nothing is told of it."""
    began = time.monotonic()
    with pytest.raises(Trouble) as caught:
        list(Prerequisite("webdriver", PrerequisiteSettings(), 30.0).samples(session))
    assert time.monotonic() - began < 10
    return f"{caught.value} {caught.value.fix}"


def test_a_browser_that_the_round_has_no_time_for_is_not_missing(driver: Callable[[str], None]) -> None:
    stop = threading.Event()
    with answering(silent(stop)) as served:
        for script in ("exec sleep 60", LISTENS.format(port=served.port)):
            driver(script)
            said = cut(Session(0.5))
            assert "it was killed after 0.5 s, as the round was over, not its own timeout" in said
            assert "`timeout` and `interval`" in said
        stop.set()


def test_a_browser_whose_round_is_cancelled_is_not_missing(driver: Callable[[str], None]) -> None:
    stop = threading.Event()
    with answering(silent(stop)) as served:
        for script in ("exec sleep 60", LISTENS.format(port=served.port)):
            driver(script)
            session = Session(60.0)
            timer = threading.Timer(0.3, session.cancel)
            timer.start()
            assert "as the round was over" in cut(session)
            assert "as the round was over" in cut(session)  # what begins later as well
        stop.set()


def test_a_driver_that_says_no_in_time_counts_in_a_short_round_as_well(driver: Callable[[str], None]) -> None:
    refusal = b'{"value": {"error": "session not created", "message": "no chrome binary"}}'
    with answering(page(refusal, "500 Error")) as served:
        driver(LISTENS.format(port=served.port))
        found = list(Prerequisite("webdriver", PrerequisiteSettings(), 30.0).samples(Session(5.0)))
    assert [sample.value for sample in found if sample] == [0]


def test_a_driver_that_cannot_be_asked_tells_nothing() -> None:
    with one("command", "prerequisites: {webdriver: {directory: /no/such/place}}") as target:
        assert "/no/such/place: No such file or directory" in target.outcomes()["webdriver"]
        assert told(target.page(), "webdriver") == (None, None)


def test_a_driver_whose_browser_is_gone(driver: Callable[[str], None]) -> None:
    """The driver listens, and answers that there is no browser to start."""
    needs("chromium", "chromedriver")
    hidden = "mount --bind /bin/false /usr/bin/chromium"
    real = shutil.which("chromedriver", path=os.environ["PATH"].partition(":")[2])
    driver(f"exec unshare -m sh -c '{hidden}; exec {real} --port=0'")
    assert prerequisite("{}", "webdriver") == ("0", None)
