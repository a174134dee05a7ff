"""The server itself: its version, when it started, and whether it is a standby."""

import re

from exporter.collector import read
from exporter.collectors.postgres.session import Session
from exporter.metric import Samples, gauge, info

STATIC = info("pg_static", "The server's version.", labels=("server", "short_version", "version"), source="version()")
POSTMASTER_START = gauge(
    "pg_postmaster_start_time_seconds",
    "When the server was started, in Unix time.",
    source="pg_postmaster_start_time()",
)


@read
def version(session: Session) -> Samples:
    """Version and start of the server."""
    text, short, started = session.row(
        "SELECT version(), current_setting('server_version'), extract(epoch FROM pg_postmaster_start_time())::float8"
    )
    short_version = re.match(r"[0-9.]+", short)
    yield STATIC(1, server=session.server, version=text, short_version=short_version[0] if short_version else short)
    yield POSTMASTER_START(started)
