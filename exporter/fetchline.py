"""The line of one HTTP request: no wait on it outlasts its deadline, so a server that trickles gains nothing."""

import http.client
import io
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Trouble
from exporter.deadline import Cancel, Deadline
from exporter.lookup import looked_up

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

Trust = bool | str
"""Whether a server's certificate must be good; text is the path of the authorities to ask instead of the system's."""
Certificate = tuple[str, str] | None

_BAD_FILES: Final = "expected PEM files that the exporter's user may read, the key without a passphrase"


class Connection(http.client.HTTPConnection):
    """A connection to a server, opened by opened(), every wait on which ends with the deadline."""

    def __init__(self, host: str, port: int, deadline: Deadline, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port)
        self.default_port = 443 if context else 80  # decides whether the header Host names the port
        self._deadline = deadline
        self._context = context

    @contextmanager
    def opened(self, cancel: Cancel) -> Iterator[None]:
        """Be connected to the first address that answers while the block runs, or until cancelled."""
        addresses = self._addresses()
        for number, (family, kind, protocol, _, address) in enumerate(addresses, 1):
            with socket.socket(family, kind, protocol) as line, cancel.cutting(line):
                try:
                    # one that swallows everything must leave time for those after it
                    line.settimeout(self._deadline.left() / (len(addresses) - number + 1))
                    line.connect(address)
                except OSError:
                    if number == len(addresses) or cancel.cancelled:
                        raise
                else:
                    with self._speaking(line):
                        yield
                    return

    def _addresses(self) -> list[Any]:
        look_up = partial(socket.getaddrinfo, self.host, self.port, type=socket.SOCK_STREAM)
        with suppress(socket.gaierror):
            return look_up(flags=socket.AI_NUMERICHOST)
        return looked_up((self.host, self.port), look_up, self._deadline.left())  # it keeps to no deadline of ours

    @contextmanager
    def _speaking(self, line: socket.socket) -> Iterator[None]:
        """Use the socket, and TLS on it where that is asked for."""
        line.settimeout(self._deadline.left())
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._context.wrap_socket(line, server_hostname=self.host) if self._context else line as spoken:
            self.sock: Any = _Line(spoken, self._deadline)
            yield

    def connect(self) -> None:
        raise http.client.NotConnected  # a line that broke is not mended behind one's back


class _Line(io.RawIOBase):
    """What http.client needs of a socket."""

    def __init__(self, line: socket.socket, deadline: Deadline) -> None:
        self._line = line
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002  # it is always read
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._line.settimeout(self._deadline.left())
        return self._line.recv_into(buffer)

    def sendall(self, data: "ReadableBuffer") -> None:
        rest = memoryview(data)
        while rest:
            self._line.settimeout(self._deadline.left())
            rest = rest[self._line.send(rest) :]

    def close(self) -> None:
        """Do nothing: http.client closes early, and who opened the socket closes it."""


def trusted(verify: Trust, cert: Certificate) -> ssl.SSLContext:
    """Return what TLS trusts and shows, made anew when its files change."""
    files = (*((verify,) if isinstance(verify, str) else ()), *(cert or ()))
    try:
        return _context(verify, cert, tuple(_version(file) for file in files))
    except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
        raise Trouble(f"the files for TLS cannot be used: {', '.join(files)} ({error})", _BAD_FILES) from None


def _version(file: str) -> tuple[int, ...]:
    status = os.stat(file)
    return status.st_ino, status.st_mtime_ns, status.st_size


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
