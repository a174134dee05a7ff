"""One HTTP request and its answer, redirect or not, on a line of its own, and what was seen of it so far."""

import http.client
import socket
import ssl
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult

from exporter.collector import Trouble
from exporter.deadline import GIVEN_UP, Cancel, Deadline
from exporter.fetchline import Connection, trusted
from exporter.httprequest import Request, headers_of, path_of, proxy_headers
from exporter.probeline import Family, Place, Sight, opened, secured, unable, unverified
from exporter.tunnel import tunnelled
from exporter.unzipping import Unzipping

REDIRECTS: Final = (301, 302, 303, 307, 308)
_FAILURES: Final = (OSError, http.client.HTTPException, zlib.error, ValueError)
_PIECE: Final = 64 << 10
_PLAIN: Final = ("", "identity")
_GZIP: Final = ("gzip", "x-gzip")
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


@dataclass(frozen=True, slots=True)
class Way:
    """How a request gets there, and what it may cost: so many bytes of an answer, and the seconds of the deadline."""

    deadline: Deadline
    most: int
    cancel: Cancel = field(default_factory=Cancel)
    family: Family = "any"
    proxy: SplitResult | None = None


@dataclass(slots=True)
class Answer:
    """An answer of any status: headers as they came, its body decompressed."""

    status: int
    version: float
    headers: tuple[tuple[str, str], ...]
    length: int | None
    """The length that its header tells."""
    coding: str = ""
    """The coding of the body where it is none that is understood: the body is as it came."""
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return the value of a header, all that there are in one; None where there is none."""
        found = self.values(name)
        return ", ".join(found) if found else None

    def values(self, name: str) -> list[str]:
        """Return each value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass(slots=True)
class Seen(Sight):
    """What was seen of requests, as far as they came: seconds add up, the answer is the last one's."""

    processing: float = 0.0
    transfer: float = 0.0
    answer: Answer | None = None
    no_tls: bool = False
    """Whether the other side took the line, and spoke something else than TLS on it."""


def ask(request: Request, way: Way, seen: Seen) -> Answer:
    """Return the answer to one request; whatever goes wrong is a Trouble that says what to do."""
    seen.answer = None  # what came before is not this one's
    try:
        answer = _asked(request, way, seen)
        if way.cancel.cancelled:  # a body without a length may have been cut
            raise TimeoutError
        return answer
    except _FAILURES as error:
        if way.cancel.cancelled:
            raise Trouble(GIVEN_UP) from None
        raise trouble(request.place, way.deadline, error) from None


def trouble(place: str, deadline: Deadline, error: Exception) -> Trouble:
    """Return what an error means to a person."""
    if (ours := unable(error)) is not None:
        return ours
    if isinstance(error, TimeoutError):
        return Trouble(f"{place} has not answered in full within {deadline.seconds:g} s", "see what keeps it busy")
    if isinstance(error, ssl.SSLError):
        return _of_tls(place, error)
    if isinstance(error, socket.gaierror):
        return Trouble(f"the host of {place} is not known ({error.strerror})", "correct the address, or name service")
    if isinstance(error, OSError):
        return Trouble(f"{place} cannot be reached ({error.strerror or error})", "see whether it runs and listens")
    if isinstance(error, http.client.HTTPException | zlib.error):
        return _of_http(place, error)
    if isinstance(error, ValueError):  # its text may show a header
        return Trouble("the request cannot be sent", "leave out characters that an address or a header cannot hold")
    raise error


def _of_http(place: str, error: Exception) -> Trouble:
    if isinstance(error, zlib.error):
        return Trouble(f"{place} says that it answers in gzip, and what came is none", "correct the server")
    if isinstance(error, http.client.LineTooLong) or "headers" in str(error):
        fix = "have it say less; a header may have 64 KiB, and there may be 100 of them"
        return Trouble(f"{place} answers with more in its headers than is read", fix)
    return Trouble(f"{place} gave no whole HTTP answer ({type(error).__name__})", "see what listens there")


def _of_tls(place: str, error: ssl.SSLError) -> Trouble:
    if isinstance(error, ssl.SSLCertVerificationError):
        fix = "name who signed it with `ca_file`, or to the system where it is not the target's own host; or renew it"
        return Trouble(f"the certificate of {place} is not trusted ({error.verify_message.rstrip('.')})", fix)
    if isinstance(error, ssl.SSLEOFError) or "ALERT" in (error.reason or ""):
        fix = "see whether it asks for a client certificate (`client_cert`), or for another name or version"
        return Trouble(f"{place} refuses TLS with us ({error.reason or 'it hung up'})", fix)
    return Trouble(f"{place} speaks no TLS that is understood ({error.reason or error})", "try `openssl s_client`")


def _asked(request: Request, way: Way, seen: Seen) -> Answer:
    with _line(request, way, seen) as line:
        begun = time.monotonic()
        connection = Connection(request.host, request.port, line, way.deadline, secure=request.secure)
        try:
            connection.request(
                request.method, path_of(request, way.proxy), request.body, headers_of(request, way.proxy)
            )
            with connection.getresponse() as response:
                answer = seen.answer = _head(response)
                answer.body = _body(response, way.most, request.place)
        finally:
            _note(seen, begun, connection.first_byte)
        return answer


def _note(seen: Seen, begun: float, first_byte: float | None) -> None:
    """Part the time since the line was there by the first byte of the answer."""
    now = time.monotonic()
    seen.processing += (first_byte or now) - begun
    seen.transfer += now - (first_byte or now)


@contextmanager
def _line(request: Request, way: Way, seen: Seen) -> Iterator[socket.socket]:
    """Have a line to whom is asked while the block runs: TCP or TLS, through the proxy where there is one."""
    context = trusted(request.verify, request.cert, way.deadline.left()) if request.secure else None
    with _plain(request, way, seen) as line:
        if context is None:
            yield line
            return
        name = request.server_name or request.host
        try:
            with secured(line, context, name, way.deadline, seen) as spoken:
                yield spoken
        except ssl.SSLCertVerificationError as error:
            unverified(_plain(request, way, Seen()), name, error, way.deadline, seen)
            raise
        except ssl.SSLError as error:
            seen.no_tls = error.reason in _NO_TLS
            raise


@contextmanager
def _plain(request: Request, way: Way, seen: Seen) -> Iterator[socket.socket]:
    with ExitStack() as stack:
        if way.proxy is None:
            place = Place(request.host, request.port, way.family)
            line = stack.enter_context(opened(place, way.deadline, way.cancel, seen))
        else:
            line = _proxied(stack, request, way, way.proxy, seen)
        yield line


def _proxied(stack: ExitStack, request: Request, way: Way, proxy: SplitResult, seen: Seen) -> socket.socket:
    """Return a line through a proxy; what goes wrong on the way to it is told of the proxy."""
    place = Place(proxy.hostname or "", proxy.port or 80, way.family)
    try:
        line = stack.enter_context(opened(place, way.deadline, way.cancel, seen))
        if request.secure:
            with seen.timing("connect"):
                tunnelled(line, request.host, request.port, proxy_headers(proxy), way.deadline)
        return line
    except _FAILURES as error:
        raise trouble(f"the proxy {Request(proxy).place}", way.deadline, error) from None


def _head(response: http.client.HTTPResponse) -> Answer:
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    length = response.headers.get("Content-Length", "").strip()
    return Answer(
        status=response.status,
        version=response.version / 10,
        headers=tuple(response.getheaders()),
        length=int(length) if length.isdecimal() and length.isascii() and len(length) < 19 else None,
        coding="" if coding in (*_PLAIN, *_GZIP) else coding[:20],
    )


def _body(response: http.client.HTTPResponse, most: int, place: str) -> bytes:
    """Return the body, decompressed; no more is ever held than `most` bytes and a piece."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    unzipped = Unzipping() if coding in _GZIP else None
    body, came = bytearray(), 0
    while piece := response.read(min(_PIECE, most + 1)):
        came += len(piece)
        body += unzipped.take(piece, most + 1 - len(body)) if unzipped else piece
        if len(body) > most or came > most + _PIECE:  # without end, and nothing in it
            raise Trouble(
                f"{place} answers with more than {most} bytes", "ask for less, or allow more with `max_bytes`"
            )
    if response.length or (unzipped and not unzipped.whole):
        raise http.client.IncompleteRead(b"")
    return bytes(body)
