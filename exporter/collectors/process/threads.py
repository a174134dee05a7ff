"""What the threads of the processes do: their states, their context switches; and what is swapped out."""

from typing import Final, NamedTuple

from exporter.collector import Trouble, read
from exporter.collectors.process.group import Group
from exporter.collectors.process.process import Process
from exporter.collectors.process.processes import MEMORY
from exporter.collectors.process.table import Table
from exporter.metric import Samples, counter, gauge

_STATUS: Final = "/proc/PID/status, of each thread where there are several"
STATES = gauge(
    "namedprocess_namegroup_states",
    "Threads of the group that are Running, Sleeping, Waiting (for a disk), Zombie or Other.",
    labels=("groupname", "state"),
    source=_STATUS,
)
SWITCHES = counter(
    "namedprocess_namegroup_context_switches_total",
    "Context switches of the group's threads.",
    labels=("groupname", "ctxswitchtype"),
    source=_STATUS,
)
_STATE_NAMES: Final = {"R": "Running", "S": "Sleeping", "D": "Waiting", "Z": "Zombie"}
_ALL_STATES: Final = (*_STATE_NAMES.values(), "Other")


class Status(NamedTuple):
    """What is read of one thread: bytes swapped out of its process, and its context switches."""

    state: str
    swapped: int
    switches: tuple[int, int]


Threads = dict[str, Status]


@read
def threads(table: Table) -> Samples:
    """States and context switches of each group's threads, and its swapped memory."""
    for group in table.groups:
        states = dict.fromkeys(_ALL_STATES, 0)
        swapped = 0
        for process in group.members:
            found = _threads(table, process)
            _count(group, process, found)
            swapped += max((status.swapped for status in found.values()), default=0)
            for state in _states(process, found):
                states[_STATE_NAMES.get(state, "Other")] += 1
        for state, count in states.items():
            yield STATES(count, groupname=group.name, state=state)
        voluntary, nonvoluntary = group.total("switches", 2)
        yield SWITCHES(voluntary, groupname=group.name, ctxswitchtype="voluntary")
        yield SWITCHES(nonvoluntary, groupname=group.name, ctxswitchtype="nonvoluntary")
        if group.members:
            yield MEMORY(swapped, groupname=group.name, memtype="swapped")


def _threads(table: Table, process: Process) -> Threads:
    if process.threads > 1:
        paths = {thread: f"{process.pid}/task/{thread}/status" for thread in table.procfs.threads(process.pid)}
        return _statuses(table, paths)
    # of a process that does nothing the status costs more than all else, and its stat says that it does nothing
    paths = {process.pid: f"{process.pid}/status"}
    return table.kept(process, "status", lambda: _statuses(table, paths), beside_stat=True)


def _statuses(table: Table, paths: dict[str, str]) -> Threads:
    found = {}
    for thread, path in paths.items():
        raw = table.procfs.read(path)
        if raw is not None:
            found[thread] = _status(raw)
    return found


def _states(process: Process, found: Threads) -> list[str]:
    return [process.state] if process.threads <= 1 else [status.state for status in found.values()]


def _status(raw: bytes) -> Status:
    try:
        state = _field(raw, b"\nState:\t")[:1].decode()
        swapped = int(_field(raw, b"\nVmSwap:\t").split()[0]) * 1024 if b"\nVmSwap:" in raw else 0
        voluntary = int(_field(raw, b"\nvoluntary_ctxt_switches:\t"))
        return Status(state, swapped, (voluntary, int(_field(raw, b"\nnonvoluntary_ctxt_switches:\t"))))
    except (ValueError, IndexError):
        raise Trouble("/proc/PID/status of a process is not understood") from None


def _field(raw: bytes, name: bytes) -> bytes:
    begin = raw.index(name) + len(name)
    return raw[begin : raw.index(b"\n", begin)]


def _count(group: Group, process: Process, found: Threads) -> None:
    """Add what each thread has counted since it was last looked at; a thread's id may be given to another."""
    if not found:  # gone
        return
    before: dict[str, tuple[int, int]] | None = process.counted.get("switches")
    for thread, status in found.items():
        now = status.switches
        if before is None:
            earlier = process.unseen(now)
        else:
            earlier = before.get(thread, (0, 0))
            if now[0] < earlier[0] or now[1] < earlier[1]:
                earlier = (0, 0)
        group.count("switches", earlier, now)
    process.counted["switches"] = {thread: status.switches for thread, status in found.items()}
