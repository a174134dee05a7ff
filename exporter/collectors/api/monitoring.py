"""Google's Cloud Monitoring: the series of a project, read by a service account.

timeSeries.list and metricDescriptors.list: https://docs.cloud.google.com/monitoring/api/ref_v3/rest. One call is of one
metric type; points come newest first, whole numbers as text; without series the list is left out; one series may be cut
between two pages.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from exporter.collector import Trouble
from exporter.collectors.api.asking import Query, ask, document, document_or_none, refuse
from exporter.collectors.api.found import Verdict
from exporter.collectors.api.googlerefusal import told, verdict_of
from exporter.collectors.api.googletoken import ServiceAccount
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.fetch import Reply

_PAGE: Final = 5000  # points, some 200 bytes each
_MOST_PAGES: Final = 40
_ODD: Final = "see what `monitoring_url` leads to; if it is Google, its answers have changed"
_ROLE: Final = "grant it the role Monitoring Viewer (roles/monitoring.viewer) in the project"
_PLACE: Final = "see whether `project` and `monitoring_url` are right, and the account is enabled"
_NO_SUCH_METRIC: Final = "cannot find metric"


class Point(NamedTuple):
    """One value, and the end of the time that it is of, in Unix seconds."""

    end: float
    value: float


class Series(NamedTuple):
    """One series: the labels of its metric and resource, its points from the newest to the oldest."""

    labels: Mapping[str, str]
    points: Sequence[Point]


class Wanted(NamedTuple):
    """Which series: of a metric type, in a time, aligned to periods that are counted back from its end.

    Aligned, there is one point for each period, of what the points that end in it add up to, or the newest of them.
    `group` adds up the series that have these labels in common.
    """

    kind: str
    start: float
    end: float
    period: float
    aligner: str = "ALIGN_SUM"
    filter: str = ""
    group: tuple[str, ...] = ()

    def query(self) -> Query:
        """Return the parameters of the request."""
        grouped = [("aggregation.crossSeriesReducer", "REDUCE_SUM")] if self.group else []
        return [
            ("filter", f'metric.type="{self.kind}"{f" AND {self.filter}" if self.filter else ""}'),
            ("interval.startTime", _moment(self.start)),
            ("interval.endTime", _moment(self.end)),
            ("aggregation.alignmentPeriod", f"{self.period:.0f}s"),
            ("aggregation.perSeriesAligner", self.aligner),
            *grouped,
            *(("aggregation.groupByFields", field) for field in self.group),
            ("view", "FULL"),
        ]


class Monitoring:
    """The series of the target's project."""

    def __init__(self, settings: APISettings) -> None:
        self._settings = settings
        self._account = ServiceAccount(settings)
        self._base = f"{settings.monitoring_url.reveal().rstrip('/')}/v3/projects/{quote(settings.project, safe='')}"

    def series(self, wanted: Wanted, cancel: Cancel) -> list[Series]:
        """Return the series that are wanted; none where the project has no such metric."""
        found: dict[tuple[tuple[str, str], ...], list[Point]] = {}
        for page in self._pages("timeSeries", wanted.query(), cancel):
            for one in page:
                labels = tuple(sorted(_labels(one).items()))
                found.setdefault(labels, []).extend(_points(one))
        newest_first = {labels: sorted(points, reverse=True) for labels, points in found.items()}
        return [Series(dict(labels), points) for labels, points in newest_first.items()]

    def kinds(self, beginning: str, cancel: Cancel, *, active: bool = False) -> list[str]:
        """Return the metric types that begin so: all that Google knows, or those that had figures in the last day."""
        query = [("filter", f'metric.type = starts_with("{beginning}")')]
        query += [("activeOnly", "true")] if active else []
        found = [one.get("type") for page in self._pages("metricDescriptors", query, cancel) for one in page]
        if not all(isinstance(kind, str) for kind in found):
            raise _odd("a metric has no `type`")
        return sorted({str(kind) for kind in found})

    def _pages(self, what: str, query: Query, cancel: Cancel) -> Iterator[list[dict[str, Any]]]:
        token, seen = "", set[str]()
        while token not in seen:
            seen.add(token)
            more = [("pageToken", token)] if token else []
            reply = self._ask(what, [*query, ("pageSize", _PAGE), *more], cancel)
            if _is_unknown_metric(reply):
                return
            refuse(_judged(verdict_of(reply, time.time()), reply.status))
            page = document(reply)
            yield _listed(page, what)
            token = page.get("nextPageToken") or ""
            if not isinstance(token, str):
                raise _odd("`nextPageToken` is no text")
            if not token:
                return
            if len(seen) >= _MOST_PAGES:
                raise Trouble(
                    f"Cloud Monitoring has more than {_MOST_PAGES} pages of {what}", "watch a smaller project"
                )
        raise _odd("`nextPageToken` comes again and again")

    def _ask(self, what: str, query: Query, cancel: Cancel) -> Reply:
        """Return an answer; where it takes the token no longer, that to a new one."""
        reply, token = self._ask_once(what, query, cancel)
        if reply.status != 401:
            return reply
        self._account.drop(token)
        return self._ask_once(what, query, cancel)[0]

    def _ask_once(self, what: str, query: Query, cancel: Cancel) -> tuple[Reply, str]:
        token = self._account.token(cancel)
        headers = {"Authorization": f"Bearer {token}"}
        reply = ask(self._settings, f"{self._base}/{what}", cancel, query=query, headers=headers, elsewhere=True)
        return reply, token


def _judged(verdict: Verdict, status: int) -> Verdict:
    """Return the verdict on the account: who has got a token is known, so a refusal is of what it may do."""
    if not verdict.reason:
        return verdict
    verdict = replace(verdict, reason=f"Cloud Monitoring: {verdict.reason}")
    if verdict.allowed is False and verdict.valid is not False:
        return replace(verdict, valid=True, fix=verdict.fix if verdict.valid else _ROLE)
    if status == 401 and verdict.valid is not False:
        return replace(verdict, reason="Cloud Monitoring: the token of the service account is not taken", fix=_PLACE)
    return replace(verdict, fix=_PLACE) if status in (400, 404) else verdict


def _is_unknown_metric(reply: Reply) -> bool:
    return reply.status == 404 and _NO_SUCH_METRIC in told(document_or_none(reply)).message


def _listed(page: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(page, dict):
        raise _odd("it is no object")
    if page.get("executionErrors"):
        raise Trouble("Cloud Monitoring could not read all that was asked", "see https://status.cloud.google.com")
    listed = page.get(what, [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise _odd(f"`{what}` is no list of objects")
    return listed


def _labels(series: dict[str, Any]) -> dict[str, str]:
    """Return the labels of a series: of one that was added up from others those that they had in common."""
    found: dict[str, str] = {}
    for part in ("resource", "metric"):
        labels = (series.get(part) or {}).get("labels", {}) if isinstance(series.get(part, {}), dict) else None
        if not isinstance(labels, dict):
            raise _odd(f"`{part}.labels` is no object")
        found |= {str(name): str(value) for name, value in labels.items()}
    return found


def _points(series: dict[str, Any]) -> list[Point]:
    points = series.get("points")
    if not isinstance(points, list):
        raise _odd("a series has no list `points`")
    return [Point(_end(point), _value(point)) for point in points]


def _end(point: Any) -> float:
    try:
        return datetime.fromisoformat(point["interval"]["endTime"]).timestamp()
    except (TypeError, KeyError, ValueError, OverflowError):
        raise _odd("a point has no time `interval.endTime`") from None


def _value(point: Any) -> float:
    value = point.get("value")
    try:
        number = float(value["int64Value"] if "int64Value" in value else value["doubleValue"])
    except (TypeError, KeyError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _odd("a point has no number `value.int64Value` or `value.doubleValue`")
    return number


def _odd(what: str) -> Trouble:
    return Trouble(f"the answer of Cloud Monitoring is not understood: {what}", _ODD)


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
