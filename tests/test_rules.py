"""The alert rules keep the rules for alert rules, and each is tested as what the exporter really gives."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from exporter import catalogue
from exporter.metric import Metric
from tests import rules
from tests.process import ROOT
from tests.rules import FILES, MAY_BE_EMPTY, SCRAPED, Case, Rule, cases, inputs, known, shipped
from tests.rules_promql import EXPRESSION_CHECKS, Check, selectors, with_contexts
from tests.rules_shape import ALWAYS, CONDITION, SHAPE_CHECKS, group_trouble

AREAS = [file.stem for file in FILES]
ALERTS = [rule for rule in shipped() if rule.is_alert]
OWN_JOB = "runbook-exporter"

every_area = pytest.mark.parametrize("area", AREAS)


@pytest.mark.parametrize("check", [*EXPRESSION_CHECKS, *SHAPE_CHECKS], ids=lambda check: check.__name__)
def test_every_rule_passes(check: Check) -> None:
    assert [f"{rule}: {wrong}" for rule, context in with_contexts(shipped()) for wrong in check(rule, context)] == []


@every_area
def test_groups_are_small_and_quick(area: str) -> None:
    groups = yaml.safe_load((ROOT / "rules" / f"{area}.yml").read_text(encoding="utf-8"))["groups"]
    assert [wrong for group in groups for wrong in group_trouble(group)] == []


def test_areas_are_those_of_runbooks_and_dashboards() -> None:
    assert AREAS == [
        "alertmanager",
        "api",
        "app",
        "backup",
        "cache",
        "celery",
        "certificate",
        "command",
        "duckdb",
        "exporter",
        "gpu",
        "host",
        "http",
        "jobs",
        "log",
        "mongodb",
        "page",
        "path",
        "pgbouncer",
        "postgres",
        "probe",
        "process",
        "redis",
        "security",
        "sqlite",
        "systemd",
        "task",
    ]
    names = [rule["name"] for file in FILES for rule in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_signals_are_recorded_once_and_alerts_belong_to_one_area() -> None:
    names = [rule.name for rule in shipped() if not rule.is_alert]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    homes = {(rule.name, rule.area) for rule in ALERTS}
    assert len(homes) == len({rule.name for rule in ALERTS})


def test_figures_of_one_alert_are_told_apart_by_a_static_label() -> None:
    figures = Counter((rule.name, tuple(sorted(rule.labels.items()))) for rule in ALERTS)
    assert [figure for figure, count in figures.items() if count > 1] == []


def test_people_are_called_for_the_lesser_part_of_the_alerts() -> None:
    critical = {rule.name for rule in ALERTS if rule.labels["severity"] == "critical"}
    assert len(critical) < len({rule.name for rule in ALERTS}) / 2


def test_every_signal_is_used_by_an_alert_a_dashboard_or_a_guard() -> None:
    used = {selector.name for rule in shipped() for selector in selectors(rule.node)}
    shown = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "grafana").glob("*.json"))
    on_panels = set(re.findall(r"runbook:\w+:\w+", shown))
    assert sorted({rule.name for rule in shipped() if not rule.is_alert} - used - on_panels) == []


def same_signal(alerts: list[Rule]) -> Iterator[tuple[str, str]]:
    """Yield the names of each two alerts on one signal."""
    seen: dict[str, str] = {}
    for rule in alerts:
        signal = CONDITION.fullmatch(rule.expression)
        if signal:
            other = seen.setdefault(signal[1], rule.name)
            if other != rule.name:
                yield other, rule.name


def test_of_alerts_on_one_signal_the_stricter_inhibits_the_looser() -> None:
    text = (ROOT / "alertmanager.yml").read_text(encoding="utf-8")
    rules = yaml.safe_load(text)["inhibit_rules"]
    pairs = [" ".join((*rule["source_matchers"], *rule["target_matchers"])) for rule in rules]
    missing = [
        both for both in same_signal(ALERTS) if not any(all(f'"{name}"' in pair for name in both) for pair in pairs)
    ]
    assert missing == []


def firing(rule: Rule, case: Case) -> bool:
    """Tell whether this figure of the alert is expected to fire."""
    static = rule.labels.items()
    return case.alert == rule.name and any(static <= alert["exp_labels"].items() for alert in case.expected)


@pytest.mark.parametrize("rule", ALERTS, ids=str)
def test_every_alert_is_tested_firing_and_silent(rule: Rule) -> None:
    looks = [case for case in cases(rule.area) if case.alert == rule.name]
    assert any(firing(rule, case) for case in looks)
    if rule.name != ALWAYS:
        silent = [case for case in looks if not case.expected]
        resolved = [case.test for case in looks if case.expected and any(later.test == case.test for later in silent)]
        assert silent
        assert resolved, "no test sees it end"


@every_area
def test_what_tests_expect_is_whole(area: str) -> None:
    expected = [alert for case in cases(area) for alert in case.expected]
    assert all(set(alert["exp_annotations"]) == {"summary", "description", "runbook_url"} for alert in expected)
    assert {case.alert for case in cases(area)} == {rule.name for rule in ALERTS if rule.area == area}


def given(selector: Any) -> dict[str, str]:
    return {matcher.name: matcher.value for matcher in selector.matchers.matchers}


@every_area
def test_the_series_of_tests_have_the_labels_that_the_exporter_gives(area: str) -> None:
    wrong = []
    for selector in inputs(area):
        declared, labels = known(selector.name), given(selector).keys()
        if declared is None or labels - declared.labels or declared.labels - labels - SCRAPED - MAY_BE_EMPTY.keys():
            wrong.append(str(selector))
    assert wrong == []


@every_area
def test_the_series_of_tests_come_by_one_of_the_two_ways(area: str) -> None:
    wrong = [str(selector) for selector in inputs(area) if not by_some_way(selector)]
    assert wrong == []


def by_some_way(selector: Any) -> bool:
    if selector.name in rules.FOREIGN:
        return True
    labels = given(selector)
    found = rules.declared(selector.name)
    if found is None:
        return False
    kind, metric = found
    if "target" in labels and labels["instance"] == labels["target"]:  # way 2: every target by itself
        return labels["job"] in jobs_of(kind, metric)
    of_a_target = kind not in ("system", "exporter") or "collector" in metric.labels
    return labels["job"] == OWN_JOB and ("target" in labels) == of_a_target


def jobs_of(kind: str, metric: Any) -> set[str]:
    """Return the jobs under which a metric may come: its collector's, or any where the exporter speaks of a target."""
    collectors = catalogue.collectors()
    spoken_of = isinstance(metric, Metric) and "collector" in metric.labels
    return {collectors[name].job for name in (collectors if spoken_of else [kind])}


@every_area
def test_both_ways_of_scraping_are_tested(area: str) -> None:
    ways = {given(selector).get("instance") == given(selector).get("target") for selector in inputs(area)}
    assert ways == {True, False}


def test_the_lint_reads_what_promtool_reads() -> None:
    text = "groups: [{name: x, rules: [{record: 'runbook:x:y', expr: 0.40}, {alert: X, expr: 'runbook:x:y > 1'}]}]"
    number, alert = rules.rules_in(text, "x")
    assert (number.is_number, number.is_alert, number.expression) == (True, False, "0.4")
    assert (alert.is_alert, alert.name, str(alert)) == (True, "X", "x: X")
