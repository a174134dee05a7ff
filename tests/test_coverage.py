"""What the guides ask for is all there: each statement has a metric, a rule, its tests, a runbook page and a panel."""

import re
from collections import Counter
from collections.abc import Iterator

from exporter import coverage, pack
from exporter.coverage import Statement
from tests import rules
from tests.process import ROOT
from tests.rules import Case, cases

ASKED = {"NC": 26, "TB": 30, "MEM": 27, "CR": 28, "ND": 26, "OWN": 5}
"""How many statements the guide of each application has, in the order of the page, and the watching itself."""
STATEMENTS = [statement for guide in coverage.guides() for statement in guide.statements]
STEPS = [step for guide in coverage.guides() for step in guide.steps]
SEEN_ONLY = {"TB-26", "MEM-21", "MEM-26", "CR-03"}
"""What no number judges: it is measured and shown, and calls nobody."""
ALWAYS = "Watchdog"
"""It fires always, and measures nothing."""


def test_every_statement_of_every_guide_is_there_once() -> None:
    wanted = [f"{guide}-{number:02d}" for guide, count in ASKED.items() for number in range(1, count + 1)]
    assert [statement.id for statement in STATEMENTS] == wanted
    assert [name for name, count in Counter(each.says for each in STATEMENTS).items() if count > 1] == []


def test_something_is_measured_and_declared() -> None:
    named = [(each.id, name) for each in STATEMENTS for name in each.metrics]
    assert [each.id for each in STATEMENTS if not each.metrics and each.alerts != (ALWAYS,)] == []
    assert [pair for pair in named if not rules.declared(pair[1]) and pair[1] not in coverage.elsewhere()] == []


def test_what_others_give_is_named_with_whom_and_is_not_ours() -> None:
    used = {name for statement in STATEMENTS for name in statement.metrics}
    assert set(coverage.elsewhere()) <= used & rules.FOREIGN.keys()
    assert [name for name in coverage.elsewhere() if rules.declared(name)] == []


def test_what_is_measured_is_what_its_rules_and_panels_ask_for() -> None:
    strange = [(each.id, metric) for each in STATEMENTS for metric in set(each.metrics) - asked_for(each)]
    assert strange == []


def asked_for(statement: Statement) -> set[str]:
    """Return the metrics that the statement's rules and panels ask for, of histograms also without their part."""
    expressions = [rule.expression for name in statement.alerts for rule in pack.rules().alerts.get(name, ())]
    expressions += [panel.asks for panel in map(coverage.panel_named, statement.panels) if panel]
    found = {name for expression in expressions for name in pack.rules().names(expression)}
    return found | {name.removesuffix(part) for name in found for part in ("_bucket", "_sum", "_count")}


def test_each_has_a_rule_that_is_tested_and_a_page() -> None:
    assert {each.id for each in STATEMENTS if not each.alerts} == SEEN_ONLY
    assert [(each.id, name, lack) for each in STATEMENTS for name in each.alerts for lack in lacks(name)] == []


def lacks(alert: str) -> Iterator[str]:
    """Yield what an alert lacks."""
    if alert not in pack.rules().alerts:
        yield "rule"
        return
    looks = looks_at(alert)
    if not any(look.expected for look in looks):
        yield "test that sees it fire"
    if alert != ALWAYS and all(look.expected for look in looks):
        yield "test that sees it silent"
    if {file.partition("_")[0] for file in coverage.tested()[alert]} != {pack.rules().alerts[alert][0].area}:
        yield "test in its own area"
    if not (pack.runbooks_folder() / f"{alert}.md").is_file():
        yield "runbook page"


def looks_at(alert: str) -> list[Case]:
    return [case for case in cases(pack.rules().alerts[alert][0].area) if case.alert == alert]


def test_each_is_seen_on_a_panel() -> None:
    unseen = [(each.id, name) for each in STATEMENTS for name in each.alerts if coverage.panel_of(name) is None]
    absent = [(each.id, name) for each in STATEMENTS for name in each.panels if coverage.panel_named(name) is None]
    assert unseen + absent == []
    assert [each.id for each in STATEMENTS if not each.alerts and not each.panels] == []


def test_alerts_that_no_guide_asks_for_stand_at_the_end() -> None:
    page = coverage.as_markdown().partition("## Beyond the guides")[2]
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert [row[0].strip("|` ") for row in rows] == coverage.beyond()
    assert [row for row in rows if len(row) != 5 or not all(cell.strip("| ") for cell in row)] == []
    assert [name for name in coverage.beyond() if list(lacks(name))] == []


def test_the_page_is_current_and_has_the_figures_of_the_rules() -> None:
    page = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert page == coverage.as_markdown(), "run `make generate`"
    for rule in (rule for group in pack.rules().alerts.values() for rule in group):
        assert f"`{rule.expression}`" in page


def test_its_links_lead_somewhere() -> None:
    links = set(re.findall(r"\]\(([^)]*)\)", coverage.as_markdown()))
    assert len(links) > len(pack.rules().alerts)
    assert [link for link in links if not (ROOT / "docs" / link).is_file()] == []


# ---- what the guides do about trouble


def test_each_step_of_a_guide_stands_on_its_pages() -> None:
    pages = {name: " ".join(pack.runbook(name).split()) for step in STEPS for name in step.pages}
    assert [(step.says, page, step.has) for step in STEPS for page in step.pages if step.has not in pages[page]] == []
    assert [step.says for step in STEPS if not step.pages or len(step.has) <= 6] == []


def test_every_guide_has_its_steps() -> None:
    assert [guide.name for guide in coverage.guides() if len(guide.steps) < 20] == ["Of the watching itself"]
    assert [step for step, count in Counter(step.says for step in STEPS).items() if count > 1] == []
