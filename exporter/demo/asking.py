"""Asks local servers: JSON over HTTP, and whether they answer."""

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses of this machine, whatever proxy is there for others."""


def get(url: str, timeout: float = 5.0) -> Any:
    """Return the JSON that is answered there."""
    with LOCAL.open(url, timeout=timeout) as answer:
        return json.load(answer)


def post(url: str, body: Mapping[str, Any] | None = None, timeout: float = 10.0) -> Any:
    """Send JSON; return what is answered, as JSON where it is some."""
    request = urllib.request.Request(
        url, json.dumps(body or {}).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with LOCAL.open(request, timeout=timeout) as answer:
        text = answer.read()
        is_json = "json" in answer.headers.get("Content-Type", "")
    return json.loads(text) if is_json and text.strip() else None


def form(url: str, timeout: float = 10.0, **fields: str) -> Any:
    """Send a form; return the JSON that is answered."""
    with LOCAL.open(url, urllib.parse.urlencode(fields).encode(), timeout) as answer:
        return json.load(answer)


def status(url: str, timeout: float = 2.0) -> int:
    """Return the status that is answered there; 0 where nobody answers."""
    try:
        with LOCAL.open(url, timeout=timeout) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def answers(url: str) -> Callable[[], bool]:
    """Return a condition for `ready`: that address answers with 2xx."""
    return lambda: 200 <= status(url) < 300


def listens(port: int) -> bool:
    """Return whether somebody takes connections there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
