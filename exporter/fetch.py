"""One HTTP request, within bounds: so many bytes, so many seconds for all of it, and cut from another thread.

Proxies of the environment are not used: what is watched is reached directly.
"""

import http.client
import socket
import ssl
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from exporter import __version__
from exporter.collector import Trouble
from exporter.deadline import Cancel, Deadline
from exporter.fetchline import Certificate, Connection, Trust, trusted

__all__ = ["Cancel", "Reply", "fetch"]

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MOST_REDIRECTS: Final = 5
_FAILURES: Final = (OSError, http.client.HTTPException, zlib.error, ValueError)
_HARMLESS: Final = ("accept", "accept-encoding", "accept-language", "user-agent")
_PIECE: Final = 64 << 10
_UNQUOTED: Final = "!#$%&'()*+,/:;=?@[]~"
_CANCELLED: Final = "given up, as the round took longer than the target's timeout"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of any status: its headers by name in lower case, its body decompressed, how long all took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class _Request(NamedTuple):
    url: SplitResult
    method: str
    headers: Mapping[str, str]
    body: bytes | None
    verify: Trust
    cert: Certificate

    @property
    def place(self) -> str:
        """Return whom the request goes to, as a person may read it: the rest of an address may hold secrets."""
        return f"{self.url.scheme}://{self.url.netloc.rpartition('@')[2]}"


def fetch(
    url: str,
    *,
    timeout: float,
    most: int,
    headers: Mapping[str, str] = {},  # nobody changes it
    method: str = "GET",
    body: bytes | None = None,
    verify: Trust = True,
    cert: Certificate = None,
    cancel: Cancel | None = None,
) -> Reply:
    """Return the answer to a request; Trouble where none came within `timeout` seconds and `most` bytes.

    Redirects are followed where nothing secret could go astray: to the same host, or to another one where neither
    headers nor a body nor a certificate were given.
    """
    request = _Request(_split(url), method, headers, body, verify, cert)
    deadline = Deadline(timeout)
    for _ in range(_MOST_REDIRECTS + 1):
        reply = _explained(request, deadline, most, cancel or Cancel())
        if reply.status not in _REDIRECTS or "location" not in reply.headers:
            return reply
        request = _redirected(request, reply.headers["location"])
    raise Trouble(f"{request.place} redirects without end", "give the address that it should end at")


def _split(url: str, base: str = "") -> SplitResult:
    try:
        parts = urlsplit(urljoin(base, url))
        port = parts.port
    except ValueError:  # its text may hold a part of the address
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise Trouble("the address is not understood", "expected http://HOST:PORT/PATH or https://HOST/PATH")
    return parts


def _redirected(request: _Request, location: str) -> _Request:
    old = request.url
    url = _split(location, old.geturl())
    if old.scheme == "https" and url.scheme == "http":
        raise Trouble(f"{request.place} redirects to plain http", "correct the server, or the address")
    same = (old.hostname, old.port) == (url.hostname, url.port)
    telling = [name for name in request.headers if name.lower() not in _HARMLESS]
    secret = telling or request.cert or request.body is not None or "@" in old.netloc
    moved = request._replace(url=url)
    if secret and not same:
        fix = "give the address that it redirects to, if what is sent may go there; a login page may be in the way"
        raise Trouble(f"{request.place} redirects to another place, {moved.place}", fix)
    if request.body is not None or request.method not in ("GET", "HEAD"):
        raise Trouble(f"{request.place} redirects a {request.method}", "give the address that it should end at")
    if "@" in old.netloc and "@" not in url.netloc:  # the same host: the user that was given is still meant
        moved = request._replace(url=url._replace(netloc=f"{old.netloc.rpartition('@')[0]}@{url.netloc}"))
    return moved


def _explained(request: _Request, deadline: Deadline, most: int, cancel: Cancel) -> Reply:
    """Return the answer to one request, redirect or not; whatever goes wrong is a Trouble that says what to do."""
    place = request.place
    try:
        reply = _ask(request, deadline, most, cancel)
        if cancel.cancelled:  # a body without a length may have been cut
            raise TimeoutError
        return reply
    except _FAILURES as error:
        if cancel.cancelled:
            raise Trouble(_CANCELLED) from None
        raise _trouble(place, deadline, error) from None


def _trouble(place: str, deadline: Deadline, error: Exception) -> Trouble:
    if isinstance(error, TimeoutError):
        return Trouble(f"{place} has not answered in full within {deadline.seconds:g} s", "see what keeps it busy")
    if isinstance(error, ssl.SSLCertVerificationError):
        fix = "name the authority that signed it with `ca_file`, or renew the certificate"
        return Trouble(f"the certificate of {place} is not trusted ({error.verify_message.rstrip('.')})", fix)
    if isinstance(error, ssl.SSLError):
        return Trouble(f"{place} speaks no TLS that is understood ({error.reason or error})", "try `openssl s_client`")
    if isinstance(error, socket.gaierror):
        return Trouble(f"the host of {place} is not known ({error.strerror})", "correct the address, or name service")
    if isinstance(error, OSError):
        return Trouble(f"{place} cannot be reached ({error.strerror or error})", "see whether it runs and listens")
    if isinstance(error, http.client.HTTPException | zlib.error):
        return Trouble(f"{place} gave no whole HTTP answer ({type(error).__name__})", "see what listens there")
    if isinstance(error, ValueError):  # its text may show a header
        return Trouble("the request cannot be sent", "leave out characters that an address or a header cannot hold")
    raise error


def _ask(request: _Request, deadline: Deadline, most: int, cancel: Cancel) -> Reply:
    url = request.url
    context = trusted(request.verify, request.cert) if url.scheme == "https" else None
    connection = Connection(url.hostname or "", url.port or (443 if context else 80), deadline, context)
    with connection.opened(cancel):
        connection.request(request.method, _path(url), request.body, _headers(request))
        with connection.getresponse() as response:
            body = _body(response, most, request.place)
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, headers, body, deadline.spent())


def _path(url: SplitResult) -> str:
    return quote(url._replace(scheme="", netloc="", fragment="", path=url.path or "/").geturl(), safe=_UNQUOTED)


def _headers(request: _Request) -> dict[str, str]:
    headers = {"User-Agent": f"runbook-exporter/{__version__}", "Accept-Encoding": "gzip", "Connection": "close"}
    user, at, _ = request.url.netloc.rpartition("@")
    if at:
        headers["Authorization"] = basic(*(unquote(part) for part in user.partition(":")[::2]))
    return headers | {name.title(): value for name, value in request.headers.items()}


def basic(user: str, password: str) -> str:
    """Return the header Authorization of a user and a password."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _body(response: http.client.HTTPResponse, most: int, place: str) -> bytes:
    """Return the body, decompressed; no more is ever held than `most` bytes and a piece."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise Trouble(f"{place} answers in the coding {coding[:20]!r}, which nobody asked for", "correct the server")
    decoder = zlib.decompressobj(wbits=31) if "gzip" in coding else None
    body, begun = bytearray(), False
    while piece := response.read(min(_PIECE, most + 1)):
        begun = True
        body += decoder.decompress(piece, most + 1 - len(body)) if decoder else piece
        if len(body) > most:
            raise Trouble(
                f"{place} answers with more than {most} bytes", "ask for less, or allow more with `max_bytes`"
            )
    if response.length or (decoder and begun and not decoder.eof):
        raise http.client.IncompleteRead(b"")
    return bytes(body)
