"""Grafana's unit of a query, from the unit that its metric or signal declares."""

import re
from functools import cache
from typing import Final

from exporter import catalogue, promql

_PLAIN: Final = {
    "seconds": "s", "bytes": "bytes", "ratio": "percentunit", "celsius": "celsius", "hertz": "hertz", "volts": "volt",
    "amperes": "amp", "joules": "joule", "watts": "watt", "usd": "currencyUSD", "info": "none", "octal": "none",
    "timestamp_seconds": "dateTimeFromNow", "": "short",
}  # fmt: skip
# Seconds by the second are a share of the time.
_BY_THE_SECOND: Final = {"seconds": "percentunit", "bytes": "binBps", "joules": "watt", "usd": "currencyUSD"}
_RATE: Final = re.compile(r"\brate\(")
# With these the result need not have the metric's unit: the panel must say its own.
_MAKES_ANOTHER: Final = re.compile(r"[/*]|(?<![\w:])(count|increase|changes)\s*(by|\()")


class UnknownUnitError(Exception):
    """A panel must say its unit, since none follows from its metrics."""


@cache
def _catalogue() -> dict[str, list[catalogue.Declared]]:
    return catalogue.by_collector()


def declared(metric: str) -> str:
    """Return the base unit of a metric, or of a recorded signal, whose name ends with it."""
    if metric.startswith("runbook:"):
        last = metric.rpartition(":")[2]
        return last if last in _PLAIN else ""
    found = catalogue.find_metric(metric, _catalogue())
    if found is None:
        raise UnknownUnitError(f"{metric} is in no catalogue")
    return found[1].unit


def of(expr: str) -> str:
    """Return Grafana's unit of an expression over one metric, or over several of one unit."""
    units = {declared(name) for name in promql.names(expr)}
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', "", expr)
    if len(units) != 1 or _MAKES_ANOTHER.search(bare):
        raise UnknownUnitError(expr)
    unit = units.pop()
    # a timestamp is in seconds where Grafana wants milliseconds, so its expression multiplies, and says its unit
    return _BY_THE_SECOND.get(unit, "cps") if _RATE.search(bare) else _PLAIN[unit]
