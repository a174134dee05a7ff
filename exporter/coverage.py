"""What the operations guides ask for, and where it is looked at: docs/coverage.md.

It is made where the repository is, of docs/coverage.yml, the rules, their tests and the dashboards. What stands in one
of those is read there: the table only says which statement of a guide is told by which alert.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from exporter import alerts, pack
from exporter.pack import Rule

TABLE: Final = Path(__file__).parent.parent / "docs" / "coverage.yml"
_TOLD: Final = re.compile(r"Alert \*\*(\w+)\*\*")
_TESTED: Final = re.compile(r"\balertname: (\w+)")


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that a guide asks to be watched."""

    id: str
    says: str
    own: bool = False
    alerts: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a guide tells people to do about trouble, and the words that stand for it on these pages."""

    says: str
    has: str
    pages: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Guide:
    """The guide of one application."""

    name: str
    about: str
    statements: tuple[Statement, ...]
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of a dashboard: what it asks, and the alerts whose figures it shows."""

    area: str
    name: str
    asks: str
    tells: tuple[str, ...]


@cache
def guides() -> tuple[Guide, ...]:
    """Return the table, guide by guide."""
    return tuple(
        Guide(
            guide["name"],
            guide["about"],
            tuple(Statement(**_frozen(each)) for each in guide["statements"]),
            tuple(Step(**_frozen(each)) for each in guide.get("steps", ())),
        )
        for guide in _table()["guides"]
    )


def elsewhere() -> dict[str, str]:
    """Return the metrics that others give, and who."""
    found: dict[str, str] = _table()["elsewhere"]
    return found


@cache
def _table() -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return found


def _frozen(each: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in each.items()}


@cache
def tested() -> dict[str, tuple[str, ...]]:
    """Return the files of promtool's tests that look at each alert."""
    found: dict[str, list[str]] = {}
    for file in sorted((pack.rules_folder() / "tests").glob("*.yml")):
        for alert in dict.fromkeys(_TESTED.findall(file.read_text(encoding="utf-8"))):
            found.setdefault(alert, []).append(file.stem)
    return {alert: tuple(files) for alert, files in found.items()}


@cache
def panels() -> tuple[Panel, ...]:
    """Return every panel of the dashboards."""
    return tuple(panel for file in sorted(pack.dashboards_folder().glob("*.json")) for panel in _panels_of(file))


def _panels_of(file: Path) -> Iterator[Panel]:
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    for panel in _inner(dashboard):
        asks = " ".join(target.get("expr", "") for target in panel.get("targets", ()))
        told = tuple(_TOLD.findall(panel.get("description", "")))
        yield Panel(file.stem, f"{dashboard['title']}: {panel.get('title', '')}", asks, told)


def _inner(holder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in holder.get("panels", ()):
        yield panel
        yield from _inner(panel)


def panel_of(alert: str) -> Panel | None:
    """Return the panel that shows an alert's figure."""
    return next((panel for panel in panels() if alert in panel.tells), None)


def panel_named(name: str) -> Panel | None:
    return next((panel for panel in panels() if panel.name == name), None)


def beyond() -> list[str]:
    """Return the alerts that no statement names."""
    told = {name for guide in guides() for statement in guide.statements for name in statement.alerts}
    return [name for name in pack.rules().alerts if name not in told]


def as_markdown() -> str:
    """Return docs/coverage.md."""
    return "".join([_PREFACE, *map(_section, guides()), _BEYOND, alerts.table(_HEAD[3:], map(_alert, beyond()))])


def _section(guide: Guide) -> str:
    rows = (row for statement in guide.statements for row in _rows(statement))
    steps = f"\n### What the guide does about trouble\n\n{_steps(guide)}" if guide.steps else ""
    return f"\n## {guide.name}\n\n{_sentence(guide.about)}\n\n{alerts.table(_HEAD, rows)}{steps}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _steps(guide: Guide) -> str:
    rows = ((step.says + _note(step.note), ", ".join(map(_page, step.pages))) for step in guide.steps)
    return alerts.table(("step", "on the pages"), rows)


def _page(alert: str) -> str:
    return f"[{alert}](runbooks/{alert}.md)"


def _note(text: str) -> str:
    return f"<br>*{text}*" if text else ""


def _rows(statement: Statement) -> Iterator[list[str]]:
    """Yield a row for each alert of a statement, and for the panels that no alert has."""
    says = statement.says + _note(statement.note)
    measured = "<br>".join(f"`{metric}`" for metric in statement.metrics)
    first = [statement.id, says, measured]
    for cells in _cells(statement):
        yield [*first, *cells]
        first = ["", "", ""]


def _cells(statement: Statement) -> Iterator[list[str]]:
    """Yield the cells of each alert, then those of panels."""
    for name in statement.alerts:
        yield _alert(name, own=statement.own)
    if statement.panels:
        shown = [panel for panel in map(panel_named, statement.panels) if panel]
        yield ["" if statement.alerts else "none", "", "", "", "<br>".join(map(_link, shown))]


def _alert(name: str, *, own: bool = False) -> list[str]:
    shown = panel_of(name)
    return [
        f"`{name}`",
        _figures(pack.rules().alerts.get(name, ()), own=own),
        ", ".join(f"[{file}](../rules/tests/{file}.yml)" for file in tested().get(name, ())),
        f"[page](runbooks/{name}.md)",
        _link(shown) if shown else "",
    ]


def _link(panel: Panel) -> str:
    return f"[{panel.name}](../grafana/{panel.area}.json)"


def _figures(rules: Iterable[Rule], *, own: bool) -> str:
    lines = [_figure(rule) for rule in rules]
    return "<br>".join([*lines, "*the figure is ours*"] if own else lines)


def _figure(rule: Rule) -> str:
    """Return what a rule compares, how long it waits, its priority, and what tells it from others of its name."""
    words = alerts.in_words(*rule.condition[::2]) if rule.condition else "always"
    parts = [
        f"`{rule.expression}`" + (f" ({words})" if words else ""),
        "at once" if rule.wait in ("0s", "0m") else f"for {rule.wait}",
        rule.labels.get("priority", "no priority"),
        *([f"`{alerts.told_apart(rule)}`"] if rule.own_labels else []),
    ]
    return ", ".join(parts)


_HEAD: Final = ("", "the guide asks for", "measured by", "alert", "fires when", "test", "runbook", "panel")
_PREFACE: Final = """\
# Coverage

What the operations guides of five applications ask for, guide by guide, and where it is looked at. This page is made by
`make generate` from docs/coverage.yml and from the rules, which hold the figures; a test fails where a statement has no
metric, no rule, no test, no runbook page or no panel. Where a guide names a thing and gives no figure, the figure is
ours, and is marked so.
"""
_BEYOND: Final = """
## Beyond the guides

What no guide asks for, and hurts as much.

"""
