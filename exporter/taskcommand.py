"""The commands `done` and `checklist`, which work whether the exporter runs or not."""

import argparse
import getpass
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exporter import taskfile, taskwords
from exporter.config import ConfigError
from exporter.tasks import NoTaskError, NotByHandError, Tasks, check_by_hand, find

if TYPE_CHECKING:
    from exporter.collectors.task.due import Standing

_STATE: Final = "state.sqlite"
_NO_CHECKLIST: Final = (
    "the configuration has no checklist; expected a target such as `checklist: {collector: task, ...}`"
)
_PRESSING: Final = ("overdue", "due")
_TODAY: Final = (*_PRESSING, "soon")

Said = tuple[str, int]
"""What a command prints, and its exit code."""

Command = Callable[[argparse.Namespace, Tasks, Path], Said]


class TaskCommandError(Exception):
    """The command cannot do it; the text says why, and what to do."""

    def __init__(self, problem: str, code: int = 2) -> None:
        super().__init__(problem)
        self.code = code


def add_done(command: argparse.ArgumentParser) -> None:
    """Declare what `done` is told."""
    command.add_argument("task", metavar="TASK", help="name of the task; TARGET/TASK where several checklists have it")
    command.add_argument("--by", metavar="NAME", help="who did it (default: who runs this)")
    command.add_argument("--note", metavar="TEXT", default="", help="what there is to say of it")
    command.add_argument("--at", metavar="TIME", help="when it was done, such as 2026-11-29T18:00 (default: now)")
    _add_storage(command)


def add_checklist(command: argparse.ArgumentParser) -> None:
    """Declare what `checklist` is told."""
    which = command.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every task, also what is watched and what is far off")
    which.add_argument("--due", action="store_true", help="only what is due now; exit code 1 where anything is")
    command.add_argument("--json", action="store_true", help="print JSON")
    _add_storage(command)


def _add_storage(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config.file", dest="config_file", metavar="FILE", help="the configuration that has the checklist"
    )
    command.add_argument(
        "--storage.path", dest="storage_path", metavar="DIR",
        help="the exporter's state, where it was started with this option or by systemd (/var/lib/runbook-exporter)",
    )  # fmt: skip


def run(options: argparse.Namespace, command: Command) -> Said:
    """Do what a command says with the checklists of the configuration; TaskCommandError where that cannot be."""
    if options.config_file is None:
        raise ConfigError("say which configuration has the checklist: --config.file=FILE")
    checklists, configured = taskfile.load(options.config_file)
    if not checklists:
        raise ConfigError(_NO_CHECKLIST)
    from exporter.collectors.task import inbox
    from exporter.collectors.task.checklist import tasks_of

    tasks = {target: tasks_of(settings) for target, settings in checklists.items()}
    storage = taskfile.storage_of(options.storage_path, configured)
    try:
        _find_state(storage)
        with inbox.as_owner(storage):
            return command(options, tasks, storage)
    except (NoTaskError, NotByHandError, taskwords.WordsError) as error:
        raise TaskCommandError(str(error)) from None
    except OSError as error:
        problem = f"{error.filename or storage}: {error.strerror}; {_remedy(storage, error)}"
        raise TaskCommandError(problem, 1) from None


def _find_state(storage: Path) -> None:
    """Raise where no exporter would ever find what is noted."""
    try:
        (storage / _STATE).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise TaskCommandError(
            f"no exporter keeps its state in {storage}; start it once, or name its folder with --storage.path"
        ) from None


def _remedy(storage: Path, error: OSError) -> str:
    if not isinstance(error, PermissionError):
        return "nothing was noted"
    try:
        import pwd

        owner = pwd.getpwuid(storage.stat().st_uid).pw_name
    except (ImportError, KeyError, OSError):
        owner = "the exporter's user"
    return f"nothing was noted; run this as {owner} (sudo -u {owner} ...), or mark it over HTTP"


def done(options: argparse.Namespace, tasks: Tasks, storage: Path) -> Said:
    """Note a task as done; it is on disk when this returns."""
    from exporter.collectors.task import inbox
    from exporter.collectors.task.checklist import published
    from exporter.collectors.task.history import Entry

    target, task = find(tasks, options.task)
    check_by_hand(task)
    now = time.time()
    at = taskwords.moment(options.at, task.zone, now) if options.at else now
    entry = Entry(
        inbox.new_id(), at, taskwords.name(options.by or whoami()), "", "command", taskwords.note(options.note)
    )
    try:
        inbox.deliver(storage, target, task.name, entry)
    except inbox.InboxError as error:
        raise TaskCommandError(str(error)) from None
    following = ""
    with suppress(OSError):  # it is noted, whatever else cannot be read
        after = next(published(storage, target, {task.name: task}, time.time(), entry))
        following = f"; {taskwords.stands(after, time.time())}" if after.due else ""
    return f"{task.name} is done, by {entry.by or 'somebody'}{following}", 0


def whoami() -> str:
    """Return the name of the person who runs this, as far as it is known."""
    if os.environ.get("SUDO_USER"):
        return os.environ["SUDO_USER"]
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return ""


def checklist(options: argparse.Namespace, tasks: Tasks, storage: Path) -> Said:
    """Say what there is to do; the code is 1 where only what is due was asked for, and there is any."""
    from exporter.collectors.task.checklist import published
    from exporter.collectors.task.due import ordered

    now = time.time()
    listed = {target: ordered(list(published(storage, target, ours, now))) for target, ours in tasks.items()}
    shown = {target: [one for one in ours if _is_wanted(options, one)] for target, ours in listed.items()}
    code = 1 if options.due and any(shown.values()) else 0
    if options.json:
        return json.dumps({target: [as_json(one) for one in ours] for target, ours in shown.items()}, indent=1), code
    return "\n\n".join(_as_text(target, shown[target], listed[target], now) for target in listed), code


def _is_wanted(options: argparse.Namespace, one: "Standing") -> bool:
    return options.all or one.state in (_PRESSING if options.due else _TODAY)


def as_json(one: "Standing") -> dict[str, Any]:
    """Return a task as it stands, for programs."""
    settings, last = one.task.settings, one.last
    return {
        "task": one.task.name, "title": settings.title, "state": one.state, "owner": settings.owner,
        "guide": settings.guide, "link": settings.link, "watched_by": list(settings.watched_by), "due": one.due,
        "interval": one.interval, "last_done": last and last.at, "by": last and last.by, "note": last and last.note,
    }  # fmt: skip


def _as_text(target: str, shown: Iterable["Standing"], listed: Sequence["Standing"], now: float) -> str:
    counts = [one.state for one in listed]
    said = ", ".join(f"{counts.count(state)} {state}" for state in ("overdue", "due") if state in counts)
    zone = next((one.task.zone for one in listed), None)
    today = datetime.fromtimestamp(now, zone)
    head = f"{target}, {today:%A %Y-%m-%d}: {said or 'nothing is due'}"
    lines = [line for one in shown for line in _lines(one, now)]
    return "\n".join([head, *lines])


def _lines(one: "Standing", now: float) -> Iterable[str]:
    settings = one.task.settings
    done = "[ ]" if one.last is None else "[x]"
    box = {"overdue": "[!]", "due": "[ ]", "soon": "[ ]", "on demand": " - ", "watched": "[w]"}.get(one.state, done)
    yield f"{box} {one.task.name}: {settings.title}"
    about = [taskwords.stands(one, now)]
    if one.state != "watched":
        about.append(taskwords.last(one))
    about += [settings.owner] if settings.owner else []
    yield f"      {'; '.join(about)}"
    yield from (f"      {text}" for text in (settings.by_hand, settings.link) if text)
