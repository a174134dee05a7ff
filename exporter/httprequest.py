"""What one HTTP request asks of whom: its address, its first line and its headers."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from exporter import __version__
from exporter.collector import Trouble
from exporter.fetchline import Certificate, Trust

HARMLESS: Final = ("accept", "accept-encoding", "accept-language", "user-agent")
"""The headers that a redirect may take to any place."""
_UNQUOTED: Final = "!#$%&'()*+,/:;=?@[]~"


class Request(NamedTuple):
    """What is asked of whom."""

    url: SplitResult
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    verify: Trust = True
    cert: Certificate = None
    server_name: str = ""
    """The name that the certificate must have, where that is not the host of the address."""

    @property
    def secure(self) -> bool:
        return self.url.scheme == "https"

    @property
    def place(self) -> str:
        """Whom the request goes to, as a person may read it: the rest of an address may hold secrets."""
        return f"{self.url.scheme}://{self.url.netloc.rpartition('@')[2]}"

    @property
    def host(self) -> str:
        return self.url.hostname or ""

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.secure else 80)


def split(url: str, base: str = "") -> SplitResult:
    """Return the parts of an address; Trouble where it is none that can be asked."""
    try:
        parts = urlsplit(urljoin(base, url))
        port = parts.port
    except ValueError:  # its text may hold a part of the address
        parts, port = urlsplit(""), None
    known = parts.scheme in ("http", "https") and parts.hostname and port != 0
    if not known or not parts.netloc.isprintable() or " " in parts.netloc:  # it is shown, perhaps in a terminal
        raise Trouble("the address is not understood", "expected http://HOST:PORT/PATH or https://HOST/PATH")
    return parts


def redirected_to(url: SplitResult, location: str, same: Callable[[SplitResult, SplitResult], bool]) -> SplitResult:
    """Return where a redirect leads, with the user that was given where that is the same place as before."""
    try:
        found = split(_as_sent(location), url.geturl())
    except Trouble:
        place, fix = Request(url).place, "correct the server: it should lead to http:// or https:// and a host"
        raise Trouble(f"{place} redirects to what is no address of HTTP", fix) from None
    if "@" in url.netloc and "@" not in found.netloc and same(url, found):
        return found._replace(netloc=f"{url.netloc.rpartition('@')[0]}@{found.netloc}")
    return found


def _as_sent(location: str) -> str:
    try:
        return location.encode("latin-1").decode()  # addresses are UTF-8, headers are read as Latin-1
    except UnicodeError:
        return location


def path_of(request: Request, proxy: SplitResult | None) -> str:
    """Return what the request line names: a path, or the whole address where a proxy is asked."""
    url = request.url._replace(fragment="", path=request.url.path or "/")
    if proxy is not None and not request.secure:
        url = url._replace(netloc=in_ascii(url.netloc.rpartition("@")[2]))
    else:
        url = url._replace(scheme="", netloc="")
    return quote(url.geturl(), safe=_UNQUOTED)


def in_ascii(host: str) -> str:
    """Return a host, with its port if any, as it is sent: names of other letters have a form in ASCII."""
    if host.isascii():
        return host
    name, colon, port = host.partition(":")
    return f"{name.encode('idna').decode()}{colon}{port}"


def headers_of(request: Request, proxy: SplitResult | None) -> dict[str, str]:
    """Return the headers of a request, those that were given over those that every one has."""
    headers = {"User-Agent": f"runbook-exporter/{__version__}", "Accept-Encoding": "gzip", "Connection": "close"}
    if proxy is not None and not request.secure:
        headers |= proxy_headers(proxy)
    if (user := _user(request.url)) is not None:
        headers["Authorization"] = user
    return headers | {name.title(): value for name, value in request.headers.items()}


def proxy_headers(proxy: SplitResult) -> dict[str, str]:
    """Return what a proxy is told of who asks."""
    user = _user(proxy)
    return {} if user is None else {"Proxy-Authorization": user}


def _user(url: SplitResult) -> str | None:
    user, at, _ = url.netloc.rpartition("@")
    return basic(*(unquote(part) for part in user.partition(":")[::2])) if at else None


def basic(user: str, password: str) -> str:
    """Return the header Authorization of a user and a password."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
