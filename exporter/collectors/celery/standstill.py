"""Since when a worker gets nowhere, judged from one round of answers to the next."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

_JUDGED: Final = ("mark", "full", "waits", "ends", "full_since", "stuck")
"""What is kept of a worker that misses an answer."""
_ANSWERED: Final = ("queues", "solo", "mark", "full", "waits", "ends")

Worker = Mapping[str, Any]


def judged(worker: Worker, before: Worker, now: float) -> dict[str, Any]:
    """Return a worker with since when it gets nowhere; what it did not answer this time is as it answered before.

    `mark` is another as soon as it begins or ends a task, `full` says that every place in its pool is taken, `waits`
    that tasks wait in it, `ends` that a time limit will end one of those that run.
    """
    found = {**worker, **{key: before.get(key) for key in _ANSWERED if worker.get(key) is None}}
    is_same = found["mark"] is not None and found["mark"] == before.get("mark")
    found["full_since"] = _since(found["full"] and found["mark"], is_same, before.get("full_since"), now)
    if found["queues"] == []:
        found["stuck"] = _since(True, before.get("queues") == [], before.get("stuck"), now)
    else:
        is_same = is_same and before.get("queues") != []
        found["stuck"] = _since(found["full_since"] and found["waits"], is_same, before.get("stuck"), now)
    return found


def kept_of(before: Worker, now: float, seconds: float) -> dict[str, Any]:
    """Return what is known of a worker that does not answer; how it gets on only for so many seconds."""
    is_recent = now - (before.get("answered") or 0.0) <= seconds
    keys = ("queues", "solo", "answered", *(_JUDGED if is_recent else ()))
    return {key: before.get(key) for key in keys}


def standing_since(consumers: Iterable[Worker], has_messages: bool) -> float | None:
    """Return since when nothing begins or ends in any of a queue's workers while messages wait for them.

    None where one has a place, a time limit will end what runs in one, or that is not known.
    """
    found = list(consumers)
    if not all(worker.get("full_since") and worker.get("ends") is False for worker in found):
        return None
    if not (has_messages or any(worker.get("waits") for worker in found)):
        return None
    return max((float(worker["full_since"]) for worker in found), default=None)


def _since(holds: Any, is_same: bool, before: float | None, now: float) -> float | None:
    """Return since when something holds, as far as it was seen."""
    if not holds:
        return None
    return before if is_same and before else now
