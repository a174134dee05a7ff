"""Places that swallow what is sent to them, as a firewall does, and names that are where a test wants them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def swallowing(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Hold a port whose backlog is full, so that nobody gets connected; yield it."""
    with socket.create_server((host, port), backlog=0) as full, ExitStack() as stack:
        place = full.getsockname()
        _fill(stack, socket.AF_INET, place)
        yield int(place[1])


@contextmanager
def swallowing_socket(path: Path) -> Iterator[None]:
    """Hold a unix socket whose backlog is full."""
    with socket.socket(socket.AF_UNIX) as full, ExitStack() as stack:
        full.bind(str(path))
        full.listen(0)
        _fill(stack, socket.AF_UNIX, str(path))
        yield


def _fill(stack: ExitStack, family: int, place: Any) -> None:
    for _ in range(3):
        line = stack.enter_context(socket.socket(family))
        line.setblocking(False)
        with suppress(BlockingIOError):
            line.connect(place)


@contextmanager
def names(patched: pytest.MonkeyPatch, known: dict[str, list[str]]) -> Iterator[None]:
    """Have these names at these addresses while the block runs; the look-up of one without any never ends."""
    real, stop = socket.getaddrinfo, threading.Event()

    def look_up(host: Any, port: Any, *arguments: Any, **more: Any) -> Any:
        if host not in known:
            return real(host, port, *arguments, **more)
        if more.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        if not known[host]:
            stop.wait(30)
        return [found for address in known[host] for found in real(address, port, *arguments, **more)]

    patched.setattr(socket, "getaddrinfo", look_up)
    try:
        yield
    finally:
        stop.set()
        patched.setattr(socket, "getaddrinfo", real)
