"""Events out of RabbitMQ: a queue of its own that ends with its connection and never grows without end."""

import json
import ssl
from collections.abc import Iterator
from threading import Event
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from exporter.collectors.celery.settings import CelerySettings

_CONNECTED: Final = 5.0
_HEARTBEAT: Final = 5  # seconds; a server that is silent for two of them is lost
_LOOK: Final = 0.5
_MOST_WAITING: Final = 50_000  # events that the broker keeps for us at most
_ABSENT: Final = 0.5  # seconds between two looks for the exchange


def connect(settings: CelerySettings, heartbeat: int = _HEARTBEAT) -> Any:
    """Return a connection to the broker, logged in, whose waits are bounded."""
    import amqp

    address = urlsplit(settings.url.reveal())
    tls = address.scheme == "amqps"
    host = address.hostname or "127.0.0.1"
    place = f"[{host}]" if ":" in host else host
    connection = amqp.Connection(
        host=f"{place}:{address.port or (5671 if tls else 5672)}", userid=unquote(address.username or "guest"),
        password=unquote(address.password or "guest"), virtual_host=unquote(address.path[1:]) or "/",
        ssl=_tls(settings, host) if tls else False, connect_timeout=_CONNECTED, read_timeout=_CONNECTED,
        write_timeout=_CONNECTED, heartbeat=heartbeat, client_properties={"connection_name": "runbook-exporter"},
    )  # fmt: skip
    try:
        connection.connect()
    except BaseException:
        connection.collect()
        raise
    return connection


def _tls(settings: CelerySettings, host: str) -> dict[str, Any]:
    verify = not settings.insecure_skip_verify
    return {
        "ca_certs": settings.ca_file or None, "certfile": settings.client_cert or None,
        "keyfile": settings.client_key or None, "server_hostname": host,
        "cert_reqs": ssl.CERT_REQUIRED if verify else ssl.CERT_NONE,
    }  # fmt: skip


class AmqpEvents:
    """The events of one virtual host's workers."""

    def __init__(self, settings: CelerySettings) -> None:
        self._settings = settings
        self._batch: list[Any] = []

    def events(self, stop: Event) -> Iterator[list[Any] | None]:
        """Yield batches as they come, an empty one for a sign of life, None where nothing was heard for a moment."""
        connection = connect(self._settings)
        try:
            yield []
            yield from self._await_exchange(connection, stop)
            if stop.is_set():
                return
            self._consume(connection)
            heard = connection.bytes_recv
            while not stop.is_set():
                self._drain(connection)
                if connection.bytes_recv == heard:
                    yield None
                    continue
                heard = connection.bytes_recv
                batch, self._batch = self._batch, []
                yield batch
        finally:
            connection.collect()  # without a word of goodbye, which a server that hangs would not answer

    def _await_exchange(self, connection: Any, stop: Event) -> Iterator[list[Any]]:
        """Wait until an application has made the exchange: it is not for us to make it."""
        from amqp.exceptions import NotFound

        while not stop.is_set():
            channel = connection.channel()
            try:
                channel.exchange_declare(self._settings.event_exchange, "topic", passive=True)
                channel.close()
                return
            except NotFound:
                connection.heartbeat_tick()
                yield []
                stop.wait(_ABSENT)

    def _consume(self, connection: Any) -> None:
        channel = connection.channel()
        limits = {"x-message-ttl": 60_000, "x-expires": 60_000, "x-max-length": _MOST_WAITING}
        queue, _, _ = channel.queue_declare("", exclusive=True, auto_delete=True, arguments=limits)
        channel.queue_bind(queue, self._settings.event_exchange, "#")
        channel.basic_consume(queue, no_ack=True, callback=self._take, on_cancel=_cancelled)

    def _take(self, message: Any) -> None:
        try:
            found = json.loads(message.body)
        except (ValueError, TypeError, RecursionError):
            found = None
        self._batch.extend(found if isinstance(found, list) else [found])

    def _drain(self, connection: Any) -> None:
        """Take what comes within a moment, but not for ever."""
        connection.heartbeat_tick()
        timeout = _LOOK
        try:
            while len(self._batch) < 1000:
                connection.drain_events(timeout=timeout)
                timeout = 0.01
        except TimeoutError:
            pass


def _cancelled(_: str) -> None:
    raise ConnectionResetError("the broker ended our queue")
