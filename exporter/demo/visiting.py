"""People who come to a stand-in, at a steady rate."""

import http.client
import itertools
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from exporter.demo.asking import LOCAL

_PATIENCE: Final = 10.0  # seconds that somebody waits for an answer
_MADE_UP: Final = 1.0  # seconds of which those come later that could not come


def come(ask: Callable[[int], urllib.request.Request], each_second: Callable[[], float], at_once: int) -> None:
    """Have people come for ever, whether those before have had their answer or not; `ask` is what each asks for."""
    with ThreadPoolExecutor(at_once) as people:
        for turn in steadily(each_second):
            people.submit(visit, ask(turn))


def steadily(each_second: Callable[[], float]) -> Iterator[int]:
    """Yield a number so many times a second."""
    due = time.monotonic()
    for turn in itertools.count():
        yield turn
        due = max(due + 1 / each_second(), time.monotonic() - _MADE_UP)
        time.sleep(max(due - time.monotonic(), 0))


def visit(request: urllib.request.Request | str) -> None:
    """Ask for something, and read the answer, if there is one."""
    with suppress(OSError, http.client.HTTPException), LOCAL.open(request, timeout=_PATIENCE) as answer:
        answer.read()
