"""One line to a MongoDB server: pymongo's own connection, each wait on which ends with the round.

A MongoClient keeps a second connection and threads of its own for each server, so only its pool is taken, without it.
"""

import struct
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.mongodb.library import pymongo_part
from exporter.collectors.mongodb.trouble import LOGIN, NOT_MONGODB, refusal, unreachable
from exporter.deadline import Deadline
from exporter.lookup import addresses

Document = dict[str, Any]

# What pymongo stumbles over where an answer is none.
_MISFITS: Final = (ValueError, TypeError, LookupError, struct.error)


class Line:
    """A connection to one server; another thread may end what is under way on it."""

    def __init__(self, host: str, port: int | None, options: Any, deadline: Deadline) -> None:
        self.name = host if port is None else f"{host}:{port}"
        self.deadline = deadline
        self._address = (host, port)
        self._user, self._source = options.user, options.source
        self._errors = pymongo_part("errors")
        self._unreached = (self._errors.ConnectionFailure, OSError)
        self._damage = (self._errors.ProtocolError, pymongo_part("bson").InvalidBSON, *_MISFITS)
        self._timeout = pymongo_part("").timeout
        self._pool_kind = pymongo_part("synchronous.pool").Pool
        self._options = _Named(options.pool, host)
        self._connection: Any = None
        self._hung_up = False
        bson = pymongo_part("bson")
        self._codec = bson.CodecOptions(
            datetime_conversion=bson.DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="replace"
        )

    def open(self) -> None:
        """Connect to the first of the host's addresses that answers, and log in where the address has a user."""
        try:
            # pymongo would look the name up itself, which keeps to no deadline
            places = [_place(*found[4]) for found in addresses(*self._address, self.deadline.left)]
        except OSError as error:
            raise unreachable(error, self.name) from error
        for number, place in enumerate(places, 1):
            try:
                # one that swallows everything must leave time for those after it
                self._connect(place, self.deadline.left() / (len(places) - number + 1))
            except self._unreached as error:
                if number == len(places) or self._hung_up:
                    raise self._told(error, LOGIN) from error
            except Exception as error:
                raise self._told(error, LOGIN) from error
            else:
                break
        if self._hung_up:
            raise Trouble("the connection was lost before")

    def _connect(self, place: tuple[str, int], seconds: float) -> None:
        with self._timeout(seconds):
            self._connection = self._pool_kind(place, self._options).connect()

    def ask(self, database: str, command: Document) -> Document:
        """Return the server's answer; what it refuses raises Refused, and the line stays."""
        if self._connection is None or self._hung_up:
            raise Trouble("the connection was lost before")
        try:
            with self._timeout(self.deadline.left()):
                answer: Document = self._connection.command(database, dict(command), codec_options=self._codec)
        except Exception as error:
            raise self._told(error, what_was_asked(database, command)) from error
        return answer

    def hang_up(self) -> None:
        """End what is under way, from another thread: who waits for an answer gets an error within half a second."""
        self._hung_up = True
        connection = self._connection
        if connection is not None:
            connection.cancel_context.cancel()

    def close(self) -> None:
        """Close the line."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close_conn(None)

    def _told(self, error: Exception, what: str) -> Exception:
        """Return what pymongo raises as a Trouble."""
        errors = self._errors
        if isinstance(error, errors.OperationFailure | errors.NotPrimaryError):
            details = error.details if isinstance(error.details, dict) else {}
            return refusal({"errmsg": str(error), **details}, self._user, self._source, what)
        if isinstance(error, self._damage) and not isinstance(error, OSError):
            return Trouble(f"what {self.name} answers is not MongoDB's protocol, or damaged", NOT_MONGODB)
        if isinstance(error, errors.NetworkTimeout | errors.WaitQueueTimeoutError | errors.ExecutionTimeout):
            return unreachable(TimeoutError(), self.name)
        if isinstance(error, errors.ConnectionFailure):
            cause = error.__cause__
            return unreachable(cause if isinstance(cause, OSError) else ConnectionError(str(error)), self.name)
        return unreachable(error, self.name) if isinstance(error, OSError) else error


def _place(address: str, port: int, _flow: int = 0, scope: int = 0) -> tuple[str, int]:
    return (f"{address}%{scope}" if scope else address), port


class _Named:
    """pymongo's options of a connection to an address, whose certificate must be that of the host's name."""

    def __init__(self, options: Any, host: str) -> None:
        self._options = options
        context = options._ssl_context
        self._ssl_context = context and _NamedContext(context, host)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)


class _NamedContext:
    def __init__(self, context: Any, host: str) -> None:
        self._context, self._host = context, host

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def wrap_socket(self, line: Any, *arguments: Any, **more: Any) -> Any:
        return self._context.wrap_socket(line, *arguments, **{**more, "server_hostname": self._host})


def what_was_asked(database: str, command: Document) -> str:
    """Return what was asked for, as people would say it."""
    name, value = next(iter(command.items()))
    of = f"{database}.{value}" if isinstance(value, str) else database
    stages = command.get("pipeline")
    return f"{next(iter(stages[0])) if stages else name} of {of}"
