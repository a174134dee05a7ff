"""Which workers have series of their own: those known for longest, so that who comes later puts nobody out."""

import math
from collections.abc import Mapping
from typing import Any

from exporter.collectors.celery.presence import TOLD, Presence, asked_of


def own_series(entries: Mapping[str, Any], heard: Mapping[str, Presence]) -> frozenset[str]:
    """Return the names of those within the budget; the others are told as one."""
    told: Mapping[str, Any] = entries.get(TOLD) or {}
    top: int | None = (entries.get("tasks:summary") or {}).get("worker_top")

    def rank(name: str) -> tuple[float, bool, str]:
        # who took its leave is there until all were asked again, and puts out nobody who is heard of
        return (told[name]["since"] if name in told else math.inf, name not in heard, name)

    return frozenset(sorted({*told, *heard, *asked_of(entries)}, key=rank)[:top])
