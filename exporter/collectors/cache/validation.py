"""Looks into entries, each in a process of its own that may hang, crash or eat its memory; in a throwaway process."""

import json
import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from exporter.collectors.cache.verdict import Verdicts, verdicts

_MEMORY: Final = 1 << 30
_ROOM: Final = 60  # bytes of memory for each byte of a file
_PIECE: Final = 64 << 10


def validate(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verdicts of each entry in `names`; those that `seconds` do not reach are not judged."""
    deadline = time.monotonic() + request["seconds"]
    judge = verdicts(request)
    found: list[Verdicts] = []
    for name in request["names"]:
        left = deadline - time.monotonic()
        if left <= 0:
            found.append(_unjudged(request["checks"], "out_of_time"))
            continue
        found.append(_apart(lambda name=name: judge(name), request, min(left, request["each"])))  # type: ignore[misc]
    return {"verdicts": found, "time": time.time()}


def _apart(work: Callable[[], Verdicts], request: Mapping[str, Any], seconds: float) -> Verdicts:
    """Return what a child of this process finds, or that it was too much for it."""
    mine, its = os.pipe()
    child = os.fork()
    if child == 0:
        _be_the_child(work, its, int(seconds) + 2, max(_MEMORY, _ROOM * request["max_bytes"]))
    os.close(its)
    try:
        told = _told(mine, seconds)
    finally:
        os.close(mine)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _bury(child)
    try:
        found: Verdicts = json.loads(told)
    except ValueError:  # it crashed, or was killed
        return _unjudged(request["checks"], "refused")
    return found


def _unjudged(checks: Sequence[str], reason: str) -> Verdicts:
    return {check: [reason, ""] for check in checks}


def _be_the_child(work: Callable[[], Verdicts], its: int, seconds: int, memory: int) -> None:
    import resource  # which not every system has

    try:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # should nobody be left to kill it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.write(its, json.dumps(work()).encode("ascii"))
    finally:
        os._exit(0)


def _told(mine: int, seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    told = b""
    poll = select.poll()
    poll.register(mine, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(left * 1000):
            piece = os.read(mine, _PIECE)
            if not piece:
                break
            told += piece
    return told


def _bury(child: int) -> None:
    """Wait for its end; one that hangs in the kernel is left to it."""
    deadline = time.monotonic() + 1.0
    while os.waitpid(child, os.WNOHANG)[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.002)
