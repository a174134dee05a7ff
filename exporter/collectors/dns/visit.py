"""One question to a name server, by UDP, TCP or TLS, and the answer to it, whatever else comes."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.dns.library import library
from exporter.collectors.dns.settings import DNSSettings
from exporter.deadline import Cancel, Deadline
from exporter.fetchline import Line
from exporter.packets import Arrivals, arriving
from exporter.probeline import Place, Sight, connected, located, opened, share

_LARGEST: Final = 65_535
_MOST_STRAY: Final = 1000  # messages that are no answer, in one probe
_CUT: Final = "have the server answer by TCP as well, or ask for less"
_LIES: Final = "see who answers in its place, and whether an older version of it runs"


class Visit:
    """One probe on its way, and what it saw so far; seconds of the request are without connecting."""

    def __init__(self, settings: DNSSettings, place: Place, deadline: Deadline, cancel: Cancel) -> None:
        self.settings, self.place, self.deadline, self.cancel = settings, place, deadline, cancel
        self.sight = Sight()
        self.request: float | None = None
        self.answer: Any = None

    def go(self) -> None:
        """Ask; Trouble and OSError where no answer comes that can be read."""
        dns, settings = library(), self.settings
        question = dns.message.make_query(settings.query_name, settings.query_type, settings.query_class)
        if not settings.recursion:
            question.flags &= ~dns.flags.RD
        if settings.transport == "udp":
            answer = self._by_udp(question)
            if not answer.flags & dns.flags.TC:
                self.answer = answer
                return
        try:
            self.answer = self._by_line(question)
        except OSError as error:
            if settings.transport == "udp" and not self.cancel.cancelled:
                raise Trouble(f"the answer by UDP was cut off, and none came by TCP ({_said(error)})", _CUT) from None
            raise

    def _by_udp(self, question: Any) -> Any:
        found = located(self.place, self.deadline, self.sight)
        for number, (family, _, _, _, address) in enumerate(found, 1):
            self.sight.address = str(address[0])
            within = Deadline(share(self.deadline, len(found) - number))
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as packets, arriving(packets, self.cancel) as arrivals:
                    with self.sight.timing("connect"):
                        packets.connect(address)  # the system takes nothing from elsewhere then
                    with self._asking():
                        packets.send(question.to_wire())
                        return self._answer_among(packets, arrivals, question, within)
            except OSError:
                if number == len(found) or self.cancel.cancelled:
                    raise
        raise AssertionError("a place has an address")

    def _answer_among(self, packets: socket.socket, arrivals: Arrivals, question: Any, deadline: Deadline) -> Any:
        """Wait for the answer to the question; what else comes is passed over."""
        stray = 0
        while True:
            try:
                arrivals.wait(deadline)
                data = packets.recv(_LARGEST)
            except BlockingIOError:  # it was broken on the way, and the system has dropped it
                continue
            except TimeoutError:
                if stray and not self.cancel.cancelled:
                    raise Trouble(f"only what is no answer to the question came ({stray})", _LIES) from None
                raise
            if data[:2] == question.id.to_bytes(2, "big") and (found := self._read(data, question)) is not None:
                return found
            stray += 1
            if stray >= _MOST_STRAY:
                raise Trouble(f"more than {_MOST_STRAY} messages came that are no answer", _LIES)

    def _by_line(self, question: Any) -> Any:
        wire = question.to_wire()
        with self._line() as line, self._asking():
            talk = Line(line, self.deadline)
            talk.sendall(len(wire).to_bytes(2, "big") + wire)
            answer = talk.makefile("rb")
            length = int.from_bytes(_whole(answer, 2), "big")
            found = self._read(_whole(answer, length), question)
        if found is None:
            raise Trouble("what came is no answer to the question", _LIES)
        return found

    @contextmanager
    def _line(self) -> Iterator[socket.socket]:
        settings = self.settings
        if settings.transport == "tls":
            name = settings.server_name or self.place.host
            context = settings.context(self.deadline.left())
            with connected(self.place, context, name, self.deadline, self.cancel, self.sight) as line:
                yield line
        else:
            with opened(self.place, self.deadline, self.cancel, self.sight) as line:
                yield line

    def _read(self, data: bytes, question: Any) -> Any:
        """Return the answer that a message is; None where it answers another question."""
        dns = library()
        try:
            found = dns.message.from_wire(data, one_rr_per_rrset=True, ignore_trailing=True)
        except (dns.exception.DNSException, ValueError, LookupError) as error:
            raise Trouble(f"the answer cannot be understood ({type(error).__name__})", _LIES) from None
        return found if question.is_response(found) else None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.request = (self.request or 0.0) + time.monotonic() - begun


def _whole(answer: BufferedReader, count: int) -> bytes:
    data = answer.read(count)
    if len(data) < count:
        raise Trouble("the server closed the line before its answer was whole", "see its log")
    return data


def _said(error: OSError) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else error.strerror or str(error)
