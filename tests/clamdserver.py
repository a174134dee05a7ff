"""clamd for tests: the real one with one signature of its own, and one that answers as it was recorded."""

import os
import shutil
import signal
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.process import free_port
from tests.support import until

_SIGNATURE: Final = "44d88612fea8a8f36de82e1278abb02f:68:Test.Eicar\n"
STATS: Final = (
    "POOLS: 1\n\nSTATE: VALID PRIMARY\nTHREADS: live 2  idle 1 max 10 idle-timeout 30\nQUEUE: 3 items\n"
    "\tINSTREAM 0.402136 \n\tSCAN 0.000019 /srv/uploads/of-a-customer.pdf\n\n"
    "MEMSTATS: heap N/A mmap N/A used N/A free N/A releasable N/A pools 1 pools_used 1293.114M pools_total 1293.160M\n"
    "END"
)
"""What clamd 1.4 answers to STATS while it scans."""


def needs() -> str:
    """Return clamd's program; without it skip, and fail in CI."""
    program = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin")
    if program is None:
        reason = "clamd is not installed here (Debian's package clamav-daemon): `make tools` installs it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return program


class Clamd:
    """A real clamd, with all that is its own in a temporary folder."""

    def __init__(self, program: str, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "clamd.sock"
        self.port = free_port()
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        database = folder / "db"
        database.mkdir()
        (database / "own.hdb").write_text(_SIGNATURE)
        self.configure()

    def configure(self, **more: str) -> None:
        given = {
            "LocalSocket": str(self.socket), "TCPSocket": str(self.port), "TCPAddr": "127.0.0.1",
            "DatabaseDirectory": str(self.folder / "db"), "TemporaryDirectory": str(self.folder), "Foreground": "true",
        } | more  # fmt: skip
        lines = [f"{name} {value}\n" for name, value in given.items()]
        (self.folder / "clamd.conf").write_text("".join(lines))

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [self._program, "--config-file", str(self.folder / "clamd.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self.socket.exists, 30)

    def send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self._process is not None:
            for one in (signal.SIGCONT, number):
                self.send(one)
            self._process.wait(20)
            self._process = None


@contextmanager
def running() -> Iterator[Clamd]:
    """Have a real clamd for as long as the context."""
    program = needs()
    with tempfile.TemporaryDirectory(prefix="clamd-") as name:  # short: a socket's path has 107 characters at most
        clamd = Clamd(program, Path(name))
        clamd.start()
        try:
            yield clamd
        finally:
            clamd.stop()


class _Recorded(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    answers: Mapping[str, bytes]
    stopped: threading.Event
    request_queue_size = 50


class _Handler(socketserver.StreamRequestHandler):
    server: _Recorded

    def handle(self) -> None:
        asked = b""
        while not asked.endswith(b"\0"):
            asked += self.request.recv(64) or b"\0"
        answer = self.server.answers.get(asked[1:-1].decode())
        if answer is None:
            self.server.stopped.wait(20)
            return
        with suppress(OSError):
            self.request.sendall(answer)


@contextmanager
def recorded(**answers: str | bytes | None) -> Iterator[str]:
    """Have a server that answers these; what is `None` it never answers, and hangs up before the end of bytes."""
    said = {"PING": "PONG", "STATS": STATS} | answers
    given = {
        command: answer if isinstance(answer, bytes) else answer.encode() + b"\0"
        for command, answer in said.items()
        if answer is not None
    }
    with tempfile.TemporaryDirectory(prefix="clamd-") as folder, _Recorded(f"{folder}/socket", _Handler) as server:
        server.answers, server.stopped = given, threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"{folder}/socket"
        finally:
            server.stopped.set()
            server.shutdown()
            thread.join(10)
