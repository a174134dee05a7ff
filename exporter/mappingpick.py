"""The mapping at work: a JSON document to samples."""

from collections.abc import Iterable
from typing import Any, Final

from exporter.jmes import compiled, kind_of
from exporter.mapping import MappedMetric
from exporter.mappingrule import Rule
from exporter.metric import Samples, gauge

_FIX: Final = "correct the mapping, or what makes the document"

MISSING = gauge(
    "runbook_mapped_values_missing",
    "How many values of a metric that the configuration takes from JSON or SQL were null, or missing, when last read.",
    labels=("metric",),
    source="the mapping",
)


class Picker:
    """Takes the metrics of a mapping from documents; `source` says in HELP where those come from."""

    def __init__(self, metrics: Iterable[MappedMetric], source: str) -> None:
        self._rules = [_Rule(metric, source) for metric in metrics]

    def samples(self, document: Any) -> Samples:
        """Yield what the mapping finds; Trouble names the path whose value does not fit."""
        for rule in self._rules:
            yield from rule.samples(document)
            yield MISSING(rule.missing, metric=rule.name)


class _Rule(Rule):
    """One metric of a mapping."""

    def __init__(self, wanted: MappedMetric, source: str) -> None:
        value = compiled(wanted.value) if wanted.value else None
        labels = {name: compiled(path) for name, path in wanted.labels.items()}
        super().__init__(wanted, wanted.declaration.metric(source), value, labels, kind_of, fix=_FIX)
        self._each = compiled(wanted.each) if wanted.each else None

    def samples(self, document: Any) -> Samples:
        return self.of(self._items(document))

    def _items(self, document: Any) -> Iterable[Any] | None:
        if self._each is None:
            return [document]
        items = self._each.find(document)
        if items is None:
            return None
        if isinstance(items, dict):
            return [{"key": key, "value": value} for key, value in items.items()]
        if isinstance(items, list):
            return items
        raise self.misfit(self._each, items, "a list or an object")
