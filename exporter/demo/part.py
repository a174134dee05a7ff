"""Processes that the demo starts: each ends with it, however it ends."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PATIENCE: Final = 8.0  # seconds for a process to end when it is told to
_SYSTEM: Final = ctypes.CDLL(None)


class PartError(Exception):
    """A process could not be started, or ended at once; the text has the end of its output."""


class Part:
    """A process in a group of its own, with its output in a file. Start it from the main thread: it ends with that."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, *, environment: Mapping[str, str], directory: Path,
        ready: Callable[[], object] | None = None, stop_signal: int = signal.SIGTERM,
        user: Mapping[str, object] | None = None, patience: float = 60.0,
    ) -> None:  # fmt: skip
        self.name = name
        self.command = list(command)
        self.log = log
        self.environment = dict(environment)
        self.directory = directory
        self.ready = ready
        self.stop_signal = stop_signal
        self.user = dict(user or {})
        self.patience = patience
        self.wanted = False
        """Whether it should run: what has ended by itself meanwhile is told."""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def start(self) -> None:
        """Start it (again), and wait until it is ready."""
        with self.log.open("ab") as output:
            try:
                self.process = subprocess.Popen(
                    self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment,
                    cwd=self.directory, start_new_session=True,
                    preexec_fn=partial(_SYSTEM.prctl, _PR_SET_PDEATHSIG, self.stop_signal), **self.user,
                )  # type: ignore[call-overload]  # fmt: skip
            except OSError as error:
                raise PartError(f"{self.name} cannot be started: {error}") from error
        self.wanted = True
        self._await_ready()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self.patience
        while self.ready is not None and not self.ready():
            if not self.running():
                raise PartError(f"{self.name} ended at once:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise PartError(f"{self.name} was not ready within {self.patience:g} s:\n{self.tail()}")
            time.sleep(0.05)

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, number: int | None = None) -> None:
        """Have it end, and its whole group with it; nothing happens where it has ended."""
        self.wanted = False
        if self.process is None:
            return
        self.send(number or self.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_PATIENCE)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(_PATIENCE)

    def kill(self) -> None:
        """End it as a crash would, and its group."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def send(self, number: int) -> None:
        """Send the process a signal: SIGSTOP has it hang, SIGCONT go on."""
        if self.running():
            os.kill(self.pid, number)

    def tail(self, lines: int = 12) -> str:
        """Return the end of its output."""
        with suppress(OSError):
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        return ""
