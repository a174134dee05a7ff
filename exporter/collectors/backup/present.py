"""Which files of each backup there are. What cannot be seen now stays as it was seen last."""

from typing import Final

from exporter.collector import read, together
from exporter.collectors.backup.expected import OF
from exporter.collectors.backup.session import Session
from exporter.metric import Remarking, Samples, gauge

_SOURCE: Final = "the folder of the backup, or the command that lists it"

FILES = gauge("runbook_backup_files", "How many there are, whole or not; those still written are not among them.",
              labels=OF, source=_SOURCE, fact=True)  # fmt: skip
UNFINISHED = gauge("runbook_backup_unfinished_files", "Files that are written to, or were a moment ago.",
                   labels=OF, source=_SOURCE)  # fmt: skip
OLDEST = gauge("runbook_backup_oldest_timestamp_seconds", "When the oldest was made.",
               labels=OF, source=_SOURCE, fact=True)  # fmt: skip
NEWEST = gauge(
    "runbook_backup_newest_timestamp_seconds", "When the newest was made, whether it is whole or not.",
    labels=OF, source=_SOURCE, fact=True,
)  # fmt: skip
FIRST_SEEN = gauge(
    "runbook_backup_first_seen_timestamp_seconds", "When the exporter saw one for the first time.",
    labels=OF, source="the exporter's state", fact=True,
)  # fmt: skip
SIZE = gauge("runbook_backup_size_bytes", "Size of the newest.", labels=OF, source=_SOURCE, fact=True)
PREVIOUS_SIZE = gauge(
    "runbook_backup_previous_size_bytes", "Size of the one before the newest, which may be gone by now.",
    labels=OF, source=_SOURCE, fact=True,
)  # fmt: skip


@read
def files(session: Session) -> Remarking:
    """How many backups there are, from when, and how large the newest is."""
    for kept in session.backups:
        backup, newest = kept.name, kept.newest or {}
        yield FILES(kept.seen.get("count"), backup=backup)
        yield OLDEST(kept.seen.get("oldest"), backup=backup)
        yield NEWEST(newest.get("time"), backup=backup)
        yield SIZE(newest.get("size"), backup=backup)
        yield PREVIOUS_SIZE(kept.previous_size if newest else None, backup=backup)
        yield FIRST_SEEN(kept.first_seen, backup=backup)
        yield UNFINISHED(kept.listing.unfinished if kept.listing else None, backup=backup)
    said = [(kept.name, remark) for kept in session.backups if kept.listing for remark in kept.listing.remarks]
    return "; ".join(f"{name}: {remark}" for name, remark in said)


@read
def unseen(session: Session) -> Samples:
    """No metrics: fails where the files of a backup cannot be seen, and says why."""
    together(session.troubles.values())
    yield from ()
