"""Every way in which pages and browsers misbehave, and a hundred rounds of that: nothing outlives its round."""

import os
import random
import signal
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
import trustme

from tests.commands import needs
from tests.onetarget import One
from tests.pageserver import Site, down, is_no_more_than, serving, values
from tests.soak import held
from tests.support import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]
ROUNDS = 100
SEED = 7


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


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        ("/never", "page_timeout: 3s", "nothing was answered within 3 s"),
        ("/redirects", "", "redirected without end"),
        ("/download", "", "a file to be saved was sent"),
        ("/garbage", "", "ERR_INVALID_HTTP_RESPONSE"),
        ("/404", "", "answered with the status 404"),
        ("/private", "", "asks for a user"),
        ("http://no-such-host.invalid/", "", "its host's name is not known"),
        ("/loop", "page_timeout: 8s", "its scripts do not let go"),
        ("/loop-later", "page_timeout: 8s", "has not loaded within 8 s"),
        ("/alerts", "page_timeout: 8s", "dialogs that it opened"),
        ("/refresh", "page_timeout: 8s", "to another"),
        ("/huge", "max_transferred: 3MB", "loads more than 3000000 bytes"),
        (
            "/stores",
            "max_disk: 64MiB\nelements: [main.never]\nelements_within: 30s",
            "more than 67108864 bytes in files",
        ),
        ("/eats", "max_memory: 300MiB", "more than 314572800 bytes of memory"),
    ],
)
def test_pages_that_fail(site: Site, path: str, more: str, said: str) -> None:
    down(site.visit(path, more), said)


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/stays", ""), ("/moves", ""), ("/frames", "elements: []\npage_timeout: 100s"), ("/workers", ""),
        ("/many", "page_timeout: 100s"), ("/talks", "page_timeout: 100s"),
        ("/long", "elements: [p]\npage_timeout: 100s"),
    ],
)  # fmt: skip
def test_pages_that_are_a_burden_and_come(site: Site, path: str, more: str) -> None:
    snapshot = site.visit(path, f"{more}\ntimeout: 3m")
    found = values(snapshot)
    assert snapshot.up, (snapshot.reason, snapshot.fix)
    assert found["status_code"] == 200
    assert all(value == 1 for name, value in found.items() if "element" in name)


def test_a_long_task_makes_it_interactive_later(site: Site) -> None:
    found = values(site.visit("/slow-task"))
    assert found["interactive_seconds"] >= 0.7


def test_a_policy_that_forbids_the_script(site: Site) -> None:
    found = values(site.visit("/policy", "elements_within: 2s"))
    assert found["errors['console']"] == 1
    assert found["errors['request']"] == 1
    assert found["element_present['#root']"] == 0


def test_a_page_that_may_store_nothing(site: Site) -> None:
    found = values(site.visit("/no-storage"))
    assert found["storage_works"] == 0
    assert not any("storage_quota_bytes" in name for name in found)


def test_what_makes_no_other_page(site: Site) -> None:
    rows = '<main class="list"><p class="row css-1q2w3e">a</p></main>'
    more = "structure: {selector: body}\nelements: []"
    site.pages["/listing"] = rows
    with site.page("/listing", more) as target:
        assert "structure_watched_timestamp_seconds" in values(target.read(60))
        # more rows, other words, scripts and generated names
        site.pages["/listing"] = rows.replace("1q2w3e", "9z8y7x") + rows.replace(">a<", ">b<script>1</script><")
        assert "structure_changed_timestamp_seconds" not in values(target.read(60))
        site.pages["/listing"] = rows.replace('"list"', '"list" id="races"')
        assert "structure_changed_timestamp_seconds" in values(target.read(60))


def test_a_page_behind_a_login_of_the_server(site: Site) -> None:
    url = site.address.replace("//", "//shop:plentiful-orchid@") + "/private"
    assert values(site.visit(url))["element_present['#root']"] == 1


def test_a_certificate_that_nobody_knows(site: Site) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with serving(context) as secure:
        down(secure.visit("/good"), "no authority that the browser trusts", "insecure_skip_verify")
        assert values(secure.visit("/good", "insecure_skip_verify: true"))["element_present['#root']"] == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_what_shows_the_page_crashes(site: Site, number: signal.Signals) -> None:
    site.asked.clear()
    with site.page("/hangs", "page_timeout: 20s") as target:
        round = target.target.run_now()
        until(lambda: "/never" in site.asked, 30)
        for one in site.browsers():
            if "--type=renderer" in one.cmdline():
                one.send_signal(number)
        round.done.result(60)
        down(target.target.view(), "the process that shows the page crashed")


def test_what_shows_the_page_is_out_of_memory(site: Site) -> None:
    small = site.scratch.parent / f"{site.scratch.name}-small"
    small.write_text('#!/bin/sh\nexec chromium --js-flags=--max-old-space-size=32 "$@"\n')
    small.chmod(0o755)
    try:
        down(site.visit("/eats-heap", f"browser: {small}"), "the process that shows the page crashed")
    finally:
        small.unlink()


class Fault:
    """What happens to a browser in the middle of a round."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self._site, self._chance = site, chance

    def happen(self, target: One) -> str:
        """Make a round, and let something happen in it; return what."""
        what = self._chance.choice(["nothing", "kill", "stop", "kill a part", "stop a part", "kill the looker"])
        moment = self._chance.uniform(0.2, 4.0)
        round = target.target.run_now()
        began = time.monotonic()
        until(lambda: round.done.done() or time.monotonic() - began > moment, 60)
        with suppress(psutil.Error, StopIteration, IndexError):
            self._do(what)
        round.done.result(90)
        return f"{what} after {moment:.1f} s: {target.target.view().reason}"

    def _do(self, what: str) -> None:
        if what == "kill the looker":
            lookers = [one for one in psutil.Process().children() if "throwawayprocess" in " ".join(one.cmdline())]
            lookers[0].kill()
        elif what.endswith("a part"):
            self._chance.choice(self._site.browsers()).send_signal(_number(what))
        elif what != "nothing":
            self._site.chief().send_signal(_number(what))


def _number(what: str) -> signal.Signals:
    return signal.SIGSTOP if what.startswith("stop") else signal.SIGKILL


@pytest.mark.parametrize("rounds", [int(os.environ.get("PAGE_ROUNDS", ROUNDS))])
def test_a_hundred_rounds_with_crashes_and_hangs_leave_nothing(site: Site, rounds: int) -> None:
    chance = random.Random(SEED)
    fault, before = Fault(site, chance), held()
    for number in range(rounds):
        path = chance.choice(["/good", "/hangs", "/loop", "/never", "/errors", "/refresh"])
        with site.page(path, "page_timeout: 3s\nelements_within: 1s") as target:
            said = f"round {number}, {path}, {fault.happen(target)}"
        print(said)
        assert site.left() == [], said
    after = held()
    until(lambda: is_no_more_than(before))
    assert after.memory - before.memory < 16 << 20
