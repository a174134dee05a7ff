"""What a target of the collector `duckdb` can be told: which database, and how it may be read."""

import re
from dataclasses import dataclass
from typing import Final

from exporter.collectors._duckdb.settings import WaySettings
from exporter.models import Problems
from exporter.setting import FilePath, Pattern, Seconds, setting

_TIMES: Final = ("read_interval", "read_timeout", "integrity_timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckDBSettings(WaySettings):
    """Which database, how what needs opening is read, and who is expected to have it open."""

    read_interval: Seconds = setting(300.0, help="How long after one look into the database the next one begins.")
    read_timeout: Seconds = setting(60.0, help="How long one look, its copying included, may take.")
    integrity_interval: Seconds = setting(
        86_400.0, help="How long after every row was read they are all read again; 0s for never."
    )
    integrity_timeout: Seconds = setting(3600.0, help="How long reading every row, its copying included, may take.")
    holders: tuple[Pattern, ...] = setting(
        (),
        help="Which processes are expected to have the database open, the application's: patterns that are searched in "
        "the command line, its words joined by spaces, of a process and of those that it descends from, and in the "
        "name of its systemd unit. If there are none, no process is taken for a stranger.",
        example='["uvicorn src\\\\.api", "^mem\\\\.service$"]',
    )
    temporary: FilePath = setting(
        "", help="The application's folder of temporary files; if empty, the database's path with `.tmp` after it."
    )
    procfs: str = setting("/proc", help="Where the host's /proc is mounted.", example="/host/proc")

    def check(self) -> Problems:
        """Find a way that lacks something, and times that leave none."""
        yield from WaySettings.check(self)
        for name in _TIMES:
            if getattr(self, name) < 1:
                yield name, "is shorter than 1s; expected more, such as 5m"
        if 0 < self.integrity_interval < 60:
            yield "integrity_interval", "is shorter than 1m; expected more, such as 1d, or 0s for never"

    def is_expected(self, process: str) -> bool:
        """Return whether a process with this command line, or of this unit, is expected to have the database open."""
        return any(re.search(pattern, process) for pattern in self.holders)
