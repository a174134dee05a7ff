"""The pack that belongs to this version: where its rules and runbook pages lie, and what the rules say.

In a checkout they lie at the repository's root, in an installed wheel beside the code. Nothing is read until asked for.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from exporter import promql

_HERE: Final = Path(__file__).parent
_CONDITION: Final = re.compile(r"([^{]+?)(\{[^}]*\})?\s*(==|!=|>=|<=|>|<)\s*([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)", re.DOTALL)
FIGURE: Final = "figure"
"""The label that tells a figure of a site's own, for some of an alert's series, from the figure of all others."""
_NUMBER: Final = re.compile(r"[-+]?[0-9.]+(?:e[-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Signal:
    """A recorded expression; one that is a mere number is a guard's figure."""

    name: str
    area: str
    expression: str
    labels: Mapping[str, str]

    @property
    def is_number(self) -> bool:
        return _NUMBER.fullmatch(self.expression) is not None


@dataclass(frozen=True, slots=True)
class Rule:
    """One alerting rule; an alert with several figures has several."""

    name: str
    area: str
    expression: str
    wait: str
    keep: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    off: bool = False
    """Whether it is left out of the rules of the site that this program was told of."""

    @property
    def condition(self) -> tuple[str, str, str] | None:
        """Return signal, operator and number; None for what is always true."""
        match = _CONDITION.fullmatch(self.expression)
        return (match[1], match[3], match[4]) if match else None

    @property
    def selector(self) -> str:
        """Return which of its signal's series it is about, as `{target="shop"}`; nothing where it is about all."""
        match = _CONDITION.fullmatch(self.expression)
        return (match[2] or "") if match else ""

    @property
    def own_labels(self) -> dict[str, str]:
        """Return the labels that tell this figure from the alert's others."""
        return {name: value for name, value in self.labels.items() if name not in ("priority", "severity")}


@dataclass(frozen=True, slots=True)
class Pack:
    """All rules: alerts and signals by name, in the order of the files."""

    alerts: Mapping[str, tuple[Rule, ...]]
    signals: Mapping[str, tuple[Signal, ...]]

    def feeding(self, expression: str) -> list[Signal]:
        """Return the signals that an expression rests on, each once, the nearest first."""
        found: dict[str, tuple[Signal, ...]] = {}
        waiting = promql.names(expression)
        while waiting:
            name = waiting.pop(0)
            if name in self.signals and name not in found:
                found[name] = self.signals[name]
                waiting.extend(more for signal in found[name] for more in promql.names(signal.expression))
        return [signal for group in found.values() for signal in group]

    def metrics(self, expression: str) -> list[str]:
        """Return the names that an expression rests on in the end, which no rule records."""
        return sorted(self.names(expression) - self.signals.keys())

    def names(self, expression: str) -> set[str]:
        """Return every metric and every signal that an expression rests on."""
        texts = [expression, *(signal.expression for signal in self.feeding(expression))]
        return {name for text in texts for name in promql.names(text)}


def rules_folder() -> Path:
    return _folder("rules", "rules")


def runbooks_folder() -> Path:
    return _folder("runbooks", "docs/runbooks")


def dashboards_folder() -> Path:
    return _folder("grafana", "grafana")


def examples_folder() -> Path:
    return _folder("examples", "examples")


def alertmanager_file() -> Path:
    return _folder("alertmanager.yml", "alertmanager.yml")


def _folder(in_wheel: str, in_checkout: str) -> Path:
    installed = _HERE / "pack"
    return installed / in_wheel if installed.is_dir() else _HERE.parent / in_checkout


def rule_files() -> list[Path]:
    return sorted(rules_folder().glob("*.yml"))


_site: Path | None = None


def use(folder: Path) -> None:
    """Have all that tells of rules tell of those in the folder, which `rules DIR` wrote for a site."""
    global _site
    _site = folder
    rules.cache_clear()
    rules()  # what cannot be read is said now


@cache
def rules() -> Pack:
    """Return what the rule files say, those of the site where there are any; they are read once."""
    return load(rule_files()) if _site is None else of_site(_site)


def of_site(folder: Path) -> Pack:
    """Return the pack with the figures that the rules in the folder have; what is not there is off."""
    shipped = load(rule_files())
    site = load(file for file in (folder / shipped.name for shipped in rule_files()) if file.exists())
    if not site.signals:
        raise OSError(f"{folder} has no rules of this program; write them with: runbook-exporter rules {folder}")
    alerts = {
        name: (
            *(_at_site(rule, site) for rule in group),
            *(rule for rule in site.alerts.get(name, ()) if _is_own(rule)),
        )
        for name, group in shipped.alerts.items()
    }
    return Pack(alerts, {**shipped.signals, **site.signals})


def _at_site(rule: Rule, site: Pack) -> Rule:
    same = (
        other
        for other in site.alerts.get(rule.name, ())
        if rule.own_labels.items() <= other.labels.items() and _watched(other) == _watched(rule) and not _is_own(other)
    )
    return next(same, replace(rule, off=True))


def _is_own(rule: Rule) -> bool:
    return FIGURE in rule.labels


def _watched(rule: Rule) -> str:
    return rule.condition[0] if rule.condition else rule.expression


def load(files: Iterable[Path]) -> Pack:
    """Return what these rule files say."""
    alerts: dict[str, tuple[Rule, ...]] = {}
    signals: dict[str, tuple[Signal, ...]] = {}
    for file in files:
        for rule in _rules_of(file):
            if "alert" in rule:
                alerts[rule["alert"]] = (*alerts.get(rule["alert"], ()), _alerting(rule, file.stem))
            else:
                signals[rule["record"]] = (*signals.get(rule["record"], ()), _recording(rule, file.stem))
    return Pack(alerts, signals)


def _rules_of(file: Path) -> list[dict[str, Any]]:
    import yaml  # only here: it takes memory that an exporter which is never asked for a runbook can save

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # all is text: a figure stays as it is written
    content = yaml.load(file.read_text(encoding="utf-8"), loader)  # noqa: S506  # it makes no objects
    groups = content.get("spec", content)["groups"]  # the Prometheus operator's have them one level further in
    return [rule for group in groups for rule in group["rules"]]


def _alerting(rule: dict[str, Any], area: str) -> Rule:
    return Rule(
        rule["alert"], area, rule["expr"].strip(), rule.get("for", "0s"), rule.get("keep_firing_for", "0s"),
        rule.get("labels", {}), rule.get("annotations", {}),
    )  # fmt: skip


def _recording(rule: dict[str, Any], area: str) -> Signal:
    return Signal(rule["record"], area, rule["expr"].strip(), rule.get("labels", {}))


def runbook(alert: str) -> str:
    """Return the Markdown of an alert's page; the alert must be one of the pack's."""
    return (runbooks_folder() / f"{alert}.md").read_text(encoding="utf-8")


def panels() -> list[tuple[str, str]]:
    """Return each panel that asks something: `dashboard: title`, and its expressions."""
    found: list[tuple[str, str]] = []
    for file in sorted(dashboards_folder().glob("*.json")):
        dashboard = json.loads(file.read_text(encoding="utf-8"))
        for panel in _panels_in(dashboard):
            asked = " ".join(target["expr"] for target in panel.get("targets", ()) if target.get("expr"))
            if asked:
                found.append((f"{dashboard['title']}: {panel.get('title', '')}", asked))
    return found


def _panels_in(holder: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard or of a row, and those of its rows."""
    panels: list[dict[str, Any]] = holder.get("panels", [])
    return [inner for panel in panels for inner in (panel, *_panels_in(panel))]
