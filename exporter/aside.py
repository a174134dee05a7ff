"""A call in a thread of its own that nobody has to wait for, not even the end of the process."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def aside(function: Callable[[], Result]) -> Future[Result]:
    """Begin the call; an executor's threads would keep the process from ending while one of them hangs."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001  # it is handed to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return future
