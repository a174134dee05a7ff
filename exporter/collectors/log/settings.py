"""What a target of the collector `log` can be told: which logs there are, and what is looked for in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from exporter.collectors.log.patterncheck import problems_of
from exporter.collectors.log.readymade import OF_REQUESTS, READY_MADE, patterns_of
from exporter.collectors.log.routes import AccessSettings
from exporter.jobmetrics import ExpectedJob
from exporter.models import Problems
from exporter.setting import FilePath, setting
from exporter.zones import check_zone

Group = Literal["stage_errors", "auth_failed", "rate_limited", "traceback", "oom", "locked", "attacks", "secrets"]
ACCESS_FORMATS: Final = ("nginx", "nginx_timed", "nginx_json", "uvicorn", "gunicorn")
MIXED_FORMATS: Final = ("uvicorn", "gunicorn")
"""Access logs whose server writes its own messages between the requests."""
COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z")
OUTCOMES: Final = ("success", "failure")

_ID: Final = re.compile(r"\(\?P?<id>")
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True, slots=True)
class FieldSettings:
    """Where the objects of a log in JSON have what is read; a dot leads into an object: `log.level`."""

    time: tuple[str, ...] = setting(
        ("timestamp", "time", "@timestamp", "ts", "asctime"),
        help="Names of the field with the time: ISO 8601, or seconds or milliseconds since 1970. The first that is "
        "there counts.",
        example="[created_at]",
    )
    level: tuple[str, ...] = setting(
        ("level", "levelname", "severity", "log.level"),
        help="Names of the field with the level: a word, or a number as pino and bunyan write it. The first that is "
        "there counts.",
        example="[lvl]",
    )
    message: tuple[str, ...] = setting(
        (),
        help="Names of the fields in which events and jobs are looked for; without any in all values of the object.",
        example="[message, exc_info]",
    )


@dataclass(frozen=True, slots=True)
class FollowedLog:
    """One log: its files, and how its lines are read."""

    files: tuple[FilePath, ...] = setting(
        help="The files, or patterns with `*`, `?`, `[...]` and `**`. What is rotated is read to its end by itself, so "
        "name only what is written to. Compressed files are never read.",
        example="[/var/log/shop/api.log]",
    )
    format: Literal["text", "json", "nginx", "nginx_timed", "nginx_json", "uvicorn", "gunicorn"] = setting(
        "text",
        help="How lines are read: `text`; `json`, an object a line; or an access log. `nginx` is its format "
        "`combined`, `nginx_timed` that with the time of each request, `nginx_json` an object a line; `uvicorn` and "
        "`gunicorn` are what these write, between other messages.",
    )
    start: Literal["end", "beginning"] = setting(
        "end",
        help="Where files that are there at the very first look are begun: what comes later is read whole in any case.",
    )
    level_pattern: str = setting(
        "",
        help="Regular expression (RE2) whose group is the level of a line of text. Without it the first word that is a "
        "level, near the beginning of the line.",
        example=r"""'^\S+ \S+ (\w+)'""",
    )
    time_pattern: str = setting(
        "",
        help="Regular expression (RE2) whose group is the time of a line of text. Without it the first time as ISO "
        "8601, nginx or syslog write it.",
        example=r"""'^\[([^]]+)\]'""",
    )
    time_format: str = setting(
        "",
        help="How that time (or the field `time` of an object) is written, as Python's strptime has it.",
        example="'%d.%m.%Y %H:%M:%S'",
    )
    timezone: str = setting(
        "",
        help="The time zone of times that name none; without it the exporter's own.",
        example="Europe/Berlin",
    )
    fields: FieldSettings = setting(FieldSettings, help="Where objects in JSON have what is read.")
    access: AccessSettings = setting(AccessSettings, help="What is counted of an access log.")

    def check(self) -> Problems:
        """Find logs without files, compressed ones, unknown time zones, and what does not belong to the format."""
        if not self.files:
            yield "files", "is empty; expected a path such as /var/log/shop/api.log"
        for path in self.files:
            if path.endswith(COMPRESSED):
                yield "files", f"{path} is compressed, and is never read; expected the file that is written to"
        yield from check_zone(self.timezone)
        yield from self._check_patterns()

    def _check_patterns(self) -> Problems:
        if self.time_format and self.format != "json" and not self.time_pattern:
            yield "time_format", "stands without time_pattern; expected both, as it tells where the time is"
        if (self.level_pattern or self.time_pattern) and self.format not in ("text", *MIXED_FORMATS):
            yield "level_pattern" if self.level_pattern else "time_pattern", "is for lines of text; expected none here"
        for key in ("level_pattern", "time_pattern"):
            for problem in problems_of({key: getattr(self, key)}, groups=1).values():
                yield key, problem


@dataclass(frozen=True, slots=True)
class JobSettings(ExpectedJob):
    """The lines that a job leaves: what it starts, finishes and fails with."""

    started: str = setting("", help="Regular expression (RE2) of the line of a start.", example="'Import started'")
    finished: str = setting(
        "",
        help="Regular expression of the line of a success. Runs that overlap are told apart by a group `(?P<id>...)` "
        "in each of the patterns.",
        example="'Import (?P<id>[0-9]+) done'",
    )
    failed: str = setting("", help="Regular expression of the line of a failure.", example="'Import failed'")

    def patterns(self) -> dict[str, str]:
        """Return the patterns that are given, by what they tell."""
        given = {"started": self.started, "finished": self.finished, "failed": self.failed}
        return {what: pattern for what, pattern in given.items() if pattern}

    def check(self) -> Problems:
        """Find jobs that never end, and patterns that are none."""
        yield from ExpectedJob.check(self)
        if self.time_limit is not None and not self.started:
            yield "time_limit", "stands without `started`, so when a run began is not known; expected both"
        if not self.finished and not self.failed:
            yield "finished", "is missing, and `failed` too; expected at least one of them"
        yield from problems_of(self.patterns()).items()
        with_id = [what for what, pattern in self.patterns().items() if _ID.search(pattern)]
        for what in self.patterns() if with_id else ():
            if what not in with_id:
                yield what, f"has no group (?P<id>...), as {with_id[0]} has; expected it in each pattern, or in none"


@dataclass(frozen=True, slots=True)
class LogsSettings:
    """The logs of an application, and what is looked for in all of them."""

    logs: Mapping[str, FollowedLog] = setting(
        help="The logs by name.", example="{api: {files: [/var/log/shop/api.log]}}"
    )
    events: Mapping[str, str] = setting(
        {},
        help="Events of one's own: regular expressions (RE2) by name. A line counts once for each that it has.",
        example="{payment_declined: 'payment .* declined'}",
    )
    ready_events: tuple[Group, ...] = setting(
        tuple(READY_MADE),
        help="Which ready-made events are looked for: the codes SCRAPE_001 to IMAGE_003, failed logins, rate limits, "
        "tracebacks, want of memory, locked databases, the attacks xss and csrf, and secrets that were written out. In "
        "lines of requests only the attacks are, secrets in the query, and events of one's own: clients write what "
        "they like there.",
        example="[auth_failed, traceback]",
    )
    jobs: Mapping[str, JobSettings] = setting(
        {},
        help="Jobs by name, and the lines that they leave in any of the logs; lines of requests are none.",
        example="{import: {started: 'Import started', finished: 'Import done', failed: 'Import failed'}}",
    )

    def event_patterns(self) -> dict[str, str]:
        """Return the pattern of each event; one's own may take the place of a ready-made one."""
        return patterns_of(self.ready_events) | dict(self.events)

    def request_patterns(self) -> dict[str, str]:
        """Return the patterns that are looked for in lines of requests, in which clients write what they like."""
        return {name: pattern for name, pattern in self.event_patterns().items() if self._is_of_requests(name)}

    def _is_of_requests(self, event: str) -> bool:
        return event in self.events or event in OF_REQUESTS

    def events_in(self, log: str) -> tuple[str, ...]:
        """Return the events that are looked for in a log."""
        of_requests = self.logs[log].format in ACCESS_FORMATS and self.logs[log].format not in MIXED_FORMATS
        return tuple(self.request_patterns() if of_requests else self.event_patterns())

    def check(self) -> Problems:
        """Find targets without logs, names that are none, several access logs, and patterns that are none."""
        if not self.logs:
            yield "logs", "is empty; expected a log such as `api: {files: [/var/log/shop/api.log]}`"
        for key in ("logs", "events", "jobs"):
            for name in getattr(self, key):
                if not _NAME.fullmatch(name):
                    yield f"{key}.{name}", "is no name; expected up to 64 letters, digits and any of _ . : -"
        access = [name for name, log in self.logs.items() if log.format in ACCESS_FORMATS]
        if len(access) > 1:
            # their requests have no label that tells logs apart
            yield f"logs.{access[1]}", f"is an access log beside {access[0]}; expected a target of its own for each"
        for name, problem in problems_of(self.events).items():
            yield f"events.{name}", problem
