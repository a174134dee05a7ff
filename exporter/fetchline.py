"""HTTP over an open line: no wait on it outlasts its deadline, so a server that trickles gains nothing."""

import http.client
import io
import os
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Unable
from exporter.deadline import Deadline
from exporter.lookup import looked_up

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

Trust = bool | str
"""Whether a server's certificate must be good; text is the path of the authorities to ask instead of the system's."""
Certificate = tuple[str, str] | None

_BAD_FILES: Final = "expected PEM files that the exporter's user may read, the key without a passphrase"
PATIENCE: Final = 5.0  # seconds for files whose reader has no deadline


class Response(http.client.HTTPResponse):
    """An answer; what may come before it, as 103 Early Hints does, is passed over."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # it is not told of
        early = http.client.CONTINUE < status < http.client.OK and status != http.client.SWITCHING_PROTOCOLS
        return version, http.client.CONTINUE if early else status, reason


class Connection(http.client.HTTPConnection):
    """http.client's side of a line that somebody else has opened, and closes."""

    response_class = Response

    def __init__(self, host: str, port: int, line: socket.socket, deadline: Deadline, *, secure: bool) -> None:
        super().__init__(host, port)
        self.default_port = 443 if secure else 80  # decides whether the header Host names the port
        self.sock: Any = Line(line, deadline)

    @property
    def first_byte(self) -> float | None:
        """When the first byte of an answer came, by the monotonic clock."""
        return self.sock.first_byte if self.sock else None

    def connect(self) -> None:
        raise http.client.NotConnected  # a line that broke is not mended behind one's back


class Line(io.RawIOBase):
    """What http.client needs of a socket."""

    def __init__(self, line: socket.socket, deadline: Deadline) -> None:
        self._line = line
        self._deadline = deadline
        self.first_byte: float | None = None

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002  # it is always read
        return _Reader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._line.settimeout(self._deadline.left())
        got = self._line.recv_into(buffer)
        if self.first_byte is None:
            self.first_byte = time.monotonic()
        return got

    def sendall(self, data: "ReadableBuffer") -> None:
        rest = memoryview(data)
        while rest:
            self._line.settimeout(self._deadline.left())
            rest = rest[self._line.send(rest) :]

    def close(self) -> None:
        """Do nothing: http.client closes early, and who opened the socket closes it."""


class _Reader(io.BufferedReader):
    """Reads no more than it is told: a chunk may say that its size is below 0, which io takes for all there will be."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise http.client.IncompleteRead(b"")
        return super().read(size)


def trusted(verify: Trust, cert: Certificate, seconds: float = PATIENCE) -> ssl.SSLContext:
    """Return what TLS trusts and shows, made anew when its files change; reading them may take so many seconds."""
    files = (*((verify,) if isinstance(verify, str) else ()), *(cert or ()))
    made = partial(_made, verify, cert, files)
    try:
        return looked_up(("TLS", verify, cert), made, seconds) if files else made()
    except TimeoutError:
        fix = "see whether their file system answers"
        raise Unable(f"the files for TLS are not read in time: {', '.join(files)}", fix) from None
    except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
        raise Unable(f"the files for TLS cannot be used: {', '.join(files)} ({error})", _BAD_FILES) from None


def _made(verify: Trust, cert: Certificate, files: tuple[str, ...]) -> ssl.SSLContext:
    return _context(verify, cert, (*map(_version, files), *(_system_versions() if verify is True else ())))


def _version(file: str) -> tuple[int, ...]:
    status = os.stat(file)
    if not stat.S_ISREG(status.st_mode):  # to read a pipe takes as long as somebody likes
        raise ValueError(f"{file} is no file")
    return status.st_ino, status.st_mtime_ns, status.st_size


def _system_versions() -> Iterator[tuple[int, ...]]:
    """Yield the versions of the system's authorities, which stand in a file, in a folder, or in both."""
    paths = ssl.get_default_verify_paths()
    for path in filter(None, (paths.cafile, paths.capath)):
        with suppress(OSError):
            status = os.stat(path)
            yield status.st_ino, status.st_mtime_ns, status.st_size


# loading the system's authorities takes some 20 ms
@lru_cache(maxsize=32)
def _context(verify: Trust, cert: Certificate, versions: tuple[tuple[int, ...], ...]) -> ssl.SSLContext:  # noqa: ARG001
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(*cert, password=_no_passphrase)
    return context


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")  # OpenSSL would ask for it at the terminal
