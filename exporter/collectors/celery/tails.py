"""Which message is taken next from each list in Redis, and since when it has been that one."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from exporter.collectors.celery.brokerline import LARGEST, BrokerLine, TooLargeError
from exporter.collectors.redis.reply import Refusal, Reply

_UNKNOWN_SIZE: Final = 16 << 10  # bytes that a message is taken to have until one was seen
_RATE: Final = 256 << 10  # bytes a second that may be read of one list's messages
_REST: Final = 300.0  # seconds until a list is looked at again whose next message is too large
_TRUE_FOR: Final = 60.0  # seconds for which a look says something
_REMEMBERED: Final = 4  # messages a list: what is put back at the end hides the one before for a while
# Each message of Celery has one of its own, so no two are the same.
_TAG: Final = re.compile(rb'"delivery_tag":\s*"[^"]{8,}"')


@dataclass
class _Tail:
    """What is known of one list."""

    seen: list[list[Any]] = field(default_factory=list)  # [digest, since when], the one there now last
    at: float = 0.0  # when it was looked at
    due: float = 0.0
    size: int = _UNKNOWN_SIZE
    problem: str = ""

    def see(self, message: bytes, now: float) -> None:
        self.size, self.at, self.due, self.problem = len(message), now, now + len(message) / _RATE, ""
        if not _TAG.search(message):
            self.problem = "is none of Celery's, and has nothing to know it by"
            return
        digest = blake2b(message, digest_size=12).hexdigest()
        since = next((min(then, now) for known, then in self.seen if known == digest), now)
        self.seen = [*(known for known in self.seen if known[0] != digest), [digest, since]][-_REMEMBERED:]

    def too_large(self, now: float) -> None:
        self.at, self.due = now, now + _REST
        self.problem = f"is larger than {LARGEST >> 20} MiB, which is not read"

    def since(self, now: float) -> float | None:
        if self.problem or not self.seen or now - self.at > max(_TRUE_FOR, self.size / _RATE):
            return None
        return float(self.seen[-1][1])


class Tails:
    """The next message of each list: only a digest is kept of it, and so much is read at a look at most."""

    def __init__(self) -> None:
        self._tails: dict[str, _Tail] = {}

    def remember(self, key: str, seen: Iterable[Iterable[Any]]) -> None:
        self._tails.setdefault(key, _Tail()).seen = [list(known) for known in seen]

    def look(self, line: BrokerLine, lengths: Mapping[str, int], now: float) -> None:
        """Look at the lists that are not empty, those first that were looked at longest ago."""
        self._tails = {key: self._tails.get(key, _Tail()) for key, length in lengths.items() if length}
        for keys in self._portions(now):
            self._ask(line, keys, now)

    def since(self, key: str, now: float) -> float | None:
        """Return since when the message that is next has been there at least, None where that is not known."""
        return self._tails[key].since(now) if key in self._tails else None

    def problem(self, key: str) -> str:
        return self._tails[key].problem if key in self._tails else ""

    def kept(self, key: str) -> list[list[Any]]:
        """Return what must outlive a restart."""
        return self._tails[key].seen if key in self._tails else []

    def _portions(self, now: float) -> Iterator[list[str]]:
        """Yield keys to ask for together, of a look's worth of bytes in all."""
        due = sorted((key for key, tail in self._tails.items() if tail.due <= now), key=lambda key: self._tails[key].at)
        portion: list[str] = []
        size = total = 0
        for key in due:
            expected = self._tails[key].size
            if portion and (size + expected > LARGEST // 4 or len(portion) >= 100):
                yield portion
                portion, size = [], 0
            portion.append(key)
            size += expected
            total += expected
            if total > LARGEST:
                break
        if portion:
            yield portion

    def _ask(self, line: BrokerLine, keys: list[str], now: float) -> None:
        # workers take from the end (BRPOP), and senders put at the beginning (LPUSH)
        try:
            answers: list[Reply] = line.ask([("LINDEX", key, "-1") for key in keys])
        except TooLargeError:
            if len(keys) == 1:
                self._tails[keys[0]].too_large(now)
            else:
                for key in keys:
                    self._ask(line, [key], now)
            return
        for key, answer in zip(keys, answers, strict=True):
            tail = self._tails[key]
            if isinstance(answer, bytes):
                tail.see(answer, now)
            elif isinstance(answer, Refusal):
                tail.problem = f"may not be read ({answer.partition(',')[0]})"
                tail.due = now + _REST if answer.is_lasting else 0.0
            else:  # it was taken meanwhile
                tail.seen, tail.problem = [], ""
