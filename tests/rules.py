"""Alert rules as the lint sees them: the rules of a file in order, and what is known of every metric."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml

from exporter import catalogue
from exporter.collector import Collector, Read
from exporter.metric import Metric, Pattern
from tests.foreign import MIDDLEWARES, SELF_MONITORED
from tests.process import ROOT

FOLDER: Final = ROOT / "rules"
FILES: Final = sorted(FOLDER.glob("*.yml"))
SCRAPED: Final = frozenset({"job", "instance", "target"})
SCRAPE_INTERVAL: Final = 15.0
FOREIGN: Final = {**SELF_MONITORED, **MIDDLEWARES}
COUNTED_BY_THE_KERNEL: Final = {
    "node_vmstat_oom_kill": "untyped by its original exporter, and only ever grows",
}
MAY_BE_EMPTY: Final = {
    "device_error": "no error",
    "datname": "what all databases share",
    "database": "a slot of physical replication",
    "usename": "a process of the server",
    "application_name": "a process of the server",
    "state": "a process of the server",
    "wait_event": "it does not wait",
    "wait_event_type": "it does not wait",
}
"""Labels that the exporter leaves empty at times, and why; Prometheus keeps no empty label."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one metric or recorded signal."""

    kind: str
    labels: frozenset[str]
    interval: float = 0.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, alerting or recording, with its place."""

    area: str
    group: str
    name: str
    expression: str
    raw: Mapping[str, Any]
    node: Any = field(compare=False)

    @property
    def is_alert(self) -> bool:
        return "alert" in self.raw

    @property
    def is_number(self) -> bool:
        return isinstance(self.node, promql_parser.NumberLiteral)

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.raw.get("labels", {}))

    @property
    def annotations(self) -> dict[str, str]:
        return dict(self.raw.get("annotations", {}))

    def __str__(self) -> str:
        static = {name: value for name, value in self.labels.items() if name not in ("priority", "severity")}
        return f"{self.area}: {self.name}{static or ''}"


def loaded(text: str) -> Any:
    """Return what YAML says, read by the C library: the files of rules and of their tests are long."""
    return yaml.load(text, yaml.CSafeLoader)


def rules_in(text: str, area: str) -> list[Rule]:
    """Return the rules of a file in their order."""
    return [
        Rule(area, group["name"], rule.get("alert") or rule["record"], str(rule["expr"]).strip(), rule,
             promql_parser.parse(str(rule["expr"])))
        for group in loaded(text)["groups"] for rule in group["rules"]
    ]  # fmt: skip


@cache
def shipped() -> tuple[Rule, ...]:
    """Return every rule of the pack."""
    return tuple(rule for file in FILES for rule in rules_in(file.read_text(encoding="utf-8"), file.stem))


@cache
def metrics() -> dict[str, list[Metric | Pattern]]:
    return catalogue.by_collector()


@cache
def declared(name: str) -> tuple[str, Metric | Pattern] | None:
    """Return a metric's collector and declaration; to look through all of them takes a while."""
    return catalogue.find_metric(name, metrics())


@cache
def known(name: str) -> Known | None:
    """Return what is known of a metric; None where nobody declares it."""
    if name in FOREIGN:
        kind, labels = FOREIGN[name]
        return Known(kind, SCRAPED | frozenset(labels))
    found = declared(name)
    if found is None:
        return None
    metric = found[1]
    part = name.removeprefix(metric.name) if metric.kind == "histogram" else ""
    kind = "counter" if part or name in COUNTED_BY_THE_KERNEL else metric.kind
    has = SCRAPED | frozenset(metric.labels) | (frozenset({"le"}) if part == "_bucket" else frozenset())
    return Known(kind, has, _intervals().get(metric.name, 0.0))


@cache
def _intervals() -> dict[str, float]:
    """Return how long a metric's read may rest, by the metric's name: the longest of the module that declares it."""
    found: dict[str, float] = {}
    for collector in catalogue.collectors().values():
        home = collector.__module__
        modules = [module for name, module in sys.modules.items() if name == home or name.startswith(f"{home}.")]
        for values in [list(vars(module).values()) for module in modules]:
            longest = max([collector.interval or 0.0, *_rests(values)])
            found |= dict.fromkeys((value.name for value in values if isinstance(value, Metric)), longest)
    return found


def _rests(values: Iterable[object]) -> Iterator[float]:
    for value in values:
        if isinstance(value, Read):
            yield value.interval or 0.0
        elif isinstance(value, type) and issubclass(value, Collector):
            yield from (one.interval or 0.0 for one in vars(value).values() if isinstance(one, Read))


@dataclass(frozen=True, slots=True)
class Case:
    """One look at one alert in a test of promtool: what is expected to fire at that time."""

    area: str
    test: str
    alert: str
    expected: tuple[Mapping[str, Any], ...]


def promtool_tests(area: str) -> list[Path]:
    """Return promtool's tests of an area: <area>.yml, and what is told apart from it by an underscore."""
    return sorted((FOLDER / "tests").glob(f"{area}.yml")) + sorted((FOLDER / "tests").glob(f"{area}_*.yml"))


@cache
def _tests(area: str) -> list[dict[str, Any]]:
    files = [loaded(file.read_text(encoding="utf-8")) for file in promtool_tests(area)]
    return [test for file in files for test in file["tests"]]


def cases(area: str) -> Iterator[Case]:
    for test in _tests(area):
        for look in test.get("alert_rule_test", ()):
            yield Case(area, test["name"], look["alertname"], tuple(look.get("exp_alerts", ())))


def inputs(area: str) -> Iterator[Any]:
    """Yield the selector of every series that the tests of an area feed."""
    for test in _tests(area):
        for series in test["input_series"]:
            yield promql_parser.parse(series["series"])
