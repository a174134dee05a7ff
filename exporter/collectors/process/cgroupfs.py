"""Control groups: which of them a process is in, and what the files of each say; version 1 and version 2."""

import os
from functools import lru_cache
from typing import Final, NamedTuple

from exporter.collector import Trouble

_UNLIMITED: Final = 1 << 60  # version 1 writes the largest number of pages for "no limit"


class Place(NamedTuple):
    """A control group: the directory of its hierarchy, its path below that, and the version of its files."""

    root: str
    path: str
    version: int

    def upwards(self) -> list["Place"]:
        """Return it and all that it is in, up to the root of what is seen."""
        parts = [part for part in self.path.split("/") if part]
        return [Place(self.root, "/".join(parts[:end]), self.version) for end in range(len(parts), -1, -1)]

    def directory(self) -> str:
        return f"{self.root}/{self.path}".rstrip("/")

    def is_visible(self) -> bool:
        """Tell whether the directory is there; one outside of this process's own namespace begins with `..`."""
        return ".." not in self.path.split("/") and os.path.isdir(self.directory())


class Memory(NamedTuple):
    """What counts against a limit of memory, and the limit."""

    used: int
    limit: int


class Cpu(NamedTuple):
    """How many processors a quota allows, and in how many of its periods the group ran and was held up."""

    cpus: float
    periods: tuple[int, int]


@lru_cache(maxsize=1024)
def place(text: str, mounted: str, controller: str) -> Place | None:
    """Return where the controller of the process with this /proc/PID/cgroup is, None where it has none."""
    unified = None
    for line in text.splitlines():
        id, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            return Place(_hierarchy(mounted, controllers, controller), path, 1)
        if id == "0" and not controllers:
            unified = path
    if unified is None:
        return None
    has_own = os.path.exists(f"{mounted}/cgroup.controllers")
    return Place(mounted if has_own else f"{mounted}/unified", unified, 2)


def _hierarchy(mounted: str, controllers: str, controller: str) -> str:
    together = f"{mounted}/{controllers}"
    return together if os.path.isdir(together) else f"{mounted}/{controller}"


def memory(at: Place) -> Memory | None:
    """Return the use and the limit of one control group, None where it has no limit."""
    limits: tuple[str, ...]
    if at.version == 1:
        limits, usage, inactive = ("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"
    else:
        limits, usage, inactive = ("memory.max", "memory.high"), "memory.current", "inactive_file"
    found = [number for name in limits if (number := _limit(_text(at, name))) is not None]
    current = _text(at, usage) if found else None
    if current is None:
        return None
    # pages of files that nobody uses just now go before anything is killed
    reclaimable = int(_fields(_text(at, "memory.stat")).get(inactive, 0))
    return Memory(max(0, int(current) - reclaimable), min(found))


def cpu(at: Place) -> Cpu | None:
    """Return the quota of one control group and what came of it, None where it has none."""
    if at.version == 1:
        quota, period = _text(at, "cpu.cfs_quota_us"), _text(at, "cpu.cfs_period_us")
    else:
        words = (_text(at, "cpu.max") or "max").split()
        quota, period = words[0], words[-1]
    if quota is None or period is None or quota == "max" or int(quota) <= 0:
        return None
    fields = _fields(_text(at, "cpu.stat"))
    return Cpu(int(quota) / int(period), (int(fields.get("nr_periods", 0)), int(fields.get("nr_throttled", 0))))


def _limit(text: str | None) -> int | None:
    return None if text is None or text == "max" or int(text) >= _UNLIMITED else int(text)


def _fields(text: str | None) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in (text or "").splitlines() if " " in line)


def _text(at: Place, name: str) -> str | None:
    try:
        with open(f"{at.directory()}/{name}", encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if not os.path.isdir(at.directory()):  # removed just now: the kernel says that there is no such device
            return None
        raise Trouble(f"{name} of a control group cannot be read: {error.strerror}") from None
