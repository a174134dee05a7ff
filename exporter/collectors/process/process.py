"""One process as the scans find it, and what was read and counted of it."""

from typing import Any, Final, NamedTuple

from exporter.collector import Trouble
from exporter.collectors.process.group import Counts, Group

# What seldom changes is read again after half to all of so many seconds, not of all processes in the same round.
KEPT: Final = 60.0


class Kept(NamedTuple):
    """What was read of a process: for how long it stands, and the stat that it was read beside."""

    value: Any
    until: float
    raw: bytes


class Process:
    """One process. The kernel may give its pid to another, so that its start tells it apart.

    `own` is the group that it matches, `heir` that of its parent `heir_of`, `group` the one it is in; `counted` is
    what was counted of it so far; `born` says that it began after the first scan.
    """

    __slots__ = ("born", "comm", "counted", "counts", "group", "heir", "heir_of", "kept", "own", "pid", "ppid", "raw",
                 "recheck", "resident", "resolved", "settled", "start", "state", "threads", "virtual")  # fmt: skip

    def __init__(self, pid: str, raw: bytes, born: bool) -> None:
        self.pid = pid
        self.born = born
        self.start = -1
        self.comm = b""
        self.own: Group | None = None
        self.group: Group | None = None
        self.heir: Group | None = None
        self.heir_of = ""
        self.resolved = 0
        self.settled = False
        self.recheck = 0.0
        self.kept: dict[str, Kept] = {}
        self.counted: dict[str, Any] = {}
        self.update(raw)

    def update(self, raw: bytes) -> bool:
        """Take the new stat; return False, and take nothing, where it is another process of this pid."""
        try:
            comm, fields = _fields(raw)
            start = int(fields[19])
            if self.start not in (-1, start):
                return False
            self.ppid = fields[1].decode()
            self.state = fields[0].decode()
            self.counts: Counts = int(fields[11]), int(fields[12]), int(fields[9]), int(fields[7])
            self.threads, self.virtual, self.resident = int(fields[17]), int(fields[20]), int(fields[21])
        except (ValueError, IndexError):
            raise Trouble("/proc/PID/stat of a process is not understood") from None
        self.settled = self.settled and comm == self.comm
        self.raw, self.start, self.comm = raw, start, comm
        return True

    def unseen(self, now: Counts) -> Counts:
        """Return what counts as seen before the first look: all that it had, unless it began since."""
        return (0,) * len(now) if self.born else now

    def lifetime(self) -> float:
        """Return how long what was read of it stands; not the same for all."""
        return KEPT * (0.5 + int(self.pid) % 16 / 32)


def _fields(raw: bytes) -> tuple[bytes, list[bytes]]:
    # 4272 (a name, which may hold anything) S 4228 ...
    if not raw.endswith(b"\n"):
        raise ValueError("cut short")
    begin, end = raw.index(b"("), raw.rindex(b")")
    return raw[begin + 1 : end], raw[end + 2 :].split(None, 22)
