"""What a project has used of Gemini, and what is left of its quotas: from Cloud Monitoring, by a service account.

Each quota has a pair generativelanguage.googleapis.com/quota/NAME/usage and .../limit. The same use stands there once
for each limit that it counts to, so it is never added across `limit_name`. What a project's tier is, nobody has to say:
only its own quotas have figures.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from exporter.collectors.api.found import Count, Found, Quota
from exporter.collectors.api.googleday import day_began, day_ends
from exporter.collectors.api.googlerefusal import GOOD
from exporter.collectors.api.googleuse import (
    STEP,
    Remembered,
    Span,
    by_hour,
    grouped,
    last_day,
    limits,
    newest,
    requests,
    since,
    steps,
)
from exporter.collectors.api.monitoring import Monitoring, Series, Wanted
from exporter.collectors.api.month import month_of
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel

_SERVICE: Final = "generativelanguage.googleapis.com"
_QUOTA: Final = f"{_SERVICE}/quota/"
_OUTPUT: Final = f"{_SERVICE}/generate_content_usage_output_token_count"
_MINUTE: Final = 60
_MINUTES_BACK: Final = 2 * 3600.0  # figures may be an hour late
_BUSY: Final = 15 * _MINUTE  # seconds before the newest point in which the busiest minute is looked for
_LATEST: Final = 3600.0  # seconds after which nobody has used it, as figures are not later
_WINDOWS: Final = {"persecond": "second", "perminute": "minute", "perhour": "hour", "perday": "day"}
_PLAIN: Final = ("generate_content_", "generate_requests_", "embed_content_")
_KINDS: Final = {
    "input_token_count": "input_tokens", "output_token_count": "output_tokens", "_requests": "requests",
    "requests_per_model": "requests",
}  # fmt: skip


class _Place(NamedTuple):
    """What one limit is of."""

    model: str
    limit_name: str
    location: str

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> "_Place":
        return cls(labels.get("model", ""), labels.get("limit_name", ""), labels.get("location", ""))

    @property
    def window(self) -> str:
        name = self.limit_name.lower()
        return next((window for part, window in _WINDOWS.items() if part in name), "")


class _Used(NamedTuple):
    """What was used of one quota in the last day, and its limits."""

    name: str
    use: list[Series]
    limits: list[Series]


class _Left(NamedTuple):
    """A quota, and what tells which of several of one name counts: when it was used last, and what share is left."""

    used: float
    share: float
    quota: Quota


class GeminiUse:
    """The looks that a service account can make."""

    def __init__(self, settings: APISettings) -> None:
        self._settings = settings
        self._monitoring = Monitoring(settings)
        self._kinds = Remembered[list[str]](settings.limits_interval)
        self._limits: dict[str, Remembered[list[Series]]] = {}

    def usage(self, cancel: Cancel) -> Found:
        """Read the requests and tokens of the last day, and what is left of each quota."""
        now = time.time()
        span, began = last_day(now), day_began(now)
        used = [self._used(name, span, now, cancel) for name in self._names(cancel)]
        output = self._output(span, cancel)
        asked = requests(self._monitoring, _SERVICE, span, cancel)
        left = [one for quota in used for one in self._left(quota, began, now, cancel)]
        ends = [newest(one.use) for one in used] + [newest(output), asked.data]
        return Found(
            GOOD,
            quotas=tuple(_chosen(left)),
            counts=(*asked.counts, *_tokens(used, output)),
            data=max((end for end in ends if end is not None), default=None),
        )

    def cost(self, cancel: Cancel) -> Found:
        """Read the tokens of the month, which have a price."""
        now = time.time()
        start, end = month_of(now, self._settings.zone).start, now // STEP * STEP
        tokens: dict[tuple[str, str], float] = {("", "input"): 0.0}  # with nothing used, the month has cost nothing
        if end - start < STEP:
            return Found(GOOD, tokens=tokens, month=start)
        for name in self._names(cancel):
            if _kind(name) == "input_tokens":
                wanted = Wanted(f"{_QUOTA}{name}/usage", start, end, end - start)
                _add(tokens, "input", self._monitoring.series(wanted, cancel))
        if _OUTPUT in self._known(cancel):
            wanted = Wanted(_OUTPUT, start, end, end - start, group=("metric.labels.model",))
            _add(tokens, "output", self._monitoring.series(wanted, cancel))
        return Found(GOOD, tokens=tokens, month=start)

    def _known(self, cancel: Cancel) -> list[str]:
        return self._kinds.get(lambda: self._monitoring.kinds(f"{_SERVICE}/", cancel))

    def _names(self, cancel: Cancel) -> list[str]:
        """Return the names of the quotas whose use is told; what Google calls internal is not the project's."""
        known = [kind for kind in self._known(cancel) if kind.startswith(_QUOTA) and kind.endswith("/usage")]
        names = [kind.removeprefix(_QUOTA).removesuffix("/usage") for kind in known]
        return [name for name in names if "_internal" not in name]

    def _used(self, name: str, span: Span, now: float, cancel: Cancel) -> _Used:
        kind = f"{_QUOTA}{name}/limit"
        remembered = self._limits.setdefault(name, Remembered(self._settings.limits_interval))
        told = kind in self._known(cancel)
        known = remembered.get(lambda: limits(self._monitoring, kind, now, cancel)) if told else []
        return _Used(name, self._monitoring.series(steps(f"{_QUOTA}{name}/usage", span), cancel), known)

    def _output(self, span: Span, cancel: Cancel) -> list[Series]:
        if _OUTPUT not in self._known(cancel):
            return []
        return self._monitoring.series(steps(_OUTPUT, span, group=("metric.labels.model",)), cancel)

    def _left(self, used: _Used, began: float, now: float, cancel: Cancel) -> Iterator[_Left]:
        """Yield what is left of each limit: of a day's less what was used in it, of a minute's in the busiest."""
        use, limited = grouped(used.use, _Place.of), grouped(used.limits, _Place.of)
        busiest: Mapping[_Place, float] = {}
        lately = _last_use(used.use) > now - _LATEST - _BUSY - STEP
        if lately and any(place.window == "minute" for place in limited):
            busiest = self._busiest(used.name, now, cancel)
        for place, series in limited.items():
            limit = min(one.points[0].value for one in series)
            gone = since(use.get(place, []), began) if place.window == "day" else busiest.get(place, 0.0)
            left = max(0.0, limit - gone) if place.window in ("day", "minute") else None
            reset = day_ends(now) if place.window == "day" else None
            quota = Quota(place.model, _kind(used.name), place.window, limit, left, reset)
            yield _Left(_last_use(use.get(place, [])), 1.0 if left is None else left / limit, quota)

    def _busiest(self, name: str, now: float, cancel: Cancel) -> Mapping[_Place, float]:
        end = now // _MINUTE * _MINUTE
        wanted = Wanted(f"{_QUOTA}{name}/usage", end - _MINUTES_BACK, end, _MINUTE)
        series = self._monitoring.series(wanted, cancel)
        after = max(newest(series) or 0.0, end - _LATEST) - _BUSY
        return {place: _busiest(ones, after) for place, ones in grouped(series, _Place.of).items()}


def _last_use(series: Iterable[Series]) -> float:
    return max((point.end for one in series for point in one.points if point.value > 0), default=0.0)


def _busiest(series: Iterable[Series], after: float) -> float:
    """Return what was used in the busiest minute, in all series together."""
    minutes: dict[float, float] = {}
    for one in series:
        for point in one.points:
            if point.end > after:
                minutes[point.end] = minutes.get(point.end, 0.0) + point.value
    return max(minutes.values(), default=0.0)


def _chosen(left: Iterable[_Left]) -> Iterator[Quota]:
    """Yield one quota for each model, kind and window: where a project changed its tier, the one that it uses now."""
    known: dict[tuple[str, str, str], _Left] = {}
    for one in left:
        other = known.get(one.quota[:3])
        if other is None or (one.used, -one.share) > (other.used, -other.share):
            known[one.quota[:3]] = one
    yield from (one.quota for one in known.values())


def _kind(name: str) -> str:
    """Return what a quota counts, by its name, such as generate_content_free_tier_requests; of others that name."""
    return next((kind for end, kind in _KINDS.items() if name.startswith(_PLAIN) and name.endswith(end)), name)


def _tokens(used: Iterable[_Used], output: list[Series]) -> Iterator[Count]:
    found: dict[tuple[str, str, int], float] = {}
    for one in used:
        if _kind(one.name) == "input_tokens":
            for model, hours in _once(one.use).items():
                for hour, value in hours.items():
                    found[model, "input", hour] = found.get((model, "input", hour), 0.0) + value
    for model, series in grouped(output, lambda labels: labels.get("model", "")).items():
        found |= {(model, "output", hour): value for hour, value in by_hour(series).items()}
    yield from (Count("tokens", (model, kind), hour, value) for (model, kind, hour), value in found.items())


def _once(series: Iterable[Series]) -> dict[str, dict[int, float]]:
    """Return the use of each model by hour, which stands in the series of each of its limits again."""
    found: dict[str, dict[int, float]] = {}
    limited = grouped(series, lambda labels: (labels.get("model", ""), labels.get("limit_name", "")))
    for (model, _), ones in limited.items():
        hours = found.setdefault(model, {})
        for hour, value in by_hour(ones).items():
            hours[hour] = max(hours.get(hour, 0.0), value)
    return found


def _add(tokens: dict[tuple[str, str], float], kind: str, series: list[Series]) -> None:
    """Add what each model has used in all of the time that was read."""
    limited = grouped(series, lambda labels: (labels.get("model", ""), labels.get("limit_name", "")))
    models: dict[str, float] = {}
    for (model, _), ones in limited.items():
        models[model] = max(models.get(model, 0.0), since(ones, 0.0))
    for model, value in models.items():
        tokens[model, kind] = tokens.get((model, kind), 0.0) + value
