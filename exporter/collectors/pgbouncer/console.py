"""PgBouncer's console: one kept connection, over which only SHOW is asked."""

from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Trouble
from exporter.collectors._libpq import Kept, Row, library
from exporter.collectors.pgbouncer.trouble import explained

if TYPE_CHECKING:
    from psycopg import Connection

Shown = list[dict[str, Any]]
"""Rows of a command, each by the names of its columns, which differ from version to version."""

_EXTRA: Final = "pgbouncer"
_DATABASE: Final = "pgbouncer"


class Console(Kept):
    """The connection to one console."""

    extra = _EXTRA

    def __init__(self, conninfo: str, timeout: float) -> None:
        super().__init__(conninfo, timeout)
        self.version = ""  # as `PgBouncer 1.18.0`

    def show(self, what: str) -> Shown:
        """Return the rows of SHOW `what`."""
        if self._kept is None:
            raise Trouble("the connection was let go")
        psycopg = library(_EXTRA)
        try:
            cursor = self._kept.execute(f"SHOW {what}")
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except psycopg.Error as error:
            raise explained(error) from error

    def _identify(self) -> None:
        ((self.version),) = [str(row["version"]) for row in self.show("VERSION")]

    def _explained(self, error: Any) -> Trouble:
        return explained(error)

    def _parameters(self, database: str | None) -> dict[str, Any]:
        conninfo = library(_EXTRA).conninfo
        named = database or conninfo.conninfo_to_dict(self._conninfo).get("dbname")
        return {"dbname": named or _DATABASE}

    def _settle(self, connection: "Connection[Row]") -> None:
        # the console knows simple queries only: a command that psycopg had prepared would end the connection
        connection.prepare_threshold = None
        # whoever asks for a database that is none gives it a name of any bytes
        connection.adapters.register_loader("text", _lenient(library(_EXTRA)))


class Session:
    """One round over the console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._round = console.round
        self.version = console.version

    def show(self, what: str) -> Shown:
        """Return the rows of SHOW `what`."""
        return self._console.show(what)

    def cancel(self) -> None:
        """Let go of what is waited for, from another thread."""
        self._console.cancel(self._round)


def _lenient(psycopg: Any) -> type[Any]:
    class Lenient(psycopg.adapt.Loader):  # type: ignore[misc]
        """Text, whatever its bytes."""

        def load(self, data: Any) -> str:
            return bytes(data).decode("utf-8", "replace")

    return Lenient
