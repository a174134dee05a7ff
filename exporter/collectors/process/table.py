"""The processes of the machine, from one scan to the next: who they are, and to which group they belong."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from exporter.collector import Trouble
from exporter.collectors.process.group import Group
from exporter.collectors.process.process import KEPT, Kept, Process
from exporter.collectors.process.procfs import Procfs

# A process younger than this is looked at anew in each round: exec follows fork, and titles are set at the start.
_SETTLED: Final = 5.0
_DENIED: Final = object()

Value = TypeVar("Value")


class Look:
    """What the groups may ask of a process; files are read when the first group asks."""

    __slots__ = ("_table", "_words", "process")

    def __init__(self, table: "Table", process: Process) -> None:
        self.process = process
        self._table = table
        self._words: list[bytes] | None = None

    def words(self) -> list[bytes]:
        if self._words is None:
            raw = self._table.procfs.read(f"{self.process.pid}/cmdline") or b""
            self._words = raw.rstrip(b"\0").split(b"\0") if raw else []
        return self._words

    def command(self) -> str:
        return b" ".join(self.words()).decode("utf-8", "replace")

    def started(self) -> float:
        return self._table.started(self.process)

    def cgroup(self) -> str:
        return self._table.cgroup(self.process)


class Table:
    """The session: one for each target, one scan in each round, shared by the reads."""

    def __init__(
        self, procfs: str, cgroupfs: str, groups: Iterable[Group], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.procfs = Procfs(procfs)
        self.cgroupfs = cgroupfs
        self.ticks: int = os.sysconf("SC_CLK_TCK")
        self.page: int = os.sysconf("SC_PAGE_SIZE")
        self.now = 0.0
        self._groups = list(groups)
        self._clock = clock
        self._processes: dict[str, Process] | None = None
        self._boot = 0.0
        self._boot_until = 0.0
        self._round = 0

    @property
    def groups(self) -> list[Group]:
        """The groups that are known: without those whose pid file cannot be read."""
        return [group for group in self._groups if group.pid_file is None or group.pid_file.trouble is None]

    def troubles(self) -> Iterator[Trouble]:
        """Yield why groups are not known."""
        for group in self._groups:
            if group.pid_file is not None and group.pid_file.trouble is not None:
                yield group.pid_file.trouble

    @contextmanager
    def round(self) -> Iterator["Table"]:
        """Scan the processes, and hold /proc open for what the reads look at."""
        with self.procfs.opened():
            self._scan()
            yield self

    def started(self, process: Process) -> float:
        """Return when the process was started, in Unix time."""
        return self._boot + process.start / self.ticks

    def cgroup(self, process: Process) -> str:
        """Return /proc/PID/cgroup as text."""
        return self.kept(process, "cgroup", lambda: (self._read(process, "cgroup") or b"").decode("utf-8", "replace"))

    def kept(self, process: Process, what: str, make: Callable[[], Value], *, beside_stat: bool = False) -> Value:
        """Return what `make` gives, or gave not long ago; with `beside_stat`, while the process's stat is the same.

        A refusal (PermissionError) is kept and repeated as well.
        """
        found = process.kept.get(what)
        if found is None or self.now >= found.until or (beside_stat and found.raw is not process.raw):
            found = self.keep(process, what, make)
        if found.value is _DENIED:
            raise PermissionError(what)
        value: Value = found.value
        return value

    def keep(self, process: Process, what: str, make: Callable[[], Any]) -> Kept:
        """Read it now, and keep that."""
        try:
            value = make()
        except PermissionError:
            value = _DENIED
        until = self.now + process.lifetime() if process.settled else self.now
        found = process.kept[what] = Kept(value, until, process.raw)
        return found

    def known(self, process: Process, what: str) -> Any:
        """Return what was kept last, however old it is, None where nothing was; PermissionError as `kept`."""
        found = process.kept.get(what)
        if found is not None and found.value is _DENIED:
            raise PermissionError(what)
        return None if found is None else found.value

    def _read(self, process: Process, name: str) -> bytes | None:
        return self.procfs.read(f"{process.pid}/{name}")

    # ---- the scan

    def _scan(self) -> None:
        self.now = self._clock()
        self._round += 1
        if self.now >= self._boot_until:
            self._boot = self._boot_time()
            self._boot_until = self.now + KEPT
        self._processes = self._present(self._processes)
        self._look_at_pid_files(self._processes)
        uptime = self._uptime()
        for process in self._processes.values():
            if not process.settled or self.now >= process.recheck:
                self._classify(process, uptime - process.start / self.ticks)
        self._assign(self._processes)

    def _present(self, before: dict[str, Process] | None) -> dict[str, Process]:
        known = before or {}
        present: dict[str, Process] = {}
        denied = 0
        for pid in self.procfs.pids():
            try:
                raw = self.procfs.read(f"{pid}/stat")
            except PermissionError:
                denied += 1
                continue
            if raw is None:
                continue
            process = known.get(pid)
            if process is None or (process.raw != raw and not process.update(raw)):
                process = Process(pid, raw, before is not None)
            present[pid] = process
        if denied:
            raise hidden(f"{denied} processes may not be looked at")
        return present

    def _look_at_pid_files(self, processes: Mapping[str, Process]) -> None:
        for group in self._groups:
            if group.pid_file is None:
                continue
            before = group.pid_file.pid
            if group.pid_file.refresh():
                for pid in {before, group.pid_file.pid} & processes.keys():
                    processes[pid].settled = False

    def _classify(self, process: Process, age: float) -> None:
        look = Look(self, process)
        process.own = next((group for group in self._groups if group.matches(look)), None)
        process.settled = age >= _SETTLED
        process.recheck = self.now + process.lifetime()

    def _assign(self, processes: Mapping[str, Process]) -> None:
        for group in self._groups:
            group.members = []
        for process in processes.values():
            self._resolve(process, processes)
            if process.group is not None:
                process.group.members.append(process)

    def _resolve(self, process: Process, processes: Mapping[str, Process]) -> None:
        """Find the group of the process, after those of its ancestors."""
        line: list[Process] = []
        at: Process | None = process
        while at is not None and at.resolved != self._round:
            at.resolved = self._round
            line.append(at)
            at = processes.get(at.ppid)
        for one in reversed(line):
            one.group = _belongs(one, processes.get(one.ppid))

    def _boot_time(self) -> float:
        return _number((self.procfs.read("stat") or b"").partition(b"\nbtime ")[2], "stat")

    def _uptime(self) -> float:
        return _number(self.procfs.read("uptime") or b"", "uptime")


def _belongs(process: Process, parent: Process | None) -> Group | None:
    if parent is not None and parent.group is not None and parent.group.passes_on:
        process.heir, process.heir_of = parent.group, process.ppid
    elif parent is not None and process.heir_of == process.ppid:
        process.heir = None
    # else it is an orphan, which stays where its parent was
    return process.own or process.heir


def _number(text: bytes, name: str) -> float:
    try:
        return float(text.split(None, 1)[0])
    except (ValueError, IndexError):
        raise Trouble(f"/proc/{name} is not understood") from None


def hidden(reason: str) -> Trouble:
    """Return the trouble with a /proc that does not show every process: what is not seen must not count as gone."""
    return Trouble(
        f"/proc hides processes: {reason}",
        "put the exporter's user into the group of the mount's option gid=, give it the capability CAP_SYS_PTRACE, or "
        "mount /proc without hidepid",
    )
