"""Waits for what takes a moment, and does again and again what time asks for."""

import threading
import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 15.0, what: str = "") -> None:
    """Wait until the condition holds; TimeoutError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what or condition}")
        time.sleep(0.05)


class Repeated:
    """Does something each so many seconds, in a thread of its own, until it is stopped."""

    def __init__(self, name: str, seconds: float, do: Callable[[], object]) -> None:
        self._seconds = seconds
        self._do = do
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            self._do()
