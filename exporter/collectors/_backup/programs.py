"""Programs that a throwaway process runs: they end with it, however that ends."""

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import Trouble

try:  # here: once it is another user, a process may not reach what it imports
    import resource
except ModuleNotFoundError:  # where there is no Linux there is none, and no limit either
    resource = None  # type: ignore[assignment]

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PR_SET_PDEATHSIG: Final = 1
_KEPT: Final = 8 << 10
_SYSTEM: Final = ctypes.CDLL(None)  # loaded here: once it is another user, a process may not reach the library


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and the first of what it said of errors."""

    status: int
    output: bytes
    errors: str


def lowered() -> dict[str, str]:
    """Return the environment of a program: in English, and with nothing of ours in it."""
    return {"PATH": _PATH, "LC_ALL": "C", "HOME": "/nonexistent"}


def own_end() -> None:
    """Have the kernel end this process with the one that began it."""
    _SYSTEM.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(
    command: Sequence[str], *, variables: Mapping[str, str] = {}, output: bool = False, folder: str = "/", **who: Any
) -> Ended:
    """Run a program to its end; that it takes too long is noticed by whoever waits for this process."""
    try:
        # errors go to a file: one that says more than a pipe holds would never end
        with open(os.memfd_create("errors"), "w+b") as errors:
            ended = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if output else subprocess.DEVNULL,
                stderr=errors, env=lowered() | dict(variables), cwd=folder, check=False,
                preexec_fn=own_end, **who,
            )  # fmt: skip
            errors.seek(0)
            said = errors.read(_KEPT).decode("utf-8", "replace")
    except OSError as error:
        fix = "install it, or give its whole path; the exporter's user must be able to run it"
        raise Trouble(f"{command[0]} cannot be run ({error.strerror})", fix) from None
    return Ended(ended.returncode, ended.stdout or b"", said)


def quietly() -> None:
    """Let all others read and write first."""
    program = shutil.which("ionice", path=_PATH)
    if program is not None:
        subprocess.run([program, "-c", "3", "-p", str(os.getpid())], check=False, env=lowered(),
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


def bounded(memory: int) -> None:
    """Refuse this process more memory than that."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
