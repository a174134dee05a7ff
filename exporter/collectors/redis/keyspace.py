"""How many keys there are in each database."""

from typing import Final

from exporter.collector import Members, NotApplicable, Trouble, read
from exporter.collectors.redis.info import number
from exporter.collectors.redis.session import Session
from exporter.metric import Samples, gauge

_SOURCE: Final = "INFO"
# Empty databases are told as well, as far as that stays a list that people read.
_MOST_EMPTY: Final = 64

KEYS = gauge("redis_db_keys", "Keys in the database.", labels=("db",), source=_SOURCE)
EXPIRING = gauge("redis_db_keys_expiring", "Keys in the database that will expire.", labels=("db",), source=_SOURCE)
TTL = gauge(
    "redis_db_avg_ttl_seconds",
    "How long those that expire will live on, on average; 0 where none does.",
    labels=("db",),
    source=_SOURCE,
    fold="drop",
)
CACHED = gauge(
    "redis_db_keys_cached", "Keys of the database that are in memory (KeyDB).", labels=("db",), source=_SOURCE
)
VOLATILE = gauge(
    "redis_db_keys_with_expiring_items", "Hashes with fields that will expire.", labels=("db",), source=_SOURCE
)


@read(members=Members(("db",), 100, KEYS))
def keyspace(session: Session) -> Samples:
    """Keys of each database."""
    if session.mode == "sentinel":
        raise NotApplicable("a sentinel has no databases")
    if session.info.number("loading"):
        raise NotApplicable("it reads its dataset into memory: keys are told once all are there")
    filled = dict(session.info.entries("Keyspace", "db"))
    for name, counts in filled.items():
        ttl = number(counts.get("avg_ttl"))
        yield KEYS(number(counts.get("keys")), db=f"db{name}")
        yield EXPIRING(number(counts.get("expires")), db=f"db{name}")
        yield TTL(ttl if ttl is None else ttl / 1000, db=f"db{name}")
        yield CACHED(number(counts.get("cached_keys")), db=f"db{name}")
        yield VOLATILE(number(counts.get("subexpiry", counts.get("keys_with_volatile_items"))), db=f"db{name}")
    for place in range(_databases(session)):
        if str(place) not in filled:
            yield KEYS(0, db=f"db{place}")
            yield EXPIRING(0, db=f"db{place}")


def _databases(session: Session) -> int:
    """Return how many databases there are, 0 where that is not known or too many."""
    if session.mode == "cluster":
        return 1
    try:
        there = number(session.setting("databases"))
    except Trouble:
        return 0
    return int(there) if there is not None and there <= _MOST_EMPTY else 0
