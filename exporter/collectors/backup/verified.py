"""What verification and restore found of each backup, by the looks in the background."""

from datetime import UTC, datetime
from typing import Final

from exporter.collector import NotApplicable, Trouble, read, together
from exporter.collectors.backup.expected import OF
from exporter.collectors.backup.kept import Kept
from exporter.collectors.backup.session import Session
from exporter.metric import Remarking, Samples, gauge, info

_SOURCE: Final = "the newest backup, read as a whole in the background"
_RESTORE: Final = "the newest whole backup, restored in the background"

LAST_SUCCESS = gauge(
    "runbook_backup_last_success_timestamp_seconds",
    "When the newest backup that was found whole was made; it may be gone by now.",
    labels=OF, source=_SOURCE, fact=True,
)  # fmt: skip
VERIFIED = gauge(
    "runbook_backup_verified",
    "1 where the newest backup was found whole, 0 where it is damaged. Absent until it was looked at, and where that "
    "could not be done.",
    labels=OF, source=_SOURCE, fact=True,
)  # fmt: skip
VERIFIED_AT = gauge("runbook_backup_verified_timestamp_seconds", "When that was found.",
                    labels=OF, source=_SOURCE, fact=True)  # fmt: skip
VERIFY_DURATION = gauge("runbook_backup_verify_duration_seconds", "How long that took.",
                        labels=OF, source=_SOURCE, fact=True)  # fmt: skip
UNVERIFIED = gauge(
    "runbook_backup_unverified_since_timestamp_seconds",
    "Since when the newest backup, whichever that was, has not been judged; absent where it is.",
    labels=OF, source=_SOURCE, fact=True,
)  # fmt: skip
INFO = info(
    "runbook_backup_info",
    "What the newest backup is, and what its verification rests on: `checksums` inside it, a `sidecar` beside it, its "
    "`structure` alone, which shows no damage within the data, or a `command`; `damage` where that was found.",
    labels=("backup", "format", "way"), source=_SOURCE, fact=True,
)  # fmt: skip
RESTORED = gauge(
    "runbook_backup_restore_test_success",
    "1 where the last restore that was tried succeeded, and all rows that are expected were there, else 0.",
    labels=OF, source=_RESTORE, fact=True,
)  # fmt: skip
RESTORED_AT = gauge("runbook_backup_restore_test_timestamp_seconds", "When a restore succeeded last.",
                    labels=OF, source=_RESTORE, fact=True)  # fmt: skip
RESTORE_DURATION = gauge(
    "runbook_backup_restore_test_duration_seconds",
    "How long the last restore that succeeded took, from an empty server or database to the last row.",
    labels=OF, source=_RESTORE, fact=True,
)  # fmt: skip


@read
def verification(session: Session) -> Remarking:
    """Whether the newest of each backup is whole, and when the last whole one was made."""
    said = []
    for kept in session.backups:
        entry, backup = kept.verdict or {}, kept.name
        yield LAST_SUCCESS(kept.last_success, backup=backup)
        yield UNVERIFIED(kept.unverified_since, backup=backup)
        if "good" not in entry:
            continue
        yield VERIFIED(int(entry["good"]), backup=backup)
        yield VERIFIED_AT(entry["time"], backup=backup)
        yield VERIFY_DURATION(entry["seconds"], backup=backup)
        yield INFO(1, backup=backup, format=entry["format"], way=entry["way"])
        if not entry["good"]:
            said.append(f"{backup}: {entry['of'][1]!r}: {entry['reason']}")
        elif (kept.newest or {}).get("time", 0) > entry["of"][0]:
            said.append(f"{backup}: {entry['of'][1]!r} was made {_day(entry['of'][0])}, long before its file")
    return "; ".join(said)


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


@read
def restores(session: Session) -> Remarking:
    """How the last restore of each backup went, and how long the last that succeeded took."""
    failed = []
    for kept in session.backups:
        if kept.settings.restore is None:
            continue
        last, judged = kept.restore.get("last") or {}, kept.restore.get("judged")
        yield RESTORED_AT(last.get("time"), backup=kept.name)
        yield RESTORE_DURATION(last.get("seconds"), backup=kept.name)
        if judged:
            yield RESTORED(int(judged["good"]), backup=kept.name)
            failed += [] if judged["good"] else [f"{kept.name}: {judged['reason']}"]
    return "; ".join(failed)


@read
def unjudged(session: Session) -> Samples:
    """No metrics: fails where a backup could not be verified or restored at all, and says why."""
    ours = [session.ours] if session.ours else []
    together([*ours, *(trouble for kept in session.backups for trouble in _unable(kept))])
    yield from ()


def _unable(kept: Kept) -> list[Trouble]:
    tried = kept.restore.get("tried") or {}
    found = [] if "good" in tried or not tried or kept.settings.restore is None else [("restore", tried)]
    if unable := (kept.verdict or {}).get("unable"):
        judged = (kept.verdict or {}).get("time", 0)
        found += [("verification", unable)] if unable["time"] > judged else []
    return [Trouble(f"{kept.name}: no {what}: {one['reason']}", one["fix"]) for what, one in found]


@read
def first_looks(session: Session) -> Samples:
    """No metrics: does not apply while the newest of a backup awaits its first look or restore, and names it."""
    awaited = [f"{kept.name}: {said}" for kept in session.backups if (said := kept.awaited)]
    written = [f"{kept.name}: all that is there was written to just now" for kept in session.backups if kept.is_written]
    if awaited or written:
        fix = "one at a time is looked at; what the running exporter has found stands on its page /targets"
        raise NotApplicable("; ".join([*awaited, *written]), fix, early=bool(awaited))
    yield from ()
