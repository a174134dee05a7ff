"""A way through an HTTP proxy: CONNECT, after which the line belongs to whom it leads."""

import http.client
import socket
from collections.abc import Mapping

from exporter.collector import Trouble
from exporter.deadline import Deadline
from exporter.fetchline import Line


def tunnelled(line: socket.socket, host: str, port: int, headers: Mapping[str, str], deadline: Deadline) -> None:
    """Have the proxy at the other end of a line connect it to a host; Trouble where it does not."""
    at = f"[{host}]:{port}" if ":" in host else f"{host.encode('idna').decode()}:{port}"
    lines = [f"CONNECT {at} HTTP/1.1", f"Host: {at}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    spoken = Line(line, deadline)
    spoken.sendall("\r\n".join(lines).encode("latin-1"))
    with http.client.HTTPResponse(spoken, method="CONNECT") as response:  # type: ignore[arg-type]  # all that it needs
        response.begin()
        status = response.status
    if not 200 <= status < 300:
        fix = "see that the proxy may connect there, and that its user is right"
        raise Trouble(f"the proxy answers with the status {status}, and does not connect", fix)
