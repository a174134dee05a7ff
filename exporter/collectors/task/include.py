"""Task lists in files of their own, which several checklists may share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from exporter.binder import bind, entries_of
from exporter.collector import Trouble
from exporter.collectors.task.tasksettings import TaskSettings, is_name
from exporter.documentfile import load as load_file
from exporter.names import NAMES
from exporter.setting import setting
from exporter.source import Source, below
from exporter.yamltree import MAX_BYTES, BrokenError, Map, parse

Tasks = dict[str, TaskSettings]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskList:
    """A file of tasks."""

    guide: str = setting("", help="Which guide they are from, for tasks that do not say.")
    tasks: Mapping[str, TaskSettings] = setting(
        help="Tasks by name.", example="{access-review: {title: Review who has access, interval: monthly}}"
    )


def load(paths: Sequence[str]) -> tuple[Tasks, tuple[str, ...]]:
    """Return the tasks of all files by name, and what is wrong with the files."""
    tasks: Tasks = {}
    problems: list[str] = []
    where: dict[str, str] = {}
    for path in paths:
        found, wrong = _load(path)
        problems += wrong
        for name, task in found.items():
            if name in tasks:
                problems.append(f"{path}: the task {name} stands in {where[name]} as well; leave one of the files out")
            tasks[name], where[name] = task, path
    return tasks, tuple(problems)


def _load(path: str) -> tuple[Tasks, Sequence[str]]:
    source = Source(path, {})
    try:
        data, _ = load_file(path, MAX_BYTES)
        root = parse(data, lambda line, text: source.problem(line, "", text))
    except Trouble as error:
        return {}, [str(error)]
    except BrokenError as error:
        source.problem(error.line, "", str(error))
        return {}, source.problems()
    entries = entries_of(source, root, "")
    known = {name: entry for name, entry in entries.items() if not name.startswith("x-")}  # a place for anchors
    bound = bind(source, TaskList, Map(known, root.line), "")
    for name, (line, _) in entries_of(source, entries["tasks"][1], "tasks").items() if "tasks" in entries else ():
        if not is_name(name):
            source.problem(line, below("tasks", name), f"a task cannot have this name; {NAMES}")
    if source.count() or bound is None:
        return {}, source.problems()
    return {name: replace(task, guide=task.guide or bound.guide) for name, task in bound.tasks.items()}, ()
