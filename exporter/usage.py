"""What a process costs, without a library where /proc tells it."""

import os
import sys
from typing import NamedTuple


class Usage(NamedTuple):
    """Seconds of CPU, user and system, and bytes of resident and of virtual memory."""

    cpu: float
    resident: int
    virtual: int


def usage_of(pid: int) -> Usage | None:
    """Return what a process costs, also between its end and its parent's taking note; None where it is gone."""
    if sys.platform != "linux":
        return _by_psutil(pid)
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()  # the name before may hold anything
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), int(fields[20]))


def _by_psutil(pid: int) -> Usage | None:
    import psutil

    try:
        process = psutil.Process(pid)
        times, memory = process.cpu_times(), process.memory_info()
        return Usage(times.user + times.system, memory.rss, memory.vms)
    except psutil.Error:
        return None
