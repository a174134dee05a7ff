"""What Cloud Monitoring tells of the use of an API: buckets for counters, sums of a day, the limits of quotas.

Metric types: https://docs.cloud.google.com/monitoring/api/metrics_gcp (generativelanguage, serviceruntime). Figures
come minutes to an hour late and grow, so that all of the last day is read each time, in hours, each of which is counted
by its growth.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

from exporter.collectors.api.found import Count
from exporter.collectors.api.monitoring import Monitoring, Series, Wanted
from exporter.deadline import Cancel

K = TypeVar("K")
T = TypeVar("T")
HOUR: Final = 3600
STEP: Final = 300
"""Seconds of one point: Google's days and our hours begin with one, and half-hour time zones as well."""
_BACK: Final = 25 * HOUR  # the longest day that a quota can be of
_LIMITS_BACK: Final = 48 * HOUR  # limits are told once a day
_UNLIMITED: Final = 9e18  # the largest whole number stands for no limit
_REQUESTS: Final = "serviceruntime.googleapis.com/api/request_count"
_COSTLESS: Final = ("ListModels", "GetModel")


class Span(NamedTuple):
    """The time that is read, in Unix seconds: whole hours from the beginning, and up to the last whole step."""

    start: float
    end: float


def last_day(now: float) -> Span:
    """Return the last day and the hour before it, from the beginning of an hour on."""
    end = now // STEP * STEP
    return Span(end // HOUR * HOUR - _BACK, end)


def steps(kind: str, span: Span, filter: str = "", group: tuple[str, ...] = ()) -> Wanted:
    """Return the wish for what was used in each step."""
    return Wanted(kind, span.start, span.end, STEP, filter=filter, group=group)


def by_hour(series: Iterable[Series]) -> dict[int, float]:
    """Return what series add up to by hour, whose beginning is named; a step ends in the hour that it is of."""
    found: dict[int, float] = defaultdict(float)
    for one in series:
        for point in one.points:
            found[int((point.end - 1) // HOUR * HOUR)] += point.value
    return dict(found)


def since(series: Iterable[Series], moment: float) -> float:
    """Return what series add up to since a moment."""
    return sum(point.value for one in series for point in one.points if point.end > moment)


def newest(series: Iterable[Series]) -> float | None:
    """Return the end of the newest point."""
    return max((one.points[0].end for one in series if one.points), default=None)


def grouped(series: Iterable[Series], key: Callable[[Mapping[str, str]], K]) -> dict[K, list[Series]]:
    """Return series by what `key` makes of their labels."""
    found: dict[K, list[Series]] = defaultdict(list)
    for one in series:
        found[key(one.labels)].append(one)
    return dict(found)


def limits(monitoring: Monitoring, kind: str, now: float, cancel: Cancel, filter: str = "") -> list[Series]:
    """Return the series of limits, each with its newest point alone; without those of no limit, or of nothing at all.

    A limit of 0 is one of a model that the project is not offered: nothing of it is used up.
    """
    end = now // STEP * STEP
    wanted = Wanted(kind, end - _LIMITS_BACK, end, _LIMITS_BACK, "ALIGN_NEXT_OLDER", filter)
    found = [Series(one.labels, one.points[:1]) for one in monitoring.series(wanted, cancel) if one.points]
    return [one for one in found if 0 < one.points[0].value < _UNLIMITED]


class Requests(NamedTuple):
    """The requests of a service by hour and method, and its refusals since too many came."""

    counts: tuple[Count, ...]
    data: float | None


def requests(monitoring: Monitoring, service: str, span: Span, cancel: Cancel) -> Requests:
    """Return what a service was asked; what costs nothing is left out: most of it is the exporter's own."""
    wanted = steps(_REQUESTS, span, _of(service), ("resource.labels.method", "metric.labels.response_code"))
    series = monitoring.series(wanted, cancel)
    used = [one for one in series if _method(one.labels) not in _COSTLESS]
    counts = [
        Count("requests", ("", method), hour, value)
        for method, ones in grouped(used, _method).items()
        for hour, value in by_hour(ones).items()
    ]
    refused = by_hour(one for one in used if one.labels.get("response_code") == "429")
    counts += [Count("rate_limited", ("", ""), hour, value) for hour, value in refused.items()]
    return Requests(tuple(counts), newest(used))


def was_asked(monitoring: Monitoring, service: str, span: Span, cancel: Cancel) -> bool:
    """Tell whether a service was asked anything at all: the exporter itself asks each that it watches."""
    wanted = steps(_REQUESTS, span, _of(service), ("resource.labels.method",))
    return any(one.points for one in monitoring.series(wanted, cancel))


def _of(service: str) -> str:
    return f'resource.type="consumed_api" AND resource.labels.service="{service}"'


def _method(labels: Mapping[str, str]) -> str:
    """Return the last part of a method's name, such as google.ai...GenerativeService.GenerateContent."""
    return labels.get("method", "").rpartition(".")[2]


class Remembered(Generic[T]):
    """What changes seldom, asked again after some seconds; that there was nothing is known as well."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: tuple[float, T] | None = None

    def get(self, ask: Callable[[], T]) -> T:
        """Return what is known, or asked for now."""
        now = time.monotonic()
        if self._known is None or now - self._known[0] >= self._seconds:
            self._known = now, ask()
        return self._known[1]
