"""Figures of applications that rules know by name, whichever mapping gives them: of JSON, or of SQL."""

from typing import Final, NamedTuple

from exporter.metric import Metric, gauge


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

FIGURES: Final = {
    figure.metric.name: figure
    for figure in (
        Figure(DEDUPLICATION, 1.0),
        Figure(VIDEO_SPEED, 100_000.0),
        Figure(ACTIVE_USERS, float("inf")),
        Figure(ACTIVE_SESSIONS, float("inf")),
    )
}
"""By name; none is ever below 0."""
