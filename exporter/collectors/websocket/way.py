"""The way to a server: its address, what is trusted, what a request says of who asks, and the lines that are opened."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from socket import socket
from urllib.parse import SplitResult, unquote

from exporter import __version__
from exporter.collectors.websocket.phases import Phases
from exporter.collectors.websocket.settings import WebSocketSettings
from exporter.cookies import Cookies
from exporter.deadline import Cancel, Deadline
from exporter.fetchline import trusted
from exporter.httprequest import Request, basic, path_of
from exporter.probeline import Place, Sight, opened, secured, unverified


@dataclass(slots=True)
class Way:
    """How one probe gets there; a line at a time, until its deadline."""

    settings: WebSocketSettings
    url: SplitResult
    deadline: Deadline
    end: Deadline
    """When all is over; the time from the deadline on is for taking leave."""
    cancel: Cancel
    phases: Phases
    status: int | None = None
    """The last status that came as an answer."""
    pings: tuple[float, float] | None = None
    """How often a server of Socket.IO says that it pings, and how long it waits then."""
    cookies: Cookies = field(default_factory=Cookies)

    @property
    def secure(self) -> bool:
        return self.url.scheme == "https"

    @property
    def host(self) -> str:
        return self.url.hostname or ""

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.secure else 80)

    @property
    def shown(self) -> str:
        """The address as a person may read it: the rest of it may hold secrets."""
        return f"{'wss' if self.secure else 'ws'}://{self.url.netloc.rpartition('@')[2]}"

    @contextmanager
    def line(self, deadline: Deadline | None = None) -> Iterator[socket]:
        """Be connected while the block runs, by TLS where the address asks for it."""
        sight, deadline = self.phases.sight, deadline or self.deadline
        settings = self.settings
        context = trusted(settings.verify, settings.cert, deadline.left()) if self.secure else None
        with ExitStack() as stack:
            with self.phases.lining():
                place = Place(self.host, self.port, settings.ip_family)
                line = stack.enter_context(opened(place, deadline, self.cancel, sight))
            if context is not None:
                with self.phases.phase("tls"):
                    line = stack.enter_context(self._secured(line, context, deadline, sight))
            yield line

    @contextmanager
    def _secured(self, line: socket, context: ssl.SSLContext, deadline: Deadline, sight: Sight) -> Iterator[socket]:
        name = self.settings.server_name or self.host
        with ExitStack() as stack:
            try:
                spoken = stack.enter_context(secured(line, context, name, deadline, sight))
            except ssl.SSLCertVerificationError as error:
                again = opened(Place(sight.address, self.port), deadline, self.cancel, Sight())
                unverified(again, name, error, deadline, sight)
                raise
            yield spoken

    def target(self, query: str = "") -> str:
        """Return the path and query of a request, more of a query beside the address' own."""
        both = "&".join(filter(None, (self.url.query, query)))
        return path_of(Request(self.url._replace(query=both)), None)

    def headers(self) -> dict[str, str]:
        """Return what a request says of who asks."""
        settings = self.settings
        given = {name.title(): secret.reveal() for name, secret in settings.headers.items()}
        said = {"User-Agent": f"runbook-exporter/{__version__}", **settings.credentials()}
        if settings.origin:
            said["Origin"] = settings.origin
        user, at, _ = self.url.netloc.rpartition("@")
        if at:
            said["Authorization"] = basic(*(unquote(part) for part in user.partition(":")[::2]))
        said |= given
        if cookie := "; ".join(filter(None, (given.get("Cookie"), self.cookies.header(self.url)))):
            said["Cookie"] = cookie
        return said

    def values(self) -> Mapping[str, str]:
        """Return the values that stand in what is sent."""
        return {name: value.reveal() for name, value in self.settings.values.items()}
