"""Pages in a real Chromium, against a server whose pages are well or misbehave."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.collectors.page.reasons import failed_to_load
from tests.commands import needs
from tests.engine import series_of
from tests.onetarget import One, one
from tests.pageserver import Site, down, is_no_more_than, serving, values
from tests.process import PLAIN, free_port
from tests.process import running as exporter
from tests.soak import held
from tests.support import until

_MEASURED = re.compile(
    r"((?:_seconds|(?:heap|memory|transferred|used|quota)_bytes)(?:\{(?!kind)[^}]*\})?) [0-9.e+-]+$", re.MULTILINE
)
SHORT = "elements_within: 300ms\n"
STRUCTURE = "structure: {selector: main}\n"


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    needs("chromium")
    with serving() as site:
        yield site


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """The server; no process, file, descriptor or thread may be left when the test is over."""
    before = held()
    yield running
    assert running.left() == []
    until(lambda: is_no_more_than(before))


def seen(target: One) -> dict[str, str]:
    """Return what stands on the page of a target, up or not."""
    return {name.removeprefix("runbook_page_"): value for name, value in series_of(target.text()).items()}


def test_a_page_that_mounts_later_is_seen_as_its_user_sees_it(site: Site, golden: Callable[[str, str], None]) -> None:
    with site.page("/good", STRUCTURE) as target:
        text = target.text()
    golden("page.prom", re.sub(r'version="[0-9.]+"', 'version="VERSION"', _MEASURED.sub(r"\1 MEASURED", text)))
    found = {name: float(value) for name, value in series_of(text).items()}
    assert found['runbook_page_element_present{element="#root"}'] == 1
    assert 0.3 < found["runbook_page_first_contentful_paint_seconds"] < 30
    assert 0 < found["runbook_page_load_seconds"] < 30
    assert found["runbook_page_interactive_seconds"] >= found["runbook_page_first_contentful_paint_seconds"]
    # over the wire: gzip makes half a kB of the 100 kB script
    assert 400 < found['runbook_page_transferred_bytes{type="script"}'] < 5_000
    assert 200 < found['runbook_page_transferred_bytes{type="stylesheet"}'] < 5_000
    assert found['runbook_page_storage_quota_bytes{store="estimate"}'] > 1e6
    assert found['runbook_page_storage_used_bytes{store="localStorage"}'] == 0
    assert found["runbook_page_browser_memory_bytes"] > 50e6


def test_a_page_whose_root_stays_empty_is_well_but_for_that(site: Site) -> None:
    more = 'elements: ["#root", "main h1", "p[["]\nstructure: {selector: "main["}'
    with site.page("/empty", SHORT + more) as target:
        snapshot = target.read(60)
        rest = target.target._due - time.monotonic()
    assert snapshot.up
    assert rest < 15  # and not for the whole interval
    assert {name: value for name, value in values(snapshot).items() if "element" in name} == {
        "element_present['#root']": 0, "element_present['main h1']": 0
    }  # fmt: skip
    assert snapshot.outcomes[0].reason == "#root is empty; main h1 is missing; p[[ is no CSS selector"
    assert snapshot.outcomes[0].is_wrong
    assert snapshot.outcomes[1].status == "failed"
    assert snapshot.outcomes[1].reason == "what is looked for is no CSS selector"
    assert not [name for name in values(snapshot) if name.startswith("structure")]


def test_errors_are_counted_and_dialogs_popups_and_workers_hold_nothing_up(site: Site) -> None:
    site.asked.clear()
    found = values(site.visit("/errors"))
    assert "/good" not in site.asked  # no popup came
    assert {kind: found[f"errors['{kind}']"] for kind in ("console", "exception", "request")} == {
        "console": 2, "exception": 2, "request": 1
    }  # fmt: skip
    assert found["element_present['#root']"] == 1
    assert found["status_code"] == 200
    # the page left room for 100 letters in its localStorage, and was refused one of 101
    assert found["storage_quota_bytes['localStorage']"] - found["storage_used_bytes['localStorage']"] == 200
    assert found["storage_works"] == 1


@pytest.mark.parametrize(
    ("path", "more", "said", "stands"),
    [
        ("/hangs", "page_timeout: 3s", "has not loaded within 3 s: requests without an end: 1", {"requests": "2"}),
        ("/500", "", "answered with the status 500", {"status_code": "500"}),
    ],
)
def test_a_page_that_fails_is_down_and_what_was_seen_stands(
    site: Site, path: str, more: str, said: str, stands: dict[str, str]
) -> None:
    with site.page(path, SHORT + more) as target:
        found = seen(target)
        down(target.target.view(), said)
    assert found["probe_success"] == "0"
    assert {name: found.get(name) for name in stands} == stands
    assert found['budget_seconds{kind="load"}'] == "3.0"


def test_nobody_listens_and_the_password_stays_here(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    url = f"http://shop:plentiful-orchid@127.0.0.1:{free_port()}/?token=tardy-walrus"
    with site.page(url) as target:
        text = target.text()
        down(target.target.view(), "nobody listens", "start the server")
    for secret in ("plentiful-orchid", "tardy-walrus"):
        assert secret not in text + caplog.text + repr(target.target.settings) + repr(target.target.view())


def test_how_a_page_is_built_is_remembered_over_restarts(site: Site, tmp_path: Path) -> None:
    rows = '<main class="list"><p class="row css-1q2w3e">a</p></main>'
    site.pages["/listing"] = rows
    more = f"{STRUCTURE}elements: []\n"
    with site.page("/listing", more, tmp_path) as target:
        first = values(target.read(60))
    assert "structure_changed_timestamp_seconds" not in first  # a first look is no change
    site.pages["/listing"] = rows.replace("p class", "div class")
    with site.page("/listing", more, tmp_path) as target:
        again = values(target.read(60))
        del site.pages["/listing"]
        failed = target.text()  # it has ended, and what was known of it stands, once
    assert '\nrunbook_target_up{collector="page"} 0' in failed
    assert failed.count("\nrunbook_page_structure_changed_timestamp_seconds") == 1
    since = "structure_watched_timestamp_seconds"
    assert again["structure_changed_timestamp_seconds"] > again[since] == first[since] > 1e9


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGKILL, "the browser was killed"), (signal.SIGSTOP, "nothing was answered within 2 s")],
)
def test_a_browser_that_is_killed_or_hangs(site: Site, number: signal.Signals, said: str) -> None:
    site.asked.clear()
    with site.page("/never", "page_timeout: 2s") as target:
        round = target.target.run_now()
        until(lambda: "/never" in site.asked, 30)
        site.chief().send_signal(number)
        round.done.result(60)
        down(target.target.view(), said)


def test_what_takes_too_much_memory_is_cut(site: Site) -> None:
    down(site.visit("/eats", "max_memory: 300MiB"), "more than 314572800 bytes of memory", "`max_memory`")


def test_a_target_that_is_let_go_of_lets_go_of_its_browser(site: Site) -> None:
    site.asked.clear()
    with site.page("/never") as target:
        round = target.target.run_now()
        until(lambda: "/never" in site.asked, 30)
        other = threading.Thread(target=site.visit, args=("/good", "browser: /bin/false"))
        other.start()  # waits for its turn meanwhile
        target.target.close(10)
        until(lambda: not site.browsers(), 5)
        assert round.cancelled
    other.join()


def test_an_exporter_that_is_killed_leaves_no_browser(site: Site, tmp_path: Path) -> None:
    site.asked.clear()
    lines = "".join(f"    {line}\n" for line in site.settings("/never").splitlines())
    with exporter(tmp_path, f"targets:\n  it:\n    collector: page\n{lines}", program=PLAIN) as process:
        until(lambda: "/never" in site.asked, 30)
        process.process.kill()
        until(lambda: not site.left(), 10)


def test_without_a_browser_it_says_what_to_install(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    down(site.visit("/good", "browser: /nowhere/chromium"), "/nowhere/chromium is no program", "correct `browser`")
    down(site.visit("/good", "browser: /bin/false"), "ended with exit code 1", "start it by hand")
    monkeypatch.setenv("PATH", "/nowhere")
    down(site.visit("/good"), "no Chromium is installed", "apt-get install chromium")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be refused as root")
def test_as_root_a_browser_has_no_sandbox(site: Site) -> None:
    down(site.visit("/good", "user: root"), "finds no sandbox", "`sandbox: false`")
    assert site.visit("/good", "user: root\nsandbox: false").up


def test_where_its_files_cannot_be_kept_it_says_so(tmp_path: Path) -> None:
    needs("chromium")
    with one("page", "url: http://127.0.0.1/\nscratch: /nowhere") as target:
        down(target.read(), "/nowhere: No such file or directory", "`scratch`")


def test_reasons_name_what_the_browser_says() -> None:
    assert failed_to_load("net::ERR_ABORTED")[0] == "a file to be saved was sent instead of a page"
    assert "redirected without end (ERR_TOO_MANY_REDIRECTS)" in failed_to_load("net::ERR_TOO_MANY_REDIRECTS")[0]
    assert failed_to_load("net::ERR_ODD")[0] == "the page could not be loaded (ERR_ODD)"
