"""What a project has used of Gemini, and what is left of its quotas: from Cloud Monitoring, by a service account.

Each quota has a pair generativelanguage.googleapis.com/quota/NAME/usage and .../limit. The same use stands there once
for each limit that it counts to, so it is never added across `limit_name`. What a project's tier is, nobody has to say:
only its own quotas have figures.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from exporter.collectors.api.busiest import busiest
from exporter.collectors.api.found import GOOD, Found, Quota
from exporter.collectors.api.geminiquota import (
    QUOTA,
    SERVICE,
    UNUSED,
    Place,
    Use,
    Used,
    add_month,
    kind_of,
    names,
    tokens_by_hour,
)
from exporter.collectors.api.googleday import day_began, day_ends
from exporter.collectors.api.googleuse import (
    STEP,
    Remembered,
    Span,
    grouped,
    last_day,
    limits,
    newest,
    requests,
    steps,
    was_asked,
)
from exporter.collectors.api.monitoring import Monitoring, Series, Wanted
from exporter.collectors.api.month import month_of
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel

_OUTPUT: Final = f"{SERVICE}/generate_content_usage_output_token_count"
_MINUTE: Final = 60
_MINUTES_BACK: Final = 2 * 3600.0  # figures may be an hour late
_BUSY: Final = 15 * _MINUTE  # seconds before the newest point in which the busiest minute is looked for
_LATEST: Final = 3600.0  # seconds after which nobody has used it, as figures are not later
_ELSEWHERE: Final = "no cost is estimated, as nobody has asked Gemini in `project`: it may not be that of the key"
_NOTHING: Final = {("", "input"): 0.0}  # with nothing used, the month has cost nothing


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
        self._active = Remembered[list[str]](settings.limits_interval)
        self._known = Remembered[list[str]](settings.limits_interval)
        self._limits: dict[str, Remembered[dict[Place, float]]] = {}

    def usage(self, cancel: Cancel) -> Found:
        """Read the requests and tokens of the last day, and what is left of each quota."""
        now = time.time()
        span, began = last_day(now), day_began(now)
        active = self._active.get(lambda: self._monitoring.kinds(f"{SERVICE}/", cancel, active=True))
        used = [self._used(name, span, now, began, cancel) for name in names(active)]
        output = self._output(span, cancel) if _OUTPUT in active else []
        asked = requests(self._monitoring, SERVICE, span, cancel)
        left = [one for quota in used for one in self._left(quota, now, cancel)]
        ends = [one.newest for one in used] + [newest(output), asked.data]
        seen = self._asked_for.union(*(one.models for one in used))
        return Found(
            GOOD,
            quotas=tuple(quota for quota in _chosen(left) if quota.model in seen),
            counts=(*asked.counts, *tokens_by_hour(used, output)),
            data=max((end for end in ends if end is not None), default=None),
        )

    @property
    def _asked_for(self) -> set[str]:
        """The models whose limits are told though nothing was used of them; "" is the limit of all."""
        return {"", *(model.removeprefix("models/") for model in self._settings.models)}

    def cost(self, cancel: Cancel) -> Found:
        """Read the tokens of the month, which have a price."""
        now = time.time()
        start, end = month_of(now, self._settings.zone).start, now // STEP * STEP
        known = self._known.get(lambda: self._monitoring.kinds(f"{SERVICE}/", cancel))
        inputs = [name for name in names(known) if kind_of(name) == "input_tokens"]
        if not inputs or _OUTPUT not in known:
            return Found(GOOD, month=start, remark=_untold("output" if inputs else "input"))
        tokens = self._tokens(inputs, start, end, cancel) if end - start >= STEP else {}
        if any(tokens.values()) and not any(value for (_, kind), value in tokens.items() if kind == "input"):
            return Found(GOOD, month=start, remark=_untold("input"))
        if not any(tokens.values()) and not was_asked(self._monitoring, SERVICE, last_day(now), cancel):
            return Found(GOOD, month=start, remark=_ELSEWHERE)
        return Found(GOOD, tokens=_NOTHING | tokens, month=start)

    def _tokens(self, inputs: Iterable[str], start: float, end: float, cancel: Cancel) -> dict[tuple[str, str], float]:
        tokens: dict[tuple[str, str], float] = {}
        for name in inputs:
            wanted = Wanted(f"{QUOTA}{name}/usage", start, end, end - start)
            add_month(tokens, "input", self._monitoring.series(wanted, cancel))
        wanted = Wanted(_OUTPUT, start, end, end - start, group=("metric.labels.model",))
        add_month(tokens, "output", self._monitoring.series(wanted, cancel))
        return tokens

    def _used(self, name: str, span: Span, now: float, began: float, cancel: Cancel) -> Used:
        remembered = self._limits.setdefault(name, Remembered(self._settings.limits_interval))
        known = remembered.get(lambda: self._limits_of(name, now, cancel))
        series = self._monitoring.series(steps(f"{QUOTA}{name}/usage", span), cancel)
        use = {place: Use.of(ones, began) for place, ones in grouped(series, Place.of).items()}
        return Used(name, use, known, newest(series))

    def _limits_of(self, name: str, now: float, cancel: Cancel) -> dict[Place, float]:
        limited = grouped(limits(self._monitoring, f"{QUOTA}{name}/limit", now, cancel), Place.of)
        return {place: min(one.points[0].value for one in series) for place, series in limited.items()}

    def _output(self, span: Span, cancel: Cancel) -> list[Series]:
        return self._monitoring.series(steps(_OUTPUT, span, group=("metric.labels.model",)), cancel)

    def _left(self, used: Used, now: float, cancel: Cancel) -> Iterator[_Left]:
        """Yield what is left of each limit: of a day's less what was used in it, of a minute's in the busiest."""
        minutes: Mapping[Place, float] = {}
        last = max((use.last for use in used.use.values()), default=0.0)
        if last > now - _LATEST - _BUSY - STEP and any(place.window == "minute" for place in used.limits):
            minutes = self._busiest(used.name, now, cancel)
        for place, limit in used.limits.items():
            use = used.use.get(place, UNUSED)
            gone = use.today if place.window == "day" else minutes.get(place, 0.0)
            left = max(0.0, limit - gone) if place.window in ("day", "minute") else None
            reset = day_ends(now) if place.window == "day" else None
            quota = Quota(place.model, kind_of(used.name), place.window, limit, left, reset)
            yield _Left(use.last, 1.0 if left is None else left / limit, quota)

    def _busiest(self, name: str, now: float, cancel: Cancel) -> Mapping[Place, float]:
        end = now // _MINUTE * _MINUTE
        wanted = Wanted(f"{QUOTA}{name}/usage", end - _MINUTES_BACK, end, _MINUTE)
        series = self._monitoring.series(wanted, cancel)
        after = max(newest(series) or 0.0, end - _LATEST) - _BUSY
        return {place: busiest(_minutes(ones, after)) for place, ones in grouped(series, Place.of).items()}


def _untold(kind: str) -> str:
    return f"no cost is estimated, as Cloud Monitoring tells no {kind} tokens of Gemini in `project`"


def _minutes(series: Iterable[Series], after: float) -> dict[int, float]:
    """Return what was used in each minute, in all series together, by its beginning."""
    minutes: dict[int, float] = {}
    for one in series:
        for point in one.points:
            if point.end > after:
                began = round(point.end) - _MINUTE
                minutes[began] = minutes.get(began, 0.0) + point.value
    return minutes


def _chosen(left: Iterable[_Left]) -> Iterator[Quota]:
    """Yield one quota for each model, kind and window: where a project changed its tier, the one that it uses now."""
    known: dict[tuple[str, str, str], _Left] = {}
    for one in left:
        other = known.get(one.quota[:3])
        if other is None or (one.used, -one.share) > (other.used, -other.share):
            known[one.quota[:3]] = one
    yield from (one.quota for one in known.values())
