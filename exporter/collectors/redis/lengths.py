"""Types and lengths of keys. What may not be looked at is left out and named: one bad key must not hide a queue."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

from exporter.collector import Trouble
from exporter.collectors.redis.reply import Refusal
from exporter.collectors.redis.session import Session
from exporter.collectors.redis.trouble import refused, strange

LENGTHS: Final[Mapping[bytes, str]] = {
    b"list": "LLEN",
    b"set": "SCARD",
    b"zset": "ZCARD",
    b"hash": "HLEN",
    b"stream": "XLEN",
    b"string": "STRLEN",
}
_SHOWN: Final = 5

Name = TypeVar("Name", str, bytes)


class Missed:
    """What could not be looked at, and why."""

    def __init__(self, *before: "Missed") -> None:
        self._found: dict[str, tuple[Trouble, list[str]]] = {}
        for other in before:
            for trouble, names in other._found.values():
                self._note(trouble, names)

    def add(self, trouble: Trouble, database: int, names: Iterable[str | bytes]) -> None:
        self._note(trouble, [f"db{database}={shown(name)}" for name in names])

    def remark(self, most: int) -> str:
        """Return what to tell of it, "" where there is nothing; raise the first trouble where all `most` are missed."""
        found = list(self._found.values())
        if found and sum(len(names) for _, names in found) >= most:
            raise found[0][0]
        return "; ".join(f"without {_some(names)}: {_whole(trouble)}" for trouble, names in found[:_SHOWN])

    def _note(self, trouble: Trouble, names: list[str]) -> None:
        # by the remedy, as a reason may name the key
        self._found.setdefault(trouble.fix or str(trouble), (trouble, []))[1].extend(names)


def reached(session: Session, database: int, names: Iterable[str | bytes], missed: Missed) -> bool:
    """Go to the database of these keys; False where the server refuses that."""
    refusal = session.select(database)
    if refusal is not None:
        missed.add(refused(refusal, "select"), database, names)
    return refusal is None


def types(session: Session, database: int, names: Iterable[Name], missed: Missed) -> dict[Name, bytes]:
    """Return the types of keys by name; `none` where there is no such key."""
    names = list(names)
    if not reached(session, database, names, missed):
        return {}
    found: dict[Name, bytes] = {}
    for name, answer in zip(names, session.try_to([("TYPE", name) for name in names]), strict=True):
        if isinstance(answer, Refusal):
            missed.add(refused(answer, "type"), database, [name])
        elif isinstance(answer, bytes):
            found[name] = answer
        else:
            raise strange("TYPE")
    return found


def lengths(
    session: Session, database: int, kinds: Mapping[Name, bytes], missed: Missed
) -> Iterator[tuple[Name, bytes, int]]:
    """Yield the keys that are there, with their types and lengths; the database must be the selected one."""
    there = [(name, kind, LENGTHS[kind]) for name, kind in kinds.items() if kind in LENGTHS]
    answers = session.try_to([(command, name) for name, _, command in there])
    for (name, kind, command), answer in zip(there, answers, strict=True):
        if isinstance(answer, int):
            yield name, kind, answer
        elif isinstance(answer, Refusal) and answer.code != "WRONGTYPE":  # it has become something else meanwhile
            missed.add(refused(answer, command.lower()), database, [name])


def shown(name: str | bytes) -> str:
    """Return a name as a label has it."""
    return name if isinstance(name, str) else name.decode("utf-8", "backslashreplace")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _whole(trouble: Trouble) -> str:
    return f"{trouble} ({trouble.fix})" if trouble.fix else str(trouble)
