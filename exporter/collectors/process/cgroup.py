"""The limits that control groups set to the groups' processes, and how often their quota held them up."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from exporter.collector import NotApplicable, Trouble, read
from exporter.collectors.process import cgroupfs
from exporter.collectors.process.cgroupfs import Place
from exporter.collectors.process.group import Group
from exporter.collectors.process.limits import CPU_LIMIT, MEMORY_LIMIT, MEMORY_USED
from exporter.collectors.process.table import Table
from exporter.metric import Samples, counter

PERIODS = counter(
    "runbook_process_group_cpu_periods_total",
    "Periods of a processor quota in which the group's control groups ran.",
    labels=("groupname",),
    source="nr_periods in cpu.stat of the control groups that have a quota",
)
THROTTLED = counter(
    "runbook_process_group_cpu_throttled_periods_total",
    "Periods in which a processor quota held up the group's control groups.",
    labels=("groupname",),
    source="nr_throttled in cpu.stat of the control groups that have a quota",
)

Figures = TypeVar("Figures")


@read
def cgroup(table: Table) -> Samples:
    """Memory and processor time that control groups allow each group, and how often that held it up."""
    looks = _Looks(table)
    for group in table.groups:
        yield from _memory(group, looks)
        yield from _cpu(group, looks)
    looks.check()


class _Looks:
    """The control groups of one round: each file is read once, however many processes are below it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._mounted = table.cgroupfs
        self._seen: dict[tuple[Callable[[Place], object], Place], object] = {}
        self._visible: dict[Place, bool] = {}
        self._limited = False

    def of(
        self, group: Group, controller: str, look: Callable[[Place], Figures | None]
    ) -> Iterator[tuple[Place, Figures]]:
        """Yield what `look` sees of each control group that the group's processes are in, directly or not."""
        for place in sorted(self._places(group, controller)):
            key = (look, place)
            if key not in self._seen:
                self._seen[key] = _understood(look, place)
            found: Figures | None = self._seen[key]  # type: ignore[assignment]  # what this very look gave
            if found is not None:
                self._limited = True
                yield place, found

    def check(self) -> None:
        """Say that the read does not apply where no control group is seen, or none sets a limit."""
        if self._visible and not any(self._visible.values()):
            raise NotApplicable(
                f"the control groups of these processes are not seen under {self._mounted}",
                "in a container, mount the host's /sys/fs/cgroup and share its cgroup namespace (--cgroupns=host)",
            )
        if self._visible and not self._limited:
            raise NotApplicable("no control group of these processes has a limit")

    def _places(self, group: Group, controller: str) -> set[Place]:
        texts = {self._table.cgroup(process) for process in group.members}
        found = {cgroupfs.place(text, self._mounted, controller) for text in texts}
        return {above for place in found if place is not None and self._is_visible(place) for above in place.upwards()}

    def _is_visible(self, place: Place) -> bool:
        if place not in self._visible:
            self._visible[place] = place.is_visible()
        return self._visible[place]


def _understood(look: Callable[[Place], Figures], place: Place) -> Figures:
    try:
        return look(place)
    except ValueError:
        raise Trouble(f"the files of a control group are not understood: {look.__name__}") from None


def _memory(group: Group, looks: _Looks) -> Samples:
    pairs = [pair for _, pair in looks.of(group, "memory", cgroupfs.memory)]
    if pairs:
        worst = max(pairs, key=lambda pair: pair.used / max(1, pair.limit))
        yield MEMORY_USED(worst.used, groupname=group.name, limit="cgroup")
        yield MEMORY_LIMIT(worst.limit, groupname=group.name, limit="cgroup")


def _cpu(group: Group, looks: _Looks) -> Samples:
    quotas = dict(looks.of(group, "cpu", cgroupfs.cpu))
    yield CPU_LIMIT(min((quota.cpus for quota in quotas.values()), default=None), groupname=group.name, limit="cgroup")
    totals = group.count_places({place: quota.periods for place, quota in quotas.items()})
    if totals is not None:
        periods, throttled = totals
        yield PERIODS(periods, groupname=group.name)
        yield THROTTLED(throttled, groupname=group.name)
