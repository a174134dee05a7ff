"""Which workers have series of their own: those known for longest, so that who comes later puts nobody out."""

import math
from collections.abc import Mapping
from typing import Any

from exporter.collectors.celery.presence import TOLD, presence


def own_series(entries: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of those within the budget; the others are told as one."""
    told: Mapping[str, Any] = entries.get(TOLD) or {}
    top: int | None = (entries.get("tasks:summary") or {}).get("worker_top")

    def since(name: str) -> tuple[float, str]:
        return (told[name]["since"] if name in told else math.inf, name)

    return frozenset(sorted({*told, *presence(entries)}, key=since)[:top])
