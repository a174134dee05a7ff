"""Questions to workers over Celery's remote control, on one connection."""

import ssl
from collections.abc import Mapping
from typing import Any, Final

from exporter.collectors.celery.settings import CelerySettings

_CONNECT: Final = 5.0
_PATIENCE: Final = 5.0  # seconds for the broker itself
_REPLY: Final = 1.0  # seconds after which a worker that has not answered does not count

# kombu puts back what nobody has acknowledged for an hour, whosever it is: an application that allows its tasks more
# would have them run twice. So it is told of keys that are not there.
_NOT_OURS: Final = {
    "unacked_key": "runbook-exporter.unacked", "unacked_index_key": "runbook-exporter.unacked_index",
    "unacked_mutex_key": "runbook-exporter.unacked_mutex", "visibility_timeout": 10**9,
}  # fmt: skip

Replies = Mapping[str, Any]
"""What each worker answered, by the worker's whole name."""


class Asker:
    """Asks all workers, within seconds; what they answer of arguments is dropped by who reads it."""

    def __init__(self, settings: CelerySettings) -> None:
        from celery import Celery

        self._app = Celery("runbook-exporter", broker=settings.url.reveal(), set_as_current=False)
        self._app.conf.update(
            control_exchange=settings.control_exchange, broker_connection_timeout=_CONNECT, broker_heartbeat=0,
            broker_transport_options=_transport_options(settings), broker_use_ssl=_tls(settings),
        )  # fmt: skip
        self._connection: Any = None

    def __enter__(self) -> "Asker":
        self._connection = self._app.connection_for_write()
        self._connection.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._app.close()

    def names(self) -> frozenset[str]:
        """Return which workers answer; it takes as long as a worker may take."""
        return frozenset(self.ask("ping", 0))

    def ask(self, command: str, workers: int, **arguments: Any) -> Replies:
        """Return the replies, as soon as so many have come; with 0, those that come in time."""
        control = self._app.control
        control.mailbox.unclaimed.clear()  # replies that came too late would pile up
        replies = control.broadcast(
            command, arguments=arguments, reply=True, timeout=_REPLY, limit=workers or None,
            connection=self._connection,
        )  # fmt: skip
        found: dict[str, Any] = {}
        for reply in replies or ():
            found.update({str(name): answer for name, answer in reply.items() if not _is_refusal(answer)})
        return found


def _is_refusal(answer: Any) -> bool:
    return isinstance(answer, Mapping) and "error" in answer and len(answer) == 1


def _transport_options(settings: CelerySettings) -> dict[str, Any]:
    if not settings.is_redis:
        return {"read_timeout": _PATIENCE, "write_timeout": _PATIENCE}
    options: dict[str, Any] = {"socket_timeout": _PATIENCE, "socket_connect_timeout": _CONNECT, **_NOT_OURS}
    if settings.global_keyprefix:
        options["global_keyprefix"] = settings.global_keyprefix
    return options


def _tls(settings: CelerySettings) -> Any:
    """Return what TLS trusts and shows, in the words of the broker's library."""
    if settings.url.reveal().partition(":")[0] not in ("rediss", "amqps"):
        return None
    start = "ssl_" if settings.is_redis else ""
    given = {"ca_certs": settings.ca_file, "certfile": settings.client_cert, "keyfile": settings.client_key}
    required = ssl.CERT_NONE if settings.insecure_skip_verify else ssl.CERT_REQUIRED
    return {f"{start}cert_reqs": required, **{f"{start}{name}": path for name, path in given.items() if path}}
