"""The mapping at work: a JSON document to samples."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from exporter.collector import Trouble
from exporter.jmes import Path, compiled, kind_of
from exporter.mapping import STATE, MappedMetric
from exporter.mappingvalue import label_of, number_of, shown
from exporter.metric import Sample, Samples, gauge

_FIX: Final = "correct the mapping, or what makes the document"

MISSING = gauge(
    "runbook_mapped_values_missing",
    "How many values of a metric that the configuration takes from JSON were null, or not there, when last read.",
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


class _Rule:
    """One metric of a mapping."""

    def __init__(self, wanted: MappedMetric, source: str) -> None:
        self._wanted = wanted
        self._metric = wanted.declaration.metric(source)
        self._each = compiled(wanted.each) if wanted.each else None
        self._value = compiled(wanted.value) if wanted.value else None
        self._labels = {name: compiled(path) for name, path in wanted.labels.items()}
        self.name = wanted.name
        self.missing = 0

    def samples(self, document: Any) -> Iterator[Sample | None]:
        self.missing = 0
        given: set[tuple[str, ...]] = set()
        for item in self._items(document):
            labels = {name: self._label(name, path, item) for name, path in self._labels.items()}
            series = tuple(labels.values())
            if series in given:
                raise self._trouble(f"two items give the same labels {list(series)}", "add labels that tell them apart")
            given.add(series)
            yield from self._of(item, labels)

    def _items(self, document: Any) -> Iterable[Any]:
        if self._each is None:
            return [document]
        items = self._each.find(document)
        if items is None:
            self.missing += 1
            return []
        if isinstance(items, dict):
            return [{"key": key, "value": value} for key, value in items.items()]
        if isinstance(items, list):
            return items
        raise self._misfit(self._each, items, "a list or an object")

    def _of(self, item: Any, labels: dict[str, str]) -> Iterator[Sample | None]:
        if self._value is None:
            yield self._metric(1, **labels)
            return
        value = self._value.find(item)
        if self._wanted.states and value is not None:
            yield from self._states(self._value, value, labels)
            return
        try:
            number = number_of(value, self._wanted.convert, self._wanted.scale)
        except ValueError as error:
            raise self._misfit(self._value, value, str(error)) from None
        if number is not None and number < 0 and self._metric.kind == "counter":
            raise self._misfit(self._value, value, "0 or more, as a counter is")
        self.missing += number is None
        yield None if number is None else self._metric(number, **labels)

    def _states(self, path: Path, value: Any, labels: dict[str, str]) -> Iterator[Sample | None]:
        if value not in self._wanted.states:
            raise self._misfit(path, value, f"one of {', '.join(self._wanted.states)}", shown(value))
        for state in self._wanted.states:
            yield self._metric(int(state == value), **labels, **{STATE: state})

    def _label(self, name: str, path: Path, item: Any) -> str:
        value = path.find(item)
        try:
            return label_of(value)
        except ValueError as error:
            raise self._misfit(path, value, f"{error} for the label {name}") from None

    def _misfit(self, path: Path, value: Any, expected: str, shown: str = "") -> Trouble:
        return self._trouble(f"`{path.text}` is {kind_of(value)}{shown}, expected {expected}", _FIX)

    def _trouble(self, problem: str, fix: str) -> Trouble:
        return Trouble(f"{self.name}: {problem}", fix)
