"""Commands that list backups, and that check one."""

import json
import math
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.backup.files import File, Listing, sorted_out
from exporter.collectors.backup.others import CheckSettings, ListSettings
from exporter.collectors.backup.settings import BackupSettings
from exporter.command import Ended, WroteTooMuch, run
from exporter.deadline import Cancel
from exporter.jmes import compiled

_MOST_SAID: Final = 1 << 20
_NOT_RUN: Final = (126, 127)  # what shells say of programs that are not there
_BY_SIGNAL: Final = 128
_LATEST: Final = 1e11  # what is more is no Unix time in seconds


def checked(command: CheckSettings, file: File, timeout: float, cancel: Cancel) -> str:
    """Return why the backup is damaged, nothing where the command finds it whole; Trouble where it could not tell."""
    words = tuple(word.replace("{file}", file.path).replace("{name}", file.name) for word in command.command)
    try:
        ended = run(replace(command, command=words), timeout=timeout, most=_MOST_SAID, cancel=cancel)
    except WroteTooMuch as trouble:
        raise Trouble(str(trouble), "nothing reads what it writes: have it write less, or to /dev/null") from None
    if not ended.in_time:
        raise Trouble(f"{words[0]} was killed, as it took longer than {timeout:g} s", "raise `verify_timeout`")
    if ended.status in (*_NOT_RUN, *command.cannot) or ended.status > _BY_SIGNAL:
        raise Trouble(f"{words[0]} ended with {ended.status}: it could not tell", "run it by hand as the same user")
    return f"{words[0]} ended with {ended.status}" if ended.status else ""


def listed_by_command(settings: BackupSettings, cancel: Cancel) -> list[list[Any]]:
    """Return name, time and size of each backup, as the command tells them."""
    command = settings.list_command
    assert command is not None  # noqa: S101  # else this look is not made
    program = command.command[0]
    ended = run(command, timeout=command.timeout, most=command.max_bytes, cancel=cancel)
    if not ended.in_time:
        raise Trouble(f"{program} was killed, as it took longer than {command.timeout:g} s", "raise `timeout`")
    if ended.status:
        raise Trouble(f"{program} ended with {ended.status}", "run it by hand as the same user")
    return [_one(item, command) for item in _items(ended, command)]


def as_listing(settings: BackupSettings, told: list[list[Any]]) -> Listing:
    """Return what a command told as a folder's files would be; what it tells is whole."""
    files = [File(name, name, when, size, f"{name} {when}", 0.0) for name, when, size in told]
    return sorted_out(settings, files, [])


def _items(ended: Ended, command: ListSettings) -> list[Any]:
    text = ended.output.decode("utf-8", "replace").strip()
    try:
        document = json.loads(text) if text else []
    except ValueError:
        document = _lines(text, command.command[0])
    except RecursionError:
        raise Trouble(f"{command.command[0]} wrote what is nested too deep") from None
    found = compiled(command.items).find(document) if command.items else document
    if isinstance(found, dict) and not command.items:
        found = [found]  # one line of JSON
    if not isinstance(found, list):
        raise Trouble(f"{command.command[0]} wrote no list of backups", "correct `items`")
    return found


def _lines(text: str, program: str) -> list[Any]:
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise Trouble(f"{program} wrote no JSON", "have it write JSON, or lines of JSON") from None


def _one(item: Any, command: ListSettings) -> list[Any]:
    name, when, size = (compiled(getattr(command, key)).find(item) for key in ("name", "time", "size"))
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise Trouble(f"there is no name at `{command.name}` of a backup", "correct `name`")
    moment = _moment(when)
    if moment is None:
        raise Trouble(f"there is no time at `{command.time}` of a backup", "correct `time`")
    counted = isinstance(size, int | float) and not isinstance(size, bool) and math.isfinite(size)
    return [str(name), moment, int(size) if counted else None]


def _moment(when: Any) -> float | None:
    if isinstance(when, str):
        try:
            return datetime.fromisoformat(when.strip()).timestamp()
        except (ValueError, OverflowError):
            return None
    if isinstance(when, int | float) and not isinstance(when, bool) and 0 < when < _LATEST:
        return float(when)
    return None
