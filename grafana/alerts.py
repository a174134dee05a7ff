"""What the dashboards take from the rules: the signals and figures of alerts, and how a panel speaks of them."""

from collections.abc import Sequence
from typing import Final

from exporter.alerts import in_words
from exporter.pack import Pack, Rule
from grafana.declare import MATCHERS, Dashboard, Panel, Query

COLOURS: Final = {"P0": "dark-red", "P1": "red", "P2": "orange", "P3": "yellow"}
WELL: Final = "green"
RUNBOOKS: Final = "$runbooks"


def signals(panel: Panel, pack: Pack) -> list[str]:
    """Return the recorded signals of the panel's alerts, each once."""
    conditions = [rule.condition for rule in _rules(panel.alerts, pack)]
    return list(dict.fromkeys(condition[0] for condition in conditions if condition))


def queries(panel: Panel, dashboard: Dashboard, pack: Pack) -> list[Query]:
    """Return the panel's own queries, or those of its alerts' signals, with everything written out."""
    matchers = ", ".join(filter(None, (dashboard.matchers, panel.within)))
    watched = [Query(f"{name}{{{matchers}}}", panel.legend) for name in signals(panel, pack)]
    return [Query(written_out(query.expr, dashboard, pack), query.legend) for query in panel.queries or watched]


def written_out(expr: str, dashboard: Dashboard, pack: Pack) -> str:
    """Return the expression with what its tokens stand for."""
    for token, text in {**MATCHERS, "$alerts": "|".join(of_area(dashboard.area, pack))}.items():
        expr = expr.replace(token, text)
    return expr


def of_area(area: str, pack: Pack) -> list[str]:
    """Return the alerts of an area that compare something: the Watchdog fires always, and means no harm."""
    return [name for name, rules in pack.alerts.items() if rules[0].area == area and rules[0].condition]


def steps(panel: Panel, pack: Pack) -> list[tuple[float | None, str]]:
    """Return (from which value, colour): the alerts' figures in ascending order, the first without a beginning."""
    figures = sorted(
        (float(rule.condition[2]), rule.condition[1], COLOURS[rule.labels["priority"]])
        for rule in _rules(panel.alerts, pack)
        if rule.condition and not rule.off
    )
    below = [(number, colour) for number, operator, colour in figures if operator in ("<", "<=")]
    higher = [*(colour for _, colour in below[1:]), WELL]
    above = {number: colour for number, operator, colour in figures if operator not in ("<", "<=")}
    first = below[0][1] if below else WELL
    for (number, _), colour in zip(below, higher, strict=False):
        above[number] = colour
    for number, operator, _ in figures:
        if operator == "==":
            above.setdefault(number + 1, WELL)
    return [(None, first), *sorted(above.items())]


def description(panel: Panel, pack: Pack) -> str:
    """Return the panel's text, with each of its alerts, its condition and its runbook."""
    parts = [panel.text, *(_sentence(name, pack) for name in (*panel.alerts, *panel.named))]
    return "\n\n".join(parts)


def _sentence(name: str, pack: Pack) -> str:
    rules = pack.alerts[name]
    figures = " or ".join(dict.fromkeys(_figure(rule) for rule in rules))
    priority = f" ({rules[0].labels['priority']})" if "priority" in rules[0].labels else ""
    return f"Alert **{name}**{priority}: {figures}. [Runbook]({RUNBOOKS}/{name})"


def _figure(rule: Rule) -> str:
    if rule.off:
        return "off"
    if rule.condition is None:
        return "fires always"
    after = "" if rule.wait in ("0s", "0m") else f" for {rule.wait}"
    signal, operator, number = rule.condition
    words = in_words(signal, number)
    return f"fires when {operator} {number}{f' ({words})' if words else ''}{after}"


def _rules(alerts: Sequence[str], pack: Pack) -> list[Rule]:
    return [rule for name in alerts for rule in pack.alerts[name]]
