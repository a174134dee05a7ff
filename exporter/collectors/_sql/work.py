"""What the throwaway processes for DuckDB and SQLite have in common: query after query, each within its time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from exporter.collector import Trouble
from exporter.collectors._sql.cell import packed
from exporter.collectors._sql.wording import too_many, took_too_long
from exporter.deadline import Deadline

_LEAST: Final = 0.05


class Given(NamedTuple):
    """What a database gave for a query, one row more than it may give at most."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Cut(Exception):
    """The database ended a query, as it was told to."""


Make = Callable[[str, int, float], Given]
"""Makes a query: its text, how many rows are taken, and the seconds that it may take."""


def each(request: Mapping[str, Any], deadline: Deadline, make: Make) -> dict[str, dict[str, Any]]:
    """Return what each query of the request gave, or why it failed, as JSON can hold it."""
    found = {}
    for name, query in request["queries"].items():
        try:
            found[name] = _made(query, make, deadline)
        except Trouble as trouble:
            found[name] = {"reason": str(trouble), "fix": trouble.fix}
    return found


def _made(query: Mapping[str, Any], make: Make, deadline: Deadline) -> dict[str, Any]:
    seconds = min(query["timeout"], deadline.seconds - deadline.spent())
    if seconds < _LEAST:
        raise took_too_long(query["timeout"], own=False)
    try:
        columns, rows = make(query["sql"], query["rows"] + 1, seconds)
    except Cut:
        raise took_too_long(query["timeout"], own=seconds >= query["timeout"]) from None
    if len(rows) > query["rows"]:
        raise too_many(query["rows"])
    return {"columns": list(columns), "rows": packed(rows)}
