"""Where Alertmanager's notifications end: a webhook that keeps them and tells of them."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Told = Callable[[str, list[dict[str, Any]]], None]
"""Called with a receiver and the alerts of one notification."""


class Sink:
    """A webhook on a free port."""

    def __init__(self, told: Told) -> None:
        self.notifications: list[tuple[str, list[dict[str, Any]]]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                sink.notifications.append((body["receiver"], body["alerts"]))
                told(body["receiver"], body["alerts"])

            def log_message(self, format: str, *args: object) -> None:  # its parent's names
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="sink", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
