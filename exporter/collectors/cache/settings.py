"""What a target of the collector `cache` can be told: the classes of an on-disk cache, and what an entry must hold."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.jmes import compiled
from exporter.models import Problems
from exporter.setting import Bytes, FilePath, Seconds, setting

_WILD: Final = re.compile(r"[*?[]")
_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_FIELDS: Final = ("folder", "name", "stem")
_MOST_ENTRIES: Final = 10_000
_SELECTOR: Final = "expected one such as `table.calendar tr.event`"


@dataclass(frozen=True, slots=True)
class ValidateSettings:
    """What each entry is held to. Checks are made in a process of their own, newest entries first."""

    timestamp: bool = setting(False, help="Whether an entry must be younger than the TTL, by the time of its file.")
    time: str = setting(
        "",
        help="Of JSON: where the time stands by which it must be younger than the TTL, as a JMESPath; text such as "
        "2026-11-25T10:00:00Z (without a time zone: UTC), or seconds since 1970.",
        example="fetched_at",
    )
    rows: str = setting(
        "",
        help="Of HTML: the CSS selector of the rows that must be as many as the events in the JSON made from it.",
        example='"table.calendar tr.event"',
    )
    pair: FilePath = setting(
        "",
        help="The JSON made from an entry: `{stem}` stands for its name without the ending, `{name}` for its name, "
        "`{folder}` for the folders between `path` and it.",
        example='"/srv/app/cache/{stem}.json"',
    )
    events: str = setting(
        "@",
        help="Where the events stand in that JSON, as the JMESPath of a list, or of their number.",
        example="events",
    )
    schema: str = setting(
        "", help="Of JSON: the JSON Schema that it must fit, as text.", example="""'{"type": "object"}'"""
    )
    schema_file: FilePath = setting("", help="The file with the JSON Schema.", example="/srv/app/events.schema.json")
    entries: int = setting(100, help="How many entries are looked into after each walk: the newest.")
    max_bytes: Bytes = setting(5_000_000, help="The largest file that is looked into.")

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks that are made, by name."""
        wanted = {
            "timestamp": self.timestamp or self.time,
            "count": self.rows,
            "schema": self.schema or self.schema_file,
        }
        return tuple(name for name, asked in wanted.items() if asked)

    def check(self) -> Problems:
        """Find checks that could not be made."""
        if not self.checks:
            yield "", "checks nothing; expected `timestamp: true`, `time`, `rows` with `pair`, or `schema`"
        if bool(self.rows) != bool(self.pair):
            missing = "pair" if self.rows else "rows"
            yield missing, "is missing; `rows` in the HTML are compared with events in its `pair`, so give both"
        yield from self._check_words()
        if self.schema and self.schema_file:
            yield "schema_file", "stands beside `schema`; expected only one of them, so remove the other"
        if not 1 <= self.entries <= _MOST_ENTRIES:
            yield "entries", f"is out of range; expected 1 to {_MOST_ENTRIES}"
        if not 1 <= self.max_bytes <= 100_000_000:
            yield "max_bytes", "is out of range; expected 1 to 100MB: a file takes 50 times its size in memory"

    def _check_words(self) -> Problems:
        for key in ("time", "events"):
            if text := getattr(self, key):
                yield from ((key, problem) for problem in _path_problems(text))
        if self.rows:
            yield from (("rows", problem) for problem in _selector_problems(self.rows))
        if self.schema:
            yield from (("schema", problem) for problem in _schema_problems(self.schema))
        yield from (("pair", problem) for problem in _pair_problems(self.pair))


def _pair_problems(pair: str) -> Iterator[str]:
    fields = _FIELD.findall(pair)
    for field in fields:
        if field not in _FIELDS:
            yield f"has {{{field}}}, which stands for nothing; expected {{stem}}, {{name}} or {{folder}}"
    if pair and not fields:
        yield "is the same for each entry; expected {stem} or {name} in it"


def _schema_problems(text: str) -> Iterator[str]:
    try:
        json.loads(text)
    except ValueError as error:
        yield f'is not JSON ({error}); expected a JSON Schema such as {{"type": "object"}}'


def _path_problems(text: str) -> Iterator[str]:
    try:
        compiled(text)
    except ValueError as error:
        yield str(error)


def _selector_problems(text: str) -> Iterator[str]:
    try:
        from selectolax.lexbor import LexborHTMLParser, SelectolaxError
    except ImportError as error:
        install = "install it with: pip install 'runbook-exporter[cache]'"
        yield f"needs the library selectolax ({error}); {install}"
        return
    try:
        LexborHTMLParser("<p>").css(text)
    except SelectolaxError:
        yield f"is no CSS selector; {_SELECTOR}"


@dataclass(frozen=True, slots=True)
class ClassSettings:
    """One class of entries: where they lie, how long they may be used, and what they must hold."""

    path: FilePath = setting(help="The folder, walked with all that is below it.", example="/srv/app/cache")
    ttl: Seconds = setting(help="How old an entry may be to be used.", example="24h")
    files: tuple[str, ...] = setting(
        (),
        help="The patterns of the names that belong to the class; without any, each file does.",
        example='["*.html"]',
    )
    scheduled: bool = setting(
        False, help="Whether it is made anew on a schedule, so that its newest entry must be younger than the TTL."
    )
    validate: ValidateSettings | None = setting(None, help="What each entry is held to.", example="{timestamp: true}")
    cross_filesystems: bool = setting(False, help="Whether file systems that are mounted below it are walked as well.")
    max_entries: int | None = setting(
        None, help="How many files and folders a walk may meet before it is cut short.", example="1000000"
    )

    def check(self) -> Problems:
        """Find places that are none, and times that leave nothing."""
        if _WILD.search(self.path):
            yield "path", "is a pattern; expected the folder itself, and the names in `files`"
        if self.ttl <= 0:
            yield "ttl", "is no time at all; expected one such as 24h"
        for pattern in self.files:
            if not pattern or "/" in pattern:
                yield "files", "are patterns of names, not of paths; expected such as `*.html`"
        if self.max_entries is not None and self.max_entries < 1:
            yield "max_entries", "leaves nothing; expected 1 or more, or leave it out"


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """The classes of a cache, and how often they are walked."""

    classes: Mapping[str, ClassSettings] = setting(
        help="The classes by name.",
        example='{html: {path: /srv/app/cache, files: ["*.html"], ttl: 24h, scheduled: true}}',
    )
    walk_interval: Seconds = setting(300.0, help="How long after one walk through a class the next one begins.")

    def check(self) -> Problems:
        """Find a target that watches nothing, and times that leave none."""
        if not self.classes:
            yield "classes", "is empty; expected a class such as `html: {path: /srv/app/cache, ttl: 24h}`"
        if self.walk_interval < 1:
            yield "walk_interval", "is shorter than 1s; expected more, such as 5m"
