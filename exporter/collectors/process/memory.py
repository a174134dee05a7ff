"""Memory in proportion: a page that n processes share counts as one n-th of it for each."""

import re
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from exporter.collector import Trouble, read
from exporter.collectors.process.denied import Readings
from exporter.collectors.process.group import Group
from exporter.collectors.process.process import Process
from exporter.collectors.process.processes import MEMORY
from exporter.collectors.process.table import Table
from exporter.metric import Samples

# The kernel walks all pages of a process for it: milliseconds for each gigabyte. A round takes up what has waited
# longest until so much time is spent; the others keep their figures.
_BUDGET: Final = 0.02
_GROWTH: Final = 0.01  # a figure beside other resident memory than so is read again
_PSS = re.compile(rb"^Pss: +(\d+) kB\n(?:.*\n)*^SwapPss: +(\d+) kB\n", re.MULTILINE)


class Share(NamedTuple):
    """Bytes of a process's memory in proportion, and its resident pages when that was read."""

    resident: int
    swapped: int
    pages: int


_NOTHING: Final = Share(0, 0, 0)


@read
def memory_proportional(table: Table) -> Samples:
    """Memory of each group in proportion to how its pages are shared, up to some rounds old where there is much."""
    _refresh(table)
    readings = Readings(table, "memory_proportional")
    for group, seen in readings.of(lambda process: share(table, process)):
        if seen and len(seen) == len(group.members):
            resident = sum(found.resident for _, found in seen)
            swapped = sum(found.swapped for _, found in seen)
            yield MEMORY(resident, groupname=group.name, memtype="proportionalResident")
            yield MEMORY(swapped, groupname=group.name, memtype="proportionalSwapped")
    yield from readings.denied("smaps_rollup", "CAP_SYS_PTRACE")


def share(table: Table, process: Process) -> Share | None:
    """Return what is known of the process, None where nothing is yet; PermissionError where it may not be known."""
    if not process.virtual:  # a zombie, or a thread of the kernel
        return _NOTHING
    found: Share | None = table.known(process, "share")
    return found


def used(table: Table, group: Group) -> int | None:
    """Return the group's memory, in proportion where that may be read; None until it has been."""
    total = 0
    for process in group.members:
        try:
            found = share(table, process)
        except PermissionError:
            total += process.resident * table.page
            continue
        if found is None:
            return None
        total += found.resident
    return total if group.members else None


def _refresh(table: Table) -> None:
    """Read again what is old, what was never read first, for as long as there is time."""
    begun = time.monotonic()
    for process in sorted(_stale(table), key=lambda process: _age(table, process), reverse=True):
        table.keep(process, "share", lambda process=process: _share(table, process))  # type: ignore[misc]
        if time.monotonic() - begun > _BUDGET:
            return


def _stale(table: Table) -> Iterator[Process]:
    for group in table.groups:
        for process in group.members:
            if process.virtual and _is_stale(table, process):
                yield process


def _is_stale(table: Table, process: Process) -> bool:
    kept = process.kept.get("share")
    if kept is None or table.now >= kept.until:
        return True
    found = kept.value
    return isinstance(found, Share) and abs(process.resident - found.pages) > found.pages * _GROWTH


def _age(table: Table, process: Process) -> float:
    kept = process.kept.get("share")
    return float("inf") if kept is None else table.now - kept.until


def _share(table: Table, process: Process) -> Share | None:
    raw = table.procfs.read(f"{process.pid}/smaps_rollup")
    if raw is None:
        return None
    found = _PSS.search(raw)
    if found is None:
        raise Trouble("/proc/PID/smaps_rollup of a process is not understood")
    return Share(int(found[1]) * 1024, int(found[2]) * 1024, process.resident)
