"""What is expected of each backup, as the configuration says it."""

from typing import Final

from exporter.collector import read
from exporter.collectors.backup.session import Session
from exporter.metric import Samples, gauge

OF: Final = ("backup",)
_SOURCE: Final = "the configuration"

MAX_AGE = gauge(
    "runbook_backup_max_age_seconds", "How old the newest whole backup may be: its interval and the grace.",
    labels=OF, source=f"{_SOURCE}: interval, grace", fact=True,
)  # fmt: skip
RECOVERY_POINT = gauge(
    "runbook_backup_recovery_point_objective_seconds", "How old the newest whole backup may be by what was promised.",
    labels=OF, source=f"{_SOURCE}: recovery_point", fact=True,
)  # fmt: skip
RECOVERY_TIME = gauge(
    "runbook_backup_recovery_time_objective_seconds", "How long a restore may take by what was promised.",
    labels=OF, source=f"{_SOURCE}: recovery_time", fact=True,
)  # fmt: skip
MIN_SIZE = gauge(
    "runbook_backup_min_size_bytes", "The size below which a backup counts as damaged.",
    labels=OF, source=f"{_SOURCE}: min_size", fact=True,
)  # fmt: skip
RETENTION = gauge(
    "runbook_backup_retention_seconds", "How long each is kept; absent where that is not said.",
    labels=OF, source=f"{_SOURCE}: retention", fact=True,
)  # fmt: skip
RESTORE_INTERVAL = gauge(
    "runbook_backup_restore_test_interval_seconds", "How often a restore is tried; absent where none is.",
    labels=OF, source=f"{_SOURCE}: restore.interval", fact=True,
)  # fmt: skip


@read
def expectations(session: Session) -> Samples:
    """How old each backup may be, how small, and how often a restore of it is tried."""
    for kept in session.backups:
        settings, backup = kept.settings, kept.name
        yield MAX_AGE(settings.interval + settings.grace, backup=backup)
        yield RECOVERY_POINT(settings.recovery_point, backup=backup)
        yield RECOVERY_TIME(settings.recovery_time, backup=backup)
        yield MIN_SIZE(settings.min_size, backup=backup)
        yield RETENTION(settings.retention, backup=backup)
        yield RESTORE_INTERVAL(settings.restore.interval if settings.restore else None, backup=backup)
