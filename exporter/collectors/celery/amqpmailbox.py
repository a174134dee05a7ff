"""Workers asked by way of RabbitMQ: published to all, answered into a queue that ends with its connection."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import amqp

from exporter.collector import Trouble
from exporter.collectors.celery.amqpline import connect, has_exchange, own_queue
from exporter.collectors.celery.asking import Answer
from exporter.collectors.celery.settings import CelerySettings

_MOST_WAITING: Final = 10_000  # answers that the broker keeps for us at most
_ABSENT: Final = 15.0  # seconds until an exchange that is not there is looked for again: the broker logs each look
_BLOCKED: Final = "make room: `rabbitmqctl status` shows its alarms; publishers, the application's too, wait until then"


class AmqpMailbox:
    """A queue of our own at the exchange of replies."""

    def __init__(self, settings: CelerySettings) -> None:
        self._exchange = f"{settings.control_exchange}.pidbox"
        self._reply_exchange = f"reply.{self._exchange}"
        self._answers: deque[Answer] = deque()
        self._queue = ""
        self._channel: Any = None
        self._absent_until = 0.0
        self._has_exchange = False
        self._is_blocked = False
        self._connection = connect(settings, heartbeat=0, on_blocked=self._block)
        try:
            self._open()
        except BaseException:
            self._connection.collect()
            raise

    @property
    def reply_to(self) -> Mapping[str, str]:
        return {"exchange": self._reply_exchange, "routing_key": self._queue}

    def send(self, question: bytes, seconds: float) -> int | None:
        if not self._has_workers():
            return 0
        message = amqp.Message(
            question, content_type="application/json", content_encoding="utf-8", delivery_mode=1,
            expiration=str(int(seconds * 1000)), application_headers={"clock": 0},
        )  # fmt: skip
        self._channel.basic_publish(message, self._exchange, "")
        return None

    def take(self, seconds: float) -> Answer | None:
        if not self._answers and not self._drained(seconds):
            self._check()
        return self._answers.popleft() if self._answers else None

    def _check(self) -> None:
        """Find out whether it is the broker that is silent."""
        if self._is_blocked:  # it has the question, and lets nobody have it
            raise Trouble("the broker takes no messages: it is low on memory or disk", _BLOCKED)
        # this has to be answered, after all that it had for us before
        self._channel.queue_declare(self._queue, passive=True)

    def _drained(self, seconds: float) -> bool:
        """Tell whether an answer came within a time."""
        until = time.monotonic() + seconds
        while not self._answers and (left := until - time.monotonic()) > 0:
            try:
                self._connection.drain_events(timeout=left)
            except TimeoutError:
                return False
        return bool(self._answers)

    def close(self) -> None:
        self._connection.collect()  # without a word of goodbye, which a server that hangs would not answer

    def _open(self) -> None:
        self._find_exchange()
        self._channel, self._queue = own_queue(self._connection, self._reply_exchange, "", _MOST_WAITING, self._take)

    def _find_exchange(self) -> None:
        """Make the exchange of replies, just as a worker does that answers, where there was none yet."""
        if not has_exchange(self._connection, self._reply_exchange, "direct"):
            with self._connection.channel() as channel:
                channel.exchange_declare(self._reply_exchange, "direct", durable=False, auto_delete=False)

    def _has_workers(self) -> bool:
        """Tell whether there was a worker: publishing to an exchange that is not there ends the channel."""
        if not self._has_exchange and time.monotonic() >= self._absent_until:
            self._has_exchange = has_exchange(self._connection, self._exchange, "fanout")
            self._absent_until = time.monotonic() + _ABSENT
        return self._has_exchange

    def _block(self, _: str) -> None:
        self._is_blocked = True

    def _take(self, message: Any) -> None:
        headers = message.properties.get("application_headers") or {}
        body = message.body if isinstance(message.body, bytes) else message.body.encode()
        self._answers.append(Answer(str(headers.get("ticket")), str(message.properties.get("content_type")), body))
