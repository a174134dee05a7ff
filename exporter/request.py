"""What an HTTP request can be told in the configuration, and the requests made of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from exporter.fetch import Cancel, Reply, fetch
from exporter.httprequest import basic
from exporter.models import Problems
from exporter.setting import Bytes, FilePath, Secret, SecretURL, setting
from exporter.tlssettings import Trusting

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS: Final = ("content-length", "transfer-encoding", "connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettings(Trusting):
    """Where an HTTP server is, how it lets us in, and what an answer may cost."""

    url: SecretURL | None = setting(
        None,
        help="The address that is asked, http:// or https://.",
        example="http://127.0.0.1:8000/api/status",
        shown=True,
    )
    headers: Mapping[str, Secret] = setting(
        {}, help="Headers to send, their values kept secret.", example='{X-API-Key: "${API_KEY}"}'
    )
    bearer_token: Secret | None = setting(None, help="A token, sent as `Authorization: Bearer`.", example='"${TOKEN}"')
    username: str = setting("", help="The user of basic authentication.", example="monitor")
    password: Secret | None = setting(None, help="The password of that user.", example='"${API_PASSWORD}"')
    ca_file: FilePath = setting(
        "", help="Authorities to trust for this server, as PEM, instead of the system's.", example="/etc/ssl/our-ca.pem"
    )
    client_cert: FilePath = setting("", help="A client certificate to show, as PEM.", example="/etc/ssl/client.pem")
    client_key: FilePath = setting("", help="Its key, as PEM without a passphrase.", example="/etc/ssl/client.key")
    insecure_skip_verify: bool = setting(
        False, help="Whether any certificate of the server is taken; who can answer in its place then can lie."
    )
    max_bytes: Bytes = setting(4 << 20, help="How large an answer may be, decompressed.")

    def check(self) -> Problems:
        """Find an address that is none, and settings that contradict each other."""
        if self.url is not None:
            yield from check_url(self.url.reveal())
        yield from _check_headers(self)
        yield from self.check_trust()
        if not 1 <= self.max_bytes <= 64 << 20:
            yield "max_bytes", "is more than can be held, or nothing; expected 1 to 64MiB"

    def ask(
        self, timeout: float, accept: str, cancel: Cancel | None = None, *, path: str = "", body: bytes | None = None
    ) -> Reply:
        """Return the answer of the address, or of a path below it; Trouble where none came within bounds.

        With a body, even an empty one, it is a POST.
        """
        url = self.url.reveal() if self.url is not None else ""
        given = {name.title(): secret.reveal() for name, secret in self.headers.items()}
        kind = {"Content-Type": "application/json"} if body else {}
        return fetch(
            url.rstrip("/") + path if path else url,
            timeout=timeout,
            most=self.max_bytes,
            headers={"Accept": accept, **kind, **self.credentials(), **given},
            method="GET" if body is None else "POST",
            body=body,
            verify=self.verify,
            cert=self.cert,
            cancel=cancel,
        )

    def credentials(self) -> dict[str, str]:
        """Return the header that says who asks; none where the address itself does, or nothing."""
        if self.bearer_token is not None:
            return {"Authorization": f"Bearer {self.bearer_token.reveal()}"}
        if self.password is not None:
            return {"Authorization": basic(self.username, self.password.reveal())}
        return {}


def check_url(url: str, name: str = "url") -> Problems:
    """Find what is no address of an HTTP server."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or not url.isprintable() or " " in url:
        yield name, "is no address; expected http://HOST:PORT/PATH or https://HOST/PATH"


def check_proxy(proxy: SecretURL | None) -> Problems:
    """Find an address that is no HTTP proxy's."""
    try:
        parts = urlsplit(proxy.reveal()) if proxy is not None else None
        known = parts is None or (parts.scheme == "http" and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        known = False
    if not known:
        yield "proxy", "is no address of an HTTP proxy; expected http://HOST:PORT"


def _check_headers(request: RequestSettings) -> Problems:
    for name, secret in request.headers.items():
        if problem := header_problem(name, secret.reveal()):
            yield f"headers.{name}", problem
    ways = [request.bearer_token is not None, request.password is not None]
    ways += [any(name.lower() == "authorization" for name in request.headers), _has_user(request.url)]
    if sum(ways) > 1:
        place = "bearer_token" if request.bearer_token is not None else "password"
        yield place, "is not the only way to say who asks; expected one of bearer_token, password, a header, the url"
    if bool(request.username) != (request.password is not None):
        yield "username" if request.username else "password", "stands alone; expected username and password"
    if request.bearer_token is not None and not _sendable(request.bearer_token.reveal()):
        yield "bearer_token", "holds a character that a header cannot; expected printable ASCII"


def header_problem(name: str, text: str) -> str:
    """Return why a header cannot be given; nothing where it can."""
    if name.lower() == "host":
        return "is made of the address; expected `host_header` instead, which the collector http has"
    if not _HEADER.fullmatch(name) or name.lower() in _OWN_HEADERS:
        return "is no header that can be given; expected a name such as X-API-Key"
    return "" if _sendable(text) else "holds a character that a header cannot; expected printable ASCII"


def _sendable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _has_user(url: SecretURL | None) -> bool:
    return url is not None and "@" in url.reveal().partition("://")[2].partition("/")[0]
