"""What a target of the collector `secret` can be told: which secrets there are, and how old each may become."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, Literal

from exporter.models import Problems
from exporter.names import NAME, NAMES
from exporter.setting import FilePath, Seconds, setting
from exporter.zones import check_zone, zone_named

_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}")
_MOST: Final = 500  # the first round over them takes 10 ms for each
_DAY: Final = 86400.0
_EXAMPLE: Final = "`openai: {file: /srv/app/.env, key: OPENAI_API_KEY}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSettings:
    """One secret: where it stands, or when it was rotated last. Its value is never shown nor kept."""

    file: FilePath = setting("", help="The file that holds it.", example="/srv/app/.env", shown=True)
    key: str = setting(
        "",
        help="Its name in that file, as in `NAME=value`, `name: value` or, with dots for what is nested, in JSON; "
        "without it the whole file is the secret.",
        example="OPENAI_API_KEY",
        shown=True,
    )
    by: Literal["contents", "time"] = setting(
        "contents",
        help="What tells that it was rotated: `contents` where another value stands there than before, `time` where "
        "the file was written, which needs no right to read it.",
    )
    certificate: FilePath = setting(
        "", help="A certificate instead: it was rotated when it began to be good.", example="/etc/ssl/shop.pem"
    )
    rotated: str = setting(
        "",
        help="The day of its last rotation, where no file tells of it; beside a file, of the last one before it was "
        "watched.",
        example="2026-10-01",
    )
    max_age: Seconds | None = setting(None, help="How old it may become; by default `secret_max_age`.", example="31d")

    def check(self) -> Problems:
        """Find secrets without a way to tell their age, with two, and dates that are none."""
        ways = [name for name in ("file", "certificate", "rotated") if getattr(self, name)]
        if not ways:
            yield "file", "is missing, as are certificate and rotated; expected one of them"
        if self.certificate and len(ways) > 1:
            yield "certificate", f"stands beside {ways[0] if ways[0] != 'certificate' else ways[1]}; expected it alone"
        if self.key and not _KEY.fullmatch(self.key):
            yield "key", "is no name; expected one such as OPENAI_API_KEY"
        if self.key and not self.file:
            yield "key", "stands without `file`; expected the file that it is a name in"
        if self.key and self.by == "time":
            yield "by", "is of the whole file, and says nothing of one key; expected `contents`"
        if self.rotated and self.by == "time":
            yield "rotated", "stands beside `by: time`, by which the file itself tells it; expected one of them"
        yield from self._check_times()

    def _check_times(self) -> Problems:
        if self.rotated:
            try:
                began = rotation_day(self.rotated, None)
            except ValueError as error:
                yield "rotated", f"{error}; expected a day such as 2026-10-01"
            else:
                if began > time.time() + _DAY:
                    yield "rotated", "is a day to come; expected that of the last rotation"
        if self.max_age is not None and self.max_age < 1:
            yield "max_age", "is no age; expected such as 90d"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsSettings:
    """Which secrets are to be rotated."""

    secrets: Mapping[str, SecretSettings] = setting(
        help="Secrets by name; the name is a label, so it should not tell too much.",
        example="{openai: {file: /srv/app/.env, key: OPENAI_API_KEY}}",
    )
    secret_max_age: Seconds = setting(90 * _DAY, help="How old a secret may become that has no `max_age` of its own.")
    timezone: str = setting(
        "", help="The time zone of the days; without it the exporter's own.", example="Europe/Berlin"
    )
    path_timeout: Seconds = setting(5.0, help="How long a file may take to be looked at, before it is given up.")

    def check(self) -> Problems:
        """Find targets without secrets, names and zones that are none."""
        if not self.secrets:
            yield "secrets", f"is empty; expected such as {_EXAMPLE}"
        if len(self.secrets) > _MOST:
            yield "secrets", f"are more than {_MOST}; expected several targets"
        for name in self.secrets:
            if not NAME.fullmatch(name):
                yield f"secrets.{name}", f"cannot have this name; {NAMES}"
        if self.secret_max_age < 1:
            yield "secret_max_age", "is no age; expected such as 90d"
        if self.path_timeout < 0.01:
            yield "path_timeout", "leaves no time; expected such as 5s"
        yield from check_zone(self.timezone)

    def zone(self) -> tzinfo | None:
        """Return the zone that is named; None for the exporter's own."""
        return zone_named(self.timezone) if self.timezone else None

    def age_of(self, name: str) -> float:
        """Return how old a secret may become."""
        own = self.secrets[name].max_age
        return self.secret_max_age if own is None else own


def rotation_day(text: str, zone: tzinfo | None) -> float:
    """Return when a day began in the zone, or a time that names its own; ValueError where it is none."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text[:40]!r} is no day") from None
