"""The talk with a browser about one page: orders, answers and what it tells by itself, within bounds."""

import json
import os
import time
from collections.abc import Mapping
from typing import Any, Final

from exporter.collectors.page.browser import Browser
from exporter.collectors.page.events import Events
from exporter.collectors.page.scripts import STATE
from exporter.collectors.page.wire import Message

_TICK: Final = 0.1  # seconds between looks at how far the page is, and what it takes
_MOST_NAVIGATIONS: Final = 20
_STUCK: Final = 0.5  # seconds without an answer
_DISK_EVERY: Final = 10  # ticks


class CutError(Exception):
    """The page is cut, for this reason."""

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.fix = fix


class ScriptError(Exception):
    """A script of ours broke off in the page, for this reason."""


class Talk:
    """Sends orders, takes what comes, and looks again and again at how far the page is."""

    def __init__(self, browser: Browser, request: Mapping[str, Any]) -> None:
        self.events = Events(browser.wire)
        self._end = self._until = time.monotonic() + float(request["seconds"])
        self.state: dict[str, Any] = {}
        """How far the page is, as last told by a script in it."""
        self.peak = 0
        self._browser, self._wire, self._request = browser, browser.wire, request
        self._answers: dict[int, Message] = {}
        self._asked: int | None = None  # the number of a question after the state that has no answer yet
        self._asked_at = 0.0
        self._ticks = 0
        self._next_look = 0.0

    def within(self, seconds: float) -> None:
        """Have what follows end in so many seconds, or when the whole visit must."""
        self._until = min(time.monotonic() + seconds, self._end)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Give an order, and return what comes of it."""
        answer = self.answer(self._wire.send(method, session, **params))
        if "error" in answer:
            raise CutError(f"the browser refuses {method}", "try another version of it")
        result: dict[str, Any] = answer["result"]
        return result

    def go(self, url: str) -> Message:
        """Go to the page, and return what the browser says when it has, or could not."""
        return self.answer(self._wire.send("Page.navigate", self.events.session, url=url))

    def evaluated(self, script: str) -> Any:
        """Return the value of a script that is run in the page, in our own world; ScriptError where it raises."""
        if self.events.world is None:
            raise TimeoutError
        answer = self.answer(self._ask(script, self.events.world))
        if "error" in answer:
            raise ScriptError("the page went on to another one while it was looked at")
        if "exceptionDetails" in answer["result"]:
            raise ScriptError("what is looked for is no CSS selector")
        return _value(answer)

    def answer(self, number: int) -> Message:
        """Wait for the answer to an order."""
        while number not in self._answers:
            self.turn()
        return self._answers.pop(number)

    def is_stuck(self) -> bool:
        """Tell whether the page's scripts have let nobody ask anything for a while."""
        return self._asked is not None and time.monotonic() - self._asked_at > _STUCK

    def turn(self) -> None:
        """Take what the browser says for a moment, and look at how far it is, and what it takes."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        message = self._wire.receive(max(0.0, min(left, self._next_look - time.monotonic())))
        if message is not None and "id" in message:
            self._take(message)
        elif message is not None:
            self.events.take(message)
        if time.monotonic() >= self._next_look:
            self._look()
            self._next_look = time.monotonic() + _TICK

    def _take(self, message: Message) -> None:
        if message["id"] != self._asked:
            self._answers[message["id"]] = message
            return
        self._asked = None
        value = _value(message)
        if isinstance(value, dict):  # else it has gone to another page meanwhile
            self.state = value

    def _look(self) -> None:
        self._check_bounds()
        if self.events.world is not None and self._asked is None:
            self._asked_at = time.monotonic()
            self._asked = self._ask(STATE % json.dumps(self._request["elements"]), self.events.world)

    def _check_bounds(self) -> None:
        request, self._ticks = self._request, self._ticks + 1
        if os.path.exists(request["stop"]):
            raise TimeoutError
        memory = self._browser.memory()
        self.peak = max(self.peak, memory)
        if memory > request["max_memory"]:
            fix = "see what the page holds, or raise `max_memory`"
            raise CutError(f"the browser took more than {request['max_memory']} bytes of memory", fix)
        if self._ticks % _DISK_EVERY == 0 and self._browser.disk() > request["max_disk"]:
            fix = "see what the page keeps in files, or raise `max_disk`"
            raise CutError(f"the browser kept more than {request['max_disk']} bytes in files", fix)
        if self.events.received > request["max_transferred"]:
            fix = "see what the page loads, or raise `max_transferred`"
            raise CutError(f"the page loads more than {request['max_transferred']} bytes", fix)
        if self.events.navigations > _MOST_NAVIGATIONS:
            raise CutError("the page goes on to another again and again", "see what sends it on, as a login does")

    def _ask(self, script: str, world: int) -> int:
        return self._wire.send(
            "Runtime.evaluate", self.events.session, expression=script, contextId=world, returnByValue=True,
            awaitPromise=True,
        )  # fmt: skip


def _value(message: Message) -> Any:
    return message.get("result", {}).get("result", {}).get("value")
