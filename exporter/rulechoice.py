"""What can stand at a rule of the pack: its figure, its times, its priority, labels; and why something cannot."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from exporter import rulefigure, rulescope, rulevalues
from exporter.alerts import PRIORITIES
from exporter.pack import FIGURE, Pack, Rule
from exporter.rulescale import to_seconds
from exporter.rulescope import Scope
from exporter.rulevalues import Which

# A guard that is the figure of another alert: it follows that one.
FOLLOWS: Final = {"runbook:http_endpoint_slow:seconds": "APIHighLatency"}
# Numbers that belong to the windows and functions of their signals, and are no judgement of anybody's.
FIXED: Final = re.compile(
    r"runbook:(\w+_counted_anew\w*:seconds|job_known_\w+:seconds|systemd_restarts_before:seconds|duckdb_growth:days"
    r"|http_beyond_buckets:factor|http_endpoint_requests:share|server_error:status|websocket_failures_apart:changes)"
)
_TAKEN: Final = {
    "priority": "set `priority` instead", "severity": "it follows `priority`", "alertname": "it is the alert's name",
    FIGURE: "it tells a figure for some from that for the others",
} | dict.fromkeys(("job", "instance", "target", "le", "quantile"), "it says what the alert is about")  # fmt: skip
_LABEL_NAME: Final = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_LABEL: Final = 200
_SIDES: Final = {">": "above", "<": "below"}


def figures(key: str, text: str, rules: Sequence[Rule]) -> Iterator[tuple[Rule, str]]:
    """Yield each rule that has a figure, with the one that the text gives; ValueError where it gives none."""
    compared = [(rule, rule.condition) for rule in rules if rule.condition and rule.condition[1] in _SIDES]
    if not compared:
        raise ValueError(_no_figure(rules[0]))
    if len({(rulefigure.unit_of(found[0], float(found[2])), *found[1:]) for _, found in compared}) > 1:
        raise ValueError(f"{rules[0].name} has several figures; {choices([rule for rule, _ in compared], 'number')}")
    for rule, (signal, operator, before) in compared:
        if key not in ("number", _SIDES[operator]):
            raise ValueError(f"{rule.name} fires {_SIDES[operator]} its figure; write `{_SIDES[operator]}` or `number`")
        yield rule, rulefigure.figure(text, signal, before, operator)


def _no_figure(rule: Rule) -> str:
    if rule.condition is None:
        return f"{rule.name} fires always, and has no figure; it can be off"
    return (
        f"{rule.name} tells of a state ({rule.condition[0]} is {rule.condition[2]}), and has no figure;"
        " `for`, `keep_firing_for` and `priority` can be set, or it can be off"
    )


def times(key: str, text: str, rules: Sequence[Rule]) -> Iterator[tuple[Rule, str]]:
    """Yield each rule with the value of `for` or `keep_firing_for`; ValueError where the text gives none."""
    value = rulefigure.duration(text)
    if len({to_seconds(has(key, rule)) for rule in rules}) > 1:
        raise ValueError(f"the rules of {rules[0].name} differ in `{key}`; {choices(rules, key)}")
    for rule in rules:
        yield rule, has(key, rule) if to_seconds(value) == to_seconds(has(key, rule)) else value


def priorities(text: str, rules: Sequence[Rule]) -> Iterator[tuple[Rule, str]]:
    """Yield each rule with its priority; ValueError where the text is none."""
    if text not in PRIORITIES:
        raise ValueError(f"{text!r} is no priority; expected one of {', '.join(PRIORITIES)}")
    if any("priority" not in rule.labels for rule in rules):
        raise ValueError(f"{rules[0].name} has no priority; it can be off")
    if len({rule.labels["priority"] for rule in rules}) > 1:
        raise ValueError(f"the rules of {rules[0].name} differ in `priority`; {choices(rules, 'priority')}")
    yield from ((rule, text) for rule in rules)


def has(key: str, rule: Rule) -> str:
    """Return what the pack has."""
    if key == "number":
        return " ".join(rule.condition[1:]) if rule.condition else "always"
    return {"for": rule.wait, "keep_firing_for": rule.keep, "priority": rule.labels.get("priority", "none")}[key]


def choices(rules: Sequence[Rule], key: str) -> str:
    """Return how each of the rules is named, with what it has."""
    return "say which: " + ", ".join(f"{rulevalues.shown(_apart(rule, rules))} ({has(key, rule)})" for rule in rules)


def _apart(rule: Rule, rules: Sequence[Rule]) -> Which:
    """Return what names this rule and none of the others: its own labels, its priority, or labels that it has not."""
    own = tuple(rule.own_labels.items())
    priority = (("priority", rule.labels.get("priority", "")),)
    lacking = tuple((name, "") for other in rules for name in other.own_labels if name not in rule.labels)
    for labels in (own, own + priority, own + lacking, own + priority + lacking):
        if sum(is_meant(Which(rule.name, labels), other) for other in rules) == 1:
            return Which(rule.name, labels)
    return Which(rule.name, own)


def is_meant(which: Which, rule: Rule, scope: Scope | None = None) -> bool:
    """Tell whether a rule has the labels that are named; one that is named as empty it has not."""
    labels = (label for label in which.labels if scope is None or label[0] != scope.label)
    return all(rule.labels.get(name, "") == value for name, value in labels)


def check_label(name: str, value: str, rule: Rule, pack: Pack) -> None:
    """Refuse a label that cannot be added to a rule."""
    if not _LABEL_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a label; expected letters, digits and `_`, as team")
    if name in _TAKEN:
        raise ValueError(f"the label {name} cannot be set: {_TAKEN[name]}")
    if rule.labels.get(name, value) != value:
        raise ValueError(f'{rule.name} has the label {name}="{rule.labels[name]}", which stays; choose another name')
    if name in rulescope.carried(rule, pack):
        raise ValueError(f"{rule.name} tells by the label {name} what it is about; choose another name")
    if not value or len(value) > _LONGEST_LABEL or not value.isprintable() or "{{" in value:
        raise ValueError(f"the label {name} needs a text of 1 to {_LONGEST_LABEL} characters, without {{{{ }}}}")


def no_alert(name: str, pack: Pack) -> str:
    """Return what to say of an alert that is not there."""
    if name in pack.signals:
        return f"{name} is no alert; a guard stands below `guards:`"
    near = _close(name, pack.alerts)
    hint = f"did you mean {' or '.join(near)}?" if near else "docs/alerts.md has all of them"
    return f"there is no alert {name}; {hint}"


def no_rule(which: Which, rules: Sequence[Rule]) -> str:
    """Return what to say of an alert that has no rule with such labels."""
    apart = [rulevalues.shown(_apart(rule, rules)) for rule in rules] if len(rules) > 1 else [rules[0].name]
    return f"no rule of {which.name} has these labels; there is {', '.join(apart)}"


def guard(name: str, text: str, pack: Pack) -> str:
    """Return the number of a guard; ValueError where it is none, or cannot be set."""
    numbers = {signal: group[0].expression for signal, group in pack.signals.items() if group[0].is_number}
    if name not in numbers:
        near = _close(name, numbers)
        hint = f"did you mean {' or '.join(near)}?" if near else "docs/alerts.md has all of them below Guards"
        raise ValueError(f"there is no guard {name}; {hint}")
    if name in FOLLOWS:
        raise ValueError(f"{name} is the figure of {FOLLOWS[name]}, and follows it; set that")
    if FIXED.fullmatch(name):
        raise ValueError(f"{name} belongs to the windows and functions of its signal, so it cannot be set alone")
    return rulefigure.figure(text, name, numbers[name])


def _close(name: str, known: Iterable[str]) -> list[str]:
    by_lower_case = {one.lower(): one for one in known}
    return [by_lower_case[one] for one in difflib.get_close_matches(name.lower()[:100], by_lower_case, n=3, cutoff=0.6)]
