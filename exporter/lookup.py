"""Look-ups in name and user services, which may hang: one of each is under way at a time, however many wait for it."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from exporter.aside import aside

Answer = TypeVar("Answer")

_under_way: Final[dict[Hashable, Future[Any]]] = {}
_lock: Final = threading.Lock()


def looked_up(key: Hashable, function: Callable[[], Answer], seconds: float) -> Answer:
    """Return what the call answers or raises; TimeoutError where that takes longer.

    Whoever asks while one with the same key is under way waits for that one: each that hangs keeps a thread.
    """
    return _begun(key, function).result(seconds)


def _begun(key: Hashable, function: Callable[[], Answer]) -> Future[Answer]:
    with _lock:
        for done in [known for known, future in _under_way.items() if future.done()]:
            del _under_way[done]  # what is over is asked anew
        if key not in _under_way:
            _under_way[key] = aside(function)
        return _under_way[key]
