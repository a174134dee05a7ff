"""Waits for what takes a moment."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 15.0, what: str = "") -> None:
    """Wait until the condition holds; TimeoutError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what or condition}")
        time.sleep(0.05)
