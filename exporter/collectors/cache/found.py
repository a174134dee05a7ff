"""What the walks found: entries, sizes, ages; as of the last walk, which is made in the background."""

from typing import Final

from exporter.collector import read, together
from exporter.collectors.cache.ages import AGES
from exporter.collectors.cache.classes import Classes
from exporter.metric import Histogram, Samples, gauge, histogram, info

OF: Final = ("class",)
_WALK: Final = "the last walk"
_CONFIGURATION: Final = "the configuration"
_OF_LAST: Final = "As of the last walk; absent where not all of the class could be seen."

INFO = info("runbook_cache_info", "Where the class lies.", labels=(*OF, "location"), source=_CONFIGURATION)
TTL = gauge(
    "runbook_cache_ttl_seconds", "How old an entry of the class may be to be used.", labels=OF,
    source=f"{_CONFIGURATION}: ttl",
)  # fmt: skip
SCHEDULED = gauge(
    "runbook_cache_scheduled",
    "Whether the class is made anew on a schedule, so that its newest entry must be younger than the TTL.",
    labels=OF,
    source=f"{_CONFIGURATION}: scheduled",
)
SEEN = gauge(
    "runbook_cache_seen",
    "Whether all of the class is seen: its folder is there, readable, answers, and walks come to their end. Absent "
    "until the first walk has.",
    labels=OF,
    source=_WALK,
)
ENTRIES = gauge("runbook_cache_entries", f"Files of the class. {_OF_LAST}", labels=OF, source=_WALK)
SIZE = gauge("runbook_cache_size_bytes", f"Bytes of its files. {_OF_LAST}", labels=OF, source=_WALK)
OLDEST = gauge(
    "runbook_cache_oldest_timestamp_seconds",
    f"When the entry that was not written for the longest time was; none where there are no entries. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
NEWEST = gauge(
    "runbook_cache_newest_timestamp_seconds",
    f"When the entry that was written last was; none where there are no entries. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
STALE = gauge("runbook_cache_stale_entries", f"Entries older than the TTL. {_OF_LAST}", labels=OF, source=_WALK)
EMPTY = gauge(
    "runbook_cache_empty_since_timestamp_seconds",
    f"When a walk first found no entry, of a class that has none. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
AGE = histogram(
    "runbook_cache_entry_age_seconds",
    "The ages of all entries that there are, which is no count over time: take quantiles of it as it is, without rate. "
    f"{_OF_LAST}",
    labels=OF,
    source=_WALK,
)
WALKED = gauge(
    "runbook_cache_walked_timestamp_seconds",
    "When the last walk came to its end.",
    labels=OF,
    source=_WALK,
    fact=True,
)
DURATION = gauge(
    "runbook_cache_walk_duration_seconds", "How long the last walk worked, without its rests.", labels=OF, source=_WALK
)


@read
def classes(looks: Classes) -> Samples:
    """The classes, and the limits that the configuration sets them."""
    for name, settings in looks.classes.items():
        of = {"class": name}
        yield INFO(1, **of, location=settings.path)
        yield TTL(settings.ttl, **of)
        yield SCHEDULED(settings.scheduled, **of)


@read
def walks(looks: Classes) -> Samples:
    """What the walks through each class found, as long as it is current."""
    for name in looks.classes:
        told = looks.surveyed(name)
        if told is None:
            continue
        of = {"class": name}
        yield DURATION(told["took"], **of)
        if not told["whole"]:
            continue
        yield ENTRIES(told["entries"], **of)
        yield SIZE(told["size"], **of)
        yield OLDEST(told["oldest"], **of)
        yield NEWEST(told["newest"], **of)
        yield STALE(told["stale"], **of)
        yield EMPTY(told["empty_since"], **of)
        buckets = tuple(zip(AGES, told["ages"], strict=True))
        yield AGE(Histogram(buckets, told["entries"], told["age_sum"]), **of)


@read
def walk_times(looks: Classes) -> Samples:
    """When each class was last walked through to the end, and whether all of it is seen."""
    for name in looks.classes:
        told = looks.told("surveyed", name)
        if told is not None:
            yield WALKED(told["ended"], **{"class": name})
        if told is not None or looks.told("trouble", name) is not None:
            yield SEEN(looks.sees(name), **{"class": name})


@read
def unseen(looks: Classes) -> Samples:
    """No metrics: fails where not all of a class is seen, and names it."""
    together(trouble for name in looks.classes for trouble in looks.not_seen(name))
    yield from ()
