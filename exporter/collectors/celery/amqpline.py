"""The line to RabbitMQ: logged in, over TLS where that is asked for, and its waits bounded. It needs py-amqp."""

import socket
import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import amqp

from exporter.collectors.celery.settings import CelerySettings

_CONNECTED: Final = 5.0
_KEPT: Final = 60_000  # milliseconds
_HEARTBEAT: Final = 5  # seconds; a server that is silent for two of them is lost


class _Connection(amqp.Connection):  # type: ignore[misc]  # it has no types
    def __init__(self, context: ssl.SSLContext | None, name: str, **given: Any) -> None:
        super().__init__(**given)
        self._context, self._name = context, name

    def Transport(self, host: str, *given: Any, **more: Any) -> Any:  # noqa: N802  # its name
        made = super().Transport(host, *given, **more)
        if self._context is not None:
            made._wrap_socket = self._wrapped
        return made

    def _wrapped(self, line: socket.socket, **_: Any) -> ssl.SSLSocket:
        # a context of our own: py-amqp's asks at the terminal for the passphrase of a key
        assert self._context is not None  # noqa: S101
        return self._context.wrap_socket(line, server_hostname=self._name, do_handshake_on_connect=False)


def connect(
    settings: CelerySettings, heartbeat: int = _HEARTBEAT, on_blocked: Callable[[str], None] | None = None
) -> Any:
    """Return a connection to the broker."""
    address = urlsplit(settings.url.reveal())
    tls = address.scheme == "amqps"
    host = address.hostname or "127.0.0.1"
    place = f"[{host}]" if ":" in host else host
    connection = _Connection(
        settings.context() if tls else None, host,
        host=f"{place}:{address.port or (5671 if tls else 5672)}", userid=unquote(address.username or "guest"),
        password=unquote(address.password or "guest"), virtual_host=unquote(address.path[1:]) or "/",
        ssl=tls, connect_timeout=_CONNECTED, read_timeout=_CONNECTED, write_timeout=_CONNECTED, heartbeat=heartbeat,
        on_blocked=on_blocked, client_properties={"connection_name": "runbook-exporter"},
    )  # fmt: skip
    try:
        connection.connect()
    except BaseException:
        connection.collect()
        raise
    return connection


def has_exchange(connection: Any, exchange: str, kind: str) -> bool:
    """Tell whether there is such an exchange; the broker logs where there is none."""
    channel = connection.channel()
    try:
        channel.exchange_declare(exchange, kind, passive=True)
    except amqp.exceptions.NotFound:  # the channel ends with that
        return False
    channel.close()
    return True


def own_queue(connection: Any, exchange: str, key: str, most: int, take: Callable[[Any], None]) -> tuple[Any, str]:
    """Have what comes to an exchange taken out of a queue of our own, which ends with the connection.

    Without a key it is bound by its own name. Return its channel, and that name.
    """
    channel = connection.channel()
    limits = {"x-message-ttl": _KEPT, "x-expires": _KEPT, "x-max-length": most}
    queue, _, _ = channel.queue_declare("", exclusive=True, auto_delete=True, arguments=limits)
    channel.queue_bind(queue, exchange, key or queue)
    channel.basic_consume(queue, no_ack=True, callback=take, on_cancel=_cancelled)
    return channel, queue


def _cancelled(_: str) -> None:
    raise ConnectionResetError("the broker ended our queue")
