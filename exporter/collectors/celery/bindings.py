"""Which queues were declared in Redis: kombu keeps a set for each exchange, with the names of its queues."""

import time
from collections.abc import Iterable
from typing import Any, Final

from exporter.collectors.celery.brokerline import BrokerLine, literal
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.redis.reply import Refusal
from exporter.collectors.redis.trouble import refused, strange

_AT_A_TIME: Final = "200"  # keys that the server goes through at a command: less than a millisecond
_MEMBERS: Final = "1000"  # of a set that are read
_STEPS: Final = 100  # commands a look
_SECONDS: Final = 0.25  # a look may take for them
_SETS: Final = 200  # read at a look
_REST: Final = 30.0  # seconds from one time through all keys to the next, or as long as it took
_REFUSED: Final = 300.0  # seconds until it is tried again what the user may not do


class Bindings:
    """Goes through all keys again and again, some thousand at a look, since nothing else names what nobody consumes."""

    def __init__(self, settings: CelerySettings) -> None:
        self._start = f"{settings.global_keyprefix}_kombu.binding."
        self._separator = settings.priority_separator.encode()
        # workers and clients have queues of their own there, another each time
        self._others = (settings.event_exchange, f"{settings.control_exchange}.pidbox")
        self._cursor = b"0"
        self._sets: dict[bytes, bool] = {}  # whether each was read; in the order in which they were found
        self._names: set[str] = set()
        self._found: set[str] = set()
        self._due = self._began = 0.0
        self.is_known = False
        """Whether it has been through all keys, or may not."""
        self.problem = ""

    def look(self, line: BrokerLine, now: float) -> set[str]:
        """Go on; return the names of queues as far as they are known."""
        if now >= self._due or now < self._began:
            if self._cursor == b"0" and not self._sets:
                self._began = now
            answer = self._scan(line) or self._read(line)
            if isinstance(answer, Refusal):
                self._refused(answer, now)
            elif self._cursor == b"0" and all(self._sets.values()):
                self._end(now)
        return self._names | self._found

    def _scan(self, line: BrokerLine) -> Refusal | None:
        """Go through some keys, unless this time they have all been gone through."""
        if self._sets and self._cursor == b"0":
            return None
        began = time.monotonic()
        for _ in range(_STEPS):
            (answer,) = line.ask([("SCAN", self._cursor, "MATCH", f"{literal(self._start)}*", "COUNT", _AT_A_TIME)])
            if isinstance(answer, Refusal):
                return answer
            self._cursor, keys = _page(answer, "SCAN")
            self._sets |= {key: False for key in keys if key not in self._sets and self._is_of_queues(key)}
            if self._cursor == b"0" or time.monotonic() - began > _SECONDS:
                break
        return None

    def _is_of_queues(self, key: bytes) -> bool:
        exchange = key.decode("utf-8", "replace").removeprefix(self._start)
        return exchange not in self._others and not exchange.endswith(".pidbox")

    def _read(self, line: BrokerLine) -> Refusal | None:
        """Read some of the sets; of a large one its beginning, so that the server is not kept."""
        keys = [key for key, is_read in self._sets.items() if not is_read][:_SETS]
        answers = line.ask([("SSCAN", key, "0", "COUNT", _MEMBERS) for key in keys]) if keys else []
        for key, answer in zip(keys, answers, strict=True):
            if isinstance(answer, Refusal) and answer.code != "WRONGTYPE":
                return answer
            self._sets[key] = True
            if not isinstance(answer, Refusal):
                self._found |= set(self._queues(_page(answer, "SSCAN")[1]))
        return None

    def _queues(self, members: Iterable[bytes]) -> Iterable[str]:
        """Yield the queues: each is bound with a routing key, a pattern and its name."""
        for member in members:
            parts = member.split(self._separator)
            if len(parts) == 3 and parts[2]:
                yield parts[2].decode("utf-8", "replace")

    def _end(self, now: float) -> None:
        self._names, self._found, self._sets = self._found, set(), {}
        self._due, self.is_known, self.problem = now + max(_REST, now - self._began), True, ""

    def _refused(self, answer: Refusal, now: float) -> None:
        trouble = refused(answer, "scan +sscan")
        self.problem = f"which queues nobody consumes is not looked for: {trouble} ({trouble.fix})"
        self._cursor, self._sets, self._found, self._names = b"0", {}, set(), set()
        self._due, self._began, self.is_known = now + _REFUSED, now, True


def _page(answer: Any, command: str) -> tuple[bytes, list[bytes]]:
    """Return where to go on, and what was found."""
    if not (isinstance(answer, list) and len(answer) == 2 and isinstance(answer[1], list)):
        raise strange(command)
    return answer[0], answer[1]
