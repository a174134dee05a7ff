"""What a figure is for where it is not for all that an alert watches: `target="shop"`, `target=~"shop-.*"`."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.pack import Pack, Rule
from exporter.rulevalues import Which

_SPECIAL: Final = re.compile(r"[.^$*+?()\[\]{}|\\]")
_TOLD: Final = re.compile(r"\$labels\.(\w+)")
_LISTED: Final = re.compile(r"\b(?:by|on|group_left)\s*\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Scope:
    """Series with one value of a label, or with one that a pattern fits."""

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.label}{self.operator}{json.dumps(self.value, ensure_ascii=False)}"

    @property
    def pattern(self) -> str:
        return self.value if self.operator == "=~" else _SPECIAL.sub(r"\\\g<0>", self.value)

    @property
    def short(self) -> str:
        """Return the value of the label that tells this figure from the alert's others."""
        return f"{self.label}{self.operator}{self.value}"


def of(which: Which, rules: Sequence[Rule]) -> Scope | None:
    """Return what of an alert's series a site means, by the labels that none of its rules has; ValueError if none."""
    own = {name for rule in rules for name in rule.labels}
    found = [Scope(name, "=", value) for name, value in which.labels if name not in own]
    found += [Scope(name, "=~", value) for name, value in which.patterns]
    if not found:
        return None
    scope = found[0]
    if len(found) > 1:
        raise ValueError(f"{found[1]} stands beside {scope}; name one label of what the alert is about")
    if scope.label in own:
        raise ValueError(f"{scope.label} is a label of rules, which has fixed values; write {scope.label}=")
    _check_label(scope, rules)
    _check_pattern(scope)
    return scope


def _check_label(scope: Scope, rules: Sequence[Rule]) -> None:
    for rule in rules:
        known = {"job", "instance", *_told(rule)} if rule.condition else set()
        if scope.label not in known:
            there = f"there is {', '.join(sorted(known))}" if known else "it is about nothing"
            raise ValueError(
                f"{rule.name} has no label {scope.label}, neither its rules nor what they are about; {there}"
            )


def _told(rule: Rule) -> list[str]:
    """Return the labels by which a rule's text tells what it is about."""
    return _TOLD.findall(rule.annotations.get("description", ""))


def _check_pattern(scope: Scope) -> None:
    try:
        re.compile(scope.pattern)
    except re.error as error:
        raise ValueError(f"{scope} is no regular expression ({error})") from None
    if not scope.value:
        raise ValueError(f"{scope} has no value; write the one that is meant")
    if "{" in scope.value or "}" in scope.value:
        raise ValueError(f"{scope} holds a brace, which cannot stand there")


def carried(rule: Rule, pack: Pack) -> set[str]:
    """Return labels that what a rule is about may have: those that its text and its signal name."""
    signal = rule.condition[0] if rule.condition else ""
    lists = [found for one in pack.signals.get(signal, ()) for found in _LISTED.findall(one.expression)]
    return {*_told(rule), *(name.strip() for text in lists for name in text.split(","))}


def check(scopes: Iterable[Scope]) -> None:
    """Refuse scopes of one rule that may mean the same series."""
    every = list(scopes)
    for number, one in enumerate(every):
        for other in every[:number]:
            if one.label != other.label:
                raise ValueError(f"{one} may mean what {other} means; tell figures of one alert apart by one label")
            if _meet(one, other):
                raise ValueError(f"{one} means what {other} means as well; let each mean its own")


def _meet(one: Scope, other: Scope) -> bool:
    if one.operator == other.operator == "=~":
        return False  # whether two patterns ever fit one value cannot be told
    literal, pattern = (one, other) if one.operator == "=" else (other, one)
    return re.fullmatch(pattern.pattern, literal.value) is not None


def without(scopes: Sequence[Scope]) -> str:
    """Return the matcher of everything else."""
    if len(scopes) == 1:
        only = scopes[0]
        return f"{only.label}!{only.operator.lstrip('=') or '='}{json.dumps(only.value, ensure_ascii=False)}"
    return f"{scopes[0].label}!~{json.dumps('|'.join(scope.pattern for scope in scopes), ensure_ascii=False)}"
