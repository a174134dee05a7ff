"""Serves a folder, as a web server does for a built front end or a feed of updates: static.py FOLDER PORT

What `FOLDER.json` beside it says is done to each answer: `{"headers": {...}, "delays": {"/static/main.css": 3}}`.
"""

import contextlib
import json
import sys
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Handler(SimpleHTTPRequestHandler):
    """Files, with what the knobs say of them."""

    def knobs(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(Path(f"{self.directory}.json").read_text(encoding="utf-8"))
            return found
        return {}

    def do_GET(self) -> None:
        time.sleep(self.knobs().get("delays", {}).get(self.path, 0))
        with contextlib.suppress(ConnectionError):
            super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        for name, value in self.knobs().get("headers", {}).items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Write no access log: nobody reads it."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), partial(Handler, directory=sys.argv[1]))
    server.daemon_threads = True
    server.serve_forever()
