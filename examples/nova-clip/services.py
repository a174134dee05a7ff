"""What Nova Clip uses of others, on this machine: Google Trends, OpenAI, Google's Custom Search, and sites with images.

services.py PORT. Replies are as documented. Its knobs (POST /simulate) are what the demo turns to bring faults about.
"""

import json
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOUR, DAY = 3600, 86400
MODEL = "gpt-4o-mini-2024-07-18"
NAMES = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Emmy Noether", "Niels Bohr", "Marie Curie")
REPORTS = ("completions", "embeddings", "moderations", "images", "audio_speeches", "audio_transcriptions")
GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)

Answer = tuple[int, Any, dict[str, str]]
"""A status, what is sent (JSON, text or bytes), and headers."""


@dataclass
class Knobs:
    """What the demo turns."""

    openai: str = "well"
    """`well`, `key` (rejected), `money` (used up), `rate` (too many requests) or `down`."""
    google: str = "well"
    """`well`, `key`, `day` (the queries of the day are used up) or `down`."""
    left: int = 480
    """What a call leaves of 500 requests a minute."""
    cost: float = 12.5
    used: int = 40
    """Requests of the newest hour that is over."""
    fails: dict[str, int] = field(default_factory=dict)
    """One in so many fails: of `empty`, `slow`, `verify`, `nobody`, `script`, `search` and `image`."""


class Services:
    """The knobs, and how often each thing was asked for."""

    def __init__(self) -> None:
        self.knobs = Knobs()
        self.asked: dict[str, int] = {}
        self.lock = threading.Lock()

    def fails(self, what: str) -> bool:
        """Return whether this is the one in so many that fails."""
        each = self.knobs.fails.get(what, 0)
        with self.lock:
            self.asked[what] = self.asked.get(what, 0) + 1
            return bool(each) and self.asked[what] % each == 0


services = Services()


# ---------------------------------------------------------------- Google Trends, and sites with images


def trends(_: dict[str, list[str]]) -> Answer:
    """Return the page of trends: names in a list."""
    if services.fails("slow"):
        time.sleep(0.6)  # longer than the driver waits
    names = () if services.fails("empty") else NAMES
    return 200, f"<ul>{''.join(f'<li class=trend>{name}</li>' for name in names)}</ul>", {}


def image() -> Answer:
    return (404, "gone", {}) if services.fails("image") else (200, GIF, {"Content-Type": "image/gif"})


# ---------------------------------------------------------------- OpenAI


def refused(status: int, message: str, code: str | None, kind: str = "invalid_request_error") -> Answer:
    return status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, {}


def openai_refusal(called: bool) -> Answer | None:
    """Return the error that OpenAI gives to everybody, if it does."""
    if services.knobs.openai == "down":
        return refused(503, "The engine is currently overloaded, please try again later", None, "server_error")
    if services.knobs.openai == "key":
        return refused(401, "Incorrect API key provided.", "invalid_api_key")
    if services.knobs.openai == "money" and called:
        return refused(
            429, "You exceeded your current quota, please check your plan.", "insufficient_quota", "insufficient_quota"
        )
    if services.knobs.openai == "rate" and called:
        message = "Rate limit reached for gpt-4o-mini on requests per min (RPM): Limit 3, Used 3, Requested 1."
        return refused(429, message, "rate_limit_exceeded", "requests")
    return None


def models() -> Answer:
    listed = {"id": "gpt-4o-mini", "object": "model", "created": 1721172741, "owned_by": "system"}
    return openai_refusal(called=False) or (200, {"object": "list", "data": [listed]}, {})


def completion(asked: dict[str, Any]) -> Answer:
    """Return what the model says: to one who verifies, yes or no; else a script."""
    text = str(asked.get("messages", [{}])[-1].get("content", ""))
    verifies = text.startswith("Is ")
    if gone := openai_refusal(called=True):
        return gone
    if services.fails("verify" if verifies else "script") and len(text) > 10:
        return refused(500, "The server had an error while processing your request.", None, "server_error")
    said = ("no" if services.fails("nobody") else "yes") if verifies else f"{text} It is a long story. " * 3
    usage = {"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50}
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    limits = {
        "x-ratelimit-limit-requests": "500", "x-ratelimit-limit-tokens": "200000",
        "x-ratelimit-remaining-requests": str(services.knobs.left), "x-ratelimit-remaining-tokens": "190000",
        "x-ratelimit-reset-requests": "60s", "x-ratelimit-reset-tokens": "60s",
    }  # fmt: skip
    answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time()), "model": MODEL}
    return 200, {**answer, "choices": [choice], "usage": usage}, limits


def organization(path: str, query: dict[str, list[str]]) -> Answer:
    """Return a report of the organization: use by minute and hour, cost by day, limits."""
    if gone := openai_refusal(called=False):
        return gone
    if path.endswith("/spend_limit"):
        limit = {"threshold_amount": 90_000, "currency": "USD", "interval": "month"}
        return 200, {"object": "organization.spend_limit", **limit, "enforcement": {"status": "inactive"}}, {}
    width = {"1m": 60, "1h": HOUR, "1d": DAY}[query.get("bucket_width", ["1d"])[0]]
    start, now = int(query["start_time"][0]), int(time.time())
    starts = range(start, now, width)
    last = max((one for one in starts if one + width <= now), default=start)
    buckets = [
        {"object": "bucket", "start_time": one, "end_time": one + width, "results": results(path, one, start, last)}
        for one in starts
    ]
    return 200, {"object": "page", "data": buckets, "has_more": False, "next_page": None}, {}


def results(path: str, one: int, first: int, last: int) -> list[dict[str, Any]]:
    nobody = {"project_id": None, "user_id": None, "api_key_id": None, "model": MODEL}
    if path.endswith("/costs"):
        amount = {"value": services.knobs.cost, "currency": "usd"}
        cost = {
            "object": "organization.costs.result",
            "amount": amount,
            "line_item": f"{MODEL}, input",
            "project_id": None,
        }
        return [cost] if one == first else []
    if path.endswith("/completions") and one == last:
        tokens = {
            "input_tokens": 9000,
            "output_tokens": 700,
            "input_cached_tokens": 0,
            "input_audio_tokens": 0,
            "output_audio_tokens": 0,
        }
        used = {"num_model_requests": services.knobs.used, **tokens, "batch": None, **nobody}
        return [{"object": "organization.usage.completions.result", **used}]
    return []


# ---------------------------------------------------------------- Google's Custom Search


def google_refusal(code: int, status: str, message: str, reason: str) -> Answer:
    error = {"code": code, "message": message, "status": status, "errors": [{"domain": "global", "reason": reason}]}
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    info["metadata"] = {"service": "customsearch.googleapis.com"}  # type: ignore[assignment]
    return code, {"error": {**error, "details": [info]}}, {}


def google_gone() -> Answer | None:
    if services.knobs.google == "down":
        return google_refusal(503, "UNAVAILABLE", "The service is currently unavailable.", "backendError")
    if services.knobs.google == "key":
        return google_refusal(
            400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"
        )
    return None


def discovery() -> Answer:
    return google_gone() or (200, {"kind": "discovery#restDescription", "name": "customsearch", "version": "v1"}, {})


def search() -> Answer:
    """Return one image that was found."""
    if gone := google_gone():
        return gone
    if services.knobs.google == "day" or services.fails("search"):
        message = "Quota exceeded for quota metric 'Queries' and limit 'Queries per day'"
        return google_refusal(429, "RESOURCE_EXHAUSTED", message, "rateLimitExceeded")
    found = [{"link": "/image.gif", "mime": "image/gif"}]
    return 200, {"kind": "customsearch#search", "searchInformation": {"totalResults": "1"}, "items": found}, {}


class Handler(BaseHTTPRequestHandler):
    """Routes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path == "/trends":
            self.answer(trends(query))
        elif parts.path == "/image.gif":
            self.answer(image())
        elif parts.path == "/v1/models":
            self.answer(models())
        elif parts.path.startswith("/v1/organization/"):
            self.answer(organization(parts.path, query))
        elif parts.path == "/$discovery/rest":
            self.answer(discovery())
        elif parts.path == "/customsearch/v1":
            self.answer(search())
        else:
            self.answer(
                (
                    404,
                    {"error": {"message": f"Unknown request URL: GET {parts.path}.", "type": "invalid_request_error"}},
                    {},
                )
            )

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        if self.path == "/simulate":
            for name, value in said.items():
                setattr(services.knobs, name, value)
            self.answer((200, {}, {}))
        else:
            self.answer(completion(said))

    def answer(self, answer: Answer) -> None:
        status, said, headers = answer
        body = (
            said if isinstance(said, bytes) else said.encode() if isinstance(said, str) else json.dumps(said).encode()
        )
        kind = "text/html" if isinstance(said, str) else "application/json"
        with suppress(ConnectionError):
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no access log: nobody reads it."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    server.serve_forever()
