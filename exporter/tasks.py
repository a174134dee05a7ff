"""Tasks by name, over all checklists: for commands, and for what is asked over HTTP."""

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.collectors.task.due import Task

Tasks = Mapping[str, Mapping[str, "Task"]]
"""The tasks of each checklist by name."""


class NoTaskError(Exception):
    """No task has this name, or several have; the text says which name would do."""


class NotByHandError(Exception):
    """People do not mark this task; the text says who does."""


def find(tasks: Tasks, name: str) -> "tuple[str, Task]":
    """Return the checklist and the task that a name means: TASK, or TARGET/TASK where several have one of that name."""
    target, slash, task = name.rpartition("/")
    found = [(one, listed[task]) for one, listed in tasks.items() if task in listed and (not slash or one == target)]
    if len(found) > 1:
        choice = " or ".join(f"{one}/{task}" for one, _ in found)
        raise NoTaskError(f"several checklists have a task {task}; did you mean {choice}?")
    if not found:
        raise NoTaskError(f"there is no task {name[:80]!r}; {_near(task, tasks)}")
    return found[0]


def _near(name: str, tasks: Tasks) -> str:
    known = sorted({task for listed in tasks.values() for task in listed})
    likely = difflib.get_close_matches(name[:100], known, 3, 0.5)
    remedy = "`runbook-exporter checklist --all` names them all"
    return f"did you mean {' or '.join(likely)}?" if likely else remedy


def check_by_hand(task: "Task") -> None:
    """Raise where people do not mark a task."""
    settings = task.settings
    if settings.way == "watched":
        raise NotByHandError(f"{task.name} is watched by {', '.join(settings.watched_by)}: there is nothing to do")
    if settings.done_when is not None:
        raise NotByHandError(f"{task.name} is done when {settings.done_when.metric} says so, and not by hand")
