"""redis-py's connection on a line within bounds. It alone imports redis-py, so it is imported when it is needed."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from redis import exceptions
from redis._parsers import _RESP2Parser
from redis.connection import Connection

from exporter.collectors.redis.address import Address
from exporter.collectors.redis.dial import dial
from exporter.collectors.redis.line import Bounds, Line
from exporter.collectors.redis.reply import Command, Refusal, Reply, StrangeError, beginning

_PROTOCOL_ERROR: Final = "Protocol Error: b'"
# what its parser raises where bytes make no sense: no number, a number of thousands of digits, lists in lists in lists
_NONSENSE: Final = (exceptions.InvalidResponse, ValueError, RecursionError, IndexError, MemoryError)


class _Parser(_RESP2Parser):
    """Leaves errors as the server wrote them: redis-py's own drop the code, and take some for a lost connection."""

    def parse_error(self, response: str) -> Exception:  # type: ignore[override]  # of a class method, as it is called
        return exceptions.ResponseError(response)


class _Connection(Connection):
    """redis-py's connection, over a line that is opened and bounded as a round needs it."""

    def __init__(self, dialled: Callable[[], Line], **given: Any) -> None:
        super().__init__(**given)  # type: ignore[no-untyped-call]
        self._dialled = dialled

    def _connect(self) -> Any:
        # redis-py's own asks for names without end, gives each of a host's addresses the whole time, and cannot be cut
        return self._dialled()


class Wire:
    """A connection to a server; what breaks off ends it, with the error that the operating system gave."""

    def __init__(self, address: Address, context: Callable[[], ssl.SSLContext], bounds: Bounds) -> None:
        self._address = address
        self._context = context
        self._bounds = bounds
        self._line: Line | None = None
        self._connection: Any = _Connection(
            self._dialled,
            host=address.host or address.path,
            port=address.port,
            username=address.user or None,
            password=address.password or None,
            protocol=2,
            parser_class=_Parser,
            socket_timeout=None,
        )
        # it would have the server count and log a command that users may not be allowed
        for name in ("driver_info", "lib_name", "lib_version"):
            setattr(self._connection, name, None)

    def open(self) -> None:
        """Connect, and say who asks."""
        self._bounds.begin()
        try:
            self._connection.connect()
        except BaseException as error:
            self.close()
            if isinstance(error, Exception):
                raise _origin(error) from None
            raise

    def renew(self, bounds: Bounds) -> None:
        """Have the bounds of another round."""
        self._bounds = bounds
        if self._line is not None:
            self._line.bounds = bounds

    def ask(self, commands: Sequence[Command]) -> Iterator[Reply]:
        """Yield what the server answers to commands that are sent together; a Refusal is an answer."""
        self._bounds.begin()
        connection = self._connection
        try:
            connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            for _ in commands:
                yield _plain(self._answer())
        except Exception as error:  # noqa: BLE001  # redis-py lets out what its parser stumbles over
            raise _origin(error) from None

    def close(self) -> None:
        self._connection.disconnect()

    def _answer(self) -> Any:
        try:
            return self._connection.read_response(disable_decoding=True)
        except exceptions.ResponseError as error:
            return error

    def _dialled(self) -> Line:
        line = dial(self._address, self._bounds.deadline, self._bounds.cancel, self._context)
        self._line = Line(line, self._bounds)
        return self._line


def _plain(answer: Any) -> Reply:
    """Return an answer with the errors in it as refusals."""
    if isinstance(answer, list):
        return [_plain(item) for item in answer]
    return Refusal(str(answer)) if isinstance(answer, exceptions.ResponseError) else answer


def _origin(error: Exception) -> Exception:
    """Return what redis-py's error came of: it wraps those of the operating system."""
    if isinstance(error, exceptions.ResponseError):
        return RefusedError(Refusal(str(error)))
    if isinstance(error, _NONSENSE) and not isinstance(error, OSError):
        said = str(error)
        said = said.removeprefix(_PROTOCOL_ERROR) if said.startswith(_PROTOCOL_ERROR) else ""
        return StrangeError(beginning(said.encode("utf-8", "replace")))
    if not isinstance(error, exceptions.RedisError):
        return error
    origin = error.__context__
    return origin if isinstance(origin, OSError | StrangeError) else ConnectionResetError("the connection ended")


class RefusedError(Exception):
    """The server refused to let us in; `answer` is what it said."""

    def __init__(self, answer: Refusal) -> None:
        super().__init__(answer)
        self.answer = answer
