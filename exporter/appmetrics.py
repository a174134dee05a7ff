"""Figures of applications that rules know by name, whichever mapping gives them: of JSON, or of SQL."""

from typing import Final, NamedTuple

from exporter import jobmetrics
from exporter.metric import Metric, counter, gauge, info


class Figure(NamedTuple):
    """A metric of an application, and the largest value that can be true."""

    metric: Metric
    most: float


_SOURCE: Final = "the application, by the configuration's mapping"

DEDUPLICATION = gauge(
    "runbook_app_deduplication_ratio",
    "Share of the frames or other pieces that the application found to be there already, from 0 to 1.",
    source=_SOURCE,
)
VIDEO_SPEED = gauge(
    "runbook_app_video_processing_speed_ratio",
    "Seconds of video that the application processes in a second; 1 is as fast as it plays.",
    source=_SOURCE,
)
ACTIVE_USERS = gauge("runbook_app_active_users", "Users that the application counts as active.", source=_SOURCE)
ACTIVE_SESSIONS = gauge("runbook_app_active_sessions", "Sessions that are open in the application.", source=_SOURCE)
CACHE_HITS = counter(
    "runbook_cache_hits_total", "Look-ups that the application's cache answered.", labels=("cache",), source=_SOURCE
)
CACHE_MISSES = counter(
    "runbook_cache_misses_total", "Look-ups that the application's cache did not answer.", labels=("cache",),
    source=_SOURCE,
)  # fmt: skip

INFO = info(
    "runbook_app_info",
    "Which version of an application runs; `app` is the target or the job that its requests are counted under.",
    labels=("app", "version"),
    source=_SOURCE,
)
DEPRECATED = gauge(
    "runbook_app_endpoint_deprecated",
    "Whether the application's own description (openapi.json) calls an endpoint deprecated, for the methods named.",
    labels=("app", "endpoint", "methods"),
    source=_SOURCE,
)

_ANY: Final = float("inf")
_TIME: Final = 1e11  # seconds since 1970; what is above it is told in milliseconds

FIGURES: Final = {
    figure.metric.name: figure
    for figure in (
        Figure(DEDUPLICATION, 1.0),
        Figure(VIDEO_SPEED, 100_000.0),
        Figure(ACTIVE_USERS, _ANY),
        Figure(ACTIVE_SESSIONS, _ANY),
        Figure(INFO, 1.0),
        Figure(DEPRECATED, 1.0),
        Figure(CACHE_HITS, _ANY),
        Figure(CACHE_MISSES, _ANY),
        Figure(jobmetrics.LENGTH, _ANY),
        Figure(jobmetrics.OLDEST, _TIME),
        Figure(jobmetrics.WORKERS, _ANY),
        Figure(jobmetrics.RUNS, _ANY),
        Figure(jobmetrics.RUNNING, _ANY),
        Figure(jobmetrics.OLDEST_START, _TIME),
        Figure(jobmetrics.LIMIT, _ANY),
        Figure(jobmetrics.LAST_SUCCESS, _TIME),
        Figure(jobmetrics.LAST_FAILURE, _TIME),
        Figure(jobmetrics.LAST_START, _TIME),
        Figure(jobmetrics.KNOWN_SINCE, _TIME),
        Figure(jobmetrics.INFO, 1.0),
    )
}
"""By name; none is ever below 0."""

METRICS: Final = (
    DEDUPLICATION, VIDEO_SPEED, ACTIVE_USERS, ACTIVE_SESSIONS, INFO, DEPRECATED, CACHE_HITS, CACHE_MISSES,
)  # fmt: skip
"""Those that no collector gives by itself."""
