"""What stands around NDISuite, on this machine: OpenAI, the front end, and the WebSocket of the live transcription.

    around.py openai PORT KEY      answers as https://platform.openai.com/docs/api-reference has it
    around.py front PORT           pages on /, figures of Node.js on /api/metrics
    around.py live PORT            a WebSocket that says what it hears

What is otherwise now comes to `openai` by POST /simulate.
"""

import asyncio
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NOW: dict[str, Any] = {"openai": "well"}
MODELS = {
    "object": "list",
    "data": [{"id": "whisper-1", "object": "model", "created": 1677532384, "owned_by": "openai-internal"}],
}
TEXT = {"text": "She walked to the shop on her own today.", "usage": {"type": "duration", "seconds": 9}}
BAD_KEY = {
    "error": {
        "message": "Incorrect API key provided: sk-***. You can find your API key at https://platform.openai.com.",
        "type": "invalid_request_error", "param": None, "code": "invalid_api_key",
    }
}  # fmt: skip
OVERLOADED = {
    "error": {
        "message": "The server is currently overloaded with other requests.", "type": "server_error", "param": None,
        "code": None,
    }
}  # fmt: skip
PAGE = b"""<!doctype html><html><head><title>NDISuite</title></head>
<body><div id="__next"><h1>NDISuite</h1><p>Reports</p></div></body></html>"""
FIGURES = b"""# HELP nodejs_eventloop_lag_seconds Lag of event loop in seconds.
# TYPE nodejs_eventloop_lag_seconds gauge
nodejs_eventloop_lag_seconds 0.002
# HELP nodejs_version_info Node.js version info.
# TYPE nodejs_version_info gauge
nodejs_version_info{version="v22.11.0",major="22",minor="11",patch="0"} 1
"""


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def say(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class OpenAI(Answering):
    key = ""

    def do_GET(self) -> None:
        self.judge(MODELS)

    def do_POST(self) -> None:
        body = self.body()
        if self.path == "/simulate":
            NOW.update(json.loads(body))
            self.say(200, "application/json", b"{}")
        else:
            self.judge(TEXT)

    def judge(self, answer: dict[str, Any]) -> None:
        status = 200
        if NOW["openai"] == "down":
            status, answer = 503, OVERLOADED
        elif NOW["openai"] == "revoked" or self.headers.get("Authorization") != f"Bearer {self.key}":
            status, answer = 401, BAD_KEY
        self.say(status, "application/json", json.dumps(answer).encode())


class Front(Answering):
    def do_GET(self) -> None:
        if self.path == "/api/metrics":
            self.say(200, "text/plain; version=0.0.4; charset=utf-8", FIGURES)
        else:
            self.say(200, "text/html; charset=utf-8", PAGE)


async def live(port: int) -> None:
    from websockets.asyncio.server import ServerConnection, serve

    async def hear(connection: ServerConnection) -> None:
        async for message in connection:
            kind = json.loads(message).get("type")
            await connection.send(json.dumps({"type": "ready" if kind == "hello" else "text"}))

    async with serve(hear, "127.0.0.1", port) as server:
        await server.serve_forever()


def main(what: str, port: int, *more: str) -> None:
    if what == "live":
        asyncio.run(live(port))
        return
    OpenAI.key = more[0] if more else ""
    server = ThreadingHTTPServer(("127.0.0.1", port), OpenAI if what == "openai" else Front)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
