"""`explain`: what a metric, an alert or a recorded signal means, and what uses what."""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from exporter import alerts, catalogue, pack
from exporter.catalogue import Declared
from exporter.metric import covers
from exporter.pack import Pack, Rule, Signal

Fields = Iterable[tuple[str, str]]

_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_WIDTH: Final = 110
_INDENT: Final = 14


class Explainer:
    """Knows the catalogue of metrics, the rules and the panels of the dashboards."""

    def __init__(
        self, metrics: dict[str, list[Declared]], rules: Pack, panels: list[tuple[str, str]],
        runbook: Callable[[str], str],
    ) -> None:  # fmt: skip
        self._metrics = metrics
        self._rules = rules
        self._runbook = runbook
        expressions = [
            *(("alert", rule.name, rule.expression) for group in rules.alerts.values() for rule in group),
            *(("signal", signal.name, signal.expression) for group in rules.signals.values() for signal in group),
            *(("panel", title, expression) for title, expression in panels),
        ]
        self._users = [(kind, user, rules.names(expression)) for kind, user, expression in expressions]

    def explain(self, name: str) -> str | None:
        """Return a few lines of text on the metric, alert or signal of this name; None where there is none."""
        if name in self._rules.alerts:
            return self._alert(self._rules.alerts[name])
        if name in self._rules.signals:
            return self._signal(self._rules.signals[name])
        found = catalogue.find_metric(name, self._metrics)
        if found is None:
            return None
        names = {known for _, _, names in self._users for known in names if covers(found[1], known)}
        return catalogue.explain(*found, name) + _lines(self._using(names))

    def nearest(self, name: str) -> list[str]:
        """Return names that are nearly this one, or hold it."""
        return catalogue.nearest(name, self._metrics, [*self._rules.alerts, *self._rules.signals])

    def _alert(self, rules: tuple[Rule, ...]) -> str:
        name = rules[0].name
        meaning = (rules[0].annotations.get("summary", ""), first_paragraph(self._runbook(name)))
        texts = [textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  ") for text in meaning if text]
        fields = [*map(_condition, rules), *map(_urgency, rules)]
        signals = {signal.name: signal for rule in rules for signal in self._rules.feeding(rule.expression)}
        fields += [("signal", definition) for signal in signals for definition in self._definitions(signal)]
        metrics = {metric for rule in rules for metric in self._rules.metrics(rule.expression)}
        fields += [("metrics", self._with_collector(metric)) for metric in sorted(metrics)]
        fields += [(kind, user) for kind, user in self._using(set(signals)) if kind == "panel"]
        fields += [("runbook", f"http://localhost:10420/runbooks/{name}, where the exporter listens by default")]
        return "\n".join([name, "", "\n\n".join(texts)]) + "\n" + _lines(dict.fromkeys(fields))

    def _signal(self, signals: tuple[Signal, ...]) -> str:
        name = signals[0].name
        fields = [("signal", definition) for definition in self._definitions(name)]
        fields += [("metrics", self._with_collector(metric)) for metric in self._rules.metrics(name)]
        return f"{name}\n\n  A recorded signal.\n" + _lines([*fields, *self._using({name})])

    def _using(self, names: set[str]) -> Fields:
        """Return the alerts, signals and panels that rest on any of these names, directly or through signals."""
        return dict.fromkeys((kind, user) for kind, user, known in self._users if not names.isdisjoint(known))

    def _definitions(self, name: str) -> Iterator[str]:
        for signal in self._rules.signals[name]:
            if signal.is_number:
                yield f"{name} = {signal.expression}"
            else:
                yield "\n".join([name, *(f"  {line}" for line in signal.expression.splitlines())])

    def _with_collector(self, name: str) -> str:
        found = catalogue.find_metric(name, self._metrics)
        return f"{name} ({f'collector {found[0]}' if found else 'not of this exporter'})"


def explainer() -> Explainer:
    """Return one that knows all that belongs to this version."""
    return Explainer(catalogue.by_collector(), pack.rules(), pack.panels(), pack.runbook)


def first_paragraph(markdown: str) -> str:
    """Return the first paragraph of a page as plain text, on one line."""
    blocks = (block.strip() for block in re.split(r"\n\s*\n", markdown))
    texts = [block for block in blocks if block and not block.startswith("#")]
    return _LINK.sub(r"\1", " ".join(texts[0].split())).replace("**", "") if texts else ""


def _condition(rule: Rule) -> tuple[str, str]:
    apart = f"; with {alerts.told_apart(rule)}" if rule.own_labels else ""
    return "condition", f"{alerts.condition(rule)}, for {alerts.duration(rule)}{apart}"


def _urgency(rule: Rule) -> tuple[str, str]:
    priority = rule.labels.get("priority", "")
    times = f"; {alerts.PRIORITIES[priority]}" if priority else ""
    return "priority", f"{priority or 'none'}, severity {rule.labels.get('severity', 'none')}{times}"


def _lines(fields: Fields) -> str:
    """Return the fields as lines; the name of a field that comes several times stands once."""
    text, before = "", ""
    for name, value in fields:
        shown = "" if name == before else f"{name}:"
        text += f"\n  {shown:<{_INDENT - 2}}" + value.replace("\n", "\n" + " " * _INDENT)
        before = name
    return text
