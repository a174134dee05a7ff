"""What many rounds leave behind in this process: descriptors, threads, memory, children."""

import gc
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.onetarget import One
from tests.support import until

_PAGE = os.sysconf("SC_PAGE_SIZE")
_FEW = 60  # rounds, of which descriptors, threads and children are seen; `make proof` makes all that a test asks for


class Held(NamedTuple):
    """What a process holds: counts, and bytes of memory of its own."""

    descriptors: int
    threads: int
    children: int
    memory: int


def held() -> Held:
    """Return what this process holds now."""
    gc.collect()
    own = Path("/proc/self/statm").read_text(encoding="ascii").split()
    memory = (int(own[1]) - int(own[2])) * _PAGE
    children = len(psutil.Process().children())
    return Held(len(os.listdir("/proc/self/fd")), threading.active_count(), children, memory)


def leaves_nothing(target: One, rounds: int = 500, *, warm: int = 50, memory: int = 4 << 20) -> None:
    """Make so many rounds, well or not, and fail where they leave anything behind; `memory` bytes may stay."""
    for _ in range(warm):
        target.read()
    before = held()
    for _ in range(rounds if "RUNBOOK_SOAK" in os.environ else min(rounds, max(_FEW, rounds // 4))):
        target.read()
    with suppress(AssertionError):  # a server in this process may be a moment behind, both times
        until(lambda: not _more(before))
    after = held()
    assert not _more(before), f"descriptors, threads, children: {before[:3]} before, {after[:3]} after"
    assert after.memory - before.memory < memory, f"{(after.memory - before.memory) >> 10} KiB more"


def _more(before: Held) -> bool:
    """Tell whether this process holds more descriptors, threads or children than before."""
    return any(now > then for now, then in zip(held()[:3], before[:3], strict=True))
