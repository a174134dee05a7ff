"""Engine.IO by polling: requests of HTTP, one after the other, over one line as long as the server keeps it."""

import http.client
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from exporter.collector import Trouble
from exporter.collectors.websocket.answers import check_version, refused
from exporter.collectors.websocket.way import Way
from exporter.deadline import Deadline
from exporter.fetchline import Connection

_BETWEEN: Final = b"\x1e"
_CLOSE: Final = "1"
_OK: Final = 200


class Polling:
    """Requests of one session; `sid` is its name as long as it is open this way."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._stack = ExitStack()
        self._connection: Connection | None = None
        self._deadline = Deadline(way.deadline.left())  # its own, as the end has another
        self._left = way.settings.max_bytes
        self.sid = ""

    def receive(self) -> list[str]:
        """Return the packets that the server has, waiting for them."""
        body = self._request("GET")
        if not self.sid:
            check_version(body)
        try:
            return [packet.decode() for packet in body.split(_BETWEEN)]
        except UnicodeDecodeError:
            raise Trouble("what came by polling is not UTF-8", "see what answers there") from None

    def send(self, packet: str) -> None:
        """Send a packet."""
        self._request("POST", packet.encode())

    def close(self, seconds: float, *last: str) -> bool:
        """Send the last packets, and end the session."""
        packets = (*last, _CLOSE)
        self._deadline.seconds = self._deadline.spent() + seconds
        self._request("POST", _BETWEEN.join(packet.encode() for packet in packets), last=True)
        self.sid = ""
        self.rest()
        return True

    def leave(self) -> None:
        """Let go of the line; a session that is still open is ended, as far as that takes no longer than is left."""
        self.rest()  # it may wait for an answer
        with suppress(Trouble, OSError, ValueError, http.client.HTTPException):
            if self.sid:
                self.close(min(1.0, self._way.end.left()))
        self.rest()

    def rest(self) -> None:
        """Close the line; the next request opens another."""
        self._connection = None
        self._stack.close()

    def _request(self, method: str, body: bytes | None = None, *, last: bool = False) -> bytes:
        """Return the body of an answer; Trouble where its status is not 200. The status of the last one is not told."""
        with self._asked(method, body) as response:
            self._way.status = self._way.status if last else response.status
            self._way.cookies.take(self._way.url, response.headers.get_all("Set-Cookie") or [])
            answer = self._body(response)
            if response.status != _OK:
                raise refused(response.status, answer)
            return answer

    @contextmanager
    def _asked(self, method: str, body: bytes | None) -> Iterator[http.client.HTTPResponse]:
        """Have the answer to a request while the block runs; the line is kept where both sides do."""
        connection, self._connection = self._connection, None
        if connection is None:
            self.rest()
            line = self._stack.enter_context(self._way.line(self._deadline))
            connection = Connection(self._way.host, self._way.port, line, self._deadline, secure=self._way.secure)
        headers = {"Accept": "*/*", **self._way.headers()}
        if body is not None:
            headers["Content-Type"] = "text/plain;charset=UTF-8"
        with self._answer(connection, method, body, headers) as response:
            yield response
            if not response.will_close and response.isclosed():
                self._connection = connection

    def _answer(
        self, connection: Connection, method: str, body: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, self._target(), body, headers)
            return connection.getresponse()
        except ConnectionError:
            fix = "see in the server's log why it does, and that no proxy in between ends the line"
            raise Trouble("the line was closed before a request was answered", fix) from None

    def _target(self) -> str:
        # a value of its own each time, as browsers' clients have it, so that no cache in between answers
        query = f"EIO=4&transport=polling&t={secrets.token_hex(4)}"
        return self._way.target(f"{query}&sid={self.sid}" if self.sid else query)

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        body = response.read(self._left + 1)
        self._left -= len(body)
        if self._left < 0:
            raise Trouble("more came than `max_bytes`", "see what answers there, or allow more")
        if response.length:
            raise http.client.IncompleteRead(b"")
        return body
