"""The HTTP server: connections and responses. What is answered stands in endpoints.py."""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, ResponseStartLine
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets

from exporter.answer import Answer, text
from exporter.endpoints import Endpoints, endpoint
from exporter.selfmetrics import Telemetry

log = logging.getLogger(__name__)

_LARGEST_HEADER: Final = 16 * 1024
_LARGEST_BODY: Final = 64 * 1024
_LARGEST_BUFFER: Final = 128 * 1024  # of what a peer sends before it is asked for
_BODY_SECONDS: Final = 10.0
_WRITE_SECONDS: Final = 30.0
# Longer than any scrape interval in use, so that scrapers keep their connection.
_IDLE_SECONDS: Final = 330.0
_BACKLOG: Final = 1024


class Listener(HTTPServer):
    """Tornado's server with a limit of connections: beyond it the oldest that waits for no answer goes.

    So no crowd of silent peers, of half-sent headers or of unread answers keeps a scraper out.
    """

    def initialize(self, most: Callable[[], int], telemetry: Telemetry, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        super().initialize(*args, **kwargs)
        self._most = most
        self._telemetry = telemetry
        self._idle: OrderedDict[IOStream, None] = OrderedDict()
        self._busy: set[IOStream] = set()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Tornado's hook: a connection was accepted."""
        self.idle(stream)
        super().handle_stream(stream, address)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Tornado's hook: a connection waits for its next request."""
        assert isinstance(server_conn, HTTP1ServerConnection)  # noqa: S101  # tornado's only kind of connection
        self.idle(server_conn.stream)
        return super().start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """Tornado's hook: a connection is gone."""
        assert isinstance(server_conn, HTTP1ServerConnection)  # noqa: S101  # tornado's only kind of connection
        self._idle.pop(server_conn.stream, None)
        self._busy.discard(server_conn.stream)
        super().on_close(server_conn)

    def busy(self, stream: IOStream) -> None:
        """Spare the connection: a whole request has come, and waits for its answer."""
        self._idle.pop(stream, None)
        self._busy.add(stream)

    def idle(self, stream: IOStream) -> None:
        """Count the connection as the youngest of those that may go."""
        if stream.closed():
            return
        self._busy.discard(stream)
        self._idle[stream] = None
        self._idle.move_to_end(stream)
        if len(self._idle) + len(self._busy) > self._most():
            oldest, _ = self._idle.popitem(last=False)
            oldest.close()
            self._telemetry.evicted += 1


class Server:
    """Serves the endpoints on the listening address until told to stop."""

    def __init__(self, endpoints: Endpoints, telemetry: Telemetry) -> None:
        self._endpoints = endpoints
        self._telemetry = telemetry
        for path in endpoints.routes:
            telemetry.requests[path, 200] = 0  # so that the first request counts as an increase
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = Listener(
            self._most_connections, telemetry, self._accept,
            max_header_size=_LARGEST_HEADER, max_body_size=_LARGEST_BODY, max_buffer_size=_LARGEST_BUFFER,
            body_timeout=_BODY_SECONDS, idle_connection_timeout=_IDLE_SECONDS,
        )  # fmt: skip
        # tornado notes there what peers do wrong, which is neither our mistake nor anyone's business
        logging.getLogger("tornado.general").setLevel(logging.CRITICAL)

    def listen(self, host: str, port: int) -> list[str]:
        """Bind and accept; return the addresses bound. Raises OSError where the address cannot be had."""
        sockets = bind_sockets(port, host, backlog=_BACKLOG)
        self._listener.add_sockets(sockets)
        return [shown_address(*socket.getsockname()[:2]) for socket in sockets]

    async def drain(self, seconds: float) -> None:
        """Accept nothing more, finish what was asked within so many seconds, close every connection."""
        self._listener.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._listener.close_all_connections(), 1.0)

    def _most_connections(self) -> int:
        return min(self._endpoints.web.max_connections, _descriptors())

    def _accept(self, request: HTTPServerRequest) -> None:
        connection = request.connection
        assert isinstance(connection, HTTP1Connection)  # noqa: S101  # tornado's only kind of connection
        self._listener.busy(connection.stream)
        task = asyncio.get_running_loop().create_task(self._respond(request, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def peer_has_gone() -> None:
            task.cancel()

        connection.set_close_callback(peer_has_gone)

    async def _respond(self, request: HTTPServerRequest, connection: HTTP1Connection) -> None:
        try:
            answer = await self._endpoints.answer(request)
        except Exception:
            log.exception("the request for %s failed", request.path)
            answer = text("this is a mistake of the exporter; its log says more", 500)
        path = endpoint(request.path)
        counted = path if path in self._endpoints.routes else "other"
        self._telemetry.requests[counted, answer.status] += 1
        self._listener.idle(connection.stream)
        await _write(connection, answer, head=request.method == "HEAD")


async def _write(connection: HTTP1Connection, answer: Answer, *, head: bool) -> None:
    headers = HTTPHeaders({"Content-Type": answer.type, "Content-Length": str(len(answer.body)),
                           "Date": formatdate(usegmt=True), "X-Content-Type-Options": "nosniff",
                           **answer.headers})  # fmt: skip
    start = ResponseStartLine("HTTP/1.1", answer.status, HTTPStatus(answer.status).phrase)
    try:
        written = connection.write_headers(start, headers, b"" if head else answer.body)
        connection.finish()
        await asyncio.wait_for(written, _WRITE_SECONDS)
    except TimeoutError:  # a peer that asks and does not read
        connection.stream.close()
    except OSError:  # tornado's StreamClosedError among them: the peer has gone
        pass


def _descriptors() -> int:
    """Return how many connections there are descriptors for, with enough left for the targets."""
    try:
        import resource
    except ImportError:
        return 1 << 20
    limit: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 20 if limit == resource.RLIM_INFINITY else max(limit - 256, limit // 2)


def shown_address(host: str, port: int) -> str:
    """Return host and port as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
