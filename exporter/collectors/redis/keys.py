"""How long chosen keys are: queues, streams, sets, whatever the configuration names."""

from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Members, NotApplicable, read
from exporter.collectors.redis.info import Number, number
from exporter.collectors.redis.reply import Refusal
from exporter.collectors.redis.session import Session
from exporter.collectors.redis.trouble import listed, refused, strange
from exporter.metric import Metric, Samples, gauge

LENGTHS: Final[Mapping[bytes, str]] = {
    b"list": "LLEN",
    b"set": "SCARD",
    b"zset": "ZCARD",
    b"hash": "HLEN",
    b"stream": "XLEN",
    b"string": "STRLEN",
}
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


@read
def keys(session: Session) -> Samples:
    """How long the keys are that the configuration names."""
    for database, kinds in _kinds(session).items():
        session.select(database)
        place = f"db{database}"
        there = [(name, kind) for name, kind in kinds.items() if kind in LENGTHS]
        answers = session.ask([(LENGTHS[kind], name) for name, kind in there])
        for (name, kind), answer in zip(there, answers, strict=True):
            size = length_in(answer, LENGTHS[kind])
            yield SIZE(size, db=place, key=name)
            if kind == b"stream":
                yield LENGTH(size, db=place, stream=name)
        for name, kind in kinds.items():
            if kind == b"none":
                yield SIZE(0, db=place, key=name)
        strings = [name for name, kind in there if kind == b"string"]
        # a piece of it is enough to see whether it is a number, and it may be half a gigabyte
        pieces = session.try_to("getrange", [("GETRANGE", name, "0", str(_LONGEST_NUMBER)) for name in strings])
        for name, piece in zip(strings, pieces, strict=False):
            yield VALUE(_number(piece), db=place, key=name)


@read(members=Members(_GROUP, 100, PENDING))
def streams(session: Session) -> Samples:
    """Groups that read the streams among those keys, and what waits for them."""
    found = [(database, name) for database, kinds in _kinds(session).items() for name, kind in kinds.items()
             if kind == b"stream"]  # fmt: skip
    if not found:
        raise NotApplicable("none of the keys that the configuration names is a stream")
    for database, name in found:
        session.select(database)
        for answer in session.try_to("xinfo|groups", [("XINFO", "GROUPS", name)]):
            yield from _groups(answer, f"db{database}", name)


def _groups(answer: Any, database: str, name: str) -> Samples:
    if isinstance(answer, Refusal):  # a user who may not see groups still sees lengths
        return
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


def _kinds(session: Session) -> Mapping[int, Mapping[str, bytes]]:
    """Return the type of each key that the configuration names, by database and name; `none` where it is not there."""
    wanted: dict[int, list[str]] = {}
    for text in session.settings.keys:
        database, name = session.settings.key(text)
        wanted.setdefault(database, []).append(name)
    if not wanted:
        raise NotApplicable("the configuration names no keys")
    if not session.kinds:
        found = {}
        for database, names in sorted(wanted.items()):
            session.select(database)
            answers = session.ask([("TYPE", name) for name in names])
            found[database] = {name: kind_in(answer) for name, answer in zip(names, answers, strict=True)}
        session.kinds = found
    return session.kinds


def kind_in(answer: Any) -> bytes:
    if isinstance(answer, Refusal):
        raise refused(answer, "type")
    if not isinstance(answer, bytes):
        raise strange("TYPE")
    return answer


def length_in(answer: Any, command: str) -> int | None:
    """Return a length; None where the key has become something else since it was asked for its type."""
    if isinstance(answer, Refusal):
        if answer.code == "WRONGTYPE":
            return None
        raise refused(answer, command.lower())
    return answer if isinstance(answer, int) else None


def _number(piece: Any) -> Number | None:
    """Return the number that a string is; words that INFO takes for one are none here."""
    if not isinstance(piece, bytes) or len(piece) > _LONGEST_NUMBER or not piece.strip(b"+-.")[:1].isdigit():
        return None
    return number(piece.decode("utf-8", "replace"))
