"""Access logs: the requests of an application that has no /metrics of its own, as if it had."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

from exporter.collectors.log.accessendpoints import Endpoints, Pair
from exporter.collectors.log.accessformats import READERS, TIMED, Text
from exporter.collectors.log.routes import OTHER, AccessSettings
from exporter.metric import Histogram, Samples, counter, gauge, histogram
from exporter.toil import Changes

FORMATS: Final = tuple(READERS)
"""The formats that Access reads; what else a log may be written in is the collector's."""

_SOURCE: Final = "the access log"
REQUESTS = counter(
    "http_requests_total",
    "Requests that were answered. From an access log: counted in the background as it is written.",
    labels=("method", "endpoint", "status_code"),
    source=_SOURCE,
)
DURATION = histogram(
    "http_request_duration_seconds",
    "How long requests took. From an access log whose format has the time: counted in the background as it is written.",
    labels=("method", "endpoint"),
    source=_SOURCE,
)
ENDPOINTS = gauge(
    "runbook_log_access_endpoints",
    "Endpoints that no route names and that have series of their own, counted in the background.",
    source=_SOURCE,
)
ENDPOINTS_LIMIT = gauge(
    "runbook_log_access_endpoints_limit",
    "How many endpoints that no route names may have series of their own; the requests of others are `other`.",
    source="`endpoints` of the configuration",
)

_SETTINGS: Final = "settings"
_TIMES_REMEMBERED: Final = 20_000
_LONGEST: Final = 1e9  # seconds; a longer request is no time but a mistake


class Access:
    """Counts the requests in one log's lines; what it has counted goes through the ledger and comes back as `kept`."""

    def __init__(self, log: str, format: str, settings: AccessSettings, kept: Mapping[str, Any]) -> None:
        self._prefix = f"access {log} "
        self._read = READERS[format]
        self._timed = format in TIMED
        self._bounds = settings.buckets
        self._endpoints = Endpoints(settings)
        self._times: dict[Text, tuple[int, float]] = {}
        self._statuses: dict[Text, str] = {}
        self._entries: dict[str, Any] = {}
        self._changed: dict[Pair, None] = {}  # a set that keeps its order
        self._take(kept, _as_entry(settings))

    def feed(self, lines: list[bytes]) -> int:
        """Count the requests in these lines; return how many lines are none."""
        found = self._read(lines)
        statuses, pair_of, changed = self._statuses, self._endpoints.of, self._changed
        for (request, answer, time), count in Counter(found).items():
            status = statuses.get(answer) or self._status(answer)
            pair = pair_of(request, status)
            if pair is not None:
                pair.statuses[status] = pair.statuses.get(status, 0) + count
                if time:
                    self._observe(pair, time, count)
                changed[pair] = None
        return len(lines) - len(found)

    def changed(self) -> Changes:
        """Return what has changed since the last call: the whole of each entry, or None for one to forget."""
        entries = self._entries | {self._key(pair): self._entry(pair) for pair in self._changed}
        self._entries = {}
        self._changed.clear()
        return entries

    def _take(self, kept: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        """Go on from what was counted under the same settings; under others, begin again at 0."""
        old = {key: named for key in kept if (named := _named(key, self._prefix))}
        if kept.get(self._prefix + _SETTINGS) == settings:
            for key, named in old.items():
                self._restore(self._endpoints.pair(*named), kept[key])
        else:
            self._entries = {**dict.fromkeys(old), self._prefix + _SETTINGS: settings}
        catch_all = self._endpoints.pair(OTHER, OTHER)
        catch_all.statuses.setdefault(OTHER, 0)  # there from the start: it says that somebody counts
        self._changed.update(dict.fromkeys(self._endpoints.pairs.values()))

    def _restore(self, pair: Pair, entry: Mapping[str, Any]) -> None:
        pair.statuses = dict(entry["statuses"])
        pair.buckets = list(entry.get("buckets", pair.buckets))
        pair.seconds = entry.get("seconds", 0.0)

    def _key(self, pair: Pair) -> str:
        return f"{self._prefix}{pair.method} {pair.endpoint}"

    def _entry(self, pair: Pair) -> Mapping[str, Any]:
        times = {"buckets": list(pair.buckets), "seconds": round(pair.seconds, 6)} if self._timed else {}
        return {"statuses": dict(pair.statuses), **times}

    def _observe(self, pair: Pair, time: Text, count: int) -> None:
        found = self._times.get(time)
        if found is None:
            if len(self._times) >= _TIMES_REMEMBERED:
                self._times.clear()
            found = self._times[time] = self._measured(time)
        bucket, seconds = found
        if bucket >= 0:
            pair.buckets[bucket] += count
            pair.seconds += seconds * count

    def _measured(self, time: Text) -> tuple[int, float]:
        """Return the bucket of a time and its seconds; -1 where it is none, as of a request that no upstream took."""
        try:
            seconds = float(time)
        except ValueError:
            return -1, 0.0
        return (bisect_left(self._bounds, seconds), seconds) if 0 <= seconds < _LONGEST else (-1, 0.0)

    def _status(self, answer: Text) -> str:
        text = answer if isinstance(answer, str) else answer.decode("latin-1")
        status = {"[accepted]": "101"}.get(text, text if text[0] in "12345" else OTHER)
        self._statuses[answer] = status
        return status


def _named(key: str, prefix: str) -> tuple[str, str] | None:
    """Return the method and endpoint that a key of this log's stands for."""
    method, _, endpoint = key.removeprefix(prefix).partition(" ")
    mine = key.startswith(prefix) and (endpoint.startswith("/") or endpoint == OTHER)
    return (method, endpoint) if mine else None


def _as_entry(settings: AccessSettings) -> Mapping[str, Any]:
    """Return what the counts depend on, as it comes back from the ledger."""
    return {
        "routes": list(settings.routes), "ignore": list(settings.ignore), "endpoints": settings.endpoints,
        "buckets": list(settings.buckets),
    }  # fmt: skip


def samples(entries: Mapping[str, Any]) -> Samples:
    """Return what was counted, for the page."""
    for key, entry in entries.items():
        log, _, what = key.rpartition(" ")
        if key.startswith("access ") and what == _SETTINGS:
            yield from _of_log(f"{log} ", entry, entries)


def _of_log(prefix: str, settings: Mapping[str, Any], entries: Mapping[str, Any]) -> Samples:
    routes, unnamed = {OTHER, *settings["routes"]}, 0
    for key, entry in entries.items():
        if named := _named(key, prefix):
            unnamed += named[1] not in routes
            yield from _of_pair(*named, entry, settings["buckets"])
    yield ENDPOINTS(unnamed)
    yield ENDPOINTS_LIMIT(settings["endpoints"])


def _of_pair(method: str, endpoint: str, entry: Mapping[str, Any], bounds: list[float]) -> Samples:
    for status, count in entry["statuses"].items():
        yield REQUESTS(count, method=method, endpoint=endpoint, status_code=status)
    if "buckets" in entry:
        counts = list(accumulate(entry["buckets"]))
        value = Histogram(tuple(zip(bounds, counts[:-1], strict=True)), counts[-1], entry["seconds"])
        yield DURATION(value, method=method, endpoint=endpoint)
