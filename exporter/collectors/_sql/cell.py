"""Values of a database's columns: as plain as a mapping takes them, and as JSON on their way from another process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

_EXACT: Final = 2**53
_LONGEST: Final = 500
_ENDS: Final = frozenset({(9999, 12, 31), (1, 1, 1)})
_KINDS: Final = {
    str: "text", bool: "true or false", int: "a number", float: "a number", datetime: "a time", date: "a date",
    bytes: "bytes", list: "a list", tuple: "a list", dict: "an object", type(None): "null",
}  # fmt: skip


class Table(NamedTuple):
    """What a query gave."""

    columns: tuple[str, ...]
    rows: list[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A value of a type that is neither a number, a text nor a time."""

    kind: str


def kind_of(value: Any) -> str:
    """Return what a person calls the type of a value."""
    return value.kind if isinstance(value, Foreign) else _KINDS.get(type(value), f"of the type {type(value).__name__}")


def plain(value: Any) -> Any:
    """Return a value as a number, a text, a time, or what it is where it is none of these."""
    if isinstance(value, date) and (value.year, value.month, value.day) in _ENDS:
        return Foreign("endless")  # how DuckDB's infinity arrives
    if isinstance(value, Decimal):
        return _number(value)
    return value.total_seconds() if isinstance(value, timedelta) else value


def _number(value: Decimal) -> int | float:
    whole = value.is_finite() and abs(value) <= _EXACT and value == value.to_integral_value()
    return int(value) if whole else float(value)


def packed(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Return rows as JSON can hold them."""
    return [[_packed(plain(value)) for value in row] for row in rows]


def _packed(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST:  # no figure and no label is as long as that
        return ["other", f"a text of more than {_LONGEST} characters"]
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        return ["time", value.isoformat()]
    if isinstance(value, date):
        return ["date", value.isoformat()]
    return ["other", kind_of(value)]


def unpacked(rows: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    """Return the rows that were packed."""
    return [[_unpacked(value) for value in row] for row in rows]


def _unpacked(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    tag, text = value
    if tag == "other":
        return Foreign(text)
    return datetime.fromisoformat(text) if tag == "time" else date.fromisoformat(text)
