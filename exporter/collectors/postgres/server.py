"""The server itself: its version, when it started, and whether it is a standby."""

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
    text, started = session.row("SELECT version(), extract(epoch FROM pg_postmaster_start_time())::float8")
    # in three parts, as postgres_exporter writes it
    short_version = f"{session.version // 10000}.{session.version % 10000}.0"
    yield STATIC(1, server=session.server, version=text, short_version=short_version)
    yield POSTMASTER_START(started)
