"""What the reads of one round over a database share, wherever it is."""

from typing import Protocol

from exporter.collectors._sql.cell import Table


class Session(Protocol):
    """Makes queries by their names, within the time of a round."""

    def table(self, query: str) -> Table:
        """Return what the query gave; Trouble where it failed."""

    def time(self) -> float:
        """Return of when the figures are, in Unix seconds; Trouble where the database does not answer."""

    def cancel(self) -> None:
        """Let go of what is waited for, from another thread."""
