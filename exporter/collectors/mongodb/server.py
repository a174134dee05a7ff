"""The server itself: its version, and how long it runs."""

from exporter.collector import read
from exporter.collectors.mongodb.figures import STATUS, figure
from exporter.collectors.mongodb.session import PLACE, Session
from exporter.metric import Samples, gauge, info

VERSION = info(
    "mongodb_version_info",
    "The server's version, edition and vendor.",
    labels=("mongodb", "edition", "vendor"),
    source="buildInfo",
)
UPTIME = gauge("mongodb_ss_uptime", "Seconds since the server was started.", labels=PLACE, source=STATUS)
INSTANCE_UPTIME = gauge(
    "mongodb_instance_uptime_seconds", "Seconds since the server was started.", labels=PLACE, source=STATUS
)


@read
def version(session: Session) -> Samples:
    """Version of the server."""
    built = session.once_connected("buildInfo", lambda: session.command("admin", {"buildInfo": 1}))
    edition = "Enterprise" if "enterprise" in (built.get("modules") or ()) else "Community"
    vendor = "Percona" if "psmdbVersion" in built else "MongoDB"
    yield VERSION(1, mongodb=str(built["version"]), edition=edition, vendor=vendor)


@read
def uptime(session: Session) -> Samples:
    """How long the server runs."""
    seconds = figure(session.status, "uptime")
    yield UPTIME(seconds, **session.place)
    yield INSTANCE_UPTIME(seconds, **session.place)
