"""The figures in an answer of the provider `json`, where its configuration says that they stand.

What is not there is named: a field that was renamed must not look like a month that costs nothing.
"""

import math
from typing import Any, Final, NamedTuple

from exporter.collector import Trouble
from exporter.collectors.api.answerpaths import CostPath, Form, Items, QuotaPath, UsePath
from exporter.collectors.api.counting import RUNNING
from exporter.collectors.api.found import Count, Quota
from exporter.collectors.api.limitvalues import EPOCH_MS, UNLIMITED, moment, near
from exporter.jmes import compiled, kind_of
from exporter.mappingvalue import label_of, number_of

_FIX: Final = "compare the paths in `answers` with what the provider documents"
_MOST: Final = 20_000
_DOLLARS: Final = ("usd", "$", "")


class Cost(NamedTuple):
    """US dollars, and what they were for; None where they are none that could be added up, as the remark says."""

    total: float | None
    items: dict[str, float]
    remark: str = ""


def quotas_in(document: Any, wanted: QuotaPath, now: float) -> tuple[list[Quota], str]:
    """Return the limits that an answer tells; the remark names what is not there."""
    items = _items(document, wanted, none=True)
    found = [_quota(item, wanted, now) for _, item in items or ()]
    known = [quota for quota in found if quota.limit is not None or quota.remaining is not None]
    if items is None:
        return known, _nothing_at(wanted.each or wanted.buckets)
    return known, _nothing_at(wanted.limit or wanted.remaining) if found and not known else ""


def counts_in(document: Any, wanted: UsePath) -> tuple[list[Count], str]:
    """Return what was used; the remark names a list that is not there."""
    items = _items(document, wanted, none=True)
    if items is None:
        return [], _nothing_at(wanted.each or wanted.buckets)
    found = [count for bucket, item in items if (count := _count(bucket, item, wanted)) is not None]
    if items and not found:
        raise _missing(wanted.value)
    return found, ""


def cost_in(document: Any, wanted: CostPath) -> Cost:
    """Return what the month has cost; Trouble where any part of it is not there."""
    amounts: list[float] = []
    items: dict[str, float] = {}
    for _, item in _items(document, wanted) or ():
        if not _is_dollars(item, wanted.currency):
            return Cost(None, {}, "the cost is not in US dollars, and is left out")
        dollars = number(item, wanted.value, wanted.scale)
        if dollars is None:
            raise _missing(wanted.value)
        amounts.append(dollars)
        if wanted.item:
            name = label(item, wanted.item)
            items[name] = items.get(name, 0.0) + dollars
    return Cost(math.fsum(amounts), items)


def number(item: Any, path: str, scale: float = 1.0) -> float | None:
    """Return the number at a path, None where it is null or not there; one that is text is taken as well."""
    value = compiled(path).find(item)
    try:
        if isinstance(value, bool):
            raise ValueError("a number")
        return number_of(value, "text", scale)
    except ValueError as error:
        raise _misfit(path, value, str(error)) from None


def amount(item: Any, path: str, scale: float) -> float | None:
    """Return an amount; one that is negative, or the largest that there is, stands for none that is known."""
    found = number(item, path, scale) if path else None
    return None if found is None or not 0 <= found < UNLIMITED else found


def truth(item: Any, path: str) -> bool:
    """Return whether what stands at a path is true; Trouble where it is neither true nor false."""
    value = compiled(path).find(item)
    if not isinstance(value, bool):
        raise _misfit(path, value, "true or false")
    return value


def label(item: Any, path: str) -> str:
    """Return the text at a path, "" where nothing stands there."""
    value = compiled(path).find(item) if path else ""
    try:
        return label_of(value)
    except ValueError as error:
        raise _misfit(path, value, str(error)) from None


def reset_at(item: Any, path: str, now: float, form: Form = "auto") -> float | None:
    """Return when a limit is whole again, in Unix seconds; None where nothing stands there that can be that."""
    value = compiled(path).find(item)
    if value is None:
        return None
    if form == "auto":
        return moment(label(item, path), now)
    told = number(item, path, 0.001 if "milliseconds" in form else 1.0) or 0.0
    return near(told if "unix" in form else now + told, now)


def instant(item: Any, path: str) -> float | None:
    """Return the point in time at a path, in Unix seconds, None where nothing stands there."""
    value = compiled(path).find(item)
    try:
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        at = number_of(value, "number" if numeric else "time_utc", 1.0)
    except ValueError as error:
        raise _misfit(path, value, str(error)) from None
    if at is None or at < 0:
        return None
    return at if at < EPOCH_MS else at / 1000


def _quota(item: Any, wanted: QuotaPath, now: float) -> Quota:
    limit, remaining = (amount(item, path, wanted.scale) for path in (wanted.limit, wanted.remaining))
    if wanted.used and limit is not None:
        used = amount(item, wanted.used, wanted.scale)
        remaining = None if used is None else max(0.0, limit - used)
    reset = reset_at(item, wanted.reset, now, wanted.reset_as) if wanted.reset else None
    return Quota(label(item, wanted.model), wanted.quota, wanted.window, limit, remaining, reset)


def _count(bucket: Any, item: Any, wanted: UsePath) -> Count | None:
    value = number(item, wanted.value, wanted.scale)
    if value is None:
        return None
    less = number(item, wanted.less, wanted.scale) if wanted.less else None
    value -= less or 0.0
    if value < 0:
        raise Trouble(f"`{wanted.value}` is negative, or less than `{wanted.less}`, expected 0 or more", _FIX)
    began = instant(bucket, wanted.since) if wanted.since else RUNNING
    if began is None:
        raise _missing(wanted.since)
    return Count(wanted.count, (label(item, wanted.model), wanted.kind), int(began), value)


def _items(document: Any, wanted: Items, *, none: bool = False) -> list[tuple[Any, Any]] | None:
    """Return each item with the bucket that it is in; None, or Trouble, where a list is not there."""
    buckets = _listed(document, wanted.buckets) if wanted.buckets else [document]
    found: list[tuple[Any, Any]] = []
    for bucket in buckets if buckets is not None else [None]:
        items = None if bucket is None else _listed(bucket, wanted.each) if wanted.each else [bucket]
        if items is None:
            if none:
                return None
            raise _missing(wanted.buckets if buckets is None else wanted.each)
        found += [(bucket, item) for item in items]
    if len(found) > _MOST:
        raise Trouble(f"the answer has more than {_MOST:,} items", "ask for less of it, by `path`")
    return found


def _listed(item: Any, path: str) -> list[Any] | None:
    value = compiled(path).find(item)
    if isinstance(value, dict):
        return [{"key": key, "value": inner} for key, inner in value.items()]
    if value is not None and not isinstance(value, list):
        raise _misfit(path, value, "a list or an object")
    return value


def _is_dollars(item: Any, path: str) -> bool:
    return label(item, path).strip().lower() in _DOLLARS


def _missing(path: str) -> Trouble:
    return Trouble(_nothing_at(path), _FIX)


def _nothing_at(path: str) -> str:
    return f"nothing stands at `{path}`"


def _misfit(path: str, value: Any, expected: str) -> Trouble:
    return Trouble(f"`{path}` is {kind_of(value)}, expected {expected}", _FIX)
