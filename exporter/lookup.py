"""Look-ups in name and user services, which may hang: one of each is under way at a time, however many wait for it."""

import socket
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
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


def addresses(host: str, port: int | None, patience: Callable[[], float]) -> list[Any]:
    """Return where a host is, as getaddrinfo tells it; `patience` is asked for the seconds that a look-up may take.

    An address in figures asks no name service. TimeoutError where the look-up takes longer, socket.gaierror where there
    is no such host.
    """
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        return look_up(flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return looked_up((host, port), look_up, patience())  # it keeps to no deadline of ours
    except UnicodeError:  # a name with an empty part, or one of more than 63 letters
        raise socket.gaierror(socket.EAI_NONAME, "it is no name") from None


def _begun(key: Hashable, function: Callable[[], Answer]) -> Future[Answer]:
    with _lock:
        for done in [known for known, future in _under_way.items() if future.done()]:
            del _under_way[done]  # what is over is asked anew
        if key not in _under_way:
            _under_way[key] = aside(function)
        return _under_way[key]
