"""The pages for eyes: valid HTML, everything escaped, readable without scripts."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from exporter import statuspage
from exporter.board import Board
from exporter.collector import NoSettings
from exporter.config import TargetSettings
from exporter.selfmetrics import Telemetry
from exporter.snapshot import Outcome, Snapshot
from exporter.state import State
from exporter.target import Target
from tests.process import Exporter, running

NOW = 1_800_000_000.0
HOSTILE = """<script>alert('x')</script>"><img src=x onerror=y>&amp;"""
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Checks that tags nest and ids are unique, and collects tags, links, text and the cells of each row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == [], "tags that nobody closed"
        ids = self.all("id")
        assert len(ids) == len(set(ids))

    def all(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(attribute)) is not None]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    config = """
targets:
  good: {collector: fake, description: "<b>The</b> best & first"}
  torn: {collector: fake, behaviour: fails, critical: false, interval: 20s}
  gone: {collector: fake, behaviour: down}
"""
    with running(tmp_path_factory.mktemp("pages"), config) as exporter:
        yield exporter


def row(page: Page, name: str) -> list[str]:
    return next(cells for cells in page.rows if cells and cells[0] == name)


def test_the_landing_page_shows_every_target_and_where_to_go(exporter: Exporter) -> None:
    answer = exporter.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    assert "critical" in page.text
    good = row(page, "good")
    assert good[1:3] == ["fake", "healthy"]
    assert good[4:6] == ["2 of 2", "2"]
    assert row(page, "gone")[2:] == ["critical", "never", "0 of 3", "0", row(page, "gone")[6], "nobody is at home"]
    assert row(page, "host")[2] == "healthy"
    assert {"/metrics", "/targets", "/health", "/sd", "/targets#gone"} <= set(page.all("href"))


def test_every_link_of_the_pages_leads_somewhere(exporter: Exporter) -> None:
    targets = Page(exporter.get("/targets").text)
    links = set(Page(exporter.get("/").text).all("href") + targets.all("href"))
    for link in links:
        path, _, anchor = link.partition("#")
        assert exporter.get(path).status_code in (200, 503)
        assert not anchor or anchor in targets.all("id")


def test_the_targets_page_shows_every_read_with_its_reason(exporter: Exporter) -> None:
    page = Page(exporter.get("/targets").text)
    assert page.all("id") == ["host", "exporter", "good", "torn", "gone"]
    assert row(page, "load")[5] == "Load averages, from /proc/loadavg."
    assert row(page, "absent")[1:3] == ["does not apply", ""]
    assert row(page, "absent")[5] == "there is <i>no</i> such thing"
    why = [cells[5] for cells in page.rows if cells[0] == "doubtful"]
    assert why[:2] == ["Works, or fails.", 'it is <broken> & torn. say "please"']
    assert "nobody is at home. ring again <b>later</b>" in page.text
    assert "<b>The</b> best & first" in page.text
    assert "read every 20 s" in page.text


@pytest.mark.parametrize("path", ["/", "/targets"])
def test_pages_need_nothing_from_anywhere_and_no_script(exporter: Exporter, path: str) -> None:
    page = Page(exporter.get(path).text)
    assert not {"script", "link", "img", "iframe", "form"} & {tag for tag, _ in page.tags}
    assert not any("//" in link for link in page.all("href"))
    assert page.tags[0] == ("html", {"lang": "en"})
    assert any("width=device-width" in content for content in page.all("content"))
    assert "prefers-color-scheme: dark" in exporter.get(path).text


def target(name: str, folder: Path) -> Target:
    settings = TargetSettings(name=name, collector="exporter", settings=NoSettings(), description=HOSTILE)
    return Board(Telemetry(State(None))).make(settings)


def hostile_snapshot(*outcomes: Outcome, up: bool | None = True) -> Snapshot:
    return Snapshot(HOSTILE, HOSTILE, NOW, up, 0.1, HOSTILE, HOSTILE, outcomes, (), {HOSTILE: NOW - 90})


@pytest.mark.parametrize("up", [True, False, None])
def test_hostile_names_and_reasons_stay_text(tmp_path: Path, up: bool | None) -> None:
    outcomes = (
        Outcome(HOSTILE, "failed", NOW, reason=HOSTILE, fix=HOSTILE),
        Outcome("x", "skipped", NOW, reason=HOSTILE),
    )
    snapshot = hostile_snapshot(*outcomes, up=up)
    for make in (statuspage.landing, statuspage.targets):
        page = Page(make([target(HOSTILE, tmp_path)], [snapshot], NOW))
        assert not {"script", "img"} & {tag for tag, _ in page.tags}
        assert HOSTILE in page.text


def test_a_page_of_nothing_says_so() -> None:
    assert "nothing is watched" in Page(statuspage.landing([], [], NOW)).text


@pytest.mark.parametrize(("seconds", "shown"), [
    (0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (3599, "60 min ago"), (7200, "2 h ago"), (200_000, "2 d ago"),
    (-5, "0 s ago"),
])  # fmt: skip
def test_times_are_shown_as_ages(tmp_path: Path, seconds: float, shown: str) -> None:
    snapshot = Snapshot("x", "exporter", NOW, True, last_success={"load": NOW - seconds})
    assert row(Page(statuspage.landing([target("x", tmp_path)], [snapshot], NOW)), "x")[3] == shown


def test_what_a_read_remarks_though_it_worked_is_shown(tmp_path: Path) -> None:
    outcomes = (Outcome("migrations", "ok", NOW, reason="it ended with 4"), Outcome("fine", "ok", NOW))
    snapshot = Snapshot("x", "exporter", NOW, True, outcomes=outcomes)
    landing = row(Page(statuspage.landing([target("x", tmp_path)], [snapshot], NOW)), "x")
    assert (landing[2], landing[-1]) == ("unhealthy", "migrations: it ended with 4")
    shown = Page(statuspage.targets([target("x", tmp_path)], [snapshot], NOW))
    assert (row(shown, "migrations")[1], row(shown, "migrations")[-1]) == ("found something", "it ended with 4")
