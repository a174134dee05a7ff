"""What a target of the collector `process` can be told: which groups there are, and their limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.models import Problems
from exporter.setting import Bytes, FilePath, Pattern, setting

WAYS: Final = ("name", "command", "pid_file", "systemd_unit")
_UNIT_SUFFIXES: Final = (".service", ".scope", ".slice", ".socket", ".mount", ".swap")


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """How the processes of a group are found, in exactly one way; and the limits that they are meant to keep."""

    name: str = setting(
        "", help="The processes of this name: of the command, or of its program without the folders.", example="nginx"
    )
    command: Pattern = setting(
        "",
        help="Regular expression that is searched in the command line, its words joined by spaces.",
        example="celery .* worker",
    )
    pid_file: FilePath = setting(
        "", help="The process whose number stands in this file, and its descendants.", example="/run/redis/redis.pid"
    )
    systemd_unit: str = setting(
        "", help="The processes in the control group of this unit, or below it.", example="mem.service"
    )
    memory_limit: Bytes | None = setting(
        None, help="How much memory the group may use, where no control group says so.", example="8GiB"
    )
    cpu_limit: float | None = setting(None, help="How many processors the group may use: 2 is 200%.", example="2.0")
    open_files_limit: int | None = setting(
        None, help="How many descriptors one process may have open, where that is below its own limit.", example="65536"
    )

    def check(self) -> Problems:
        """Find none or several ways of matching, a unit without its suffix, and limits that leave nothing."""
        given = [way for way in WAYS if getattr(self, way)]
        if len(given) != 1:
            said = f"has {' and '.join(given)}" if given else "does not say which processes it has"
            yield (given[1] if given else WAYS[0]), f"the group {said}; expected exactly one of {', '.join(WAYS)}"
        if self.systemd_unit and not self.systemd_unit.endswith(_UNIT_SUFFIXES):
            yield "systemd_unit", "is no unit's full name; expected one such as mem.service"
        for limit in ("memory_limit", "cpu_limit", "open_files_limit"):
            value = getattr(self, limit)
            if value is not None and value <= 0:
                yield limit, "leaves nothing; expected more than 0, or leave it out"


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """Which processes are watched, by groups, and where they are seen."""

    groups: Mapping[str, GroupSettings] = setting(
        help="The groups by name. A process belongs to the first that it matches, in the order in which they stand.",
        example="{web: {name: gunicorn}}",
    )
    children: bool = setting(
        True,
        help="Whether the descendants of a process are in its group, where they match no other. Those of a pid file "
        "always are; a systemd unit has what its control group has.",
    )
    procfs: str = setting("/proc", help="Where the host's /proc is mounted.", example="/host/proc")
    cgroupfs: str = setting(
        "/sys/fs/cgroup", help="Where the host's control groups are mounted.", example="/host/sys/fs/cgroup"
    )

    def check(self) -> Problems:
        """Find a target that watches nothing."""
        if not self.groups:
            yield "groups", "is empty; expected a group such as `web: {name: gunicorn}`"
