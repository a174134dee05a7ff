"""How a second terminal speaks to a demo that runs: one line of JSON each way over a socket in its folder."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from exporter.demo.application import CannotError

_NAME: Final = "control"
_MOST: Final = 64 << 10
_PATIENCE: Final = 120.0  # seconds: a fault may have to start a server


@contextmanager
def _place(folder: Path) -> Iterator[str]:
    """Yield a path of the socket that is short enough for the kernel, wherever the folder lies."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{_NAME}"
    finally:
        os.close(descriptor)


def listening(folder: Path) -> socket.socket:
    """Return a socket that takes requests, for this user alone."""
    door = socket.socket(socket.AF_UNIX)
    (folder / _NAME).unlink(missing_ok=True)
    with _place(folder) as path:
        door.bind(path)
    (folder / _NAME).chmod(0o600)
    door.listen()
    return door


def is_open(folder: Path) -> bool:
    """Return whether a demo listens there."""
    with suppress(OSError), closing(socket.socket(socket.AF_UNIX)) as door, _place(folder) as path:
        door.connect(path)
        return True
    return False


def ask(folder: Path, **request: str) -> dict[str, Any]:
    """Send a request to the demo that runs there; return its answer."""
    try:
        with closing(socket.socket(socket.AF_UNIX)) as door, _place(folder) as path:
            door.settimeout(_PATIENCE)
            door.connect(path)
            door.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(_line(door))
            return answer
    except (FileNotFoundError, ConnectionError, NotADirectoryError):
        remedy = "begin one with `runbook-exporter demo`; where that was told a folder, give the same with --dir"
        raise CannotError(f"no demo runs in {folder}; {remedy}") from None


def hear(caller: socket.socket) -> dict[str, Any]:
    """Return the request of a caller; an empty one where it is none."""
    caller.settimeout(5)
    try:
        request = json.loads(_line(caller))
    except (OSError, ValueError):
        return {}
    return request if isinstance(request, dict) else {}


def answer(caller: socket.socket, **said: Any) -> None:
    with suppress(OSError):
        caller.sendall(json.dumps(said).encode() + b"\n")


def _line(peer: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"\n") and len(text) < _MOST:
        piece = peer.recv(_MOST)
        if not piece:
            break
        text += piece
    return text
