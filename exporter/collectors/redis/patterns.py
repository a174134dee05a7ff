"""Keys that match a pattern: how many there are, and how long each is, found with SCAN within bounds."""

from collections.abc import Iterator, Mapping
from typing import Final

from exporter.collector import Members, NotApplicable, Trouble, read
from exporter.collectors.redis.info import number
from exporter.collectors.redis.keys import LENGTHS, SIZE, kind_in, length_in
from exporter.collectors.redis.reply import Refusal
from exporter.collectors.redis.session import Session
from exporter.collectors.redis.trouble import refused, strange
from exporter.metric import Samples, gauge

# A step looks at so many keys, in which time the server does nothing else: well below a millisecond.
_STEP: Final = "500"
_MOST_MATCHES: Final = 1000

COUNT = gauge(
    "redis_keys_count",
    "Keys that match a pattern of the configuration; read once a minute.",
    labels=("db", "key"),
    source="SCAN",
)


@read(interval=60)
def pattern_counts(session: Session) -> Samples:
    """How many keys match the patterns that the configuration names."""
    for (database, pattern), names in _matches(session).items():
        yield COUNT(len(names), db=f"db{database}", key=pattern)


@read(interval=60, members=Members(("db", "key"), 100, SIZE))
def matching_keys(session: Session) -> Samples:
    """How long the keys are that match those patterns."""
    by_name = {session.settings.key(text) for text in session.settings.keys}  # those have their length already
    wanted: dict[int, set[bytes]] = {}
    for (database, _), names in _matches(session).items():
        fresh = {name for name in names if (database, _shown(name)) not in by_name}
        wanted.setdefault(database, set()).update(fresh)
    for database, names in sorted(wanted.items()):
        session.select(database)
        yield from _sizes(session, f"db{database}", sorted(names))


def _matches(session: Session) -> Mapping[tuple[int, str], set[bytes]]:
    """Return the names of the keys that match each pattern, by database and pattern."""
    if not session.settings.key_patterns:
        raise NotApplicable("the configuration names no patterns")
    if not session.matches:
        found = {}
        for database, pattern in map(session.settings.key, session.settings.key_patterns):
            session.select(database)
            found[database, pattern] = _found(session, database, pattern)
        session.matches = found
    return session.matches


def _found(session: Session, database: int, pattern: str) -> set[bytes]:
    """Return the names of the keys that match."""
    there = dict(session.info.entries("Keyspace", "db")).get(str(database), {})
    most = session.settings.scan_most
    if (number(there.get("keys")) or 0) > most:
        reason = f"db{database} has more than {most:,} keys, which is too many to search through"
        raise Trouble(reason, "list the keys by name in `keys`, or raise `scan_most` if the server can bear it")
    names: set[bytes] = set()
    for some in _scanned(session, pattern, most):
        names.update(some)
        if len(names) > _MOST_MATCHES:
            raise Trouble(f"{pattern!r} matches more than {_MOST_MATCHES:,} keys", "narrow the pattern")
    return names


def _scanned(session: Session, pattern: str, most: int) -> Iterator[list[bytes]]:
    cursor = b"0"
    for _ in range(2 * most // int(_STEP) + 10):  # keys that come and go meanwhile make it longer
        (answer,) = session.ask([("SCAN", cursor, "MATCH", pattern, "COUNT", _STEP)])
        if isinstance(answer, Refusal):
            raise refused(answer, "scan")
        match answer:
            case [bytes(cursor), list(names)]:
                yield names
            case _:
                raise strange("SCAN")
        if cursor == b"0":
            return
    raise Trouble("SCAN did not come to an end", "list the keys by name in `keys`")


def _sizes(session: Session, database: str, names: list[bytes]) -> Samples:
    kinds = map(kind_in, session.ask([("TYPE", name) for name in names]))
    there = [(name, kind) for name, kind in zip(names, kinds, strict=True) if kind in LENGTHS]
    answers = session.ask([(LENGTHS[kind], name) for name, kind in there])
    for (name, kind), answer in zip(there, answers, strict=True):
        yield SIZE(length_in(answer, LENGTHS[kind]), db=database, key=_shown(name))


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
