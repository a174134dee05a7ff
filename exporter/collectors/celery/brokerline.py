"""The line to Redis on which queues are looked at: within a time, and so many bytes at a time."""

import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from exporter.collector import Trouble
from exporter.collectors.celery.primary import primary
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.redis.address import Address
from exporter.collectors.redis.line import Bounds
from exporter.collectors.redis.reply import Command, Refusal, Reply, StrangeError
from exporter.collectors.redis.trouble import broken, refused

if TYPE_CHECKING:
    from exporter.collectors.redis.wire import Wire

LARGEST: Final = 4 << 20
"""Bytes of the replies to what is asked at a time."""
_SECONDS: Final = 10.0  # for one look


class TooLargeError(StrangeError):
    """The replies are larger than may be; the line is cut, and opened again for the next."""


class _Sized(Bounds):
    def __init__(self, seconds: float, largest: int) -> None:
        super().__init__(seconds)
        self._largest = self._room = largest

    def begin(self) -> None:
        self._room = self._largest

    def count(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise TooLargeError("larger than is read")


class BrokerLine:
    """One connection, opened when it is needed; Trouble wherever the server does not answer as it should."""

    def __init__(self, settings: CelerySettings, seconds: float = _SECONDS, largest: int = LARGEST) -> None:
        self._settings = settings
        self._seconds, self._largest = seconds, largest
        self._bounds: Bounds = _Sized(seconds, largest)
        self._address: Address | None = None
        self._wire: Wire | None = None

    def begin(self) -> None:
        """Begin a look, which has its own time."""
        self._bounds = _Sized(self._seconds, self._largest)
        if self._wire is not None:
            self._wire.renew(self._bounds)

    def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """Return the answers in order, a Refusal is one; TooLargeError where they are too much together."""
        try:
            if self._wire is None:
                self._wire = self._opened()
            return list(self._wire.ask(commands))
        except BaseException as error:
            self.close()
            if (
                self._address is not None
                and isinstance(error, OSError | StrangeError)
                and not _is_told_elsewhere(error)
            ):
                raise broken(error, self._address, self._seconds) from None
            raise

    def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _opened(self) -> "Wire":
        from exporter.collectors.redis.wire import RefusedError, Wire

        self._address = address = primary(self._settings)
        wire = Wire(address, self._settings.context, self._bounds)
        try:
            wire.open()
        except RefusedError as error:
            raise refused(error.answer) from None
        try:
            # who may not give a name is served without
            _, chosen = wire.ask([("CLIENT", "SETNAME", "runbook-exporter"), ("SELECT", str(address.database))])
            if isinstance(chosen, Refusal) and address.database:
                raise refused(chosen, "select")
        except BaseException:
            wire.close()
            raise
        return wire


def _is_told_elsewhere(error: BaseException) -> bool:
    return isinstance(error, TooLargeError | ssl.SSLError)


def whole(answer: Reply, command: str) -> int:
    """Return an answer that has to be a whole number; Trouble where it was refused."""
    if isinstance(answer, Refusal):
        raise refused(answer, command)
    if not isinstance(answer, int):
        raise Trouble(f"{command.upper()} answers what is not Redis' to answer", "see what listens there")
    return answer


def literal(text: str) -> str:
    """Return a pattern of Redis that fits the text alone."""
    return "".join(f"\\{char}" if char in "*?[]\\^" else char for char in text)
