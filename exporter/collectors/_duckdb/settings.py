"""Which DuckDB database, and what is opened to read it."""

import os
from dataclasses import dataclass
from typing import Final, Literal

from exporter.models import Problems
from exporter.setting import Bytes, FilePath, setting

_LEAST_MEMORY: Final = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WaySettings:
    """A DuckDB database, and the way in which it is opened."""

    path: FilePath = setting(help="The database file.", example="/srv/app/app.duckdb")
    open: Literal["copy", "backup", "live", "never"] = setting(
        "copy",
        help="What is opened to read what the file alone does not tell. `copy`: a private copy of the database, made "
        "and opened in a process of its own. `backup`: the newest file that `backup` names. `live`: the database "
        "itself, read-only; while that lasts, the application cannot open it for writing. `never`: nothing.",
    )
    backup: FilePath = setting(
        "",
        help="Where the backups are, a path with `*`, `?` and `[...]`; the newest is read with `open: backup`.",
        example='"/backup/app-*.duckdb"',
    )
    scratch: FilePath = setting(
        "",
        help="The folder for the copy, never the database's own; it needs as much room as the database takes. If "
        "empty, one in /var/tmp that nobody else can enter.",
        example="/var/cache/runbook-exporter",
    )
    max_copy_size: Bytes = setting(
        2_000_000_000, help="The size of database and WAL together above which nothing is copied."
    )
    memory_limit: Bytes = setting(256_000_000, help="How much memory DuckDB may use while it reads.")

    def check(self) -> Problems:
        """Find a way that lacks something, folders that must not be used, and limits that leave nothing."""
        if self.open == "backup" and not self.backup:
            yield "backup", "is needed by `open: backup`; expected where the backups are"
        if self.backup and self.open != "backup":
            yield "backup", f"is not read by `open: {self.open}`; expected `open: backup` beside it"
        # by its name alone: the file system may hang
        if self.scratch and os.path.normpath(self.scratch) == os.path.normpath(os.path.dirname(self.path)):
            yield "scratch", "is the database's own folder; expected another one"
        if self.memory_limit < _LEAST_MEMORY:
            yield "memory_limit", "is too little for DuckDB; expected 64MB or more"
