"""Groups: which process belongs to which, and what a group has counted."""

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from exporter.collectors.process.pidfile import PidFile
from exporter.collectors.process.settings import GroupSettings

if TYPE_CHECKING:
    from exporter.collectors.process.cgroupfs import Place
    from exporter.collectors.process.process import Process
    from exporter.collectors.process.table import Look

_COMM: Final = 15  # bytes of a command's name that the kernel keeps

Counts = tuple[int, ...]


class Group:
    """One group of a target: its members in this round, and the totals of its counters.

    A total grows by what its members have counted since they were last looked at, so it keeps what they had when
    they are gone. A process that was there when the exporter began adds what it has counted from then on.
    """

    __slots__ = ("_places", "_totals", "matches", "members", "name", "passes_on", "pid_file", "settings")

    def __init__(self, name: str, settings: GroupSettings, children: bool) -> None:
        self.name = name
        self.settings = settings
        self.pid_file = PidFile(settings.pid_file) if settings.pid_file else None
        self.matches = self._matcher()
        self.passes_on = not settings.systemd_unit and (children or self.pid_file is not None)
        self.members: list[Process] = []
        self._totals: dict[str, list[int]] = {}
        self._places: Mapping[Place, tuple[int, int]] = {}

    def total(self, what: str, size: int) -> list[int]:
        """Return the totals of `size` counters that are counted together."""
        return self._totals.setdefault(what, [0] * size)

    def count(self, what: str, before: Counts, now: Counts) -> None:
        """Add what was counted between two looks; the kernel's own small steps back count as nothing."""
        total = self.total(what, len(now))
        for place, (earlier, later) in enumerate(zip(before, now, strict=True)):
            total[place] += max(0, later - earlier)

    def count_process(self, what: str, process: "Process", now: Counts) -> None:
        """Add what the process has counted since it was last looked at."""
        before = process.counted.get(what)
        if before == now:
            return
        self.count(what, process.unseen(now) if before is None else before, now)
        process.counted[what] = now if before is None else tuple(map(max, before, now))

    def count_places(self, now: "Mapping[Place, tuple[int, int]]") -> list[int] | None:
        """Return the totals of the control groups with a quota, None where there never was one.

        One that is new to the group adds what it counts from now on; one that was made anew counts from 0.
        """
        for place, figures in now.items():
            before = self._places.get(place, figures)
            self.count("periods", before if figures >= before else (0, 0), figures)
        self._places = dict(now)
        return self._totals.get("periods")

    def _matcher(self) -> "Callable[[Look], bool]":
        settings = self.settings
        if settings.name:
            return _by_name(settings.name)
        if settings.command:
            pattern = re.compile(settings.command)
            return lambda look: pattern.search(look.command()) is not None
        if self.pid_file is not None:
            pid_file = self.pid_file
            return lambda look: pid_file.names(look.process.pid, look.started())
        unit = re.compile(rf"/{re.escape(settings.systemd_unit)}(/|$)", re.MULTILINE)
        return lambda look: unit.search(look.cgroup()) is not None


def _by_name(name: str) -> "Callable[[Look], bool]":
    wanted = os.fsencode(name)

    def matches(look: "Look") -> bool:
        comm = _title(look.process.comm)
        if wanted in (comm, look.process.comm):
            return True
        words = look.words()
        # a script is the second word, after its interpreter; its name is the command's, which may be cut
        of_script = words[1:2] if comm == wanted[:_COMM] else []
        return any(_title(word).rpartition(b"/")[2] == wanted for word in (*words[:1], *of_script))

    return matches


def _title(word: bytes) -> bytes:
    """Return the name in a title that a program gave itself, as in `nginx: worker process`."""
    return word.partition(b":")[0]
