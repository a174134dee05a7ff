"""What the alerts say, for people: a condition in words, and docs/alerts.md."""

from collections.abc import Iterable
from typing import Final

from exporter import quantity
from exporter.pack import Pack, Rule, Signal

PRIORITIES: Final = {
    "P0": "answered within 15 minutes, resolved within 2 hours",
    "P1": "answered within 1 hour, resolved within 8 hours",
    "P2": "answered within 4 hours, resolved within 24 hours",
    "P3": "answered within 24 hours, resolved in the next release",
}


def condition(rule: Rule) -> str:
    """Return the condition as it stands in the rule, with its number in words where the signal has a unit."""
    if rule.off:
        return "off"
    if rule.condition is None:
        return f"always ({rule.expression})"
    words = in_words(*rule.condition[::2])
    return rule.expression + (f" ({words})" if words else "")


def in_words(signal: str, number: str) -> str:
    """Return a figure in the unit that its signal's name ends with: 0.8 of a ratio as 80%."""
    value = float(number)
    if signal.endswith("ratio"):
        return f"{quantity.show_number(round(value * 100, 6))}%"
    if value > 0 and signal.endswith("seconds"):
        days, rest = divmod(value, 86400)
        return f"{days:g}d" if not rest else quantity.show_duration(value)
    if value.is_integer() and value >= 1000 and signal.endswith("bytes"):
        return quantity.show_size(int(value))
    return ""


def duration(rule: Rule) -> str:
    """Return how long the condition must hold, and how long the alert outlives it."""
    return rule.wait + (f", ends {rule.keep} after" if rule.keep != "0s" else "")


def told_apart(rule: Rule) -> str:
    """Return the labels that tell this figure from the alert's others: `limit="cgroup"`."""
    return ", ".join(f'{name}="{value}"' for name, value in rule.own_labels.items())


def as_markdown(pack: Pack) -> str:
    """Return docs/alerts.md."""
    areas: dict[str, list[Rule]] = {}
    for rules in pack.alerts.values():
        areas.setdefault(rules[0].area, []).extend(rules)
    tables = [_section(area, rules) for area, rules in areas.items()]
    guards = [signal for group in pack.signals.values() for signal in group if signal.is_number]
    return "".join([_PREFACE, _priorities(), *tables, _guards(guards, pack)])


def _section(area: str, rules: list[Rule]) -> str:
    rows = (
        (
            f"`{rule.name}`" + (f" {told_apart(rule)}" if rule.own_labels else ""),
            rule.annotations.get("summary", ""),
            f"`{rule.condition[0]}`" if rule.condition else f"`{rule.expression}`",
            _condition_cell(rule),
            duration(rule),
            rule.labels.get("priority", ""),
            f"[{rule.name}](runbooks/{rule.name}.md)",
        )
        for rule in rules
    )
    head = ("alert", "what it says", "signal", "fires when", "for", "priority", "runbook")
    return f"\n## {area}\n\nIn `rules/{area}.yml`.\n\n{table(head, rows)}"


def _condition_cell(rule: Rule) -> str:
    if rule.condition is None:
        return "always"
    signal, operator, number = rule.condition
    words = in_words(signal, number)
    return f"`{operator} {number}`" + (f" ({words})" if words else "")


def _priorities() -> str:
    rows = ((priority, severity_of(priority), times) for priority, times in PRIORITIES.items())
    return table(("priority", "severity", "is to be"), rows)


def severity_of(priority: str) -> str:
    return {"P0": "critical", "P1": "critical", "P2": "warning"}.get(priority, "info")


def _guards(guards: list[Signal], pack: Pack) -> str:
    rows = (
        (
            f"`{guard.name}`",
            f"`{guard.expression}`",
            in_words(guard.name, guard.expression),
            ", ".join(f"`{name}`" for name in _guarded(guard, pack)),
        )
        for guard in guards
    )
    return _GUARDS + table(("name", "number", "that is", "guards"), rows) if guards else ""


def _guarded(guard: Signal, pack: Pack) -> list[str]:
    """Return the alerts whose signal rests on the guard's figure."""
    return [
        name for name, rules in pack.alerts.items() if any(guard.name in pack.names(rule.expression) for rule in rules)
    ]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of Markdown."""
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_PREFACE: Final = """\
# Alerts

Every alert of this version. This page is made by `make generate` from the rule files in `rules/`, which
`runbook-exporter rules DIR` writes where Prometheus can read them. An alert compares one recorded signal with one
number. [figures.md](figures.md) tells how a site has other figures, durations and priorities, or does without an alert;
`runbook-exporter explain ALERT` tells more of one. [alertmanager.md](alertmanager.md) has who hears of what,
[notifications.md](notifications.md) how many messages one fault is.

"""
_GUARDS: Final = """
## Guards

A second condition is part of the signal; its number is a recorded rule of its own, which can be another by its name
([figures.md](figures.md)).

"""
