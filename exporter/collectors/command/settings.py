"""What a target of the collector `command` can be told: which commands to run, and what must be installed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from exporter.collectors.command.ready import READY, WEBDRIVER
from exporter.mapping import MappedMetric
from exporter.mappingclash import named_twice
from exporter.models import Problems, TargetSettings
from exporter.names import NAME, NAMES
from exporter.program import ProgramSettings
from exporter.setting import Bytes, FilePath, Seconds, setting
from exporter.source import nearest

_VERSION: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSettings(ProgramSettings):
    """A command, how often it runs, and what its end means."""

    role: Literal["pipeline_test", "migrations", "prerequisite", "other"] = setting(
        "other", help="What the command tells, and so which alert it has: `other` has none."
    )
    interval: Seconds | None = setting(
        None, help="How often it is run at most, a restart notwithstanding; else in each round.", example="1d"
    )
    timeout: Seconds | None = setting(
        None,
        help="After how long it is killed, and has failed; the target's own `timeout` must leave that. By default 30s, "
        "or half of the target's where that is less.",
        example="5m",
    )
    expected_status: tuple[int, ...] = setting((0,), help="The exit statuses that mean success.", example="[0, 3]")
    max_bytes: Bytes = setting(4 << 20, help="How much it may write; with more it is killed.")
    metrics: tuple[MappedMetric, ...] = setting(
        (),
        help="Metrics that are taken from its standard output, where that is JSON and the command succeeds.",
        example="[{name: app_queue_jobs, help: Jobs that wait., value: queue.length}]",
    )

    def check(self) -> Problems:
        """Find times and statuses that cannot be, besides what is wrong with the program."""
        yield from ProgramSettings.check(self)
        yield from _check_timeout(self.timeout)
        if self.interval is not None and self.interval < 1:
            yield "interval", "is shorter than 1s; expected 1s or more, or leave it out"
        if not self.expected_status or any(not 0 <= status <= 255 for status in self.expected_status):
            yield "expected_status", "has none that a program can end with; expected 0 to 255, such as [0]"
        if not 1 <= self.max_bytes <= 64 << 20:
            yield "max_bytes", "is more than can be held, or nothing; expected 1 to 64MiB"
        yield from named_twice(self.metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrerequisiteSettings:
    """A program that must be installed: it runs, ends with 0, and is not too old."""

    command: tuple[str, ...] = setting(
        (),
        help=f"What prints its version, on one line. Known by name: {', '.join(sorted((*READY, WEBDRIVER)))}; "
        f"`{WEBDRIVER}` starts a browser by chromedriver, and ends it.",
        example="[/srv/app/.venv/bin/python, --version]",
    )
    at_least: str = setting("", help="The oldest version that will do.", example="3.8")
    user: str = setting("", help="The user that it runs as, where the exporter is root.", example="shop")
    directory: FilePath = setting("/", help="The directory that it runs in.", example="/srv/shop")
    timeout: Seconds | None = setting(
        None, help="After how long it is killed, and counts as missing; by default as that of a command.", example="1m"
    )

    def check(self) -> Problems:
        """Find versions that are none, besides what is wrong with the program."""
        if self.command or self.user:
            yield from self.program(self.command or ("true",)).check()
        yield from _check_timeout(self.timeout)
        if self.at_least and not _VERSION.fullmatch(self.at_least):
            yield "at_least", "is no version; expected numbers and points, such as 3.8"

    def program(self, command: tuple[str, ...]) -> ProgramSettings:
        """Return the program to run, for a command of its own or a ready-made one."""
        return ProgramSettings(command=command, user=self.user, directory=self.directory)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandsSettings:
    """Which commands are run, one after the other, and which programs must be there."""

    commands: Mapping[str, CommandSettings] = setting(
        {},
        help="Commands by name. What they write is shown nowhere.",
        example="{migrations: {command: [./manage.py, migrate, --check], directory: /srv/shop, role: migrations}}",
    )
    prerequisites: Mapping[str, PrerequisiteSettings] = setting(
        {},
        help="Programs that must be installed, by name; those that are known by it need nothing else.",
        example="{python: {at_least: 3.8}, ffmpeg: {}}",
        shown=True,
    )

    def check(self) -> Problems:
        """Find a target without commands, names that are none, and metrics that two commands make."""
        if not self.commands and not self.prerequisites:
            yield "commands", "is empty, and so are prerequisites; expected such as `prerequisites: {ffmpeg: {}}`"
        for key, names in (("commands", self.commands), ("prerequisites", self.prerequisites)):
            for name in names:
                if not NAME.fullmatch(name):
                    yield f"{key}.{name}", f"cannot have this name; {NAMES}"
        for name in sorted(set(self.commands) & set(self.prerequisites)):
            yield f"prerequisites.{name}", "is the name of a command as well; expected another"
        for name, prerequisite in self.prerequisites.items():
            if not prerequisite.command and name not in (*READY, WEBDRIVER):
                remedy = f"expected `command`, or a name that is known: {nearest(name, [*READY, WEBDRIVER])}"
                yield f"prerequisites.{name}.command", f"is missing; {remedy}"
        yield from named_twice([metric for _, metric in self.mapped()], "commands")

    def check_in(self, target: TargetSettings) -> Problems:
        """Find commands that may take longer than a round of their target."""
        for key, group in (("commands", self.commands), ("prerequisites", self.prerequisites)):
            for name, one in group.items():
                if one.timeout is not None and one.timeout > target.timeout:
                    remedy = (
                        f"expected at most the target's timeout ({target.timeout:g}s), or raise that and `interval`"
                    )
                    yield f"{key}.{name}.timeout", f"is longer than a round over the target may take; {remedy}"

    def mapped(self) -> Iterator[tuple[str, MappedMetric]]:
        """Yield the metrics that this target makes, with the keys where they stand."""
        for name, command in self.commands.items():
            yield from ((f"commands.{name}.metrics", metric) for metric in command.metrics)


def _check_timeout(timeout: float | None) -> Problems:
    if timeout is not None and timeout <= 0:
        yield "timeout", "leaves no time at all; expected more than 0, such as 30s"
