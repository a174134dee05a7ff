"""Opens the line to a Redis server: TCP, TLS or a socket in the file system, within a deadline."""

import socket
import ssl
from collections.abc import Callable
from typing import Any

from exporter.collectors.redis.address import Address
from exporter.deadline import Cancel, Deadline
from exporter.lookup import addresses


class SilentError(TimeoutError):
    """The other side took the connection, and said nothing when TLS was to begin."""


Context = Callable[[], ssl.SSLContext]


def dial(address: Address, deadline: Deadline, cancel: Cancel, context: Context) -> socket.socket:
    """Return a socket that is connected; OSError where nobody answers, or where `cancel` came first."""
    if address.path:
        return _connected(socket.AF_UNIX, socket.SOCK_STREAM, 0, address.path, deadline.left(), cancel)
    line = _first(address, deadline, cancel)
    try:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a machine that went away says nothing
        if not address.tls:
            return line
        with cancel.cutting(line):
            return _secured(line, address, deadline, context())
    except BaseException:
        line.close()
        raise


def _secured(line: socket.socket, address: Address, deadline: Deadline, context: ssl.SSLContext) -> socket.socket:
    line.settimeout(deadline.left())
    try:
        return context.wrap_socket(line, server_hostname=address.host)
    except TimeoutError:
        raise SilentError from None


def _first(address: Address, deadline: Deadline, cancel: Cancel) -> socket.socket:
    """Return a connection to the first of the host's addresses that answers."""
    found = addresses(address.host, address.port, deadline.left)
    for number, (family, kind, protocol, _, place) in enumerate(found, 1):
        try:
            # one that swallows everything must leave time for those after it
            return _connected(family, kind, protocol, place, deadline.left() / (len(found) - number + 1), cancel)
        except OSError:
            if number == len(found) or cancel.cancelled:
                raise
    raise OSError("the host has no address")


def _connected(family: int, kind: int, protocol: int, place: Any, seconds: float, cancel: Cancel) -> socket.socket:
    line = socket.socket(family, kind, protocol)
    try:
        with cancel.cutting(line):
            line.settimeout(seconds)
            line.connect(place)
    except BaseException:
        line.close()
        raise
    return line
