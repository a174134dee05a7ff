"""Patience with what can hang in the kernel and cannot be cancelled there: a file system whose server is gone."""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class NoAnswer(Exception):
    """What was asked has not come back in time."""


_PENDING: Final = NoAnswer("no answer in time")


class _Call:
    __slots__ = ("answer", "began", "function")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.began = time.monotonic()
        self.answer: Any = _PENDING

    def make(self) -> None:
        self.began = time.monotonic()
        try:
            self.answer = self.function()
        except Exception as error:  # noqa: BLE001  # it is handed to the thread that asked
            self.answer = error


Work = tuple[deque[_Call], SimpleQueue[None]]


class Patience:
    """Makes calls that may hang, and waits no longer than `timeout` seconds for each and twice that for all of them.

    One thread makes all calls of a round, since handing them over one by one would cost more than the calls. When one
    of them hangs, its thread is left to it, and the calls that had to wait behind it get a thread each, so that any
    number of them may hang at once. What hangs is answered as such, at once and without a new thread, until it comes
    back. Rounds are run one at a time.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._hanging: dict[Any, _Call] = {}
        self._worker: SimpleQueue[Work | None] | None = None

    def run(self, functions: Mapping[Key, Callable[[], Result]]) -> dict[Key, Result | Exception]:
        """Return what each function returned or raised, or NoAnswer where it hangs."""
        self._hanging = {key: call for key, call in self._hanging.items() if call.answer is _PENDING}
        calls = {key: self._hanging.get(key) or _Call(function) for key, function in functions.items()}
        fresh = [call for key, call in calls.items() if key not in self._hanging]
        if fresh:
            self._make(fresh)
        answers = {key: call.answer for key, call in calls.items()}
        self._hanging.update((key, calls[key]) for key, answer in answers.items() if answer is _PENDING)
        return answers

    def hanging(self) -> list[Any]:
        """Return the keys of what has not come back yet."""
        return [key for key, call in self._hanging.items() if call.answer is _PENDING]

    def close(self) -> None:
        """Let the thread end: now, or when what hangs in it comes back."""
        if self._worker is not None:
            self._worker.put(None)
            self._worker = None

    def _make(self, calls: list[_Call]) -> None:
        waiting = deque(calls)
        finished: SimpleQueue[None] = SimpleQueue()
        self._inbox().put((waiting, finished))
        if _within(self.timeout, finished):
            return
        self.close()
        for call in _taken(waiting):
            call.began = time.monotonic()  # its thread may be slow to start
            _start(_work, deque([call]), finished)
        while late := [call for call in calls if call.answer is _PENDING]:
            if not _within(max(call.began for call in late) + self.timeout - time.monotonic(), finished):
                return

    def _inbox(self) -> SimpleQueue[Work | None]:
        if self._worker is None:
            self._worker = SimpleQueue()
            _start(_serve, self._worker)
        return self._worker


def _within(seconds: float, finished: SimpleQueue[None]) -> bool:
    try:
        finished.get(timeout=max(seconds, 0.0))
    except Empty:
        return False
    return True


def _start(target: Callable[..., None], *args: object) -> None:
    Thread(target=target, args=args, name="patience", daemon=True).start()


def _serve(inbox: SimpleQueue[Work | None]) -> None:
    while work := inbox.get():
        _work(*work)
        del work  # an idle thread keeps nothing alive


def _work(calls: deque[_Call], finished: SimpleQueue[None]) -> None:
    for call in _taken(calls):
        call.make()
    finished.put(None)


def _taken(calls: deque[_Call]) -> Iterator[_Call]:
    with suppress(IndexError):  # none is left: they are done, or another thread took them
        while True:
            yield calls.popleft()
