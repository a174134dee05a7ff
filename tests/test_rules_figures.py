"""Promtool's tests are known to see a changed figure of every alert."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import rules_shape as shape
from tests.rules import FILES, FOLDER, Rule, promtool_tests, shipped

SLOW = dict.fromkeys(("alertmanager", "celery", "log", "postgres"), pytest.mark.long)
SIGNAL = re.compile(r"runbook:[a-z0-9_]+:[a-z_]+")


def changed(rule: Rule, *, looser: bool) -> str:
    """Return the alert's condition where it fires a little too early, or a little too late."""
    found = shape.CONDITION.fullmatch(rule.expression)
    assert found
    signal, operator, figure = found.groups()
    if float(figure) == 0:
        return f"{signal} {operator} 0 or {signal} >= 0" if looser else f"{signal} {operator} 0 and {signal} == 99"
    # what is counted changes by one at least
    step = max(float(figure) * 0.05, 1.0 if signal.endswith(":count") else 0.0)
    return f"{signal} {operator} {float(figure) + (step if (operator == '<') == looser else -step)}"


def needed(alerts: set[str], area: str) -> set[str]:
    """Return the names of alerts and of all the signals that they are made of."""
    names = set(alerts)
    for rule in reversed([rule for rule in shipped() if rule.area == area]):  # a signal stands before its use
        names |= set(SIGNAL.findall(rule.expression)) if rule.name in names else set()
    return names


def rewritten(area: str, alerts: set[str], *, looser: bool) -> dict[str, Any]:
    """Return an area with changed figures, and nothing in it but some alerts: each rule more costs promtool time."""
    rules = yaml.safe_load((FOLDER / f"{area}.yml").read_text(encoding="utf-8"))
    by_expression = {rule.expression: rule for rule in shipped() if rule.is_alert and rule.area == area}
    names = needed(alerts, area)
    for group in rules["groups"]:
        group["rules"] = [rule for rule in group["rules"] if (rule.get("alert") or rule["record"]) in names]
        for rule in group["rules"]:
            if "alert" in rule and rule["alert"] != shape.ALWAYS:
                rule["expr"] = changed(by_expression[rule["expr"].strip()], looser=looser)
    kept = [rule for group in rules["groups"] for rule in group["rules"]]
    # one that was left out by mistake would silence alerts, and look as if a test had seen the figure
    assert {name for rule in kept for name in SIGNAL.findall(rule["expr"])} <= {rule.get("record") for rule in kept}
    return {"groups": [group for group in rules["groups"] if group["rules"]]}


def asked_of(test: Mapping[str, Any]) -> set[str]:
    return {look["alertname"] for look in test.get("alert_rule_test", ())}


def changed_files(area: str, folder: Path, *, looser: bool) -> Iterator[Path]:
    """Write each test of an area beside the rules that it asks for, changed, and yield the tests."""
    for file in promtool_tests(area):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert content["rule_files"] == [f"../{area}.yml"]
        for number, test in enumerate(content["tests"]):
            rules = folder / f"{file.stem}_{number}_rules.yml"
            rules.write_text(yaml.safe_dump(rewritten(area, asked_of(test), looser=looser)), encoding="utf-8")
            alone = folder / f"{file.stem}_{number}.yml"
            alone.write_text(yaml.safe_dump(content | {"rule_files": [rules.name], "tests": [test]}), encoding="utf-8")
            yield alone


@pytest.mark.parametrize("looser", [True, False], ids=["too early", "too late"])
@pytest.mark.parametrize("area", [pytest.param(file.stem, marks=SLOW.get(file.stem, ())) for file in FILES])
def test_a_changed_figure_is_seen_by_the_tests_of_its_alert(area: str, looser: bool, tmp_path: Path) -> None:
    files = list(changed_files(area, tmp_path, looser=looser))
    ended = subprocess.run(["promtool", "test", "rules", *files], capture_output=True, text=True, check=False)
    seen = set(re.findall(r"alertname: ?(\w+)", ended.stdout + ended.stderr))
    alerts = {rule.name for rule in shipped() if rule.is_alert and rule.area == area and rule.name != shape.ALWAYS}
    assert seen == alerts


def test_every_file_of_tests_belongs_to_an_area() -> None:
    tests = [file for area in FILES for file in promtool_tests(area.stem)]
    assert sorted(tests) == sorted((FOLDER / "tests").glob("*.yml"))
