"""A console that answers as a test wants it: as versions of PgBouncer that cannot be installed here, or wrongly."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

Value = str | int | None
Rows = Sequence[Mapping[str, Value]]
Answer = Rows | Callable[[socket.socket], None]
"""Rows of a command, or what is to be done with the line instead."""

_TEXT, _INT4 = 25, 23
_GREETING: Final = {"server_version": "1.24.1/bouncer", "client_encoding": "UTF8", "standard_conforming_strings": "on"}


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def table(rows: Rows) -> bytes:
    """Return the messages of a result."""
    columns = list(rows[0])
    described = b"".join(
        name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, _type(rows[0][name]), -1, -1, 0) for name in columns
    )
    sent = message(b"T", struct.pack("!h", len(columns)) + described)
    for row in rows:
        values = b"".join(map(_cell, row.values()))
        sent += message(b"D", struct.pack("!h", len(row)) + values)
    return sent + message(b"C", b"SHOW\0")


def _type(value: Value) -> int:
    return _INT4 if isinstance(value, int) else _TEXT


def _cell(value: Value) -> bytes:
    if value is None:
        return struct.pack("!i", -1)
    data = str(value).encode()
    return struct.pack("!i", len(data)) + data


@contextmanager
def console(answers: Mapping[str, Answer]) -> Iterator[str]:
    """Serve these answers by the word after SHOW, and refuse other commands; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lines: list[socket.socket] = []
        thread = threading.Thread(target=_accept, args=(listener, answers, lines))
        thread.start()
        try:
            yield f"postgresql://stats@127.0.0.1:{listener.getsockname()[1]}/pgbouncer"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for line in lines:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, answers: Mapping[str, Answer], lines: list[socket.socket]) -> None:
    threads = []
    with suppress(OSError):
        while True:
            line, _ = listener.accept()
            lines.append(line)
            threads.append(threading.Thread(target=_converse, args=(line, answers)))
            threads[-1].start()
    for thread in threads:
        thread.join()


def _converse(line: socket.socket, answers: Mapping[str, Answer]) -> None:
    with line, suppress(OSError):
        while not _greeted(line):
            line.sendall(b"N")  # no TLS, nor GSS
        while command := _asked(line):
            answer = answers.get(command.split()[1])
            if callable(answer):
                answer(line)
            elif answer is None:
                line.sendall(message(b"E", b"SERROR\0C08P01\0Minvalid command\0\0"))
            else:
                line.sendall(table(answer))
            line.sendall(message(b"Z", b"I"))


def _greeted(line: socket.socket) -> bool:
    size, version = struct.unpack("!ii", _take(line, 8))
    _take(line, size - 8)
    if version != 196608:
        return False
    told = b"".join(message(b"S", f"{name}\0{value}\0".encode()) for name, value in _GREETING.items())
    line.sendall(message(b"R", struct.pack("!i", 0)) + told + message(b"Z", b"I"))
    return True


def _asked(line: socket.socket) -> str:
    kind = line.recv(1)
    if kind != b"Q":
        return ""
    (size,) = struct.unpack("!i", _take(line, 4))
    return _take(line, size - 4).rstrip(b"\0").decode()


def _take(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = line.recv(size - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data
