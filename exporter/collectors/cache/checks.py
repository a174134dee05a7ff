"""What the checks after each walk found: how many of the entries looked into are as they must be."""

from collections.abc import Iterator
from typing import Final

from exporter.collector import NotApplicable, Trouble, read, together
from exporter.collectors.cache.classes import Classes
from exporter.collectors.cache.entries import Told
from exporter.collectors.cache.entry import REASONS
from exporter.metric import Remarking, Samples, gauge

OF: Final = ("class", "check")
_SOURCE: Final = "the checks after the last walk"
_NEWEST: Final = "Of the newest, `entries` of them; by the last check."

OK = gauge(
    "runbook_cache_validation_ok",
    f"Whether all entries that were judged are as they must be; absent where none could be. {_NEWEST}",
    labels=OF,
    source=_SOURCE,
)
JUDGED = gauge(
    "runbook_cache_validated_entries", f"Entries that were judged, fit or not. {_NEWEST}", labels=OF, source=_SOURCE
)
FAILED = gauge(
    "runbook_cache_invalid_entries", f"Entries that are not as they must be. {_NEWEST}", labels=OF, source=_SOURCE
)
UNJUDGED = gauge(
    "runbook_cache_unjudged_entries",
    "Entries that could not be judged: being written now (changing), not reached in time (out_of_time), too "
    "much for the parser (refused), larger than "
    f"`max_bytes` (too_large), without the JSON to compare with (unpaired), not readable (unreadable). {_NEWEST}",
    labels=(*OF, "reason"),
    source=_SOURCE,
)
VALIDATED = gauge(
    "runbook_cache_validated_timestamp_seconds",
    "When the checks of the class were made last.",
    labels=("class",),
    source=_SOURCE,
    fact=True,
)


@read
def validations(looks: Classes) -> Remarking:
    """How many entries each check found to be as they must be."""
    wanted = [name for name, settings in looks.classes.items() if settings.validate is not None]
    if not wanted:
        raise NotApplicable("no class says what its entries must hold", "give it `validate`")
    remarks: list[str] = []
    for name in wanted:
        told = looks.checked(name)
        if told is None or "checks" not in told:
            continue
        for check, found in told["checks"].items():
            yield from _counted({"class": name, "check": check}, found)
            remarks.extend(found["examples"])
        yield VALIDATED(told["time"], **{"class": name})
    return "; ".join(remarks)


def _counted(of: dict[str, str], found: Told) -> Samples:
    judged = found["ok"] + found["failed"]
    yield OK(not found["failed"] if judged else None, **of)
    yield JUDGED(judged, **of)
    yield FAILED(found["failed"], **of)
    for reason in REASONS:
        yield UNJUDGED(found["unjudged"].get(reason, 0), **of, reason=reason)


@read
def unvalidated(looks: Classes) -> Samples:
    """No metrics: fails where entries could not be looked into, and says why."""
    together(trouble for name in looks.classes for trouble in _troubles(looks, name))
    yield from ()


def _troubles(looks: Classes, name: str) -> Iterator[Trouble]:
    told = looks.checked(name)
    if told is None:
        return
    if "reason" in told:
        yield Trouble(f"{name}: {told['reason']}", told["fix"])
