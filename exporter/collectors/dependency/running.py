"""How pip, npm and apt-get are run: to an end in time, niced, and what they say on the side is shown to nobody."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.dependency.settings import ProjectSettings
from exporter.command import Ended, WroteTooMuch, run
from exporter.deadline import Cancel, Deadline
from exporter.jsontext import parse

_MOST: Final = 16 << 20
_DEPTH: Final = 60
BEGINNING: Final = "runbook-exporter-dependency-"
_LEFT_BEHIND: Final = 86_400.0  # seconds after which nobody works in a folder any more


@dataclass(frozen=True, slots=True)
class Way:
    """How long a scan may still take, and how it is ended sooner."""

    deadline: Deadline
    cancel: Cancel = field(default_factory=Cancel)

    def left(self) -> float:
        """Return the seconds that are left; Trouble where none are."""
        try:
            return self.deadline.left()
        except TimeoutError:
            raise _too_long(self.deadline.seconds) from None


def _too_long(seconds: float) -> Trouble:
    fix = "see whether what it asks answers; or raise `scan_timeout`"
    return Trouble(f"the scan was given up, as it took longer than {seconds:g} s", fix)


def ended(
    project: ProjectSettings,
    command: tuple[str, ...],
    way: Way,
    directory: str = "/",
    variables: Mapping[str, str] = {},
) -> Ended:
    """Return how a program ended, whatever its status; Trouble where it did not in time."""
    try:
        done = run(project.program(command, directory, variables), timeout=way.left(), most=_MOST, cancel=way.cancel)
    except WroteTooMuch:
        raise Trouble(f"{command[0]} was killed, as it wrote more than {_MOST} bytes", "see what it is") from None
    if not done.in_time:
        raise _too_long(way.deadline.seconds)
    return done


def document(done: Ended, what: str) -> Any:
    """Return the JSON that a program wrote; its beginning is not shown, as it may hold an address with a password."""
    return parse(done.output, f"what {what} writes", _DEPTH, shown=False)


def changed(what: str) -> Trouble:
    """Return that an answer is not of the form that it is known to have."""
    return Trouble(f"{what} is not of the form that is known", "see whether a newer runbook-exporter knows it")


@contextmanager
def workshop(project: ProjectSettings) -> Iterator[str]:
    """Have an empty folder, which the project's user alone can enter, while the block runs."""
    _tidy()
    folder = tempfile.mkdtemp(prefix=BEGINNING)
    try:
        identity = project.program(("none",)).identity()
        if identity:
            os.chown(folder, identity["user"], identity["group"])
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tidy() -> None:
    """Remove the folders of processes that were killed."""
    above = tempfile.gettempdir()
    with suppress(OSError):
        for entry in list(os.scandir(above)):
            if entry.name.startswith(BEGINNING) and _is_left_behind(entry):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_left_behind(entry: "os.DirEntry[str]") -> bool:
    status = entry.stat(follow_symlinks=False)
    mine = os.geteuid() in (0, status.st_uid)
    return mine and entry.is_dir(follow_symlinks=False) and time.time() - status.st_mtime > _LEFT_BEHIND
