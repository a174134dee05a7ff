"""One HTTP request, within bounds: so many bytes, so many seconds for all of it, and cut from another thread.

Proxies of the environment are not used: what is watched is reached directly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult

from exporter.collector import Trouble
from exporter.deadline import Cancel, Deadline
from exporter.exchange import REDIRECTS, Answer, Seen, Way, ask
from exporter.fetchline import Certificate, Trust
from exporter.httprequest import HARMLESS, Request, redirected_to, split

__all__ = ["Cancel", "Reply", "fetch"]

_MOST_REDIRECTS: Final = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of any status: its headers by name in lower case, its body decompressed, how long all took.

    What stands in several headers of one name is one list, as HTTP has it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


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
    proxy: SplitResult | None = None,
) -> Reply:
    """Return the answer to a request; Trouble where none came within `timeout` seconds and `most` bytes.

    Redirects are followed where nothing secret could go astray: to the same host, or to another one where neither
    headers nor a body nor a certificate were given.
    """
    first = request = Request(split(url), method, headers, body, verify, cert)
    way = Way(Deadline(timeout), most, cancel or Cancel(), proxy=proxy)
    for _ in range(_MOST_REDIRECTS + 1):
        answer = ask(request, way, Seen())
        location = answer.header("location")
        if answer.status not in REDIRECTS or location is None:
            return _reply(request, answer, way.deadline)
        request = _redirected(request, location)
        request = request._replace(verify=verify if request.host == first.host else True)  # it was said of that host
    raise Trouble(f"{request.place} redirects without end", "give the address that it should end at")


def _reply(request: Request, answer: Answer, deadline: Deadline) -> Reply:
    if answer.coding:
        fix = "correct the server"
        raise Trouble(f"{request.place} answers in the coding {answer.coding!r}, which nobody asked for", fix)
    headers = {name.lower(): answer.header(name) or "" for name, _ in answer.headers}
    return Reply(answer.status, headers, answer.body, deadline.spent())


def _redirected(request: Request, location: str) -> Request:
    old, url = request.url, redirected_to(request.url, location, _same_host)
    if old.scheme == "https" and url.scheme == "http":
        raise Trouble(f"{request.place} redirects to plain http", "correct the server, or the address")
    telling = [name for name in request.headers if name.lower() not in HARMLESS]
    secret = telling or request.cert or request.body is not None or "@" in old.netloc
    moved = request._replace(url=url)
    if secret and not _same_host(old, url):
        fix = "give the address that it redirects to, if what is sent may go there; a login page may be in the way"
        raise Trouble(f"{request.place} redirects to another place, {moved.place}", fix)
    if request.body is not None or request.method not in ("GET", "HEAD"):
        raise Trouble(f"{request.place} redirects a {request.method}", "give the address that it should end at")
    return moved


def _same_host(old: SplitResult, new: SplitResult) -> bool:
    return (old.hostname, old.port) == (new.hostname, new.port)
