"""Figures out of the console's columns."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from exporter.metric import Metric, Samples

MICROSECONDS: Final = 1e-6


def text(value: Any) -> str:
    """Return a label's text; what is not set is empty."""
    return "" if value is None else str(value)


def number(value: Any) -> int | float:
    """Return a figure as exactly as the console gives it: some columns are numbers, some text."""
    if isinstance(value, int):
        return int(value)
    exact = Decimal(str(value))
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def figures(row: Mapping[str, Any], columns: Mapping[str, Metric], labels: Mapping[str, str]) -> Samples:
    """Yield what a row holds of these columns; a version that lacks one gives none."""
    for column, metric in columns.items():
        value = row.get(column)
        if value is not None:
            figure = number(value)
            yield metric(figure * MICROSECONDS if metric.unit == "seconds" else figure, **labels)
