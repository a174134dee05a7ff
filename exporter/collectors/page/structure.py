"""How a page is built, remembered over restarts, to tell when that changed."""

import hashlib
import time
from dataclasses import asdict
from typing import Any, Final

from exporter.collectors.page.settings import PageSettings
from exporter.metric import Samples, gauge
from exporter.state import Shelf

_KEY: Final = "page structure"

CHANGED = gauge(
    "runbook_page_structure_changed_timestamp_seconds",
    "When the page was first seen built otherwise than before, in Unix time; none as long as it never was.",
    source="the page's elements", fact=True,
)  # fmt: skip
SINCE = gauge(
    "runbook_page_structure_watched_timestamp_seconds",
    "When the page was first looked at, in Unix time: nothing is known of changes before.",
    source="the page's elements", fact=True,
)  # fmt: skip


def compared(text: str, settings: PageSettings, shelf: Shelf) -> dict[str, Any]:
    """Compare the page with how it was built before, and remember it; a first look is no change."""
    of = _digest(repr([settings.url.reveal(), asdict(settings.structure) if settings.structure else None]))
    now, mark = time.time(), _digest(text)
    kept = shelf.get(_KEY)
    if not isinstance(kept, dict) or kept.get("of") != of:
        kept = {"of": of, "mark": mark, "since": now, "changed": None}
    elif kept["mark"] != mark:
        kept |= {"mark": mark, "changed": now}
    shelf.put(_KEY, kept)
    return kept


def told(kept: dict[str, Any]) -> Samples:
    """Yield since when the page is watched, and when it changed."""
    yield SINCE(kept["since"])
    yield CHANGED(kept["changed"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
