"""What an HTTP answer to a handshake means to a person who wanted a WebSocket."""

import re
from typing import Final

from exporter.collector import Trouble

PROXY: Final = "see that each proxy in front passes the headers Upgrade and Connection on, by HTTP/1.1"
_BEHIND: Final = "see whether the application behind it runs, and what its log says"
_LET_IN: Final = "give what it asks for with `headers`, `bearer_token` or `origin`"
_FIXES: Final = {
    400: f"{PROXY}; and that the server takes the `origin` that is given",
    401: _LET_IN,
    403: f"{_LET_IN}; servers refuse origins that they do not know",
    404: "correct the path of the address, and see that each proxy in front leads there",
    426: PROXY,
    429: "ask less often, or have the server allow the exporter more",
}
_STICKY: Final = (
    "have the load balancer lead a session always to the same process (sticky sessions), or run only one, or take "
    "`transport: websocket`"
)
_UNKNOWN_SESSION: Final = re.compile(rb'"code" *: *1\b|"?Invalid session|Session ID unknown')
_OTHER_VERSION: Final = re.compile(
    rb'"code" *: *5\b|unsupported version of the Socket\.IO|Unsupported protocol version'
)
_NO_TRANSPORT: Final = re.compile(rb'"code" *: *0\b|"?Invalid transport|Transport unknown')
_FORBIDDEN: Final = 403
_ORIGIN: Final = re.compile(rb"ot an accepted origin")


_OLD: Final = re.compile(rb"[0-9]+:0\{|\x00[\x00-\x09]{1,9}\xff0\{")  # lengths before packets, as text or bytes


class RefusedError(Trouble):
    """The handshake was answered by something else than what was asked for."""


def old() -> Trouble:
    """Return what it means that a server speaks the version before."""
    text = "the server speaks Engine.IO 3, which is Socket.IO 2 or older"
    return Trouble(text, "update it: only Engine.IO 4 is spoken here")


def check_version(body: bytes) -> None:
    """Raise Trouble where a session was opened in the way of Engine.IO 3."""
    if _OLD.match(body):
        raise old()


def refused(status: int, body: bytes) -> RefusedError:
    """Return what a status means that refuses; of the body only what servers are known to say is looked at."""
    if _OTHER_VERSION.search(body):
        return RefusedError(
            f"the server refuses the protocol's version, with the status {status}",
            "Engine.IO 4, which is Socket.IO 3 and later, is spoken here; update the server",
        )
    if _UNKNOWN_SESSION.search(body):
        return RefusedError(f"the server does not know its own session, with the status {status}", _STICKY)
    if _ORIGIN.search(body):
        return RefusedError(
            f"the server refuses the origin, with the status {status}", "give `origin` one that it takes"
        )
    if _NO_TRANSPORT.search(body):
        return RefusedError(f"the server refuses this way of transport, with the status {status}", PROXY)
    return RefusedError(f"the answer has the status {status}", _fix(status))


def _fix(status: int) -> str:
    if status in range(300, 400):
        return "give the address that it redirects to: who opens a WebSocket follows no redirect"
    if status in range(200, 300):
        return f"see what answers there: a page, and no WebSocket; {PROXY}"
    return _FIXES.get(status, _BEHIND if status >= 500 else "see what answers there, and its log")


def refused_upgrade(error: RefusedError, status: int | None) -> RefusedError:
    """Return what it means that polling was answered, and the upgrade of its session is refused."""
    if status != _FORBIDDEN:
        return error
    # servers by ASGI refuse any WebSocket so, and cannot say why
    return RefusedError(str(error), f"{_STICKY}; or {error.fix}")
