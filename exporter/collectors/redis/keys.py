"""How long chosen keys are: queues, streams, sets, whatever the configuration names."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from exporter.collector import Members, NotApplicable, read
from exporter.collectors.redis.info import Number, figure
from exporter.collectors.redis.lengths import Missed, lengths, reached, types
from exporter.collectors.redis.reply import Refusal
from exporter.collectors.redis.session import Session
from exporter.collectors.redis.trouble import listed, withheld
from exporter.metric import Metric, Remarking, Samples, gauge

_LONGEST_NUMBER: Final = 40
_GROUP: Final = ("db", "stream", "group")

SIZE = gauge(
    "redis_key_size",
    "The length of a key that the configuration names: entries of a list, members of a set, fields of a hash, "
    "messages of a stream, bytes of a string; 0 where there is no such key, as an empty queue is none.",
    labels=("db", "key"),
    source="LLEN and its like",
)
VALUE = gauge(
    "redis_key_value",
    "The value of such a key, where it is a string that holds a number.",
    labels=("db", "key"),
    source="GETRANGE",
)
LENGTH = gauge(
    "redis_stream_length", "Messages in such a key, where it is a stream.", labels=("db", "stream"), source="XLEN"
)
GROUPS = gauge("redis_stream_groups", "Groups of the stream.", labels=("db", "stream"), source="XINFO GROUPS")
PENDING = gauge(
    "redis_stream_group_messages_pending",
    "Messages that consumers of the group have taken and not acknowledged.",
    labels=_GROUP,
    source="XINFO GROUPS",
)
_OF_GROUP: Final[dict[str, Metric]] = {
    "consumers": gauge("redis_stream_group_consumers", "Consumers of the group.", labels=_GROUP, source="XINFO GROUPS"),
    "pending": PENDING,
    "entries-read": gauge(
        "redis_stream_group_entries_read", "Messages that the group was given.", labels=_GROUP, source="XINFO GROUPS"
    ),
    "lag": gauge(
        "redis_stream_group_lag",
        "Messages that wait for the group; none where the server cannot say.",
        labels=_GROUP,
        source="XINFO GROUPS",
    ),
}


class Kinds(NamedTuple):
    """The types of the keys that the configuration names, by database and name, and the keys that have none known."""

    by_database: Mapping[int, Mapping[str, bytes]]
    missed: Missed


@read
def keys(session: Session) -> Remarking:
    """How long the keys are that the configuration names."""
    found = _kinds(session)
    missed = Missed(found.missed)
    for database, kinds in found.by_database.items():
        if not reached(session, database, kinds, missed):
            continue
        place = f"db{database}"
        for name, kind, size in lengths(session, database, kinds, missed):
            yield SIZE(size, db=place, key=name)
            if kind == b"stream":
                yield LENGTH(size, db=place, stream=name)
        for name, kind in kinds.items():
            if kind == b"none":
                yield SIZE(0, db=place, key=name)
        strings = [name for name, kind in kinds.items() if kind == b"string"]
        # a piece of it is enough to see whether it is a number, and it may be half a gigabyte
        pieces = session.try_to([("GETRANGE", name, "0", str(_LONGEST_NUMBER)) for name in strings])
        for name, piece in zip(strings, pieces, strict=True):
            yield VALUE(_number(piece), db=place, key=name)
    return missed.remark(len(session.settings.keys))


@read(members=Members(_GROUP, 100, PENDING))
def streams(session: Session) -> Remarking:
    """Groups that read the streams among those keys, and what waits for them."""
    found = _kinds(session)
    found.missed.remark(len(session.settings.keys))  # the read `keys` tells of some, and where it is all, so does this
    there = [(database, name) for database, kinds in found.by_database.items() for name, kind in kinds.items()
             if kind == b"stream"]  # fmt: skip
    if not there:
        raise NotApplicable("none of the keys that the configuration names is a stream")
    missed = Missed()
    for database, name in there:
        if not reached(session, database, [name], missed):
            continue
        (answer,) = session.try_to([("XINFO", "GROUPS", name)])
        if not isinstance(answer, Refusal):
            yield from _groups(answer, f"db{database}", name)
        elif answer.is_lasting:  # else it is gone, or no stream any more
            missed.add(withheld(answer, "xinfo|groups"), database, [name])
    return missed.remark(len(there))


def _groups(answer: Any, database: str, name: str) -> Samples:
    groups = [listed(group, "XINFO GROUPS") for group in listed(answer, "XINFO GROUPS")]
    yield GROUPS(len(groups), db=database, stream=name)
    for group in groups:
        fields = dict(zip(group[::2], group[1::2], strict=False))
        for field, metric in _OF_GROUP.items():
            value = fields.get(field.encode())
            yield metric(
                value if isinstance(value, int) else None,
                db=database,
                stream=name,
                group=fields.get(b"name", b"").decode("utf-8", "replace"),
            )


def _kinds(session: Session) -> Kinds:
    """Return the type of each key that the configuration names; the server is asked once a round."""
    wanted: dict[int, list[str]] = {}
    for text in session.settings.keys:
        database, name = session.settings.key(text)
        wanted.setdefault(database, []).append(name)
    if not wanted:
        raise NotApplicable("the configuration names no keys")
    if session.kinds is None:
        missed = Missed()
        found = {database: types(session, database, names, missed) for database, names in sorted(wanted.items())}
        session.kinds = Kinds({database: kinds for database, kinds in found.items() if kinds}, missed)
    return session.kinds


def _number(piece: Any) -> Number | None:
    """Return the number that a string is, if it is one."""
    if not isinstance(piece, bytes) or len(piece) > _LONGEST_NUMBER:
        return None
    return figure(piece.decode("utf-8", "replace"))
