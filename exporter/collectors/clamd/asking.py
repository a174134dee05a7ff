"""One command for clamd and its answer: it takes one on each connection, and hangs up after it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from exporter.collector import Trouble
from exporter.collectors.clamd.settings import ClamdSettings
from exporter.deadline import GIVEN_UP, Cancel, Deadline
from exporter.exchange import trouble as meaning
from exporter.fetchline import Line
from exporter.jsontext import beginning
from exporter.probeline import Place, Sight, opened

_MOST: Final = 256 << 10  # bytes; STATS has a line for each file that is being scanned
_PIECE: Final = 16 << 10
_END: Final = b"\0"
_LOADS: Final = (
    "see whether it loads signatures or waits for memory, in its log and with `systemctl status clamav-daemon`"
)
_NONE: Final = "see what listens there; expected clamd's own socket (LocalSocket or TCPSocket of clamd.conf)"
_START: Final = "see `systemctl status clamav-daemon`; it does not start before freshclam has fetched signatures"
_DENIED: Final = "let the exporter's user use the socket (LocalSocketMode, LocalSocketGroup of clamd.conf)"


class Clamd:
    """clamd in one round; cancel() ends what is under way."""

    def __init__(self, settings: ClamdSettings, deadline: Deadline, cancel: Cancel) -> None:
        self._settings = settings
        self._deadline = deadline
        self._cancel = cancel

    def cancel(self) -> None:
        self._cancel.cancel()

    def ask(self, command: str) -> str:
        """Return the answer to a command; Trouble where none comes."""
        place = self._settings.address
        try:
            with self._line() as line:
                Line(line, self._deadline).sendall(b"z" + command.encode() + _END)
                answer = self._answer(line)
        except OSError as error:
            raise self._trouble(error) from None
        if not answer.endswith(_END):
            raise Trouble(f"{place} does not answer as clamd does: {beginning(answer)}", _NONE)
        return answer[:-1].decode("utf-8", "replace")

    def _trouble(self, error: OSError) -> Trouble:
        """Return what an error on the line means to a person."""
        place = self._settings.address
        if self._cancel.cancelled:
            return Trouble(GIVEN_UP)
        if isinstance(error, TimeoutError):
            return Trouble(f"{place} has not answered within {self._deadline.seconds:g} s", _LOADS)
        if isinstance(error, PermissionError):
            return Trouble(f"{place} may not be used ({error.strerror})", _DENIED)
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            return Trouble(f"{place} cannot be reached ({error.strerror})", _START)
        return meaning(place, self._deadline, error)

    @contextmanager
    def _line(self) -> Iterator[socket.socket]:
        if not self._settings.address.startswith("/"):
            with opened(Place(*self._settings.place()), self._deadline, self._cancel, Sight()) as line:
                yield line
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, self._cancel.cutting(line):
            line.settimeout(self._deadline.left())
            line.connect(self._settings.address)
            yield line

    def _answer(self, line: socket.socket) -> bytes:
        came = bytearray()
        while not came.endswith(_END):
            line.settimeout(self._deadline.left())
            piece = line.recv(_PIECE)
            if not piece:
                break
            came += piece
            if len(came) > _MOST:
                raise Trouble(f"{self._settings.address} answers with more than {_MOST >> 10} KiB", _NONE)
        if self._cancel.cancelled:  # the answer may have been cut
            raise TimeoutError
        return bytes(came)
