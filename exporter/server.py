"""The HTTP server: connections and responses. What is answered stands in endpoints.py."""

import asyncio
import contextlib
import logging
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream, SSLIOStream

from exporter import taskdoor
from exporter.answer import Answer, text
from exporter.endpoints import Endpoints, endpoint
from exporter.gate import Gate
from exporter.selfmetrics import Telemetry

log = logging.getLogger(__name__)

_LARGEST_HEADER: Final = 16 * 1024
_LARGEST_BODY: Final = 64 * 1024
_LARGEST_BUFFER: Final = 128 * 1024  # of what a peer sends before it is asked for
_BODY_SECONDS: Final = 10.0
_WRITE_SECONDS: Final = 30.0
# Longer than any scrape interval in use, so that scrapers keep their connection.
_IDLE_SECONDS: Final = 330.0
_HANDSHAKE_SECONDS: Final = 10.0
_AF_UNIX: Final = getattr(socket, "AF_UNIX", None)


class Listener(HTTPServer):
    """Tornado's server with a limit of connections: beyond it the oldest that waits for no answer goes.

    So no crowd of silent peers, of half-sent headers or of unread answers keeps a scraper out; a crowd that waits for
    answers does, in every place: then it is the newcomer that goes.
    """

    def initialize(  # type: ignore[override]
        self, gate: Gate, most: Callable[[], int], telemetry: Telemetry,
        accept: Callable[[HTTPServerRequest], None], **kwargs: Any,
    ) -> None:  # fmt: skip
        super().initialize(accept, **kwargs)
        self._accept = accept
        self._gate = gate
        self._most = most
        self._telemetry = telemetry
        self._idle: OrderedDict[IOStream, None] = OrderedDict()
        self._busy: set[IOStream] = set()

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        """Tornado's hook: a connection was accepted; it speaks TLS with what is in force at this moment."""
        self.ssl_options = None if connection.family == _AF_UNIX else self._gate.context
        try:
            super()._handle_connection(connection, address)
        except OSError:  # it has gone again; TLS looks who is there
            connection.close()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> Awaitable[None] | None:  # type: ignore[override]
        """Tornado's hook: there is a stream; of TLS the handshake is still to come."""
        self.idle(stream)
        if isinstance(stream, SSLIOStream):
            stream.set_close_callback(lambda: self._forget(stream))
            return self._shake_hands(stream, address)
        super().handle_stream(stream, address)
        return None

    async def _shake_hands(self, stream: SSLIOStream, address: tuple[Any, ...]) -> None:
        """Serve the stream once its handshake is done, and drop one that takes too long or shows a wrong name."""
        try:
            await asyncio.wait_for(stream.wait_for_handshake(), _HANDSHAKE_SECONDS)
            certificate = stream.socket.getpeercert()
        except (OSError, ValueError) as error:  # TimeoutError and tornado's StreamClosedError among them
            self._turn_away(stream, address, error)
            return
        if self._gate.admits(certificate):
            super().handle_stream(stream, address)
        else:
            self._turn_away(stream, address, "the certificate has none of the allowed names")

    def _turn_away(self, stream: SSLIOStream, address: tuple[Any, ...], reason: object) -> None:
        log.debug("no connection with %s: %s", address[0], reason or "the handshake takes too long")
        self._telemetry.handshakes_failed += 1
        stream.close()

    def _forget(self, stream: IOStream) -> None:
        self._idle.pop(stream, None)
        self._busy.discard(stream)

    def close_idle(self) -> None:
        """Close what waits for nothing, handshakes included."""
        for stream in list(self._idle):
            stream.close()

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Tornado's hook: a connection waits for its next request."""
        assert isinstance(server_conn, HTTP1ServerConnection)  # noqa: S101  # tornado's only kind of connection
        self.idle(server_conn.stream)
        return _Request(self._accept, request_conn)

    def on_close(self, server_conn: object) -> None:
        """Tornado's hook: a connection is gone."""
        assert isinstance(server_conn, HTTP1ServerConnection)  # noqa: S101  # tornado's only kind of connection
        self._forget(server_conn.stream)
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


class _Request(HTTPMessageDelegate):
    """A request as it comes in: a body is read past, and kept only where it marks a task done, a little of it."""

    def __init__(self, accept: Callable[[HTTPServerRequest], None], connection: HTTPConnection) -> None:
        self._accept = accept
        self._connection = connection
        self._request: HTTPServerRequest | None = None
        self._body = b""

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        """Tornado's hook: the headers are whole."""
        assert isinstance(start_line, RequestStartLine)  # noqa: S101  # a server's are
        self._request = HTTPServerRequest(connection=self._connection, start_line=start_line, headers=headers)

    def data_received(self, chunk: bytes) -> None:
        """Tornado's hook: a part of the body has come; one byte too many is enough to know that it is too large."""
        if self._request is not None and endpoint(self._request.path) == taskdoor.ADDRESS:
            self._body += chunk[: taskdoor.LARGEST + 1 - len(self._body)]

    def finish(self) -> None:
        """Tornado's hook: the body has ended."""
        if self._request is not None:
            self._request.body = self._body
            self._accept(self._request)


class Server:
    """Serves the endpoints on the listening addresses until told to stop."""

    def __init__(self, endpoints: Endpoints, gate: Gate, telemetry: Telemetry) -> None:
        self._endpoints = endpoints
        self._gate = gate
        self._telemetry = telemetry
        for path in endpoints.routes:
            telemetry.requests[path, 200] = 0  # so that the first request counts as an increase
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = Listener(
            gate, self._most_connections, telemetry, self._accept,
            max_header_size=_LARGEST_HEADER, max_body_size=_LARGEST_BODY, max_buffer_size=_LARGEST_BUFFER,
            body_timeout=_BODY_SECONDS, idle_connection_timeout=_IDLE_SECONDS,
        )  # fmt: skip
        # tornado notes there what peers do wrong, which is neither our mistake nor anyone's business
        logging.getLogger("tornado.general").setLevel(logging.CRITICAL)

    def serve(self, sockets: Iterable[socket.socket]) -> None:
        """Accept what comes at these sockets."""
        self._listener.add_sockets(sockets)

    async def drain(self, seconds: float) -> None:
        """Accept nothing more, finish what was asked within so many seconds, close every connection."""
        self._listener.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._listener.close_all_connections(), 1.0)
        self._listener.close_idle()

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
            answer = await self._gate.refusal(request) or await self._endpoints.answer(request)
        except Exception:
            log.exception("the request for %s failed", request.path)
            answer = text("this is a mistake of the exporter; its log says more", 500)
        path = endpoint(request.path)
        counted = path if path in self._endpoints.routes else "other"
        self._telemetry.requests[counted, answer.status] += 1
        self._listener.idle(connection.stream)
        await _write(connection, answer, self._gate.headers(), head=request.method == "HEAD")


async def _write(connection: HTTP1Connection, answer: Answer, more: Mapping[str, str], *, head: bool) -> None:
    headers = HTTPHeaders({"Content-Type": answer.type, "Content-Length": str(len(answer.body)),
                           "Date": formatdate(usegmt=True), "X-Content-Type-Options": "nosniff",
                           **answer.headers, **more})  # fmt: skip
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
