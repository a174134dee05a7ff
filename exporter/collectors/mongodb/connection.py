"""The one connection to a MongoDB server, kept between rounds."""

import threading
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.mongodb.address import Address, read_address
from exporter.collectors.mongodb.trouble import Late, Refused, unreachable
from exporter.collectors.mongodb.wire import Document, Line
from exporter.deadline import GIVEN_UP, Deadline, within
from exporter.lookup import looked_up

_LEAST_WIRE_VERSION: Final = 9  # MongoDB 4.4
_OLD: Final = "MongoDB 4.4 and newer are understood"
SHORT: Final = "raise the target's `timeout`, or leave out databases with very many collections by databases_exclude"
_SRV: Final = "mongodb+srv:"
_PREFERENCE: Final = {"mode": "primaryPreferred"}  # a secondary answers to nothing without one


class Server:
    """The connection to one server, whichever of the address's hosts it is; any thread may cut it."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._line: Line | None = None
        self._line_name = ""
        self._several = False
        """Whether there are other hosts that may be the primary."""
        self._lock = threading.Lock()
        self.round = 0
        self.cancelled = False
        self.hello: Document = {}
        self.facts: dict[str, tuple[Any, float]] = {}
        """What is asked once for each connection, and the moment until which it is believed."""
        self.deadline = Deadline(within(timeout))

    def awaken(self) -> None:
        """Begin a round: see that the kept connection works; connect anew where it was lost."""
        with self._lock:
            self.round, self.cancelled = self.round + 1, False
        self.deadline = Deadline(within(self._timeout))
        if self._line is not None:
            self._line.deadline = self.deadline
            try:
                self.hello = self._ask("admin", {"hello": 1})
            except Trouble:
                self.close()  # whatever it is, a new connection says what is wrong
            else:
                if not self._several or self.hello.get("isWritablePrimary"):
                    return
                self.close()  # another host may be the primary by now
        self._connect()

    def command(self, database: str, command: Document) -> Document:
        """Return the server's answer to a command, which it must give up when the round is over."""
        return self._ask(database, command, limited=True)

    def documents(self, database: str, command: Document, batch: str = "firstBatch") -> list[Document]:
        """Return all documents of a command that answers with a cursor."""
        answer = self.command(database, command)
        found: list[Document] = []
        while True:
            cursor = answer.get("cursor")
            if not isinstance(cursor, dict) or not isinstance(cursor.get(batch), list):
                raise Trouble(f"the answer to {next(iter(command))} has no cursor")
            found += [item for item in cursor[batch] if isinstance(item, dict)]
            if not cursor.get("id"):
                return found
            collection = str(cursor.get("ns", "")).partition(".")[2]
            # a time limit is refused here; that of the command still counts
            more = {"getMore": cursor["id"], "collection": collection}
            answer, batch = self._ask(database, more), "nextBatch"

    def cancel(self, round: int) -> None:
        """Cut the connection, if that round is still under way."""
        with self._lock:
            if round != self.round:
                return
            self.cancelled = True
            if self._line is not None:
                self._line.hang_up()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            line, self._line = self._line, None
            if line is not None:
                line.close()
        self.facts.clear()

    def _ask(self, database: str, command: Document, limited: bool = False) -> Document:
        line = self._line
        if line is None:
            raise Trouble(GIVEN_UP if self.cancelled else "the connection was lost before")
        if self.deadline.spent() >= self.deadline.seconds:
            raise Late(GIVEN_UP, SHORT)  # the connection is well: nothing was asked
        try:
            return line.ask(database, {**command, **self._limits()} if limited else command)
        except Refused:
            raise
        except Exception as error:
            self.close()
            raise self._given_up(error) from error

    def _limits(self) -> Document:
        preference = {} if self.hello.get("msg") == "isdbgrid" else {"$readPreference": _PREFERENCE}
        return {"maxTimeMS": max(1, int(self.deadline.left() * 1000)), **preference}

    def _given_up(self, error: Exception) -> Exception:
        if self.cancelled:
            return Trouble(GIVEN_UP)
        return unreachable(error, self._line_name) if isinstance(error, OSError) else error

    def _connect(self) -> None:
        """Connect to the address's host; of several to the primary, or else to one that answers."""
        try:
            address = self._read_address()
        except TimeoutError as error:
            raise unreachable(error, self._line_name) from None
        self._several = len(address.hosts) > 1 or self._url.startswith(_SRV)
        answered: tuple[str, int | None] | None = None
        troubles: list[Trouble] = []
        for number, host in enumerate(address.hosts):
            try:
                self._greet(host, address, len(address.hosts) - number + (number > 0))
            except Trouble as error:
                troubles.append(error)
                continue
            if len(address.hosts) == 1 or self.hello.get("isWritablePrimary"):
                break
            answered = host
            self.close()
        else:
            if answered is None:
                raise troubles[0]
            self._greet(answered, address, 1)

    def _read_address(self) -> Address:
        """Read the address for each connection anew: files for TLS, and what DNS says, may have changed."""
        left = self.deadline.left()
        if not self._url.startswith(_SRV):
            return read_address(self._url, left)
        try:
            return looked_up(("mongodb", self._url), lambda: read_address(self._url, left), left)
        except TimeoutError:
            raise Trouble("DNS does not answer in time", "see to DNS, or name the host by mongodb://") from None

    def _greet(self, host: tuple[str, int | None], address: Address, share: int) -> None:
        """Connect to a host, which may take one of so many shares of the time that is left."""
        try:
            line = Line(*host, address, Deadline(self.deadline.left() / share))
        except TimeoutError as error:
            raise unreachable(error, host[0]) from None
        with self._lock:
            if self.cancelled:
                raise Trouble(GIVEN_UP)
            self._line, self._line_name = line, line.name
        try:
            line.open()
        except Exception as error:
            self.close()
            raise self._given_up(error) from error
        self.hello = self._ask("admin", {"hello": 1})
        version = self.hello.get("maxWireVersion")
        if not isinstance(version, int) or version < _LEAST_WIRE_VERSION:
            self.close()
            raise Trouble("the server is too old", _OLD)
        line.deadline = self.deadline
