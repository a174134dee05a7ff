"""What a query gave, to samples of the metrics that the configuration makes of its columns."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from exporter import mappingpick
from exporter.collector import Trouble
from exporter.collectors._sql.cell import Table, kind_of, plain
from exporter.collectors.sql.settings import SQLMetric
from exporter.mappingrule import Rule
from exporter.metric import Sample, Samples

_FIX: Final = "correct the query, or what is said of the column"
_SOURCE: Final = "a query of the configuration"


class Columns:
    """Takes the metrics of one query from the tables that it gives."""

    def __init__(self, metrics: Iterable[SQLMetric]) -> None:
        self._rules = [_Rule(metric) for metric in metrics]

    def samples(self, table: Table) -> Samples:
        """Yield what the columns give; Trouble names the column whose value does not fit."""
        for rule in self._rules:
            yield from rule.samples(table)
            yield mappingpick.MISSING(rule.missing, metric=rule.name)


class _Column:
    """A column by its name; where it stands is known once the query has given something."""

    def __init__(self, name: str) -> None:
        self.text = name
        self._index = 0

    def find(self, row: Sequence[Any]) -> Any:
        return plain(row[self._index])

    def stand_in(self, columns: tuple[str, ...]) -> None:
        """Find its place among these columns; Trouble where it has none, or two."""
        places = [index for index, name in enumerate(columns) if name == self.text]
        if len(places) != 1:
            what = "two columns" if places else "no column"
            there = ", ".join(f"`{name}`" for name in columns[:30])
            raise Trouble(f"the query gives {what} `{self.text}`, but {there}", "name the column in the query with AS")
        self._index = places[0]


class _Rule(Rule):
    """One metric of a query."""

    def __init__(self, wanted: SQLMetric) -> None:
        value = _Column(wanted.value) if wanted.value else None
        labels = {name: _Column(name) for name in wanted.labels}
        super().__init__(wanted, wanted.declaration.metric(_SOURCE), value, labels, kind_of, fix=_FIX)
        self._columns = [*([value] if value else []), *labels.values()]

    def samples(self, table: Table) -> Iterator[Sample | None]:
        for column in self._columns:
            column.stand_in(table.columns)
        return self.of(table.rows)

    def twice(self, series: tuple[str, ...]) -> Trouble:  # noqa: ARG002  # what is in a row is shown nowhere
        names = " and ".join(column.text for column in self._columns if column is not self._value)
        if not names:
            return self.trouble("there are two rows, and no labels to tell them apart", "add up, or name labels")
        fix = "let the query add up by them, or name more of its columns as labels"
        return self.trouble(f"two rows have the same {names}", fix)
