"""What a look at Celery is: it works in a thread of its own in the helper process, with its own connection."""

import time
from collections.abc import Mapping
from threading import Event
from typing import Any, Final, Protocol

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.celery.settings import CelerySettings
from exporter.toil import Tell

_LATENESS: Final = 30.0  # seconds that a look may take longer than it should


class Look(Protocol):
    """One way of looking, until `stop` is set; run() raises where the broker is lost, and is called again.

    `kept` has every entry that the looks told last, and before a restart; it changes as they tell more. Each call of
    `tell`, with nothing changed as well, says that the broker has just answered; a look that has nothing to tell calls
    it every few seconds all the same.
    """

    name: str

    def __init__(self, settings: CelerySettings, kept: Mapping[str, Any]) -> None: ...

    def run(self, stop: Event, tell: Tell) -> None: ...


def look_key(name: str) -> str:
    """Return the key of the entry that says how a look stands."""
    return f"look:{name}"


def true_for(interval: float) -> float:
    """Return for how many seconds holds what is looked at so often."""
    return 3 * interval + _LATENESS


def standing(ok: bool, at: float, since: float, reason: str = "", fix: str = "") -> dict[str, Any]:
    """Return that entry: whether the broker answers, since when that is so, and why not."""
    return {"ok": ok, "reason": reason, "fix": fix, "since": since, "at": at}


def fresh(entries: Mapping[str, Any], name: str, seconds: float) -> None:
    """Raise Trouble where the look of that name does not work, or told nothing for so many seconds."""
    entry = entries.get(look_key(name))
    if entry is None:
        fix = "wait a moment; if it lasts, see the read `watch`"
        raise Trouble(f"the look `{name}` has not begun yet", fix, early=True)
    if entry.get("off"):
        raise NotApplicable("workers are not asked", "set `control: true` where the exporter may ask them")
    if not entry["ok"]:
        raise Trouble(entry["reason"], entry["fix"])
    if (age := time.time() - entry["at"]) > seconds:
        raise Trouble(f"the broker has not answered for {age:.0f} s", "see whether it hangs, or is busy")
