"""The Redis collector against what is no Redis at all."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import pytest

from tests.onetarget import one
from tests.redistarget import down, settings
from tests.soak import held
from tests.support import until


@contextmanager
def peer(answers: Sequence[bytes], pause: float = 0.0, *, ends: bool = False) -> Iterator[str]:
    """Listen, and send these bytes to whoever comes, piece by piece; then end, or wait until the other side does."""
    stop = threading.Event()

    def serve(line: socket.socket) -> None:
        with line, suppress(OSError):
            for piece in answers:
                line.sendall(piece)
                if stop.wait(pause):
                    return
            while not ends and line.recv(65536):
                pass

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,), daemon=True)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


_MEBIBYTE: Final = b"x" * (1 << 20)
_LATE: Final = "has not answered in full"
_STRANGE: Final = "does not answer as Redis does"
STRANGE: Final = {
    "a web server": ([b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<html>"], 0.0, "HTTP/1.1 400 Bad Request"),
    "a mail server": ([b"220 mail.example.org ESMTP\r\n"], 0.0, "220 mail.example.org"),
    "silence": ([], 0.0, _LATE),
    "half an answer": ([b"+OK\r\n$5000\r\n# Server\r\nredis_ver"], 0.0, _LATE),
    "an endless line": ([b"+", *[_MEBIBYTE] * 64], 0.0, "127.0.0.1"),
    "endless bytes": ([b"+OK\r\n$99000000\r\n", *[_MEBIBYTE] * 99], 0.0, "an answer without end"),
    "an answer of terabytes": ([b"+OK\r\n$9999999999999\r\n"], 0.0, _LATE),
    "a list without end": ([b"+OK\r\n*999999999\r\n", *[b"*0\r\n" * 100_000] * 50], 0.0, ""),
    "lists in lists": ([b"+OK\r\n" + b"*1\r\n" * 100_000], 0.0, _STRANGE),
    "no number": ([b"+OK\r\n$twelve\r\n"], 0.0, _STRANGE),
    "a huge number": ([b"+OK\r\n:" + b"9" * 5000 + b"\r\n"], 0.0, _STRANGE),
    "a length below nothing": ([b"+OK\r\n$-7\r\nabc\r\n"], 0.0, "127.0.0.1"),
    "an answer longer than it says": ([b"+OK\r\n$3\r\nabcdef\r\n"], 0.0, _STRANGE),
    "INFO that is none": ([b"+OK\r\n$5\r\nhello\r\n"], 0.0, "INFO names no version"),
    "INFO that is nothing": ([b"+OK\r\n$-1\r\n"], 0.0, "INFO tells nothing"),
    "INFO that is a number": ([b"+OK\r\n:5\r\n"], 0.0, "INFO tells nothing"),
    "an alert of TLS": ([b"\x15\x03\x01\x00\x02\x02\x46"], 0.0, _LATE),
    "a trickle": ([b"+OK\r\n$5000\r\n", *[b"x"] * 1000], 0.05, _LATE),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_redis_is_cut_and_called_so(name: str) -> None:
    answers, pause, words = STRANGE[name]
    before, memory = threading.active_count(), held().memory
    with peer(answers, pause) as url, one("redis", settings(url)) as target:
        down(target, words)
        assert held().memory - memory < 64 << 20
    until(lambda: threading.active_count() <= before + 1)


def test_a_peer_that_ends_at_once_is_called_so() -> None:
    with peer([], ends=True) as url, one("redis", settings(url)) as target:
        down(target, "cannot be reached", "see its log")
    with peer([b"\x15\x03\x01\x00\x02\x02\x46"], ends=True) as url, one("redis", settings(url)) as target:
        down(target, "rediss://")
