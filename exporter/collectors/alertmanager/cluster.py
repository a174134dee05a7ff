"""The Alertmanager itself: its version, its start, its cluster."""

from typing import Any

from exporter.collector import read
from exporter.collectors.alertmanager.alert import seconds
from exporter.collectors.alertmanager.api import strange
from exporter.collectors.alertmanager.session import Session
from exporter.metric import Samples, gauge, info

INFO = info(
    "runbook_alertmanager_info", "The version that runs.", labels=("version",), source="/api/v2/status, each minute"
)
START = gauge(
    "runbook_alertmanager_start_timestamp_seconds",
    "When it was started; what fires is sent to it again within minutes, with the time when it began.",
    source="/api/v2/status, each minute",
)
READY = gauge(
    "runbook_alertmanager_cluster_ready",
    "1 where its cluster has settled, 0 while it has not; none where it runs alone.",
    source="/api/v2/status, each minute",
)
MEMBERS = gauge(
    "runbook_alertmanager_cluster_members",
    "Members of its cluster that it knows, itself among them; none where it runs alone.",
    source="/api/v2/status, each minute",
)


@read(interval=60)
def cluster(session: Session) -> Samples:
    """Which version runs, since when, and whether its cluster is whole."""
    try:
        yield from _of(session.api.get("/api/v2/status"))
    except (KeyError, TypeError, ValueError):
        raise strange("status") from None


def _of(status: Any) -> Samples:
    yield INFO(1, version=str(status["versionInfo"]["version"]))
    yield START(seconds(status["uptime"]))
    cluster = status["cluster"]
    if cluster["status"] != "disabled":
        yield READY(cluster["status"] == "ready")
        yield MEMBERS(len(cluster["peers"]))
