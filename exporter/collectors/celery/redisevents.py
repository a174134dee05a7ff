"""Events out of Redis: a subscription on a line of its own, which asks for nothing else."""

import json
import socket
import time
from collections.abc import Iterator
from threading import Event
from typing import Any, Final

from exporter.collectors.celery.brokerline import literal
from exporter.collectors.celery.envelope import MALFORMED, unpacked
from exporter.collectors.celery.primary import primary
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.redis.address import Address
from exporter.collectors.redis.dial import dial
from exporter.collectors.redis.reply import Refusal
from exporter.collectors.redis.trouble import refused
from exporter.deadline import Cancel, Deadline

_CONNECTED: Final = 10.0  # seconds to connect and be let in
_QUIET: Final = 4.0  # seconds without a word after which the server is asked whether it is there
_GONE: Final = 10.0  # seconds without a word after which it is not
_LOOK: Final = 0.5
_MOST: Final = 64 << 20  # bytes of one message; events have some hundred
_MOST_SEEN: Final = 1000  # messages by their tags


def command(*words: str) -> bytes:
    """Return a command as Redis reads it."""
    data = [word.encode() for word in words]
    return b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in data)


class Replies:
    """Takes bytes as they come, and gives the replies that are whole."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        self._data += data
        if len(self._data) > _MOST:
            raise ConnectionError("a message without end")
        at = 0
        while (found := self._one(at)) is not None:
            reply, at = found
            yield reply
        del self._data[:at]

    def _one(self, at: int) -> tuple[Any, int] | None:
        """Return the reply that begins there and where it ends, or None as long as it is not whole."""
        end = self._data.find(b"\r\n", at)
        if end < 0:
            return None
        sign, text, after = bytes(self._data[at : at + 1]), bytes(self._data[at + 1 : end]), end + 2
        if sign == b"$":
            stop = after + int(text)
            if int(text) < 0:
                return None, after
            return (bytes(self._data[after:stop]), stop + 2) if len(self._data) >= stop + 2 else None
        if sign == b"*":
            return self._many(int(text), after)
        if sign not in (b"+", b"-", b":"):
            raise ConnectionError("what answers is not Redis")
        return (Refusal(text.decode("utf-8", "replace")) if sign == b"-" else text), after

    def _many(self, count: int, at: int) -> tuple[Any, int] | None:
        replies = []
        for _ in range(count):
            found = self._one(at)
            if found is None:
                return None
            replies.append(found[0])
            at = found[1]
        return replies, at


class RedisEvents:
    """The events of one database's workers."""

    def __init__(self, settings: CelerySettings) -> None:
        self._settings = settings
        self._replies = Replies()
        self._is_twofold = settings.sentinels() is not None
        self._seen: dict[str, None] = {}

    def events(self, stop: Event) -> Iterator[list[Any] | None]:
        """Yield batches as they come, an empty one for a sign of life, None where nothing was heard for a moment."""
        address = primary(self._settings)
        deadline = Deadline(_CONNECTED)
        with dial(address, deadline, Cancel(), self._settings.context) as line:
            self._subscribe(line, address, deadline)
            yield []
            heard = asked = time.monotonic()
            while not stop.is_set():
                line.settimeout(_LOOK)
                try:
                    data = line.recv(1 << 18)
                except TimeoutError:
                    now = time.monotonic()
                    if now - heard > _GONE:
                        raise TimeoutError("nothing was heard of it") from None
                    if now - max(heard, asked) > _QUIET:
                        line.sendall(command("PING"))
                        asked = now
                    yield None
                    continue
                if not data:
                    raise ConnectionResetError("the connection ended")
                heard = time.monotonic()
                yield [found for reply in self._replies.feed(data) for found in self._message(reply)]

    def _subscribe(self, line: socket.socket, address: Address, deadline: Deadline) -> None:
        user, word = address.user, address.password
        words = [command("AUTH", *([user] if user else []), word)] if word else []
        exchanges = [literal(place + self._settings.event_exchange) for place in self._settings.fanout_places()]
        # without `fanout_patterns` an application publishes all its events to the exchange alone
        patterns = [pattern for exchange in exchanges for pattern in (exchange, f"{exchange}/*")]
        wanted = len(words) + len(patterns)
        line.settimeout(deadline.left())
        line.sendall(b"".join([*words, command("PSUBSCRIBE", *patterns)]))
        while wanted:
            line.settimeout(deadline.left())
            data = line.recv(1 << 16)
            if not data:
                raise ConnectionResetError("the connection ended")
            for reply in self._replies.feed(data):
                if isinstance(reply, Refusal):
                    raise _refused(reply)
                wanted -= 1
                if not wanted:
                    break  # what has come already is not lost: it is in the next batch, or shown by the heartbeats

    def _message(self, reply: Any) -> Iterator[Any]:
        """Yield the events in a message of the subscription; None where it cannot be read."""
        if not (isinstance(reply, list) and len(reply) == 4 and reply[0] == b"pmessage"):
            return
        try:
            message, body = unpacked(reply[3])
            found = json.loads(body)
        except MALFORMED:
            yield None
            return
        if self._is_new(str(message["properties"].get("delivery_tag"))):
            yield from found if isinstance(found, list) else [found]

    def _is_new(self, tag: str) -> bool:
        """Tell whether a message did not come before: kombu may publish one to both channels that are listened to."""
        if not self._is_twofold:
            return True
        is_new = tag not in self._seen
        self._seen[tag] = None
        if len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        return is_new


def _refused(answer: Refusal) -> Exception:
    """Return why the server does not let us listen; where it knows no AUTH, it says the password after that."""
    trouble = refused(answer, "psubscribe")
    return trouble if answer.is_unknown else ConnectionError(str(trouble))
