"""How often the configuration has the database looked into."""

from typing import Final

from exporter.collector import NotApplicable, read
from exporter.collectors.duckdb.session import Session
from exporter.metric import Samples, gauge

_SOURCE: Final = "the configuration"

READ = gauge(
    "duckdb_read_interval_seconds", "How often the database is looked into.", source=f"{_SOURCE}: read_interval"
)
INTEGRITY = gauge(
    "duckdb_integrity_interval_seconds",
    "How often all of the database is read, to see whether it can be; absent where it never is.",
    source=f"{_SOURCE}: integrity_interval",
)


@read
def configured(session: Session) -> Samples:
    """How often the database is to be looked into, and read as a whole."""
    settings = session.settings
    if settings.open == "never":
        raise NotApplicable("nothing is opened, as `open: never` says")
    yield READ(settings.read_interval)
    yield INTEGRITY(settings.integrity_interval or None)
