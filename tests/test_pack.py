"""The pack: what is read from the rule files, `explain` and `rules`, and docs/alerts.md."""

import json
from pathlib import Path

import promql_parser
import pytest
import yaml

from exporter import alerts, catalogue, explanation, pack, promql
from exporter.explanation import Explainer
from exporter.metric import Metric, Pattern
from exporter.pack import Pack
from tests.foreign import MIDDLEWARES, SELF_MONITORED
from tests.process import PLAIN, ROOT, command

RULES = """
groups:
  - name: spool
    rules:
      - record: runbook:spool:ratio
        expr: |
          # how full; max_files is no metric here
          sum by (job, spool) (x_spool_files{kind!="max_files"}) / on (job) group_left (note) x_spool_limit
      - record: runbook:spool:least
        expr: 1000
      - record: runbook:spool_age:seconds
        expr: |
          time() - x_spool_oldest_seconds
            and on (job) runbook:spool:ratio > 0 and x_spool_files > runbook:spool:least
        labels: {kind: plain}
      - alert: SpoolFull
        expr: runbook:spool:ratio > 0.80
        for: 5m
        labels: {priority: P2, severity: warning}
        annotations: {summary: A spool is | nearly full.}
      - alert: SpoolFull
        expr: runbook:spool:ratio > 0.95
        labels: {priority: P1, severity: critical, limit: hard}
        annotations: {summary: A spool is | nearly full.}
      - alert: SpoolOld
        expr: runbook:spool_age:seconds >= 5400
        for: 10m
        keep_firing_for: 15m
        labels: {priority: P3, severity: info}
        annotations: {summary: A spool is old.}
      - alert: Watchdog
        expr: vector(1)
        labels: {severity: none}
        annotations: {summary: All is well.}
"""
FILES = Metric("x_spool_files", "gauge", "Files waiting.", labels=("spool",), source="the directory")
ANY = Pattern("x_spool_*", "gauge", "The figure *.", source="the directory")
METRICS: dict[str, list[Metric | Pattern]] = {"spool": [FILES, ANY]}


@pytest.fixture
def rules(tmp_path: Path) -> Pack:
    file = tmp_path / "spool.yml"
    file.write_text(RULES, encoding="utf-8")
    return pack.load([file])


@pytest.fixture
def explainer(rules: Pack) -> Explainer:
    panels = [("Spools: Fill", "runbook:spool:ratio * 100"), ("Spools: Other", "node_load1")]
    return Explainer(
        METRICS, rules, panels, lambda name: f"# {name}\n\n## What it means\n\nIt is\n**[late](X.md)**.\n\nMore."
    )


def test_rules_are_read_with_all_that_they_say(rules: Pack) -> None:
    assert list(rules.alerts) == ["SpoolFull", "SpoolOld", "Watchdog"]
    soft, hard = rules.alerts["SpoolFull"]
    assert (soft.area, soft.condition, soft.wait, soft.own_labels) == (
        "spool", ("runbook:spool:ratio", ">", "0.80"), "5m", {}
    )  # fmt: skip
    assert (hard.wait, hard.own_labels) == ("0s", {"limit": "hard"})
    assert rules.alerts["SpoolOld"][0].keep == "15m"
    assert rules.alerts["Watchdog"][0].condition is None
    assert [name for name, group in rules.signals.items() if group[0].is_number] == ["runbook:spool:least"]


def test_what_an_alert_rests_on_is_followed_through_its_signals(rules: Pack) -> None:
    old = rules.alerts["SpoolOld"][0].expression
    assert [signal.name for signal in rules.feeding(old)] == [
        "runbook:spool_age:seconds", "runbook:spool:ratio", "runbook:spool:least"
    ]  # fmt: skip
    assert rules.metrics(old) == ["x_spool_files", "x_spool_limit", "x_spool_oldest_seconds"]
    assert rules.metrics("vector(1)") == []


@pytest.mark.parametrize(("expression", "names"), [
    ("vector(1)", []),
    ("""sum by (job) (rate(a_total{mode!~"idle|x", c='(y)'}[5m] offset 1m)) / on(job) group_left(z) b > 0.8 # c""",
     ["a_total", "b"]),
    ("(time() - a_seconds) / 1e3 > bool 2 and on () x:y:ratio unless b offset 15m", ["a_seconds", "x:y:ratio", "b"]),
    ("sum(a) by (b) + max without (c) (d)", ["a", "d"]),
    ('a{b="}"} or c{d="x{y"}[5m]', ["a", "c"]),
    ("predict_linear(a[6h], 86400) < +Inf or b == NaN", ["a", "b"]),
    ("rate(a[5m:1m] @ end())", ["a"]),
    ('count_values("version", a) or topk(10, a)', ["a"]),
    ("rate(a[$__rate_interval])", ["a"]),
])  # fmt: skip
def test_names_in_an_expression(expression: str, names: list[str]) -> None:
    assert promql.names(expression) == names


def selected(node: object) -> set[str]:
    """Return the metrics that a parsed expression selects, by the parser's own tree."""
    if isinstance(node, promql_parser.VectorSelector):
        return {node.name or ""}
    parts = (getattr(node, part, None) for part in ("expr", "lhs", "rhs", "vector_selector", "param"))
    found = {name for part in parts if part is not None for name in selected(part)}
    for argument in getattr(node, "args", None) or []:
        found |= selected(argument)
    return found


def test_names_in_the_rules_are_those_that_a_parser_finds() -> None:
    texts = [rule.expression for group in pack.rules().alerts.values() for rule in group]
    texts += [signal.expression for group in pack.rules().signals.values() for signal in group]
    assert len(texts) > 40
    for text in texts:
        assert set(promql.names(text)) == selected(promql_parser.parse(text)), text


@pytest.mark.parametrize(("signal", "number", "words"), [
    ("runbook:a:ratio", "0.80", "80%"), ("runbook:a:ratio", "0.125", "12.5%"), ("runbook:a:ratio", "0.07", "7%"),
    ("runbook:a:seconds", "5400", "1h30m"), ("runbook:a:seconds", "2592000", "30d"),
    ("runbook:a:bytes", "3.8e9", "3800MB"), ("runbook:a:up", "0", ""),
    ("runbook:a:seconds", "0", ""), ("runbook:a:bytes", "0", ""),
])  # fmt: skip
def test_figures_in_words(signal: str, number: str, words: str) -> None:
    assert alerts.in_words(signal, number) == words


def test_the_generated_page_has_a_row_for_each_figure(rules: Pack) -> None:
    page = alerts.as_markdown(rules)
    assert (
        "| `SpoolFull` | A spool is \\| nearly full. | `runbook:spool:ratio` | `> 0.80` (80%) | 5m | P2 |"
        " [SpoolFull](runbooks/SpoolFull.md) |\n"
    ) in page
    assert '| `SpoolFull` limit="hard" | A spool is \\| nearly full. | `runbook:spool:ratio` | `> 0.95` (95%) |' in page
    assert "| `Watchdog` | All is well. | `vector(1)` | always | 0s |  |" in page
    assert "| `runbook:spool:least` | `1000` |  | `SpoolOld` |\n" in page


def test_explain_an_alert(explainer: Explainer) -> None:
    shown = explainer.explain("SpoolOld")
    assert shown is not None
    assert shown.startswith("SpoolOld\n\n  A spool is old.\n\n  It is late.\n\n")
    for line in (
        "  condition:  runbook:spool_age:seconds >= 5400 (1h30m), for 10m, ends 15m after",
        "  priority:   P3, severity info; answered within 24 hours, resolved in the next release",
        "  signal:     runbook:spool_age:seconds",
        "              runbook:spool:least = 1000",
        "  metrics:    x_spool_files (collector spool)",
        "              x_spool_oldest_seconds (collector spool)",
        "  panel:      Spools: Fill",
        "  runbook:    http://localhost:10420/runbooks/SpoolOld, where the exporter listens by default",
    ):
        assert line in shown.splitlines()
    assert "Other" not in shown


def test_explain_an_alert_with_two_figures(explainer: Explainer) -> None:
    lines = (explainer.explain("SpoolFull") or "").splitlines()
    assert lines[6:10] == [
        "  condition:  runbook:spool:ratio > 0.80 (80%), for 5m",
        '              runbook:spool:ratio > 0.95 (95%), for 0s; with limit="hard"',
        "  priority:   P2, severity warning; answered within 4 hours, resolved within 24 hours",
        "              P1, severity critical; answered within 1 hour, resolved within 8 hours",
    ]
    assert sum("runbook:spool:ratio > " in line for line in lines) == 2
    assert sum(line.endswith("  runbook:spool:ratio") for line in lines) == 1


def test_explain_a_metric_and_a_signal_with_all_that_uses_them(explainer: Explainer) -> None:
    metric = explainer.explain("x_spool_files") or ""
    assert "  source:     the directory\n" in metric
    assert metric.splitlines()[-5:] == [
        "  alert:      SpoolFull",
        "              SpoolOld",
        "  signal:     runbook:spool:ratio",
        "              runbook:spool_age:seconds",
        "  panel:      Spools: Fill",
    ]
    signal = explainer.explain("runbook:spool:ratio") or ""
    assert "  metrics:    x_spool_files (collector spool)\n" in signal
    assert "  alert:      SpoolFull\n" in signal
    assert "kind!=" in signal
    assert explainer.explain("x_nothing") is None


def test_the_nearest_names_are_those_of_metrics_alerts_and_signals(explainer: Explainer) -> None:
    assert explainer.nearest("SpoolFul")[0] == "SpoolFull"
    assert explainer.nearest("runbook:spool:rato")[0] == "runbook:spool:ratio"
    assert explainer.nearest("x_spool_file")[0] == "x_spool_files"


@pytest.mark.parametrize(("markdown", "paragraph"), [
    ("# A\n\n## B\n\nOne `two`\n[three](X.md).\n\nFour.", "One `two` three."), ("# A\n", ""), ("", ""),
])  # fmt: skip
def test_the_first_paragraph(markdown: str, paragraph: str) -> None:
    assert explanation.first_paragraph(markdown) == paragraph


def test_panels_are_found_in_rows_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = {"title": "Inner", "targets": [{"expr": "a"}, {"expr": "b"}]}
    dashboard = {"title": "D", "panels": [{"type": "row", "panels": [inner]}, {"title": "Text"}]}
    (tmp_path / "d.json").write_text(json.dumps(dashboard), encoding="utf-8")
    monkeypatch.setattr(pack, "dashboards_folder", lambda: tmp_path)
    assert pack.panels() == [("D: Inner", "a b")]


# ---- the commands


def test_every_alert_and_signal_can_be_explained() -> None:
    explainer = explanation.explainer()
    for name in [*pack.rules().alerts, *pack.rules().signals]:
        shown = explainer.explain(name)
        assert shown is not None
        assert "signal:" in shown or name == "Watchdog"


def test_the_explain_command_knows_alerts() -> None:
    ended = command("explain", "PostgreSQLDown", program=PLAIN)
    assert ended.returncode == 0, ended.stderr
    assert "pg_up (collector postgres)" in ended.stdout
    assert "P0, severity critical" in ended.stdout
    assert "  alert:      PostgreSQLDown\n" in command("explain", "pg_up", program=PLAIN).stdout
    wrong = command("explain", "PostgresDown", program=PLAIN)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "did you mean PostgreSQLDown" in wrong.stderr


def test_every_metric_in_the_rules_is_one_of_ours_or_known_to_be_another_s() -> None:
    metrics = catalogue.by_collector()
    texts = [rule.expression for group in pack.rules().alerts.values() for rule in group]
    names = {name for text in texts for name in pack.rules().metrics(text)}
    strangers = {name for name in names if catalogue.find_metric(name, metrics) is None}
    assert strangers <= {*SELF_MONITORED, *MIDDLEWARES}


def test_rules_are_written_with_the_lines_for_prometheus(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "rules"
    ended = command("rules", str(folder), program=PLAIN)
    assert ended.returncode == 0, ended.stderr
    assert yaml.safe_load(ended.stdout) == {"rule_files": [f"{folder}/*.yml"]}
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in (ROOT / "rules").glob("*.yml")
    }
    assert command("rules", str(folder), program=PLAIN).returncode == 0  # the same again is no harm


def test_rules_that_differ_are_overwritten_only_when_told(tmp_path: Path) -> None:
    command("rules", str(tmp_path), program=PLAIN)
    changed, missing, *_ = sorted(tmp_path.iterdir())
    changed.write_text("groups: []\n", encoding="utf-8")
    missing.unlink()
    ended = command("rules", str(tmp_path), program=PLAIN)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert str(changed) in ended.stderr
    assert "--force" in ended.stderr
    assert not missing.exists()
    assert command("rules", str(tmp_path), "--force", program=PLAIN).returncode == 0
    assert pack.load([changed]).signals
    assert missing.exists()


def test_rules_can_be_scaled_for_tests_that_cannot_wait(tmp_path: Path) -> None:
    ended = command("rules", str(tmp_path), "--scale=60", "--scrape-interval=0.5", program=PLAIN)
    assert ended.returncode == 0, ended.stderr
    original, scaled = pack.rules(), pack.load(sorted(tmp_path.iterdir()))
    assert {name: len(group) for name, group in scaled.alerts.items()} == {
        name: len(group) for name, group in original.alerts.items()
    }
    name, signal = "HighCPUUsage", "runbook:host_cpu:ratio"
    assert (original.alerts[name][0].wait, scaled.alerts[name][0].wait) == ("5m", "5s")
    assert original.signals[signal][0].expression.replace("[2m]", "[2s]") == scaled.signals[signal][0].expression


@pytest.mark.parametrize("arguments", [["--scale=0"], ["--scale=x"], ["--scale=nan"], ["--scale=-2"], ["--scale=inf"]])
def test_a_factor_that_is_none_is_exit_2(tmp_path: Path, arguments: list[str]) -> None:
    ended = command("rules", str(tmp_path), *arguments, program=PLAIN)
    assert ended.returncode == 2
    assert "--scale" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    ended = command("rules", str(tmp_path / "file"), program=PLAIN)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "file" in ended.stderr
    assert "Traceback" not in ended.stderr
