"""A throwaway process, seen from inside: one piece of work, one answer, and it is gone; also when the exporter is."""

import importlib
import json
import os
import select
import signal
import struct
from collections.abc import Callable
from typing import Any, Final

CHANNEL: Final = 0  # a socket to the exporter in place of standard input
HEADER: Final = struct.Struct("!Q")  # the length, before each message
_NICENESS: Final = 10
_PIECE: Final = 1 << 20


def main() -> None:
    """Take the request, do the work, tell what came of it."""
    _step_back()
    request = json.loads(_message())
    _end_with_the_exporter()
    told = json.dumps(_done(request["work"], request["request"]), separators=(",", ":")).encode("ascii")
    _tell(told)
    os._exit(0)  # nothing is left to tidy up, and a library's own end may hang


def _step_back() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the exporter, which then lets this one go
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    os.nice(_NICENESS)
    os.set_blocking(2, False)  # what nobody reads must not stop the work
    for refused in (_batch, _first_to_go):
        try:
            refused()
        except (OSError, AttributeError):  # another system, or a container that forbids it
            continue


def _batch() -> None:
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _first_to_go() -> None:
    # where memory runs out, let it be this process, not what is watched
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")


def _end_with_the_exporter() -> None:
    """Have the kernel end this process when the other end of the channel is closed, whatever it is at."""
    import fcntl  # not on every system

    # no thread could do that while a library keeps Python's lock, and PR_SET_PDEATHSIG looks at threads
    fcntl.fcntl(CHANNEL, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(CHANNEL, fcntl.F_SETFL, fcntl.fcntl(CHANNEL, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(CHANNEL, select.POLLHUP)
    if poll.poll(0):  # it went before the kernel was told
        os._exit(1)


def _message() -> bytes:
    return _taken(HEADER.unpack(_taken(HEADER.size))[0])


def _taken(size: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < size:
        piece = os.read(CHANNEL, min(_PIECE, size - len(pieces)))
        if not piece:
            os._exit(1)  # the exporter is gone
        pieces += piece
    return bytes(pieces)


def _tell(told: bytes) -> None:
    import fcntl

    # room in the channel would be signalled as well, and an exporter that is gone ends this by SIGPIPE
    fcntl.fcntl(CHANNEL, fcntl.F_SETFL, fcntl.fcntl(CHANNEL, fcntl.F_GETFL) & ~os.O_ASYNC)
    left = memoryview(HEADER.pack(len(told)) + told)
    while left:
        left = left[os.write(CHANNEL, left) :]


def _done(work: str, request: Any) -> dict[str, Any]:
    try:
        answer = _function(work)(request)
        json.dumps(answer)
    except BaseException as error:  # noqa: BLE001  # the exporter is told, whatever it is
        return _explained(error)
    return {"answer": answer}


def _function(work: str) -> Callable[[Any], Any]:
    module, _, name = work.partition(":")
    function: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
    return function


def _explained(error: BaseException) -> dict[str, Any]:
    known = [kind.__name__ for kind in type(error).__mro__]  # by name: not all work needs the collectors' module
    if "Trouble" in known:
        return {"reason": str(error), "fix": getattr(error, "fix", ""), "absent": "NotApplicable" in known}
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return {"reason": text, "fix": "", "absent": False}
