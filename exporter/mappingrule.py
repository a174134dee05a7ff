"""One metric of a mapping at work: items, as parts of a document or rows of a query, to samples."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from exporter.appmetrics import FIGURES
from exporter.collector import Trouble
from exporter.mapping import STATE, Mapped
from exporter.mappingvalue import label_of, number_of, shown
from exporter.metric import Metric, Sample


class Place(Protocol):
    """Where in an item a value stands: a path or a column."""

    @property
    def text(self) -> str: ...
    def find(self, item: Any, /) -> Any: ...


class Rule:
    """Makes the samples of one metric; `kind_of` says in a word what a value is, `fix` what to do about a wrong one."""

    def __init__(
        self,
        wanted: Mapped,
        metric: Metric,
        value: Place | None,
        labels: Mapping[str, Place],
        kind_of: Callable[[Any], str],
        *,
        fix: str,
    ) -> None:
        self._wanted = wanted
        self._metric = metric
        self._value = value
        self._labels = labels
        self._kind_of = kind_of
        self._fix = fix
        self.name = wanted.name
        self.missing = 0

    def of(self, items: Iterable[Any] | None) -> Iterator[Sample | None]:
        """Yield the samples of these items, None where they are missing; Trouble names the place that does not fit."""
        self.missing = int(items is None)
        given: set[tuple[str, ...]] = set()
        for item in items or ():
            labels = {name: self._label(name, place, item) for name, place in self._labels.items()}
            series = tuple(labels.values())
            if series in given:
                raise self.twice(series)
            given.add(series)
            yield from self._of(item, labels)

    def misfit(self, place: Place, value: Any, expected: str, shown: str = "") -> Trouble:
        """Return what is wrong with a value."""
        return self.trouble(f"`{place.text}` is {self._kind_of(value)}{shown}, expected {expected}", self._fix)

    def trouble(self, problem: str, fix: str) -> Trouble:
        return Trouble(f"{self.name}: {problem}", fix)

    def twice(self, series: tuple[str, ...]) -> Trouble:
        """Return that two items would be one series."""
        return self.trouble(f"two items give the same labels {list(series)}", "add labels that tell them apart")

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
            raise self.misfit(self._value, value, str(error)) from None
        if number is not None and (expected := self._expected(number)):
            raise self.misfit(self._value, value, expected)
        self.missing += number is None
        yield None if number is None else self._metric(number, **labels)

    def _expected(self, number: float) -> str:
        """Return what else was expected, nothing where the number can be true."""
        if number < 0 and self._metric.kind == "counter":
            return "0 or more, as a counter is"
        figure = FIGURES.get(self.name)
        if figure is None or 0 <= number <= figure.most:
            return ""
        return f"0 to {figure.most:g} (`scale` makes it so: of a percentage 0.01)" if number > 0 else "0 or more"

    def _states(self, place: Place, value: Any, labels: dict[str, str]) -> Iterator[Sample | None]:
        if value not in self._wanted.states:
            raise self.misfit(place, value, f"one of {', '.join(self._wanted.states)}", shown(value))
        for state in self._wanted.states:
            yield self._metric(int(state == value), **labels, **{STATE: state})

    def _label(self, name: str, place: Place, item: Any) -> str:
        value = place.find(item)
        try:
            return label_of(value)
        except ValueError as error:
            raise self.misfit(place, value, f"{error} for the label {name}") from None
