"""What a target of the collector `backup` can be told: where each backup is, and what is expected of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from exporter.collectors.backup.others import CheckSettings, ListSettings, RestoreSettings
from exporter.models import Problems
from exporter.names import NAME, NAMES
from exporter.setting import Bytes, FilePath, Seconds, setting
from exporter.zones import check_zone

DAY: Final = 86_400.0
_FORMAT: Final = 1  # of what is kept of a backup: what an older exporter has kept is forgotten
_RESTORED: Final = ("auto", "pg_custom", "pg_directory", "pg_tar")
_WITH_TABLES: Final = ("auto", "pg_custom", "pg_directory", "pg_tar", "sql", "sqlite", "duckdb")
_WITH_MEMBERS: Final = ("auto", "tar", "pg_tar", "zip")
_WITH_DATABASE: Final = ("auto", "pg_custom", "pg_directory", "pg_tar", "sql")


@dataclass(frozen=True, kw_only=True)
class BackupSettings:
    """One backup: where its files are, how often one is made, and what each must hold."""

    path: FilePath = setting("", help="The folder of its files.", example="/backup/postgres", shown=True)
    files: tuple[str, ...] = setting(
        (),
        help="Patterns of the files' names, with `*`, `?` and `[...]`; one with `/` goes into folders. By default all "
        "that do not begin with `.` and are no sums, signatures or parts (`.sha256`, `.asc`, `.part`, `.tmp`).",
        example='["shop-*.dump"]',
        shown=True,
    )
    list_command: ListSettings | None = setting(
        None,
        help="A command that tells what backups there are, in place of `path`: for restic, borg, pgBackRest.",
        example="{command: [restic, snapshots, --json], time: time, name: short_id}",
    )
    interval: Seconds = setting(DAY, help="How often one is made.", example="1d", shown=True)
    grace: Seconds = setting(7200.0, help="How much later than that one may be.")
    retention: Seconds | None = setting(None, help="How long each is kept.", example="30d", shown=True)
    min_size: Bytes = setting(1, help="A smaller one counts as damaged.", example="10kB", shown=True)
    format: Literal[
        "auto", "pg_custom", "pg_directory", "pg_tar", "sql", "tar", "zip", "sqlite", "duckdb", "json", "command"
    ] = setting(
        "auto",
        help="What the files are, and so how they are verified; by default what they begin with tells. tar, sql and "
        "json may be compressed by gzip, bzip2, xz, zstd or lz4. `command`: `check_command` alone verifies them.",
    )
    time: Literal["modified", "name"] = setting(
        "modified", help="Where the time of a backup is found: the file's own, or its name."
    )
    time_format: str = setting(
        "", help="The whole name as strptime reads it, for `time: name`.", example='"shop-%Y%m%d_%H%M%S.dump"'
    )
    timezone: str = setting("", help="The zone of that time; the machine's, if empty.", example="Europe/Berlin")
    at_rest: Seconds = setting(60.0, help="How long a file must not be written to before it is taken for whole.")
    checksum: Literal["if_there", "required", "off"] = setting(
        "if_there",
        help="Whether the sum beside a file is compared: `FILE.sha256` (or .sha512, .sha1, .md5) or `SHA256SUMS`.",
    )
    database: str = setting("", help="The database that a PostgreSQL dump must be of.", example="shop")
    tables: tuple[str, ...] = setting(
        (),
        help="Tables that must be in it, with their schema where there are such; of a partitioned one a partition, "
        "as the rows stand there.",
        example="[public.orders]",
    )
    members: tuple[str, ...] = setting(
        (), help="Of tar and zip: patterns of which each must be some member's name.", example='["etc/*"]'
    )
    schema: FilePath = setting("", help="Of JSON: a file with the JSON Schema that it must fit.", example="export.json")
    check_command: CheckSettings | None = setting(
        None,
        help="A command that verifies one, besides what its format does; 0 is whole, any other status damaged.",
        example='{command: [restic, check, "--read-data-subset=1/30"], cannot: [10, 11, 12]}',
    )
    verify_interval: Seconds = setting(
        7 * DAY, help="When the newest is verified again, as disks forget; each new one is verified at once."
    )
    verify_timeout: Seconds = setting(3600.0, help="How long that may take; what takes longer is not verified.")
    max_bytes: Bytes = setting(
        1 << 40, help="How many bytes may be read out of one, once unpacked; with more it is not verified."
    )
    recovery_point: Seconds | None = setting(
        None, help="How old the newest whole backup may be at most, by what was promised.", example="1h"
    )
    recovery_time: Seconds | None = setting(
        None, help="How long a restore may take, by what was promised.", example="4h"
    )
    restore: RestoreSettings | None = setting(
        None,
        help="Restores the newest whole one now and then, and throws it away.",
        example="{server: true, user: postgres, interval: 31d}",
    )
    pg_restore: FilePath = setting("", help="The pg_restore to use.", example="/usr/lib/postgresql/17/bin/pg_restore")

    @cached_property
    def place(self) -> str:
        """What tells this backup from another in its place."""
        listed = (self.list_command.command, self.list_command.environment) if self.list_command else ()
        told = (_FORMAT, self.path, self.files, listed, self.time, self.time_format, self.timezone)
        return _digest(told)

    @cached_property
    def way(self) -> str:
        """What tells one way of verification from another."""
        command = (self.check_command.command, self.check_command.cannot) if self.check_command else ()
        told = (_FORMAT, self.format, self.min_size, self.checksum, self.database, self.tables, self.members,
                self.schema, command)  # fmt: skip
        return _digest(told)

    def check(self) -> Problems:
        """Find backups without a place, and expectations that nothing could meet."""
        yield from self._check_place()
        yield from self._check_times()
        yield from self._check_format()

    def _check_place(self) -> Problems:
        if bool(self.path) == bool(self.list_command):
            yield "path", "and `list_command` are both given, or neither; expected one of them"
        if self.list_command and (self.files or self.restore or self.time == "name"):
            yield "list_command", "tells no files, so `files`, `restore` and `time` say nothing; leave them out"
        for pattern in self.files:
            if pattern.startswith("/") or "**" in pattern or ".." in pattern.split("/") or not pattern.strip("/"):
                yield "files", f"has {pattern!r}, which is no pattern below `path`; expected one such as `*.dump`"
        if (self.time == "name") != bool(self.time_format):
            yield "time_format", "and `time: name` belong together; expected both or neither"
        yield from check_zone(self.timezone)

    def _check_times(self) -> Problems:
        for name in ("interval", "verify_interval", "verify_timeout", "retention", "recovery_point", "recovery_time"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                yield name, "is no time at all; expected more, or leave it out"
        if self.max_bytes < 1:
            yield "max_bytes", "leaves nothing; expected 1 or more, or leave it out"

    def _check_format(self) -> Problems:
        if self.format == "command" and self.check_command is None:
            yield "check_command", "is missing; expected what verifies a backup with `format: command`"
        if self.list_command and self.format not in ("auto", "command"):
            yield (
                "format",
                f"is {self.format}, and `list_command` tells no files; leave it out, and give `check_command`",
            )
        for name, formats in (
            ("database", _WITH_DATABASE), ("tables", _WITH_TABLES), ("members", _WITH_MEMBERS),
            ("schema", ("auto", "json")), ("restore", _RESTORED),
        ):  # fmt: skip
            if getattr(self, name) and self.format not in formats:
                yield name, f"says nothing of {self.format}; expected one of the formats {', '.join(formats[1:])}"


def _digest(told: object) -> str:
    return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupsSettings:
    """Which backups are watched."""

    backups: Mapping[str, BackupSettings] = setting(
        help="The backups by name.",
        example='{shop: {path: /backup/postgres, files: ["shop-*.dump"], interval: 1d, retention: 30d}}',
    )
    path_timeout: Seconds = setting(
        5.0, help="How long a file system may take to answer before its backup is left out, and named as hanging."
    )
    scratch: FilePath = setting(
        "",
        help="The folder for what a verification or a restore needs for a while. If empty, one in /var/tmp that nobody "
        "else can enter.",
        example="/var/cache/runbook-exporter",
    )

    def check(self) -> Problems:
        """Find a target that watches nothing, names that cannot be, and times that leave none."""
        if not self.backups:
            yield "backups", "is empty; expected a backup such as `shop: {path: /backup/postgres}`"
        for name in self.backups:
            if not NAME.fullmatch(name):
                yield f"backups.{name}", f"cannot have this name; {NAMES}"
        if self.path_timeout <= 0:
            yield "path_timeout", "leaves no time at all; expected more than 0, such as 5s"
