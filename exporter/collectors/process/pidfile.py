"""Pid files: which process is meant, and whether that one still is what the file speaks of."""

import os
from typing import Final

from exporter.collector import Trouble

# What a clock may have been set by between the start of a process and the writing of its file.
_SLACK: Final = 10.0
_LONGEST: Final = 4096


class PidFile:
    """A pid file as it was when last looked at; `trouble` says why it could not be read."""

    __slots__ = ("_written", "path", "pid", "trouble")

    def __init__(self, path: str) -> None:
        self.path = path
        self.pid = ""
        self.trouble: Trouble | None = None
        self._written = 0.0

    def refresh(self) -> bool:
        """Look at the file again; return whether it may speak of another process now."""
        before = self.pid, self._written
        self.trouble = None
        try:
            self.pid, self._written = self._look()
        except FileNotFoundError:  # a service that has been stopped has none
            self.pid = ""
        except (OSError, ValueError) as error:
            self.pid, self.trouble = "", _trouble(error, self.path)
        return before != (self.pid, self._written)

    def names(self, pid: str, started: float) -> bool:
        """Tell whether the process is the one meant: started later than the file was written, it is another."""
        return pid == self.pid and started <= self._written + _SLACK

    def _look(self) -> tuple[str, float]:
        # without O_NONBLOCK a FIFO of that name would hold the round
        handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
        try:
            words = os.read(handle, _LONGEST).split(None, 1)
            written = os.fstat(handle).st_mtime
        finally:
            os.close(handle)
        if not words or not words[0].isdigit():
            raise ValueError("does not begin with a process's number")
        return str(int(words[0])), written


def _trouble(error: OSError | ValueError, path: str) -> Trouble:
    if isinstance(error, PermissionError):
        return Trouble(
            f"the pid file {path} may not be read",
            "let the exporter's user read it and enter its folder, or give it the capability CAP_DAC_READ_SEARCH",
        )
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Trouble(f"the pid file {path} is of no use: {reason}", "correct `pid_file`, or write the process's number")
