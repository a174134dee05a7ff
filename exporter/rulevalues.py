"""What a site wants otherwise than the pack has it: `--values FILE` and `--set`, read to single changes.

Both say WHICH: WHAT. WHICH is `Alert`, `Alert{label="value"}` or the name of a guard, and after a dot what of it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from exporter.config import content_of
from exporter.source import nearest, one_of, short, what
from exporter.yamltree import BrokenError, EmptyError, List, Map, Node, Scalar, is_null, parse

SECTIONS: Final = ("alerts", "guards", "labels", "operator")
ALERT_KEYS: Final = ("number", "above", "below", "for", "keep_firing_for", "priority", "labels")
FIGURES: Final = ("number", "above", "below")
SWITCH: Final = {"off": "off", "false": "off", "no": "off", "on": "on", "true": "on", "yes": "on"}
"""YAML's own words for off and on, as programs that rewrite a file leave them."""
EVERY: Final = ""
"""The name of a change that is for every alert."""

_WHICH: Final = re.compile(r"(?P<name>[^{}.=\s]+)\s*(?:\{(?P<labels>[^{}]*)\})?(?:\.(?P<key>[\w./-]+))?")
_LABEL: Final = re.compile(r"""\s*([A-Za-z_]\w*)\s*(=~?)\s*(?:"([^"]*)"|'([^']*)'|([^\s"',=~!][^"',]*?))\s*""")
_INSTEAD: Final = {
    "severity": "follows `priority`; set that", "threshold": "is called `number`", "value": "is called `number`",
    "figure": "is called `number`", "duration": "is called `for`", "wait": "is called `for`",
    "enabled": "is written as `Alert: on` or `Alert: off`", "expr": "stays as it is; its figure is `number`",
}  # fmt: skip
_WHAT_OF_ALERT: Final = "a number, off, on, or a mapping of " + ", ".join(ALERT_KEYS)


@dataclass(frozen=True, slots=True)
class Which:
    """The rules that are meant: by the name of their alert and labels that they have."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    patterns: tuple[tuple[str, str], ...] = ()
    """Labels of what the alert is about, with the regular expression that their values fit."""

    @property
    def exactness(self) -> int:
        """Return how exactly the rules are named: what says more counts over what says less."""
        return len(self.labels) + len(self.patterns) if self.name != EVERY else -1


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is to be otherwise; of several of the same a later layer counts, then the one with more labels."""

    which: Which
    key: str
    text: str
    place: str
    layer: int


@dataclass(slots=True)
class Values:
    """All that a site wants otherwise, and what is wrong with how it says so."""

    changes: list[Change] = field(default_factory=list)
    guards: list[Change] = field(default_factory=list)
    operator: dict[str, Change] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def problem(self, place: str, text: str) -> None:
        self.problems.append(f"{place}: {text}")


class NotUnderstoodError(Exception):
    """The text names no rules."""


def read(files: Sequence[str], sets: Sequence[str]) -> Values:
    """Return what the values files say, a later one over an earlier, and `--set` over all of them."""
    values = Values()
    for layer, file in enumerate(files):
        _File(values, file, layer).read()
    for text in sets:
        _read_set(values, text, len(files))
    return values


def _read_set(values: Values, text: str, layer: int) -> None:
    place = f"--set {short(text)!r}"
    match = re.fullmatch(rf"\s*({_WHICH.pattern}\s*)=(?P<value>.*)", text, re.DOTALL)
    if match is None:
        values.problem(place, "is not understood; expected WHICH=WHAT, as SlowResponse=1s or SlowResponse.for=10m")
        return
    left, value = match[1].strip(), match["value"].strip()
    if not value:
        values.problem(place, f"has nothing after the `=`; expected {_WHAT_OF_ALERT.split(', or')[0]}")
        return
    name, _, rest = left.partition(".")
    if name in ("labels", "operator") and rest:
        _put(values, name, rest, Scalar(value, True, 0), place, layer)
    else:
        _put(values, "guards" if ":" in name else "alerts", left, Scalar(value, True, 0), place, layer)


class _File:
    """One values file."""

    def __init__(self, values: Values, file: str, layer: int) -> None:
        self._values, self._file, self._layer = values, file, layer

    def _problem(self, line: int, text: str) -> None:
        self._values.problem(f"{self._file}:{line}", text)

    def read(self) -> None:
        try:
            root = parse(content_of(self._file), self._problem)
        except EmptyError:
            return  # nothing is to be otherwise
        except BrokenError as error:
            self._problem(error.line, str(error))
            return
        for section, (line, _) in _entries(root):
            if section not in SECTIONS and not section.startswith("x-"):  # a place for anchors
                self._problem(line, f"{short(section)}: is not known; {_nearest_section(section)}")
        if not isinstance(root, Map):
            self._problem(root.line, f"{what(root)}; expected a mapping of {', '.join(SECTIONS)}")
            return
        for section in SECTIONS:
            if section in root.entries and not is_null(root.entries[section][1]):
                self._section(section, root.entries[section][1])

    def _section(self, section: str, node: Node) -> None:
        if not isinstance(node, Map):
            self._problem(node.line, f"{section}: {what(node)}; expected a mapping")
            return
        for key, (line, value) in node.entries.items():
            place = f"{self._file}:{line}: {section}.{key}"
            if isinstance(value, List) or is_null(value):
                found = what(value) if isinstance(value, List) else "has no value"
                expected = _WHAT_OF_ALERT if section == "alerts" else "a single value"
                self._values.problem(place, f"{found}; expected {expected}")
            else:
                _put(self._values, section, key, value, place, self._layer)


def _nearest_section(name: str) -> str:
    if re.fullmatch(r"[A-Z][A-Za-z]+(\{.*\})?(\.\w+)?", name):
        return "an alert stands below `alerts:`"
    return "a guard stands below `guards:`" if name.startswith("runbook:") else nearest(name, SECTIONS)


def _entries(node: Node) -> Iterator[tuple[str, tuple[int, Node]]]:
    if isinstance(node, Map):
        yield from node.entries.items()


def _put(values: Values, section: str, key: str, node: Node, place: str, layer: int) -> None:
    """Note what one entry of a section says."""
    try:
        if section == "alerts":
            _put_alert(values, key, node, place, layer)
        elif section == "labels":
            values.changes.append(Change(Which(EVERY), f"labels.{key}", _text(node), place, layer))
        elif section == "guards":
            values.guards.append(Change(_guard(key), "number", _text(node), place, layer))
        else:
            values.operator |= {change.key: change for change in _of_operator(key, node, place, layer)}
    except NotUnderstoodError as error:
        values.problem(place, str(error))


def _text(node: Node) -> str:
    if not isinstance(node, Scalar):
        raise NotUnderstoodError(f"{what(node)}; expected a single value")
    return node.text


def _guard(key: str) -> Which:
    if not re.fullmatch(r"[\w:]+", key):
        raise NotUnderstoodError("a guard has its name and a number, and nothing else")
    return Which(key)


def _of_operator(key: str, node: Node, place: str, layer: int) -> list[Change]:
    if key == "labels" and isinstance(node, Map):
        return [
            Change(Which("operator"), f"labels.{name}", _text(value), f"{place}.{name}", layer)
            for name, (_, value) in node.entries.items()
        ]
    if key == "namespace" or (key.startswith("labels.") and len(key) > len("labels.")):
        return [Change(Which("operator"), key, _text(node), place, layer)]
    raise NotUnderstoodError(f"is not known here; {one_of(('namespace', 'labels'))}")


def _put_alert(values: Values, key: str, node: Node, place: str, layer: int) -> None:
    which, part = which_of(key)
    if part:
        values.changes += _of_key(which, part, node, place, layer)
    elif isinstance(node, Map):
        for name, (line, value) in node.entries.items():
            at = _at(place, line, name)
            try:
                values.changes += _of_key(which, name, value, at, layer)
            except NotUnderstoodError as error:
                values.problem(at, str(error))
    else:
        text = _text(node)
        switch = SWITCH.get(text.lower()) if isinstance(node, Scalar) and node.plain else None
        values.changes.append(Change(which, "switch" if switch else "number", switch or text, place, layer))


def _at(place: str, line: int, name: str) -> str:
    """Return the place of a key inside of an entry, which has a line of its own."""
    return re.sub(r":\d+: ", f":{line}: ", place, count=1) + f".{name}"


def _of_key(which: Which, key: str, node: Node, place: str, layer: int) -> list[Change]:
    if key == "labels" and isinstance(node, Map):
        return [
            Change(which, f"labels.{name}", _text(value), f"{place}.{name}", layer)
            for name, (_, value) in node.entries.items()
        ]
    if key in ALERT_KEYS[:-1] or (key.startswith("labels.") and len(key) > len("labels.")):
        if is_null(node):
            raise NotUnderstoodError(f"`{key}` has no value; write one, or leave it out")
        return [Change(which, "number" if key == "number" else key, _text(node), place, layer)]
    if key == "labels":
        raise NotUnderstoodError("`labels` are a mapping, as {team: web}")
    raise NotUnderstoodError(f"`{short(key)}` {_INSTEAD.get(key) or 'is not known; ' + nearest(key, ALERT_KEYS)}")


def which_of(text: str) -> tuple[Which, str]:
    """Return the rules that a text names, and what of them where it says so: `Alert{use="other"}.for`."""
    match = _WHICH.fullmatch(text.strip())
    if match is None:
        raise NotUnderstoodError('names no rules; expected Alert, Alert{label="value"} or Alert.for')
    labels: dict[str, tuple[str, str]] = {}
    for part in (match["labels"] or "").split(",") if match["labels"] is not None else ():
        found = _LABEL.fullmatch(part)
        if found is None:
            raise NotUnderstoodError(f'{{{short(part.strip())}}} is no label with its value; write {{label="value"}}')
        if found[1] in labels:
            raise NotUnderstoodError(f"names the label {found[1]} twice")
        labels[found[1]] = (found[2], next(value for value in found.groups()[2:] if value is not None))
    plain, patterns = (
        tuple(sorted((name, value) for name, (operator, value) in labels.items() if operator == sought))
        for sought in ("=", "=~")
    )
    return Which(match["name"], plain, patterns), match["key"] or ""


def shown(which: Which) -> str:
    """Return how such rules are named in a values file."""
    plain = [f'{name}="{value}"' for name, value in which.labels]
    labels = ",".join([*plain, *(f'{name}=~"{value}"' for name, value in which.patterns)])
    return which.name + (f"{{{labels}}}" if labels else "")


def assigned(change: Change, text: str) -> str:
    """Return how a text is given to the rules that a change names, as it is given where the change stands."""
    which = shown(change.which)
    return f"--set '{which}={text}'" if change.place.startswith("--set") else f"{which}: {text}"
