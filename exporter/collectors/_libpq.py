"""A connection that is kept between rounds, to what speaks PostgreSQL's protocol; any thread may cut it."""

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Trouble
from exporter.collectors._libpqline import dial
from exporter.deadline import GIVEN_UP, within
from exporter.setting import SecretURL

if TYPE_CHECKING:
    from psycopg import Connection

Row = tuple[Any, ...]
Rows = list[Row]

APPLICATION: Final = "runbook-exporter"
_ADDRESS: Final = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or host=... user=... with values in single quotes"

# As libpq's documentation has it: hosts with ports, or keyword = value with quotes around a value with spaces.
_HOST: Final = r"(\[[^\]]*\]|[^:,]*)(:\d*)?"
_HOSTS: Final = re.compile(f"{_HOST}(,{_HOST})*")
_KEYWORDS: Final = re.compile(r"\s*(\w+\s*=\s*('([^'\\]|\\.)*'|([^\s'\\]|\\.)*)\s*)*")


class Kept:
    """Connections to one server: one that is kept between rounds, others for a moment."""

    extra = ""
    """The extra of this package that brings the library."""

    def __init__(self, conninfo: str, timeout: float) -> None:
        self._conninfo = conninfo
        self._timeout = timeout
        self._kept: Connection[Row] | None = None
        self._lock = threading.Lock()  # closing and cutting must not meet: the number of a socket is soon another's
        self._open: set[Connection[Row]] = set()
        self.round = 0
        self.cancelled = False

    def awaken(self) -> None:
        """Begin a round: see that the kept connection works, and who answers; open it anew where it was lost."""
        with self._lock:
            self.round, self.cancelled = self.round + 1, False
        if self._kept is not None:
            try:
                self._identify()
            except Exception:  # noqa: BLE001  # whatever it is, a new connection says what is wrong
                self.close()
            else:
                return
        self._kept = self.open()
        try:
            self._identify()
        except BaseException:
            self.close()
            raise

    def open(self, database: str | None = None) -> "Connection[Row]":
        """Return a new connection; whoever opens another than the kept one shuts it."""
        psycopg = library(self.extra)
        try:
            told = psycopg.conninfo.conninfo_to_dict(self._conninfo, **self._lasting(), **self._parameters(database))
            connection = dial(psycopg, told, within(self._timeout), self._check)
        except psycopg.ProgrammingError:  # its text may hold a part of what was not understood, such as a password
            raise Trouble("the address is not understood", _ADDRESS) from None
        except psycopg.Error as error:
            raise self._explained(error) from error
        with self._lock:
            self._open.add(connection)
        try:
            self._check()  # it may have been cancelled while nobody could cut it
            self._settle(connection)
        except BaseException:
            self._shut(connection)
            raise
        return connection

    def cancel(self, round: int) -> None:
        """Cut all connections, if that round is still under way: who waits for an answer gets an error at once."""
        with self._lock:
            if round != self.round:
                return
            self.cancelled = True
            for connection in self._open:
                _hang_up(connection)

    def close(self) -> None:
        """Close the kept connection."""
        connection, self._kept = self._kept, None
        if connection is not None:
            self._shut(connection)

    def _identify(self) -> None:
        """Ask over the kept connection who answers; raise where it is not what the collector is for."""
        raise NotImplementedError

    def _parameters(self, database: str | None) -> dict[str, Any]:
        """Return what libpq is told besides the address and what makes a connection end in time."""
        raise NotImplementedError

    def _explained(self, error: Any) -> Trouble:
        """Return why it cannot be connected to, with the remedy."""
        raise NotImplementedError

    def _settle(self, connection: "Connection[Row]") -> None:
        """Tell a new connection what cannot be told while connecting."""

    def _check(self) -> None:
        if self.cancelled:  # another thread sets it
            raise Trouble(GIVEN_UP)

    def _shut(self, connection: "Connection[Row]") -> None:
        with self._lock:
            self._open.discard(connection)
            connection.close()

    def _lasting(self) -> dict[str, Any]:
        return {
            "application_name": APPLICATION,
            "client_encoding": "UTF8",  # of a database in SQL_ASCII psycopg would give bytes
            "tcp_user_timeout": max(1, int(self._timeout * 1000)),
            # a machine that went away says nothing; asked after every few seconds, it is known to be gone
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        }


def library(extra: str) -> Any:
    """Return psycopg; without it a Trouble that says how to install it."""
    try:
        import psycopg
    except ImportError as error:
        remedy = f"install it with: pip install 'runbook-exporter[{extra}]'"
        raise Trouble(f"the library psycopg is missing ({error})", remedy) from None
    return psycopg


def said(error: Any) -> str:
    """Return the server's own words, without libpq's preamble, which names the address at length."""
    text = str(error).strip()
    reason = (error.diag.message_primary or text).splitlines()[0] if text else type(error).__name__
    return reason.rpartition("FATAL:  ")[2] or reason


def conninfo(url: SecretURL | None) -> str:
    """Return what libpq is told; the driver that SQLAlchemy's addresses name is left out."""
    text = url.reveal() if url is not None else ""
    return re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", text)


def address_problems(url: SecretURL | None) -> Iterator[str]:
    """Find a password that would end the address too early: what follows would be taken for the host, and shown."""
    scheme, separator, rest = conninfo(url).partition("://")
    if not separator:
        if not _KEYWORDS.fullmatch(scheme):
            yield "is not understood; expected host=... user=..., values with spaces in single quotes"
        return
    authority = re.split("[/?]", rest)[0]
    if rest.count("@") > 1 or rest.count("@") != authority.count("@"):
        yield "has an `@`, `/` or `?` inside its password; expected them as %40, %2F and %3F"
    elif scheme not in ("postgresql", "postgres") or not _HOSTS.fullmatch(authority.rpartition("@")[2]):
        yield "is no address of PostgreSQL; expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


def _hang_up(connection: "Connection[Row]") -> None:
    # a request to cancel would wait for the same server; the end of the line does not
    with suppress(Exception):
        line = socket.socket(fileno=os.dup(connection.fileno()))
        with line:
            line.shutdown(socket.SHUT_RDWR)
