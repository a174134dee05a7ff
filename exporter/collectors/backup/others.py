"""Settings of what is asked of others: commands that list and check backups, and where a restore is tried."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.collectors._libpq import address_problems
from exporter.jmes import compiled
from exporter.models import Problems
from exporter.program import ProgramSettings
from exporter.setting import Bytes, FilePath, Seconds, SecretURL, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSettings(ProgramSettings):
    """A command that tells what backups there are, as JSON or as lines of JSON."""

    items: str = setting("", help="A JMESPath to the list in its output; by default the output is one.",
                         example="archives")  # fmt: skip
    name: str = setting("name", help="A JMESPath to the name of one.", example="short_id")
    time: str = setting("time", help="A JMESPath to its time: Unix seconds, or as ISO 8601 has it.")
    size: str = setting(
        "size", help="A JMESPath to its bytes; it may be absent.", example="summary.total_bytes_processed"
    )
    every: Seconds = setting(900.0, help="How often it is run.")
    timeout: Seconds = setting(60.0, help="After how long it is killed.")
    max_bytes: Bytes = setting(16 << 20, help="How much it may write; with more it is killed.")

    def check(self) -> Problems:
        """Find paths that are none, besides what is wrong with the program."""
        yield from ProgramSettings.check(self)
        for key in ("items", "name", "time", "size"):
            text = getattr(self, key)
            if key == "items" and not text:
                continue
            try:
                compiled(text)
            except ValueError as error:
                yield key, str(error) if "expected" in str(error) else f"{error}; expected a JMESPath"
        for key in ("every", "timeout"):
            if getattr(self, key) <= 0:
                yield key, "is no time at all; expected more, such as 1m"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings(ProgramSettings):
    """A command that verifies a backup."""

    command: tuple[str, ...] = setting(
        help="The program and its arguments, each an item of the list; `{file}` is the backup's path, `{name}` its "
        "name. Every user of the machine can see them.",
        example='[gzip, -t, "{file}"]',
    )
    cannot: tuple[int, ...] = setting(
        (), help="Exit statuses that say that it could not be verified, not that it is damaged.", example="[10, 11, 12]"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSettings:
    """Where a backup is restored for a test, and what must be there then."""

    server: bool = setting(False, help="Whether a server is started for it, which nobody else can reach.")
    user: str = setting(
        "", help="The user that this server runs as, where the exporter is root: PostgreSQL refuses root.",
        example="postgres",
    )  # fmt: skip
    programs: FilePath = setting(
        "", help="The folder of PostgreSQL's programs; by default the newest that is installed.",
        example="/usr/lib/postgresql/17/bin",
    )  # fmt: skip
    postgres: SecretURL | None = setting(
        None,
        help="A server on which a database is made for it, and dropped afterwards; the user needs CREATEDB.",
        example="postgresql://restore:${PASSWORD}@127.0.0.1:5432/postgres",
    )
    interval: Seconds = setting(31 * 86_400.0, help="How often it is tried.")
    timeout: Seconds = setting(4 * 3600.0, help="How long it may take.")
    least_rows: Mapping[str, int] = setting(
        {}, help="Tables, with the rows that each must have at least then.", example="{public.orders: 1000}"
    )

    def check(self) -> Problems:
        """Find a restore without a place, or with two."""
        if self.server == (self.postgres is not None):
            yield "server", "and `postgres` are both given, or neither; expected one of them"
        if (self.user or self.programs) and not self.server:
            yield "user", "is about a server of its own; expected `server: true` beside it"
        for problem in address_problems(self.postgres) if self.postgres else ():
            yield "postgres", problem
        for key in ("interval", "timeout"):
            if getattr(self, key) <= 0:
                yield key, "is no time at all; expected more, such as 1d"
        for table, rows in self.least_rows.items():
            if rows < 1:
                yield f"least_rows.{table}", "is no number of rows to expect; expected 1 or more"
