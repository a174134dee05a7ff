"""An API on this machine that answers as a provider's documentation says, or as a test has it misbehave."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the path without its query, the query by name, headers by name in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    line: str


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: text or bytes as they are, anything else as JSON."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    half: bool = False
    """Whether only the first half of the body comes."""
    after: threading.Event | None = None
    """What is waited for before it comes, at most 30 seconds."""


Route = Said | Callable[[Asked], Said]


@dataclass(slots=True)
class API:
    """The server: what is answered by path, and what it was asked. A path that is not there is answered by 404."""

    port: int
    routes: dict[str, Route] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(one.path == path for one in self.asked)


@contextmanager
def api(**routes: Route) -> Iterator[API]:
    """Serve while the block runs; `routes` may be given, and changed, by path in `API.routes`."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.api = API(server.server_address[1], dict(routes))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.api
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    api: API


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        asked = self._asked()
        self.server.api.asked.append(asked)
        route = self.server.api.routes.get(asked.path, Said({"error": {"message": "Not Found"}}, 404))
        said = route(asked) if callable(route) else route
        if said.after is not None:
            said.after.wait(30)
        with suppress(OSError):
            self._send(said)
        self.close_connection = True

    def _asked(self) -> Asked:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = parse_qs(url.query, keep_blank_values=True)
        return Asked(self.command, url.path, query, headers, body, self.requestline)

    def _send(self, said: Said) -> None:
        body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        body = said.body.encode() if isinstance(said.body, str) else body
        self.send_response(said.status)
        for name, value in {"Content-Type": "application/json", **said.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if said.half else body)
