"""What tests of commands ask: is it installed, does it still run?"""

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
