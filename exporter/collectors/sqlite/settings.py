"""Which SQLite database is watched, and what may be spent on it."""

import os
from dataclasses import dataclass
from typing import Final

from exporter.models import Problems
from exporter.setting import FilePath, Seconds, setting

_MEMORY: Final = ":memory:"


@dataclass(frozen=True, slots=True)
class SQLiteSettings:
    """Which database, how often it is checked, and whether its tables are counted."""

    path: FilePath = setting(
        help="The file of the database. Backups and attached databases are targets of their own.",
        example="/srv/shop/shop.sqlite",
    )
    integrity_interval: Seconds = setting(
        86400.0,
        help="How long after one quick_check, which reads the whole file, the next one begins; 0 for never.",
    )
    integrity_timeout: Seconds = setting(
        3600.0, help="How long a check may take; meanwhile no other target is checked or counted."
    )
    integrity_lock: bool = setting(
        False,
        help="Whether a database in rollback mode that is written to without pause is checked under a lock: all who "
        "write wait for as long as that takes, or fail with `database is locked`.",
    )
    tables_interval: Seconds = setting(
        0.0,
        help="How often the rows and sizes of tables are counted, which reads the whole file; 0 for never.",
        example="1h",
    )
    top: int = setting(50, help="How many tables have series of their own; the others add up in `other`.")

    def check(self) -> Problems:
        """Find what is no file, and numbers that leave nothing."""
        name = os.path.basename(self.path)
        if name == _MEMORY or not self.path:
            yield "path", "is a database in memory, which nobody else can see; expected the path of a file"
        elif self.path.endswith("/"):
            yield "path", "is a directory; expected the path of the database's file"
        elif name.endswith(("-wal", "-shm", "-journal")):
            yield "path", "is what lies beside a database; expected the path of the database's own file"
        for key in ("integrity_interval", "tables_interval"):
            if 0 < getattr(self, key) < 60:
                yield key, "is shorter than 1m, and the whole file is read each time; expected more, or 0 for never"
        if self.integrity_timeout < 1:
            yield "integrity_timeout", "leaves no time; expected 1s or more, such as 1h"
        if self.top < 1:
            yield "top", "leaves nothing; expected 1 or more"
