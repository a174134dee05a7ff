"""Work in a process of its own that ends with it: for libraries that are heavy, can crash, or must not stay open."""

import hashlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble
from exporter.command import kill
from exporter.deadline import Cancel, Deadline
from exporter.secret import redact
from exporter.throwawayprocess import HEADER

_PROGRAM: Final = "import sys; sys.path[:] = {path!r}; from exporter.throwawayprocess import main; main()"
_PASSED_ON: Final = ("PATH", "HOME", "TZ", "LD_LIBRARY_PATH")
_PIECE: Final = 1 << 20
_LAST_BREATH: Final = 5.0  # seconds for a killed process to be gone; one that hangs in the kernel is left behind
_LAST_WORDS: Final = 4 << 10

log = logging.getLogger(__name__)


class TookTooLong(Trouble):
    """The process was killed, as its time was over."""


class ToldTooMuch(Trouble):
    """The process was killed, as it told more than is taken."""


class Broke(Trouble):
    """The process ended before it had told anything: it crashed, or was killed."""


def ask(
    work: str,
    request: Mapping[str, Any],
    *,
    timeout: float,
    most: int = 8 << 20,
    cancel: Cancel | None = None,
    libraries: tuple[str, ...] = (),
    key: str = "",
) -> Any:
    """Have `module:function` work on the request in a fresh process, and return its answer.

    Request and answer are what JSON can hold; no one else sees them. Trouble and NotApplicable that the work raises
    come out of here; so does Trouble where the process takes too long, tells too much, crashes or is killed. Nothing
    is left running afterwards, nor when the exporter dies. `libraries` are folders that come first where it imports.
    Where one hangs in the kernel, none with the same `key` is begun; it is the whole request where none is given.
    """
    deadline, cancel = Deadline(timeout), cancel or Cancel()
    text = json.dumps({"work": work, "request": request}, separators=(",", ":")).encode("ascii")
    named = hashlib.sha256(key.encode() or text).digest()
    try:
        with _running(named, libraries) as (process, channel), cancel.calling(partial(kill, process)):
            told = _exchange(channel, text, deadline, most)
            if told is None:
                told = _ended(process, deadline, cancelled=cancel.cancelled)
    except TimeoutError:
        raise _too_late(deadline, cancelled=cancel.cancelled) from None
    return _answer(told)


def _answer(told: bytes) -> Any:
    said = json.loads(told)
    if "answer" in said:
        return said["answer"]
    kind = NotApplicable if said["absent"] else Trouble
    raise kind(said["reason"], said["fix"])


def _too_late(deadline: Deadline, *, cancelled: bool) -> Trouble:
    fix = "raise the time that it may take, or see what it waits for: a disk or a mount that hangs, a busy machine"
    if cancelled:
        return TookTooLong("the process that looks was killed, as the target's time was over", fix)
    return TookTooLong(f"the process that looks was killed, as it took longer than {deadline.seconds:g} s", fix)


@contextmanager
def _running(key: bytes, libraries: tuple[str, ...]) -> Iterator[tuple["subprocess.Popen[bytes]", socket.socket]]:
    """Have the process run while the block does; it is killed then, if it lives."""
    _refuse_another(key)
    mine, its = socket.socketpair()
    with mine:
        with its:
            process = _start(its, libraries)
        try:
            yield process, mine
        finally:
            kill(process)
            _bury(process, key)


# What hangs in the kernel cannot be killed. By request: one of each at most.
_left_behind: dict[bytes, "subprocess.Popen[bytes]"] = {}


def _refuse_another(key: bytes) -> None:
    before = _left_behind.get(key)
    if before is not None and before.poll() is None:
        reason = f"the process that looked before could not be killed, and still hangs (process {before.pid})"
        raise Trouble(reason, "see what it waits for, such as a disk or a mount whose server is gone")
    _left_behind.pop(key, None)


def _bury(process: "subprocess.Popen[bytes]", key: bytes) -> None:
    try:
        process.wait(_LAST_BREATH)
    except subprocess.TimeoutExpired:
        _left_behind[key] = process
    assert process.stderr is not None  # noqa: S101  # it was asked for
    with process.stderr:
        os.set_blocking(process.stderr.fileno(), False)
        words = process.stderr.read(64 << 10)  # as much as a pipe holds
    if words:
        log.debug("the throwaway process said: %s", redact(words[-_LAST_WORDS:].decode("utf-8", "replace")))


def _start(its: socket.socket, libraries: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    path = [*libraries, str(Path(__file__).parents[1]), *filter(None, sys.path)]
    variables = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
    try:
        return subprocess.Popen(
            # -I, -S: the path of this process is all that counts, and nobody else's files and variables
            [sys.executable, "-I", "-S", "-c", _PROGRAM.format(path=path)],
            stdin=its.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0, cwd="/",
            env={"LANG": "C.UTF-8", **variables}, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise Trouble(f"{sys.executable} could not be started to look ({error.strerror})", _remedy(error)) from None


def _remedy(error: OSError) -> str:
    if isinstance(error, PermissionError | FileNotFoundError):
        return "install Python where the exporter's user can read and run it, and pass through all folders above"
    return "see what this machine, or the exporter, lacks: memory, processes, descriptors"


def _exchange(channel: socket.socket, text: bytes, deadline: Deadline, most: int) -> bytes | None:
    """Return what the process tells; None where it ends before it has."""
    try:
        channel.settimeout(deadline.left())
        channel.sendall(HEADER.pack(len(text)) + text)
        header = _taken(channel, HEADER.size, deadline)
        if header is None:
            return None
        size = HEADER.unpack(header)[0]
        if size > most:
            fix = "this is more than anybody reads: look at less"
            raise ToldTooMuch(f"the process that looks told {size} bytes, and {most} are taken", fix)
        return _taken(channel, size, deadline)
    except (BrokenPipeError, ConnectionResetError):
        return None


def _taken(channel: socket.socket, size: int, deadline: Deadline) -> bytes | None:
    pieces = bytearray()
    while len(pieces) < size:
        channel.settimeout(deadline.left())
        piece = channel.recv(min(_PIECE, size - len(pieces)))
        if not piece:
            return None
        pieces += piece
    return bytes(pieces)


def _ended(process: "subprocess.Popen[bytes]", deadline: Deadline, *, cancelled: bool) -> bytes:
    """Raise why the process ended without an answer."""
    if cancelled:
        raise TimeoutError
    try:
        code = process.wait(deadline.left())
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    if code == -signal.SIGKILL:
        fix = "see the kernel's log: where memory ran out, give it less, or the machine more"
        raise Broke("the process that looks was killed from outside", fix)
    if code < 0:
        fix = "this is a mistake in a library that it uses: try another version of it"
        raise Broke(f"the process that looks crashed ({_name(-code)})", fix)
    raise Broke(f"the process that looks ended with exit code {code}", "see the exporter's log at the level debug")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
