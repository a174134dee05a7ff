"""What a checklist is told: its tasks, who does them, and where further ones stand."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from exporter.collectors.task import calendar, include
from exporter.collectors.task.tasksettings import TaskSettings, is_name
from exporter.models import Problems
from exporter.names import NAMES
from exporter.setting import FilePath, setting

_MOST: Final = 1000  # tasks: a person has no more, and each is a few series


@dataclass(frozen=True, kw_only=True, eq=False)
class ChecklistSettings:
    """Which tasks there are, and who does them."""

    tasks: Mapping[str, TaskSettings] = setting(
        {},
        help="Tasks by name. One of the name of an included one stands in its place.",
        example="{access-review: {title: Review who has access, interval: monthly}}",
        shown=True,
    )
    include: tuple[FilePath, ...] = setting(
        (), help="Files with further tasks, as those in examples/checklists.", example="[checklists/clippy.yml]"
    )
    leave_out: tuple[str, ...] = setting((), help="Names of included tasks that are not wanted.")
    timezone: str = setting(
        "", help="Time zone of calendar rules; by default that of this machine.", example="Europe/Berlin"
    )
    owner: str = setting("", help="Who sees to tasks that name nobody.")
    people: tuple[str, ...] = setting(
        (),
        help="Names that stand in the label `by`; who is not among them counts as `other`.",
        example="[alice, bob]",
    )
    users: tuple[str, ...] = setting(
        (),
        help="Users of the web configuration, or names of client certificates, that may mark tasks done over HTTP; by "
        "default all.",
        example="[alice]",
    )

    def __post_init__(self) -> None:
        tasks, problems = include.load(self.include)
        # read once: a list that changes takes effect with a reload, as all of the configuration does
        object.__setattr__(self, "_included", tasks)
        object.__setattr__(self, "_problems", problems)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChecklistSettings) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def included(self) -> Mapping[str, TaskSettings]:
        """The tasks of the included files, as they were when the configuration was read."""
        found: Mapping[str, TaskSettings] = vars(self)["_included"]
        return found

    def check(self) -> Problems:
        """Find lists that cannot be read, names that cannot be marked, and too many tasks."""
        yield from (("include", problem) for problem in vars(self)["_problems"])
        yield from _check_zone(self.timezone)
        for name in self.tasks:
            if not is_name(name):
                yield f"tasks.{name}", f"a task cannot have this name; {NAMES}"
        known = not vars(self)["_problems"]  # a file that cannot be read may have it
        for name in self.leave_out:
            if known and name not in self.included:
                yield "leave_out", f"{name[:60]!r} is no included task; expected one of those in the files, or nothing"
        if len(self.all_tasks()) > _MOST:
            yield "tasks", f"are more than {_MOST}; expected as many as people can do"

    def all_tasks(self) -> dict[str, TaskSettings]:
        """Return every task by name, with its owner and its time zone."""
        wanted = {name: task for name, task in self.included.items() if name not in self.leave_out}
        return {
            name: replace(task, owner=task.owner or self.owner, timezone=task.timezone or self.timezone)
            for name, task in {**wanted, **self.tasks}.items()
        }


def _check_zone(name: str) -> Problems:
    try:
        calendar.zone_of(name)
    except ValueError as error:
        yield "timezone", str(error)
