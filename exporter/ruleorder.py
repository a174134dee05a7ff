"""Which of two alerts is the stricter, and whether it still is with a site's figures."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from exporter import alerts
from exporter.pack import Pack, Rule
from exporter.ruleplan import Made, Place, RuleChange, Scoped
from exporter.rulescope import Scope
from exporter.rulevalues import Change

# Alerts on signals of their own, of which the first is told instead of those after it; so are two on one signal.
_LADDERS: Final = (
    ("CertificateExpired", "CertificateExpiresNow", "CertificateExpiresSoon"),
    ("APIHighLatency", "SearchLatencyHigh"),
)


def out_of_order(pack: Pack, given: Scoped, made: Made) -> Iterator[tuple[Change, str]]:
    """Yield each figure that is set where it does not belong, so that the looser of two is the stricter."""
    for strict, loose in pairs(pack):
        scopes = dict.fromkeys([None, *made.get(strict, {}), *made.get(loose, {})])
        for scope in scopes:
            changed = next((place for place in (strict, loose) if _sets(given, place, scope)), None)
            text = _disorder(pack, made, strict, loose, scope)
            if changed is not None and text:
                other = loose[0] if changed == strict else strict[0]
                keys = given[changed].get(scope, {})
                change = (keys if "number" in keys else given[changed][None])["number"].change
                yield change, f"{text}; set {other} as well, or one of them off"


def _sets(given: Scoped, place: Place, scope: Scope | None) -> bool:
    found = given.get(place, {})
    return "number" in found.get(scope, {}) or "number" in found.get(None, {})


def _disorder(pack: Pack, made: Made, strict: Place, loose: Place, scope: Scope | None) -> str:
    one, two = (_change(made, place, scope) for place in (strict, loose))
    first, second = _figure(pack, strict, one), _figure(pack, loose, two)
    operator = first[0]
    inverted = float(first[1]) < float(second[1]) if operator == ">" else float(first[1]) > float(second[1])
    if one.off or two.off or not inverted:
        return ""
    return (
        f"{strict[0]} ({operator} {_said(pack, strict, first[1])}) would fire before {loose[0]}"
        f" ({operator} {_said(pack, loose, second[1])}), which it is told instead of"
    )


def _change(made: Made, place: Place, scope: Scope | None) -> RuleChange:
    found = made.get(place, {})
    return found.get(scope) or found.get(None) or RuleChange()


def _figure(pack: Pack, place: Place, change: RuleChange) -> tuple[str, str]:
    condition = _rule(pack, place).condition
    operator, before = condition[1:] if condition else (">", "0")
    return operator, change.number or before


def _said(pack: Pack, place: Place, number: str) -> str:
    condition = _rule(pack, place).condition
    return (alerts.in_words(condition[0], number) if condition else "") or number


def pairs(pack: Pack) -> Iterator[tuple[Place, Place]]:
    """Yield each two rules of which the first is the stricter: of two on one signal, and of the ladders."""
    for ladder in _LADDERS:
        for strict, loose in pairwise(ladder):
            yield from ((one, two) for one in _of(pack, strict) for two in _of(pack, loose) if _alike(pack, one, two))
    compared = [(place, rule.condition) for name in pack.alerts for place, rule in _of(pack, name).items()
                if rule.condition and rule.condition[1] != "=="]  # fmt: skip
    for number, (one, first) in enumerate(compared):
        for two, second in compared[number + 1 :]:
            if first[:2] == second[:2]:
                stricter = (float(first[2]) > float(second[2])) == (first[1] == ">")
                yield (one, two) if stricter else (two, one)


def _of(pack: Pack, name: str) -> dict[Place, Rule]:
    return {(name, number): rule for number, rule in enumerate(pack.alerts.get(name, ()))}


def _rule(pack: Pack, place: Place) -> Rule:
    return pack.alerts[place[0]][place[1]]


def _alike(pack: Pack, one: Place, two: Place) -> bool:
    """Tell whether two rules are of the same things: critical ones of a certificate are none of the others."""
    first, second = _rule(pack, one).own_labels, _rule(pack, two).own_labels
    return all(first[name] == second[name] for name in first.keys() & second.keys())
