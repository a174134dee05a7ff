"""Workers asked by way of Redis: published to all, answered into a list of our own."""

import json
import time
import uuid
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.celery.asking import Answer
from exporter.collectors.celery.brokerline import BrokerLine, TooLargeError, whole
from exporter.collectors.celery.envelope import MALFORMED, unpacked
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.redis.reply import Refusal
from exporter.collectors.redis.trouble import refused

_LARGEST: Final = 64 << 20  # bytes of one answer: it has all arguments of what a worker holds
_SECONDS: Final = 10.0  # for the broker to answer
_LARGE: Final = "have tasks carry references rather than data: a worker tells all that it holds, with all arguments"


class RedisMailbox:
    """A list of that name. Without an exchange, kombu puts an answer there, and needs no binding for it."""

    def __init__(self, settings: CelerySettings, name: str) -> None:
        self._line = BrokerLine(settings, _SECONDS, _LARGEST)
        self._exchange = f"{settings.control_exchange}.pidbox"
        self._queue = f"{name}.reply.{self._exchange}"
        self._rule = f"~{settings.global_keyprefix}*.reply.{self._exchange}*"
        self._topics = [f"{place}{self._exchange}" for place in settings.fanout_places()]
        list_name = settings.global_keyprefix + self._queue
        steps = [] if 0 in settings.priority_steps else [max(settings.priority_steps)]
        self._lists = [list_name, *(f"{list_name}{settings.priority_separator}{step}" for step in steps)]
        self._forget()

    @property
    def reply_to(self) -> Mapping[str, str]:
        return {"exchange": "", "routing_key": self._queue}

    def send(self, question: bytes, seconds: float) -> int:
        message = json.dumps({
            "body": b64encode(question).decode(), "content-encoding": "utf-8", "content-type": "application/json",
            "headers": {"clock": 0, "expires": time.time() + seconds},
            "properties": {
                "delivery_mode": 1, "delivery_info": {"exchange": self._exchange, "routing_key": ""}, "priority": 0,
                "body_encoding": "base64", "delivery_tag": str(uuid.uuid4()),
            },
        })  # fmt: skip
        self._line.begin()
        answers = self._line.ask([("PUBLISH", topic, message) for topic in self._topics])
        for topic, answer in zip(self._topics, answers, strict=True):
            if isinstance(answer, Refusal):
                raise _refused(answer, "publish", f"&{topic}")
        return sum(whole(answer, "publish") for answer in answers)

    def take(self, seconds: float) -> Answer | None:
        self._line.begin()
        try:
            (answer,) = self._line.ask([("BRPOP", *self._lists, f"{seconds:g}")])
        except TooLargeError:
            raise Trouble(f"a worker's answer has more than {_LARGEST >> 20} MiB, which is not read", _LARGE) from None
        if isinstance(answer, Refusal):
            if "timeout" in answer and seconds < 1:
                return None  # before version 6 there are only whole seconds
            raise _refused(answer, "brpop", self._rule)
        return None if answer is None else _answer(answer)

    def close(self) -> None:
        try:
            self._forget()
        finally:
            self._line.close()

    def _forget(self) -> None:
        """Drop what came too late for whoever had the list before."""
        self._line.begin()
        (answer,) = self._line.ask([("DEL", *self._lists)])
        if isinstance(answer, Refusal):
            self._line.close()
            raise _refused(answer, "del", self._rule)


def _refused(answer: Refusal, command: str, rule: str) -> Trouble:
    """Return why a command was not done; where the user may do it, and not there, with the rule that lacks."""
    trouble = refused(answer, command)
    if answer.is_of_key or "channel" in answer:
        return type(trouble)(str(trouble), f"let the user do that: ACL SETUSER <user> {rule}")
    return trouble


def _answer(popped: Any) -> Answer:
    try:
        message, body = unpacked(popped[1])
        return Answer(str(message["headers"].get("ticket")), str(message["content-type"]), body)
    except MALFORMED:
        raise Trouble("what came as a worker's answer is none", "see what else writes to the list of replies") from None
