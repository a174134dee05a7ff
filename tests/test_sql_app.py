"""Figures of applications that the rules know by name: JSON and SQL fill them alike, and neither gives a false one."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.appmetrics import ACTIVE_USERS, DEDUPLICATION, FIGURES, VIDEO_SPEED
from exporter.mapping import MappedMetric
from tests.onetarget import one
from tests.process import command
from tests.rules import shipped
from tests.rules_promql import selectors
from tests.sqlitefile import made
from tests.sqltargets import query, target

FAMILY = re.compile(r"^(?:# (?:HELP|TYPE) )?runbook_app_.*", re.MULTILINE)
Wanted = tuple[str, object, str]
"""The name of a figure, its value, and what else is said of it."""


def by_json(path: Path, wanted: Sequence[Wanted]) -> str:
    """Return the settings of a target that takes figures out of a document."""
    path.write_text(json.dumps({name: value for name, value, _ in wanted}), encoding="utf-8")
    metrics = ", ".join(f"{{name: {name}, value: {name}{more}}}" for name, _, more in wanted)
    return f"file: {path}\nmetrics: [{metrics}]"


def by_sql(path: Path, wanted: Sequence[Wanted]) -> str:
    """Return the settings of a target that takes each figure out of a database by a query."""
    figures = [
        query(f"q{place}", f"SELECT {'NULL' if value is None else value} AS n", f"{{name: {name}, value: n{more}}}")
        for place, (name, value, more) in enumerate(wanted)
    ]
    return target(f"sqlite: {made(path)}", *figures)


WAYS = {"json": by_json, "sql": by_sql}
every_way = pytest.mark.parametrize("kind", WAYS)


def told(kind: str, path: Path, *wanted: Wanted) -> tuple[list[str], list[str]]:
    """Return the lines of the figures on a page, and how each read fared that gives them."""
    with one(kind, WAYS[kind](path, wanted)) as asked:
        text = asked.text()
        outcomes = asked.target.view().outcomes
    said = [f"{one.status} {one.reason}" for one in outcomes if one.read not in ("file", "age")]
    return FAMILY.findall(text), said


def test_json_and_sql_give_the_same_figures(tmp_path: Path) -> None:
    plain = {name: figure for name, figure in FIGURES.items() if not figure.metric.labels}
    wanted = [(name, 0.75, "") for name in sorted(plain)]
    lines, said = told("sql", tmp_path / "sql", *wanted)
    assert (sorted(lines), set(said)) == (sorted(told("json", tmp_path / "json", *wanted)[0]), {"ok "})
    for name, figure in plain.items():
        source = "the application, by the configuration's mapping"
        assert f"# HELP {name} {figure.metric.help} Source: {source}." in lines
        assert f"{name} 0.75" in lines


@every_way
@pytest.mark.parametrize(("name", "value", "expected"), [
    (DEDUPLICATION.name, 90, "expected 0 to 1 (`scale` makes it so: of a percentage 0.01)"),
    (DEDUPLICATION.name, -0.1, "expected 0 or more"),
    (VIDEO_SPEED.name, 1e9, "expected 0 to 100000"),
    (ACTIVE_USERS.name, -1, "expected 0 or more"),
])  # fmt: skip
def test_what_cannot_be_true_is_no_figure(kind: str, name: str, value: float, expected: str, tmp_path: Path) -> None:
    lines, (said,) = told(kind, tmp_path / "it", (name, value, ""))
    assert lines == []
    assert said.startswith("failed")
    assert expected in said


@every_way
def test_a_percentage_is_scaled_and_what_is_not_known_is_no_figure(kind: str, tmp_path: Path) -> None:
    lines, said = told(kind, tmp_path / "it", (DEDUPLICATION.name, 90, ", scale: 0.01"), (VIDEO_SPEED.name, None, ""))
    assert lines[2:] == [f"{DEDUPLICATION.name} 0.9"]
    assert set(said) == {"ok "}


def test_the_rules_ask_for_figures_that_a_mapping_can_give() -> None:
    asked = {selector.name for rule in shipped() if rule.area == "app" for selector in selectors(rule.node)}
    assert {name for name in asked if name.startswith("runbook_app")} == {DEDUPLICATION.name, VIDEO_SPEED.name}
    assert MappedMetric(name=DEDUPLICATION.name, value="a").declaration.metric("here") is DEDUPLICATION


def test_jobs_come_by_both_ways_alike(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_text('{"jobs": [{"job": "a", "how": "failure", "n": 3}]}', encoding="utf-8")
    labels = "{job_name: job, outcome: how}"
    by_path = f"file: {path}\nmetrics: [{{name: runbook_job_runs_total, each: jobs, value: n, labels: {labels}}}]"
    rows = "SELECT 'a' AS job_name, 'failure' AS outcome, 3 AS n"
    by_column = query("q", rows, "{name: runbook_job_runs_total, value: n, labels: [job_name, outcome]}")
    for kind, settings in (("json", by_path), ("sql", target(f"sqlite: {made(tmp_path / 'it.sqlite')}", by_column))):
        with one(kind, settings) as asked:
            text = asked.text()
        assert "# TYPE runbook_job_runs_total counter" in text
        assert 'runbook_job_runs_total{job_name="a",outcome="failure"} 3\n' in text


def test_they_are_explained() -> None:
    ended = command("explain", VIDEO_SPEED.name)
    assert ended.returncode == 0
    assert "the configuration's mapping" in ended.stdout
