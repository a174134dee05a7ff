"""What changes of a site come to: for each rule of the pack, what is to stand in it, and for which of its series."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from exporter import rulechoice, ruleorder, rulescope, rulevalues
from exporter.pack import FIGURE, Pack, Rule
from exporter.ruleplan import Branch, Follower, Given, Keys, Made, Place, Plan, RuleChange, Scoped
from exporter.rulescale import to_seconds
from exporter.rulescope import Scope
from exporter.rulevalues import EVERY, FIGURES, Change, Values

# With the alert off whose figure a guard is, no value reaches it.
_NEVER: Final = "1e9"
# A signal whose windows are how long another alert waits, and the least of them.
WINDOWS: Final = {"runbook:http_endpoint_told:seconds": "APIHighLatency"}
_LEAST_WINDOW: Final = "1m"


def plan(pack: Pack, values: Values) -> Plan:
    """Return what is to be otherwise; what cannot be is added to the problems of the values."""
    given = _given(pack, values)
    made = {place: _made(_rule(pack, place), scoped, values) for place, scoped in given.items()}
    for change, text in ruleorder.out_of_order(pack, given, made):
        values.problem(change.place, text)
    rules = {place: _general(found) for place, found in made.items() if _general(found) != RuleChange()}
    more = {place: special for place, found in made.items() if (special := tuple(_special(found)))}
    return Plan(rules, more, _guards(pack, values) | _following(pack, made), _followers(pack, made))


def _rule(pack: Pack, place: Place) -> Rule:
    return pack.alerts[place[0]][place[1]]


def _given(pack: Pack, values: Values) -> Scoped:
    """Return what is set at each rule: of several values of one thing, the one that counts."""
    found: Scoped = {}
    for change in values.changes:
        try:
            scope, rules = _meant(pack, change)
            for place, value in _valued(pack, change, rules):
                keys = found.setdefault(place, {}).setdefault(scope, {})
                rulescope.check(one for one in found[place] if one is not None)
                _keep(keys, Given(value, change))
        except ValueError as error:
            values.problem(change.place, str(error))
    return found


def _keep(keys: Keys, given: Given) -> None:
    key = "number" if given.change.key in FIGURES else given.change.key
    before = keys.get(key)
    if before is not None and before.rank == given.rank:
        raise ValueError(f"is set here and at {before.change.place}; keep one of them")
    if before is None or before.rank < given.rank:
        keys[key] = given


def _meant(pack: Pack, change: Change) -> tuple[Scope | None, dict[Place, Rule]]:
    """Return the rules that a change is for, and for which of their series."""
    which = change.which
    if which.name == EVERY:
        every = {(name, n): rule for name, rules in pack.alerts.items() for n, rule in enumerate(rules)}
        return None, {place: rule for place, rule in every.items() if rule.condition}
    if which.name not in pack.alerts:
        raise ValueError(rulechoice.no_alert(which.name, pack))
    rules = pack.alerts[which.name]
    scope = rulescope.of(which, rules)
    found = {(which.name, n): rule for n, rule in enumerate(rules) if rulechoice.is_meant(which, rule, scope)}
    if not found:
        raise ValueError(rulechoice.no_rule(which, rules))
    return scope, found


def _valued(pack: Pack, change: Change, rules: Mapping[Place, Rule]) -> Iterator[tuple[Place, str]]:
    """Yield each rule that a change is for, with its value there; ValueError where it cannot be."""
    places = {id(rule): place for place, rule in rules.items()}
    for rule, value in _values(pack, change, list(rules.values())):
        yield places[id(rule)], value


def _values(pack: Pack, change: Change, rules: Sequence[Rule]) -> Iterator[tuple[Rule, str]]:
    key, text = change.key, change.text
    if key in FIGURES:
        yield from rulechoice.figures(key, text, rules)
    elif key == "priority":
        yield from rulechoice.priorities(text, rules)
    elif key in ("for", "keep_firing_for"):
        yield from rulechoice.times(key, text, rules)
    else:
        for rule in rules:
            if key != "switch":
                rulechoice.check_label(key.removeprefix("labels."), text, rule, pack)
            yield rule, text


def _made(rule: Rule, scoped: Mapping[Scope | None, Keys], values: Values) -> dict[Scope | None, RuleChange]:
    """Return what becomes of a rule, for all that it is about and for what differs from that."""
    general = scoped.get(None, {})
    found: dict[Scope | None, RuleChange] = {None: _changed(rule, general)}
    _refuse_what_is_off(general, values)
    for scope, keys in scoped.items():
        if scope is not None:
            merged = general | {key: given for key, given in keys.items() if _counts(given, general.get(key))}
            _refuse_what_is_off(merged, values)
            change = _changed(rule, merged)
            if change != found[None]:
                found[scope] = change
    return found


def _counts(given: Given, general: Given | None) -> bool:
    return general is None or general.rank < given.rank


def _changed(rule: Rule, keys: Mapping[str, Given]) -> RuleChange:
    """Return what becomes of a rule; what is set to what the pack has is no change."""
    if "switch" in keys and keys["switch"].value == "off":
        return RuleChange(off=True)

    def other(key: str, before: str) -> str | None:
        return keys[key].value if key in keys and keys[key].value != before else None

    labels = {
        key.removeprefix("labels."): given.value
        for key, given in keys.items() if key.startswith("labels.") and key.removeprefix("labels.") not in rule.labels
    }  # fmt: skip
    return RuleChange(
        other("number", rule.condition[2] if rule.condition else ""), other("for", rule.wait),
        other("keep_firing_for", rule.keep), other("priority", rule.labels.get("priority", "")), labels,
    )  # fmt: skip


def _refuse_what_is_off(keys: Mapping[str, Given], values: Values) -> None:
    """Refuse what would do nothing: a rule that is off is set to something by what comes later or says more exactly."""
    switch = keys.get("switch")
    for given in keys.values() if switch is not None and switch.value == "off" else ():
        if switch is not None and given is not switch and given.rank >= switch.rank:
            on = rulevalues.assigned(given.change, "on")
            values.problem(given.change.place, f"the alert is off by {switch.change.place}; add {on}, or take this out")


def _scopes(found: Mapping[Scope | None, RuleChange]) -> list[Scope]:
    return [scope for scope in found if scope is not None]


def _others(found: Mapping[Scope | None, RuleChange]) -> str:
    """Return the matcher of what is none of the scopes."""
    return rulescope.without(_scopes(found)) if len(found) > 1 else ""


def _general(found: Mapping[Scope | None, RuleChange]) -> RuleChange:
    change = found[None]
    return change if change.off else replace(change, selector=_others(found))


def _special(found: Mapping[Scope | None, RuleChange]) -> Iterator[RuleChange]:
    for scope in _scopes(found):
        change = found[scope]
        if not change.off:
            yield replace(change, selector=str(scope), labels={**change.labels, FIGURE: scope.short})


def _guards(pack: Pack, values: Values) -> dict[str, str]:
    found: dict[str, Keys] = {}
    for change in values.guards:
        try:
            number = rulechoice.guard(change.which.name, change.text, pack)
            _keep(found.setdefault(change.which.name, {}), Given(number, change))
        except ValueError as error:
            values.problem(change.place, str(error))
    numbers = {name: keys["number"].value for name, keys in found.items() if keys}
    return {name: number for name, number in numbers.items() if number != pack.signals[name][0].expression}


def _following(pack: Pack, made: Made) -> dict[str, str]:
    """Return the guards that are another alert's figure, where that is to be otherwise."""
    found = {}
    for guard, alert in rulechoice.FOLLOWS.items():
        change = made.get((alert, 0), {}).get(None, RuleChange())
        number = _NEVER if change.off else change.number
        if guard in pack.signals and number is not None:
            found[guard] = number
    return found


def _followers(pack: Pack, made: Made) -> dict[str, Follower]:
    found = {}
    for signal, alert in WINDOWS.items():
        (guard,) = (name for name, of in rulechoice.FOLLOWS.items() if of == alert)
        changes = made.get((alert, 0), {None: RuleChange()})
        branches = tuple(_branches(pack.alerts[alert][0], changes)) if alert in pack.alerts else ()
        if any(branch.selector or branch.wait != pack.alerts[alert][0].wait for branch in branches):
            rule = pack.alerts[alert][0]
            found[signal] = Follower(rule.condition[0] if rule.condition else "", guard, rule.wait, branches)
    return found


def _branches(rule: Rule, changes: Mapping[Scope | None, RuleChange]) -> Iterator[Branch]:
    general = changes[None]
    yield Branch(_others(changes), None, _window(general.wait or rule.wait))
    for scope in _scopes(changes):
        if not changes[scope].off:
            number = changes[scope].number or (rule.condition[2] if rule.condition else None)
            yield Branch(str(scope), number, _window(changes[scope].wait or rule.wait))


def _window(wait: str) -> str:
    return max(wait, _LEAST_WINDOW, key=to_seconds)
