"""Promtool's tests pass, and see a changed figure of every alert."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests import rules_shape as shape
from tests.rules import FILES, FOLDER, Rule, loaded, promtool_tests, shipped

EARLY, LATE = "TooEarly", "TooLate"
"""What the name of an alert ends in whose figure is changed, so that it fires a little too early or too late."""
SLOW: Final = dict.fromkeys(
    ("alertmanager", "api", "app", "cache", "celery", "duckdb", "host", "http", "jobs", "log", "path", "postgres"),
    pytest.mark.long,
)
"""Areas whose changed figures take promtool long: for each change it is enough that their tests pass."""
SIGNAL: Final = re.compile(r"runbook:[a-z0-9_]+:[a-z_]+")
COMPLAINT: Final = re.compile(r"^ {4}(?!name: )(\w+): ?(\w*)", re.MULTILINE)
"""What did not come as expected, as promtool says it: `alertname: HighCPUUsage`, or of what kind it is."""
Test = dict[str, Any]


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


def with_changed(rule: dict[str, Any], originals: Mapping[str, Rule]) -> Iterator[dict[str, Any]]:
    """Yield a rule and, of an alert, the two with changed figures: they look at its signal as it does."""
    yield rule
    if rule.get("alert", shape.ALWAYS) != shape.ALWAYS:
        original = originals[rule["expr"].strip()]
        bare = {name: value for name, value in rule.items() if name != "annotations"}  # texts take promtool long
        yield bare | {"alert": rule["alert"] + EARLY, "expr": changed(original, looser=True)}
        yield bare | {"alert": rule["alert"] + LATE, "expr": changed(original, looser=False)}


def without_texts(look: Mapping[str, Any], end: str) -> Test:
    """Return a look at an alert as one at the changed one, which has no texts."""
    expected = [{"exp_labels": one["exp_labels"]} for one in look.get("exp_alerts", ())]
    return {"eval_time": look["eval_time"], "alertname": look["alertname"] + end, "exp_alerts": expected}


def rewritten(area: str, alerts: set[str]) -> dict[str, Any]:
    """Return an area with changed alerts, and nothing in it but those asked for: each rule more costs promtool time."""
    rules = loaded((FOLDER / f"{area}.yml").read_text(encoding="utf-8"))
    originals = {rule.expression: rule for rule in shipped() if rule.is_alert and rule.area == area}
    names = needed(alerts, area)
    for group in rules["groups"]:
        kept = [rule for rule in group["rules"] if (rule.get("alert") or rule["record"]) in names]
        group["rules"] = [each for rule in kept for each in with_changed(rule, originals)]
    left = [rule for group in rules["groups"] for rule in group["rules"]]
    asked = {name for rule in left for name in SIGNAL.findall(str(rule["expr"]))}
    # one that was left out by mistake would silence alerts, and look as if a test had seen the figure
    assert asked <= {rule.get("record") for rule in left}
    return {"groups": [group for group in rules["groups"] if group["rules"]]}


def parts(area: str, test: Test) -> Iterator[tuple[Test, dict[str, Any] | None]]:
    """Yield what a test asks of alerts, of the changed ones too, with their rules; and what else it asks of all."""
    looks = test.get("alert_rule_test", [])
    if looks:
        more = [without_texts(look, end) for look in looks for end in (EARLY, LATE)
                if look["alertname"] != shape.ALWAYS]  # fmt: skip
        alone = {name: value for name, value in test.items() if name != "promql_expr_test"}
        yield alone | {"alert_rule_test": looks + more}, rewritten(area, {look["alertname"] for look in looks})
    if test.get("promql_expr_test"):
        yield {name: value for name, value in test.items() if name != "alert_rule_test"}, None


def written(area: str, folder: Path) -> Iterator[Path]:
    """Write each test of an area beside the rules that it asks for, and yield the tests."""
    shutil.copy(FOLDER / f"{area}.yml", folder / "all_rules.yml")
    for file in promtool_tests(area):
        content = loaded(file.read_text(encoding="utf-8"))
        assert content["rule_files"] == [f"../{area}.yml"]
        every = [part for test in content["tests"] for part in parts(area, test)]
        for number, (test, rules) in enumerate(every):
            beside = folder / ("all_rules.yml" if rules is None else f"{file.stem}_{number}_rules.yml")
            if rules is not None:
                beside.write_text(yaml.dump(rules, Dumper=yaml.CSafeDumper), encoding="utf-8")
            alone = folder / f"{file.stem}_{number}.yml"
            whole = content | {"rule_files": [beside.name], "tests": [test]}
            alone.write_text(yaml.dump(whole, Dumper=yaml.CSafeDumper), encoding="utf-8")
            yield alone


@pytest.mark.parametrize("area", SLOW)
def test_alerts_fire_as_told(area: str) -> None:
    files = promtool_tests(area)
    ended = subprocess.run(["promtool", "test", "rules", *files], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


# Promtool takes most of its time for the signals, so one run looks at all three alerts on each.
@pytest.mark.parametrize("area", [pytest.param(file.stem, marks=SLOW.get(file.stem, ())) for file in FILES])
def test_alerts_fire_as_told_and_a_changed_figure_is_seen(area: str, tmp_path: Path) -> None:
    files = list(written(area, tmp_path))
    ended = subprocess.run(["promtool", "test", "rules", *files], capture_output=True, text=True, check=False)
    told = ended.stdout + ended.stderr
    alerts = {rule.name for rule in shipped() if rule.is_alert and rule.area == area and rule.name != shape.ALWAYS}
    seen = set(COMPLAINT.findall(told))
    assert seen == {("alertname", name + end) for name in alerts for end in (EARLY, LATE)}, told[:5000]


def test_every_file_of_tests_belongs_to_an_area() -> None:
    tests = [file for area in FILES for file in promtool_tests(area.stem)]
    assert sorted(tests) == sorted((FOLDER / "tests").glob("*.yml"))
