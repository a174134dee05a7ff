"""What tests of commands ask: is it installed, does it still run, what is said of it?"""

import json
import os
import shutil
from pathlib import Path

import pytest


def needs(*commands: str) -> None:
    """Leave the test out where a command is not installed, except where everything should be."""
    for command in commands:
        if shutil.which(command) is None:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{command} is not installed here")


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def commands(*lines: str, more: str = "") -> str:
    """Return the settings of a target with these commands; `name: script` becomes one that a shell runs."""
    return "commands:\n" + "".join(f"  {line}\n" for line in lines) + more


def script(name: str, code: str, **more: str) -> str:
    given = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{name}: {{command: [sh, -c, {json.dumps(code)}]{given}}}"


def figure(page: dict[str, str], name: str, command: str = "it", role: str = "other") -> str | None:
    return page.get(f'runbook_command_{name}{{command="{command}",role="{role}"}}')
