"""The library that speaks WebSocket, without a line of its own."""

import logging
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Unable
from exporter.collectors.websocket.way import Way
from exporter.httprequest import in_ascii

if TYPE_CHECKING:
    from websockets.client import ClientProtocol

_INSTALL: Final = "install it with: pip install 'runbook-exporter[probe]'"
# The library's own logger would tell headers at the level of debugging.
_SILENT: Final = logging.Logger("websocket", logging.CRITICAL + 1)


def check_library() -> None:
    """Raise Unable where the library is missing that WebSockets need."""
    try:
        import websockets.client  # noqa: F401
    except ImportError:
        raise Unable("WebSockets need the library websockets", _INSTALL) from None


def protocol(way: Way, target: str) -> "ClientProtocol":
    """Return the client's side of a WebSocket to this path and query, as the library plays it."""
    from websockets.client import ClientProtocol
    from websockets.uri import WebSocketURI

    path, _, query = target.partition("?")
    offered: Any = list(way.settings.subprotocols) or None
    return ClientProtocol(
        WebSocketURI(way.secure, in_ascii(way.host), way.port, path, query),
        subprotocols=offered,
        max_size=way.settings.max_bytes,
        logger=_SILENT,
    )
