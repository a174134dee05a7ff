"""Files that need a privilege: a sum that leaves out what may not be read would be a lie, so its group is left out."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from exporter.collector import NotApplicable
from exporter.collectors.process.group import Group
from exporter.collectors.process.process import Process
from exporter.collectors.process.table import Table
from exporter.metric import Sample, gauge

DENIED = gauge(
    "runbook_process_group_denied_processes",
    "Processes of the group that the read could not look at for want of a privilege: above 0, the group's figures of "
    "that read are left out.",
    labels=("groupname", "read"),
    source="the files of /proc/PID that were refused",
)

Value = TypeVar("Value")


class Readings:
    """What one read got of each group, and what it was refused."""

    def __init__(self, table: Table, read: str) -> None:
        self._table = table
        self._read = read
        self._denied: dict[str, int] = {}
        self._readable = False

    def of(self, look: Callable[[Process], Value | None]) -> Iterator[tuple[Group, list[tuple[Process, Value]]]]:
        """Yield each group whose every process could be looked at, with what was seen of those that are not gone."""
        for group in self._table.groups:
            seen: list[tuple[Process, Value]] = []
            denied = 0
            for process in group.members:
                try:
                    value = look(process)
                except PermissionError:
                    denied += 1
                    continue
                if value is not None:
                    seen.append((process, value))
            if group.members:
                self._denied[group.name] = denied
            if not denied:
                self._readable = self._readable or bool(group.members)
                yield group, seen

    def denied(self, file: str, needs: str) -> Iterator[Sample | None]:
        """Yield how many processes were refused, or say that the read does not apply where that spoils every group."""
        if any(self._denied.values()) and not self._readable:
            raise NotApplicable(
                f"/proc/PID/{file} of these processes may not be read: that needs their own user or {needs}",
                f"run the exporter as their user, or let its unit have AmbientCapabilities={needs}",
            )
        for name, count in self._denied.items():
            yield DENIED(count, groupname=name, read=self._read)
