"""Keys that match a pattern: how many there are, and how long each is, found with SCAN within bounds."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from exporter.collector import Members, NotApplicable, Trouble, read
from exporter.collectors.redis.glob import compiled
from exporter.collectors.redis.info import number
from exporter.collectors.redis.keys import SIZE
from exporter.collectors.redis.lengths import Missed, lengths, shown, types
from exporter.collectors.redis.reply import Refusal
from exporter.collectors.redis.session import Session
from exporter.collectors.redis.trouble import refused, strange
from exporter.metric import Remarking, gauge

# A step looks at so many keys, in which time the server does nothing else: well below a millisecond.
_STEP: Final = "500"
_MOST_MATCHES: Final = 1000
# Of the round's time; the rest is for what has been found.
_PATIENCE: Final = 0.7
_BY_NAME: Final = "list the keys by name in `keys`"

COUNT = gauge(
    "redis_keys_count",
    "Keys that match a pattern of the configuration; read once a minute.",
    labels=("db", "key"),
    source="SCAN",
)


class Matches(NamedTuple):
    """The names of the keys that match each pattern, by database and pattern, and the patterns that were not sought."""

    names: Mapping[tuple[int, str], set[bytes]]
    missed: Missed


@read(interval=60)
def pattern_counts(session: Session) -> Remarking:
    """How many keys match the patterns that the configuration names."""
    found = _matches(session)
    for (database, pattern), names in found.names.items():
        yield COUNT(len(names), db=f"db{database}", key=pattern)
    return found.missed.remark(len(session.settings.key_patterns))


@read(interval=60, members=Members(("db", "key"), 100, SIZE))
def matching_keys(session: Session) -> Remarking:
    """How long the keys are that match those patterns."""
    found = _matches(session)
    remarks = [found.missed.remark(len(session.settings.key_patterns))]
    by_name = {session.settings.key(text) for text in session.settings.keys}  # those have their length already
    wanted: dict[int, set[bytes]] = {}
    for (database, _), names in found.names.items():
        fresh = {name for name in names if (database, shown(name)) not in by_name}
        wanted.setdefault(database, set()).update(fresh)
    missed = Missed()
    for database, names in sorted(wanted.items()):
        kinds = types(session, database, sorted(names), missed)
        for name, _, size in lengths(session, database, kinds, missed):
            yield SIZE(size, db=f"db{database}", key=shown(name))
    remarks.append(missed.remark(sum(map(len, wanted.values()))))
    return "; ".join(filter(None, remarks))


class _Search:
    """One pattern, and what was found of it."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.names: set[bytes] = set()
        self._fits = compiled(pattern.encode()).fullmatch

    @property
    def is_over(self) -> bool:
        return len(self.names) > _MOST_MATCHES

    def look(self, names: list[bytes]) -> None:
        if not self.is_over:
            self.names.update(filter(self._fits, names))


def _matches(session: Session) -> Matches:
    """Return the keys that match each pattern; each database is searched once a round, whatever comes of it."""
    if not session.settings.key_patterns:
        raise NotApplicable("the configuration names no patterns")
    if session.matches is None:
        wanted: dict[int, list[_Search]] = {}
        for database, pattern in map(session.settings.key, session.settings.key_patterns):
            wanted.setdefault(database, []).append(_Search(pattern))
        session.matches = _found(session, wanted)
    return session.matches


def _found(session: Session, wanted: Mapping[int, list[_Search]]) -> Matches:
    found, missed = {}, Missed()
    for database, searches in wanted.items():
        trouble = _beforehand(session, database) or _searched(session, database, searches)
        if trouble is not None:
            missed.add(trouble, database, [search.pattern for search in searches])
            continue
        for search in searches:
            if search.is_over:
                reason = f"{search.pattern!r} matches more than {_MOST_MATCHES:,} keys"
                missed.add(Trouble(reason, "narrow the pattern"), database, [search.pattern])
            else:
                found[database, search.pattern] = search.names
    return Matches(found, missed)


def _beforehand(session: Session, database: int) -> Trouble | None:
    """Return why a database is not searched at all, if so; go to it otherwise."""
    there = dict(session.info.entries("Keyspace", "db")).get(str(database), {})
    most = session.settings.scan_most
    if (number(there.get("keys")) or 0) > most:
        reason = f"db{database} has more than {most:,} keys, which is too many to search through"
        return Trouble(reason, f"{_BY_NAME}, or raise `scan_most` if the server can bear it")
    refusal = session.select(database)
    return refused(refusal, "select") if refusal is not None else None


def _searched(session: Session, database: int, searches: list[_Search]) -> Trouble | None:
    """Search through a database; return why that did not come to an end, if so."""
    # names that match nothing stay with the server where it can tell them; of several patterns it would search for each
    only = ("MATCH", searches[0].pattern) if len(searches) == 1 else ()
    cursor = b"0"
    for _ in range(2 * session.settings.scan_most // int(_STEP) + 10):  # keys that come and go make it longer
        if session.spent > _PATIENCE:
            reason = f"db{database} has more keys than can be searched through within the target's timeout"
            return Trouble(reason, f"{_BY_NAME}, or raise `timeout`")
        (answer,) = session.try_to([("SCAN", cursor, *only, "COUNT", _STEP)])
        if isinstance(answer, Refusal):
            return refused(answer, "scan")
        cursor, names = _step(answer)
        for search in searches:
            search.look(names)
        if cursor == b"0" or all(search.is_over for search in searches):
            return None
    return Trouble("SCAN did not come to an end", _BY_NAME)


def _step(answer: Any) -> tuple[bytes, list[bytes]]:
    match answer:
        case [bytes(cursor), list(names)] if all(isinstance(name, bytes) for name in names):
            return cursor, names
    raise strange("SCAN")
