"""The health report over all targets: the JSON that load balancers and health checks read."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from exporter.snapshot import Snapshot
from exporter.target import Target

Verdict = Literal["healthy", "degraded", "critical"]
CheckStatus = Literal["healthy", "unhealthy", "critical", "unknown"]


def report(targets: Iterable[Target], snapshots: Iterable[Snapshot], now: float) -> dict[str, Any]:
    """Return the report: `status`, `timestamp` (RFC 3339), `checks` by name, and a `summary` of counts.

    A check is critical where its target is down and the configuration calls it critical, unhealthy where it is down
    and does not matter that much, where some of its reads fail or where one found something wrong, unknown until its
    first round has ended.
    """
    checks = [_check(target, snapshot) for target, snapshot in zip(targets, snapshots, strict=True)]
    counts = Counter(check["status"] for check in checks)
    return {
        "status": _verdict(counts),
        "timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "checks": checks,
        "summary": {"total": len(checks), **{status: counts[status]
                                             for status in ("healthy", "unhealthy", "critical", "unknown")}},
    }  # fmt: skip


def _verdict(counts: Counter[str]) -> Verdict:
    if counts["critical"]:
        return "critical"
    return "degraded" if counts["unhealthy"] else "healthy"


def _check(target: Target, snapshot: Snapshot) -> dict[str, Any]:
    settings = target.settings
    return {
        "name": settings.name,
        "status": _status(settings.critical, snapshot),
        "message": message(snapshot),
        "collector": settings.collector,
        "critical": settings.critical,
        "timeout": settings.timeout,
        "interval": settings.interval or settings.max_age,
        "description": settings.description,
    }


def _status(critical: bool, snapshot: Snapshot) -> CheckStatus:
    if snapshot.up is None:
        return "unknown"
    if not snapshot.up:
        return "critical" if critical else "unhealthy"
    return "unhealthy" if any(outcome.is_wrong for outcome in snapshot.outcomes) else "healthy"


def message(snapshot: Snapshot) -> str:
    """Return one sentence on how a target stands."""
    if snapshot.up is None:
        return "its first round has not ended yet"
    if not snapshot.up:
        return snapshot.reason
    wrong = [f"{outcome.read}: {outcome.reason}" for outcome in snapshot.outcomes if outcome.is_wrong]
    return "; ".join(wrong) or "every read that applies works"
