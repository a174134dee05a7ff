"""What the dashboards ask: metrics that are there, by the variables, with the functions that fit; and their alerts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import promql_parser
import pytest

from exporter import catalogue, pack, promql, selfmetrics
from exporter.config import HOST_COLLECTOR
from grafana import alerts, units
from grafana.declare import signal
from tests import dashboards
from tests.dashboards import AREAS, Asked, asked, load, panels, substituted
from tests.foreign import MIDDLEWARES, SELF_MONITORED
from tests.process import ROOT

CATALOGUE = catalogue.by_collector()
PACK = pack.rules()
# What Prometheus itself makes of each scrape and each alert.
PROMETHEUS: Final = {
    "up": set[str](),
    "scrape_duration_seconds": set[str](),
    "scrape_samples_scraped": set[str](),
    "ALERTS": {"alertname", "alertstate"},
}
# What others give, which only rules ask for.
FOREIGN: Final = {name: set(labels) for name, (_, labels) in {**SELF_MONITORED, **MIDDLEWARES}.items()}
STANDING: Final = {"job", "instance", "target"}
MADE: Final = re.compile(r'[})], "(\w+)", "')  # what label_replace() and label_join() add
BY_VARIABLES: Final = {"job": "$job", "instance": "$instance"}


def everything(area: str) -> Iterator[Asked]:
    yield from (*asked(area), *dashboards.variable_queries(area), *dashboards.annotation_queries(area))


@dataclass(frozen=True, slots=True)
class Selected:
    """One selector in an expression, its matchers, and the function and range that it stands in."""

    name: str
    matchers: dict[str, tuple[str, str]]
    function: str
    ranged: bool


@dataclass(slots=True)
class Reading:
    """An expression, walked through."""

    selected: list[Selected] = field(default_factory=list)
    _above: list[promql_parser.Expr] = field(default_factory=list)

    def enter(self, node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            ranged = bool(self._above) and isinstance(self._above[-1], promql_parser.MatrixSelector)
            calls = [above.func.name for above in self._above if isinstance(above, promql_parser.Call)]
            matchers = {one.name: (str(one.op), one.value) for one in node.matchers.matchers}
            self.selected.append(Selected(node.name or "", matchers, calls[-1] if calls else "", ranged))
        self._above.append(node)

    def leave(self, _: promql_parser.Expr) -> None:
        self._above.pop()


@cache
def selectors(expr: str) -> list[Selected]:
    reading = Reading()
    parsed = promql_parser.parse(expr.replace("$__rate_interval", "1m").replace("$__range", "1h"))
    promql_parser.walk(parsed, reading.enter, reading.leave)
    return reading.selected


@cache
def kind_of(name: str) -> str:
    """Return the type of a metric; a signal or one of Prometheus' own goes up and down."""
    if name in PACK.signals or name in PROMETHEUS:
        return "gauge"
    found = catalogue.find_metric(name, CATALOGUE)
    assert found, f"{name} is in no catalogue"
    return found[1].kind


@cache
def labels_of(name: str) -> set[str]:
    if name in PROMETHEUS or name in FOREIGN:
        return {**FOREIGN, **PROMETHEUS}[name] | STANDING
    if name in PACK.signals:
        made = {label for one in PACK.signals[name] for label in MADE.findall(one.expression)}
        return made | {label for metric in PACK.metrics(name) for label in labels_of(metric)}
    found = catalogue.find_metric(name, CATALOGUE)
    assert found, f"{name} is in no catalogue"
    return {*found[1].labels, *STANDING} | ({"le"} if found[1].kind == "histogram" else set())


@cache
def always_has_a_target(name: str) -> bool:
    """Return whether the series carry the label `target` however they are scraped."""
    if name in PROMETHEUS:
        return False
    if name in PACK.signals:
        return not FOREIGN.keys() & PACK.metrics(name) and all(map(always_has_a_target, PACK.metrics(name)))
    found = catalogue.find_metric(name, CATALOGUE)
    assert found, f"{name} is in no catalogue"
    return found[0] not in (HOST_COLLECTOR, selfmetrics.Exporter.kind) or found[1].labels[:1] == ("collector",)


@pytest.mark.parametrize("area", AREAS)
def test_it_parses_and_every_name_is_known(area: str) -> None:
    for one in everything(area):
        for selected in selectors(one.expr):
            assert kind_of(selected.name)
        assert promql_parser.parse(substituted(one.expr))


@pytest.mark.parametrize("area", AREAS)
def test_it_is_selected_by_the_variables(area: str) -> None:
    for one in asked(area):
        for selected in selectors(one.expr):
            own = "" if always_has_a_target(selected.name) else "|"
            expected = {**BY_VARIABLES, "target": f"$target{own}"}
            loose = {**BY_VARIABLES, "target": "$target|"}
            found = {name: value for name, (operator, value) in selected.matchers.items() if operator == "MatchOp.Re"}
            of_variables = {name: found.get(name) for name in expected}
            # a signal of the exporter's page is matched as its neighbours are, which finds it as well
            assert of_variables == expected or (selected.name in PACK.signals and of_variables == loose), one


@pytest.mark.parametrize("area", AREAS)
def test_counters_are_asked_for_their_rate_and_nothing_else_is(area: str) -> None:
    for one in everything(area):
        for selected in selectors(one.expr):
            kind = kind_of(selected.name)
            if one.panel.startswith("variable "):
                assert kind == "gauge", one
            elif kind == "counter" or selected.name.endswith("_total"):
                assert selected.ranged, one
                assert selected.function in ("rate", "increase"), one
            elif selected.function in ("rate", "increase") and selected.ranged:
                assert kind in ("untyped", "histogram"), one


@pytest.mark.parametrize("area", AREAS)
def test_every_range_follows_the_scrape_interval_or_is_all_that_is_shown(area: str) -> None:
    for one in everything(area):
        bare = re.sub(r'"[^"]*"', '""', one.expr)
        brackets = re.findall(r"\[[^\]]*\]", bare)
        assert set(brackets) <= {"[$__rate_interval]", "[$__range]"}, one
        of_all_shown = len(re.findall(r"\bincrease\([^\[]*\[\$__range\]", bare))
        assert brackets.count("[$__range]") == of_all_shown, one  # a sum; what goes up and down needs the interval
        assert len(brackets) == sum(selected.ranged for selected in selectors(one.expr)), one


@pytest.mark.parametrize("area", AREAS)
def test_every_label_is_one_that_the_series_have(area: str) -> None:
    for one in everything(area):
        names = promql.names(one.expr)
        known = {label for name in names for label in labels_of(name)}
        grouped = re.findall(r"\b(?:by|on|ignoring|without|group_left)\s*\(([^)]*)\)", one.expr)
        asked_for = {label for group in grouped for label in re.findall(r"\w+", group)}
        asked_for |= {label for selected in selectors(one.expr) for label in selected.matchers}
        assert asked_for - known == set(), one


@pytest.mark.parametrize("area", AREAS)
def test_legends_name_labels_that_are_there(area: str) -> None:
    for panel in panels(load(area)):
        # the signals of one panel share a legend, and each has its own of the labels
        left = {label for target in panel["targets"] for label in _left_labels(target["expr"])}
        for target in panel["targets"]:
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= left, panel["title"]


def _left_labels(expr: str) -> set[str]:
    """Return the labels that an expression's result can have."""
    kept = re.match(r"\W*(?:\d+ - )?(?:sum|min|max|avg|count) by \(([^)]*)\)", expr)
    return set(re.findall(r"\w+", kept[1])) if kept else {one for name in promql.names(expr) for one in labels_of(name)}


def test_what_a_caller_is_given_can_be_sent_as_it_is() -> None:
    found = dashboards.queries("5m")
    assert {dashboard for dashboard, _, _ in found} == set(AREAS)
    assert [expr for _, _, expr in found if "$" in expr] == []
    assert any("[5m]" in expr for _, _, expr in found)
    assert any(panel == "variable target" for _, panel, _ in found)


def test_units_are_those_that_metrics_declare() -> None:
    assert units.of("node_memory_MemTotal_bytes{$own}") == "bytes"
    assert units.of('sum by (instance) (node_load1{instance="a/b"})') == "short"
    assert units.of("rate(node_disk_read_bytes_total{$own}[$__rate_interval])") == "binBps"
    assert units.of("rate(node_disk_io_time_seconds_total{$own}[$__rate_interval])") == "percentunit"
    assert units.of("rate(node_context_switches_total{$own}[$__rate_interval])") == "cps"
    assert units.of("runbook:host_cpu:ratio{$own}") == "percentunit"
    unclear_ones = ("node_load1 / node_load5", "count by (a) (node_load1)", "node_load1 + node_time_seconds", "no_such")
    for unclear in unclear_ones:
        with pytest.raises(units.UnknownUnitError):
            units.of(unclear)


PANELS_OF: Final = {
    name: [(area, panel) for area in AREAS for panel in panels(load(area)) if f"**{name}**" in panel["description"]]
    for name in PACK.alerts
}


_HOUSED = {"celery": "jobs"}  # areas that share another's dashboard


@pytest.mark.parametrize("name", sorted(PACK.alerts))
def test_every_alert_has_a_panel_that_names_and_links_it(name: str) -> None:
    rules = PACK.alerts[name]
    ((area, panel),) = PANELS_OF[name]
    assert area == _HOUSED.get(rules[0].area, rules[0].area)
    links = {link["title"]: link["url"] for link in panel["links"]}
    assert links[f"Runbook: {name}"] == f"$runbooks/{name}"
    assert f"($runbooks/{name})" in panel["description"]
    assert (ROOT / "docs" / "runbooks" / f"{name}.md").is_file()


@pytest.mark.parametrize("name", sorted(PACK.alerts))
def test_the_rule_s_figure_is_the_panel_s_line(name: str) -> None:
    ((_, panel),) = PANELS_OF[name]
    signals = {selected.name for target in panel["targets"] for selected in selectors(target["expr"])}
    steps = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
    for rule in PACK.alerts[name]:
        if rule.condition:
            assert rule.condition[0] in signals
            assert float(rule.condition[2]) in steps
            assert panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] == "dashed"
        else:
            assert name == "Watchdog"


def test_no_panel_has_a_line_that_no_rule_knows() -> None:
    for area in AREAS:
        for panel in panels(load(area)):
            named = re.findall(r"Alert \*\*(\w+)\*\*", panel["description"])
            conditions = [rule.condition for name in named for rule in PACK.alerts[name] if rule.condition]
            known = {float(condition[2]) for condition in conditions}
            known |= {float(condition[2]) + 1 for condition in conditions if condition[1] == "=="}
            steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            assert {step["value"] for step in steps[1:]} <= known, panel["title"]


def _steps(*names: str) -> dict[float | None, str]:
    """Return the thresholds of a panel of these alerts, over rules of the test's own."""
    rules = {
        "High": (pack.Rule("High", "host", "runbook:a:ratio > 0.8", "5m", "0s", {"priority": "P2"}, {}),),
        "Higher": (pack.Rule("Higher", "host", "runbook:a:ratio > 0.9", "5m", "0s", {"priority": "P1"}, {}),),
        "Low": (pack.Rule("Low", "host", "runbook:a:ratio < 0.2", "0m", "0s", {"priority": "P2"}, {}),),
        "Lower": (pack.Rule("Lower", "host", "runbook:a:ratio < 0.1", "5m", "0s", {"priority": "P0"}, {}),),
        "Down": (pack.Rule("Down", "host", "runbook:a:up == 0", "5m", "0s", {"priority": "P0"}, {}),),
    }
    return dict(alerts.steps(signal("Title", "Text.", *names, legend=""), pack.Pack(rules, {})))


def test_the_colour_of_a_step_is_that_of_the_gravest_alert_there() -> None:
    assert _steps("High", "Higher") == {None: "green", 0.8: "orange", 0.9: "red"}
    assert _steps("Low", "Lower") == {None: "dark-red", 0.1: "orange", 0.2: "green"}
    assert _steps("Low", "High") == {None: "orange", 0.2: "green", 0.8: "orange"}
    assert _steps("Down") == {None: "green", 0: "dark-red", 1: "green"}
    assert _steps() == {None: "green"}
