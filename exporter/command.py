"""Runs a program within bounds: so many seconds, so many bytes of output, and its process group ends with it.

What has made itself a session of its own, as daemons do, is not in that group, and lives on.
"""

import errno
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from exporter.collector import Trouble
from exporter.deadline import Cancel, Deadline
from exporter.program import ProgramSettings

_NICENESS: Final = 10
_PIECE: Final = 64 << 10
_KEPT_OF_ERRORS: Final = 4 << 10
_LOOK: Final = 0.05  # seconds between looks where the system has no descriptor of a process
_LAST_BREATH: Final = 5.0  # seconds for a killed process to be gone; one that hangs in the kernel is left behind
# What the kernel says of a program that is not there or is none. Others, such as EMFILE or ENOMEM, tell of the machine.
_NO_PROGRAM: Final = frozenset({
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
    errno.ENAMETOOLONG,
})  # fmt: skip


class NotStarted(Trouble):
    """There is no such program, or it cannot be run."""


class WroteTooMuch(Trouble):
    """The program was killed, as it wrote more than is taken."""


class _TooMuchError(Exception):
    """The program writes more than is taken."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: `status` is what a shell would say, 128 + N where signal N ended it."""

    status: int
    output: bytes
    errors: bytes
    seconds: float
    in_time: bool


def run(program: ProgramSettings, *, timeout: float, most: int, cancel: Cancel | None = None) -> Ended:
    """Run the program to its end, or kill it and its process group when it takes too long or writes too much."""
    deadline, cancel = Deadline(timeout), cancel or Cancel()
    in_time = True
    with started(program) as process:
        written = _Written(process, most)
        try:
            with cancel.calling(partial(kill, process)):
                _gather(process, written, deadline)
        except TimeoutError:
            in_time = False
        except _TooMuchError:
            fix = "have it write less, or allow more with `max_bytes`"
            raise WroteTooMuch(f"{program.command[0]} was killed, as it wrote more than {most} bytes", fix) from None
        seconds = deadline.spent()
    if cancel.cancelled:
        fix = "raise the target's `timeout` and `interval`, or make the command quicker"
        raise Trouble(f"{program.command[0]} was killed, as the target's timeout was over", fix)
    return Ended(_status(process), bytes(written.output), bytes(written.errors), seconds, in_time)


def _status(process: "subprocess.Popen[bytes]") -> int:
    code = process.returncode
    if code is None:
        return 128 + signal.SIGKILL  # it was killed, and hangs in the kernel
    return code if code >= 0 else 128 - code


@contextmanager
def started(
    program: ProgramSettings, variables: Mapping[str, str] = {}, errors: int = subprocess.PIPE
) -> Iterator["subprocess.Popen[bytes]"]:
    """Have the program run while the block does; whatever is left of its process group is killed."""
    _refuse_another(program)
    process = _start(program, variables, errors)
    try:
        with suppress(OSError):  # it has ended already
            os.setpriority(os.PRIO_PGRP, process.pid, _NICENESS)
        yield process
    finally:
        kill(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(_LAST_BREATH)
        except subprocess.TimeoutExpired:
            _left_behind[program.command] = process


# What hangs in the kernel, or has become another user's, cannot be killed. By command: one of each at most.
_left_behind: dict[tuple[str, ...], "subprocess.Popen[bytes]"] = {}


def _refuse_another(program: ProgramSettings) -> None:
    before = _left_behind.get(program.command)
    if before is not None and before.poll() is None:
        reason = f"{program.command[0]} of an earlier run could not be killed, and still runs (process {before.pid})"
        raise Trouble(reason, "see what it waits for, and end it as its own user")
    _left_behind.pop(program.command, None)


def _start(program: ProgramSettings, variables: Mapping[str, str], errors: int) -> "subprocess.Popen[bytes]":
    directory = program.directory or "/"
    try:
        return subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            cwd=directory,
            env={**program.variables(), **variables},
            start_new_session=True,
            **program.identity(),
        )
    except OSError as error:
        raise _trouble(program.command[0], directory, error) from None
    except subprocess.SubprocessError:
        raise _no_change(program.command[0]) from None


def _trouble(name: str, directory: str, error: OSError) -> Trouble:
    if error.filename == directory:  # so it is told of all that comes before the program itself
        if error.errno in (errno.EPERM, errno.EAGAIN):
            return _no_change(name)
        return Trouble(f"{directory}: {error.strerror}", "create it, or correct `directory`")
    if error.filename is not None and error.errno in _NO_PROGRAM:
        fix = "install it, or give its whole path; the exporter's user must be able to run it"
        return NotStarted(f"{name} cannot be run ({error.strerror})", fix)
    return Trouble(f"{name} could not be started ({error.strerror})", "see what this machine, or the exporter, lacks")


def _no_change(name: str) -> Trouble:
    return Trouble(f"{name} cannot be run as its user", "see whether root may change users here")


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a program and its process group, unless it is gone."""
    if process.returncode is None:  # until it is waited for, nobody else has its number
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


class _Written:
    """What a program has written so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", most: int) -> None:
        self.output, self.errors = bytearray(), bytearray()
        pipes = ((process.stdout, self.output), (process.stderr, self.errors))
        self.pipes = {pipe.fileno(): kept for pipe, kept in pipes if pipe is not None}
        self._left = most
        for pipe in self.pipes:
            os.set_blocking(pipe, False)

    def take(self, pipe: int) -> bool:
        """Take a piece of what stands in the pipe; return whether there was any."""
        try:
            piece = os.read(pipe, _PIECE)
        except BlockingIOError:
            return False
        self._left -= len(piece)
        if self._left < 0:
            raise _TooMuchError
        self.pipes[pipe] += piece
        del self.errors[:-_KEPT_OF_ERRORS]
        return bool(piece)


def _gather(process: "subprocess.Popen[bytes]", written: _Written, deadline: Deadline) -> None:
    """Take what the program writes until it ends; what it started may hold its output open for longer."""
    with selectors.DefaultSelector() as selector, _wakeup(process) as wakeup:
        for pipe in (*written.pipes, *wakeup):
            selector.register(pipe, selectors.EVENT_READ)
        while not _has_ended(process):
            left = deadline.left()
            for key, _ in selector.select(left if wakeup else min(left, _LOOK)):
                if key.fd in written.pipes and not written.take(key.fd):
                    selector.unregister(key.fd)
    for pipe in written.pipes:
        while written.take(pipe):
            pass


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    # it is left unwaited for, as its number is then nobody else's when what it started is killed
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@contextmanager
def _wakeup(process: "subprocess.Popen[bytes]") -> Iterator[tuple[int, ...]]:
    """Yield a descriptor that becomes readable when the program ends, where the system has such."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        yield ()
        return
    try:
        yield (descriptor,)
    finally:
        os.close(descriptor)
