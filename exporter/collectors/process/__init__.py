"""Groups of processes, under process-exporter's names, with the limits that they run into; on Linux."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import ClassVar

from exporter.collector import Collector, Context, Trouble
from exporter.collectors.process import cgroup, limits, memory, processes, storage, threads
from exporter.collectors.process.group import Group
from exporter.collectors.process.settings import ProcessSettings
from exporter.collectors.process.table import Table, hidden


class Process(Collector[Table]):
    """Groups of this host's processes: what they use, and the limits beside it."""

    job = "process-exporter"
    Settings = ProcessSettings
    groups: ClassVar[tuple[ModuleType, ...]] = (processes, threads, memory, storage, limits, cgroup)

    def __init__(self, settings: ProcessSettings, context: Context) -> None:
        super().__init__(settings, context)
        groups = [Group(name, group, settings.children) for name, group in settings.groups.items()]
        self._table = Table(settings.procfs, settings.cgroupfs, groups)

    @contextmanager
    def connect(self) -> Iterator[Table]:
        _check_place(self.settings.procfs)
        with self._table.round() as table:
            yield table


def _check_place(procfs: str) -> None:
    """Refuse a /proc that is none, or that hides processes: what is not seen must not count as gone."""
    if sys.platform != "linux":
        raise Trouble("processes are read from Linux's /proc, and this is another system", "remove the target")
    if not os.path.exists(f"{procfs}/stat"):
        raise Trouble(f"{procfs} is no /proc: it has no file `stat`", "mount the host's, or correct `procfs`")
    if not os.path.exists(f"{procfs}/1/stat"):
        raise hidden("the first one, 1, is not seen")
