"""The world around TrailBlaze, on this machine: Gemini, and the site whose calendar is scraped. outside.py PORT KEY

Gemini answers as https://ai.google.dev/api has it. What is otherwise now comes by POST /simulate.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ROWS = 12
NOW: dict[str, Any] = {"gemini": "well", "site": "well", "layout": "old"}
MODELS = {
    "models": [{"name": "models/gemini-2.5-flash", "version": "001", "supportedGenerationMethods": ["generateContent"]}]
}
ANSWER = {
    "candidates": [{
        "content": {"role": "model", "parts": [{"text": "There is a ride on Saturday."}]}, "finishReason": "STOP",
        "index": 0,
    }],
    "usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 8, "totalTokenCount": 20},
    "modelVersion": "gemini-2.5-flash",
}  # fmt: skip
BAD_KEY = {
    "error": {
        "code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT",
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
            "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"},
        }],
    }
}  # fmt: skip
OVERLOADED = {
    "error": {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}
}


def calendar() -> str:
    """Return the page that is scraped: a table with a row for each ride."""
    row = '<tr class="event"><td class="date">2026-12-{0:02d}</td><td>Ride {0}</td></tr>'
    rows = "".join(row.format(day) for day in range(1, ROWS + 1))
    table = f'<table class="calendar"><tbody>{rows}</tbody></table>'
    if NOW["layout"] == "new":
        table = f'<section class="season"><div class="scroll">{table}</div></section>'
    body = f"<main><h1>Calendar</h1>{table}</main>"
    return f"<!doctype html><html><head><title>Calendar</title></head><body>{body}</body></html>"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/v1beta/"):
            self.gemini(MODELS)
        elif NOW["site"] != "well":
            self.say(503, "text/html", b"<!doctype html><title>Down for maintenance</title>")
        elif self.path == "/favicon.ico":
            self.say(204, "image/x-icon", b"")
        else:
            self.say(200, "text/html; charset=utf-8", calendar().encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/simulate":
            NOW.update(json.loads(body))
            self.say(200, "application/json", json.dumps(NOW).encode())
        else:
            self.gemini(ANSWER)

    def gemini(self, answer: dict[str, Any]) -> None:
        if NOW["gemini"] == "down":
            status, answer = 503, OVERLOADED
        elif NOW["gemini"] == "revoked" or self.headers.get("X-Goog-Api-Key") != KEY:
            status, answer = 400, BAD_KEY
        else:
            status = 200
        self.say(status, "application/json; charset=UTF-8", json.dumps(answer).encode())

    def say(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    KEY = sys.argv[2]
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    server.serve_forever()
