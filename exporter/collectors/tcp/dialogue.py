"""What is said on a line, step by step; nothing of what came is ever shown."""

import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Final

from exporter.collectors.tcp.settings import ASKED, Step
from exporter.deadline import Deadline
from exporter.fetchline import Line
from exporter.pattern import found_in, groups_of
from exporter.probing import MismatchError

_ENDS: Final = {"crlf": b"\r\n", "lf": b"\n", "none": b""}
_PIECE: Final = 16 << 10
_BUSY: Final = "see what keeps it busy, or what it waits for"
_BY_HAND: Final = "say it by hand, as with nc or openssl s_client, and compare it with the step"


class Dialogue:
    """One dialogue: the line that it goes over may become another on the way, when TLS begins."""

    def __init__(self, line: socket.socket, deadline: Deadline, most: int, end: str, values: Mapping[str, str]) -> None:
        self.line = line
        self._deadline = deadline
        self._left = most
        self._end = _ENDS[end]
        self._values = {name: value.encode() for name, value in values.items()}
        self._came = bytearray()
        self._another = False  # whether a line came in this step that is not the one

    def go(self, steps: Sequence[Step], named: str, start: int = 0) -> int | None:
        """Go on to the step that begins TLS, and return its number; None where all are done."""
        for number, step in enumerate(steps[start:], start):
            place = f"{named}[{number}]"
            found = self._expected(step, place)
            if step.send or step.send_hex:
                Line(self.line, self._deadline).sendall(self._text(step, found))
            if step.starttls:
                self._check_nothing_came(place)
                return number
        return None

    def over(self, line: ssl.SSLSocket) -> None:
        """Go on over a line that speaks TLS from here."""
        self.line = line

    def _expected(self, step: Step, place: str) -> Mapping[str, bytes]:
        """Wait for what a step expects; return what the groups of its pattern found."""
        if step.expect_hex:
            wanted = bytes.fromhex(step.expect_hex)
            while len(self._came) < len(wanted) and wanted.startswith(self._came):
                self._read(place)
            if not self._came.startswith(wanted):
                raise MismatchError(f"{place}: other bytes came than are expected", _BY_HAND, by_pattern=True)
            del self._came[: len(wanted)]
        if not step.expect:
            return {}
        self._another = False
        while True:
            line = self._read_line(place)
            found = groups_of(step.expect, line)
            if found is not None:
                self._values |= {name: found[name] for name in step.groups()}
                return found
            if step.fail and found_in(step.fail, line):
                raise MismatchError(f"{place}: a line came that means failure", _BY_HAND, by_pattern=True)
            self._another = True

    def _read_line(self, place: str) -> bytes:
        searched = 0
        while (end := self._came.find(b"\n", searched)) < 0:
            searched = len(self._came)
            self._read(place)
        line = bytes(self._came[:end]).removesuffix(b"\r")
        del self._came[: end + 1]
        return line

    def _read(self, place: str) -> None:
        try:
            self.line.settimeout(self._deadline.left())
            data = self.line.recv(min(_PIECE, self._left + 1))
        except TimeoutError:
            raise self._lacking(place, "what is expected did not come in time", _BUSY) from None
        if not data:
            raise self._lacking(place, "the line was closed before what is expected came", _BY_HAND)
        self._left -= len(data)
        self._came += data
        if self._left < 0:
            raise self._lacking(
                place, "more came than `max_bytes`", "expect something that comes sooner, or allow more"
            )

    def _lacking(self, place: str, problem: str, fix: str) -> MismatchError:
        """Return the trouble of a step that goes on no further; a pattern decides only on what came."""
        return MismatchError(f"{place}: {problem}", fix, by_pattern=self._another or bool(self._came))

    def _text(self, step: Step, found: Mapping[str, bytes]) -> bytes:
        if step.send_hex:
            return bytes.fromhex(step.send_hex)
        known = {**self._values, **found}
        parts = ASKED.split(step.send)  # text, name, text, name, ... text
        filled = [known[part] if number % 2 else part.encode() for number, part in enumerate(parts)]
        return b"".join(filled) + self._end

    def _check_nothing_came(self, place: str) -> None:
        if self._came:  # else whoever is in between could have said it
            raise self._lacking(place, "more came before TLS begins", "expect all that is said before TLS")
