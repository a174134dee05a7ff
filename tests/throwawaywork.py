"""What the tests of throwaway processes have done in one."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.collector import NotApplicable, Trouble

Request = Mapping[str, Any]


def echo(request: Request) -> Any:
    return dict(request)


def surroundings(request: Request) -> Any:
    """Tell what the process is like."""
    return {
        "pid": os.getpid(),
        "group": os.getpgrp(),
        "session": os.getsid(0),
        "nice": os.nice(0),
        "policy": os.sched_getscheduler(0),
        "variables": dict(os.environ),
        "arguments": Path("/proc/self/cmdline").read_text(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "directory": os.getcwd(),
        "oom": Path("/proc/self/oom_score_adj").read_text(),
        "modules": sorted(name for name in sys.modules if name in ("duckdb", "exporter.state", "sqlite3", "logging")),
    }


def trouble(request: Request) -> Any:
    raise Trouble("no room", "make some")


def special(request: Request) -> Any:
    raise SpecialError("of a kind that only this process knows", "go on")


class SpecialError(Trouble):
    """A Trouble of its own."""


def absent(request: Request) -> Any:
    raise NotApplicable("no such thing", "have one")


def mistake(request: Request) -> Any:
    return 1 // 0


def leave(request: Request) -> Any:
    raise SystemExit(3)


def no_json(request: Request) -> Any:
    return {"answer": object()}


def large(request: Request) -> Any:
    return "x" * request["size"]


def chatter(request: Request) -> Any:
    """Write to standard output and error, more than any pipe holds, then answer."""
    for stream in (sys.stdout, sys.stderr):
        for _ in range(64):
            try:
                stream.write("words " * 1000)
                stream.flush()
            except BlockingIOError:
                continue
    return "done"


def die(request: Request) -> Any:
    os.kill(os.getpid(), request["signal"])


def end(request: Request) -> Any:
    os._exit(request["code"])


def hang(request: Request) -> Any:
    """Say that it is there, and wait for ever."""
    Path(request["file"]).write_text(str(os.getpid()))
    while True:
        time.sleep(60)


def hang_with_lock(request: Request) -> Any:
    """Keep Python's lock: no thread of this process would ever run."""
    Path(request["file"]).write_text(str(os.getpid()))
    import ctypes

    ctypes.PyDLL(None).sleep(600)  # does not let go of the lock


def stop(request: Request) -> Any:
    Path(request["file"]).write_text(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSTOP)
