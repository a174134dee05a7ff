"""What a target of the collector `path` can be told: the paths that are watched, and what each is for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from exporter.models import Problems
from exporter.quantity import show_duration
from exporter.setting import Bytes, FilePath, Seconds, setting

DAY: Final = 86_400.0
_AGES: Final[Mapping[str, tuple[float, ...]]] = {"output": (37 * DAY,), "temp": (7 * DAY,)}
_MODES: Final[Mapping[str, tuple[int, int]]] = {"secret": (0o600, 0o700), "database": (0o600, 0o700)}
WILD: Final = re.compile(r"[*?[]")
_MODE: Final = re.compile(r"0?[0-7]{3}")
# What the guides' own rotations are set to, where nothing else is said of one.
_LARGEST_LOG: Final = 10_000_000
_KEPT_BY_SIZE: Final = 5
_KEPT_BY_TIME: Final = 30


@dataclass(frozen=True, slots=True)
class Rotation:
    """How a log is rotated: at a size or after a time, and how many rotated files are kept."""

    size: int | None
    interval: float | None
    kept: int


@dataclass(frozen=True, slots=True)
class PathSettings:
    """One path: where it is, what it is for, and what is expected of it."""

    path: FilePath = setting(
        help="A folder, walked with all that is below it; a file; or a pattern of such, with `*`, `?` and `[...]`.",
        example="/srv/app/outputs",
    )
    role: Literal["output", "database", "log", "temp", "build", "store", "secret", "copy", "other"] = setting(
        "other", help="What the path is for. The alerts that there are depend on it."
    )
    files: str = setting("", help="Only files whose name fits this pattern are counted.", example='"*.js"')
    ages: tuple[Seconds, ...] = setting(
        (),
        help="Ages for which the older files are counted, besides those that the role brings: 37d for `output`, 7d "
        "for `temp`.",
        example="[1d, 30d]",
    )
    user: str = setting("", help="The user, by name or number, who must be able to write there.", example="nova")
    owner: str = setting("", help="The user, by name or number, whom it must belong to.", example="mem")
    mode: str = setting(
        "",
        help="The widest permissions that are meant, in octal digits. For the roles `secret` and `database` 600, for "
        "folders 700, by default; for the others any.",
        example='"640"',
    )
    budget: Bytes | None = setting(None, help="How many bytes all files together may have.", example="1MB")
    copy: FilePath = setting(
        "",
        help="The folder (or file) that is meant to be a copy of it; what it lacks, or has with another size or time, "
        "is looked for.",
        example="/backup/media",
    )
    rotate_size: Bytes | None = setting(
        None,
        help="Of a log: the size at which it is rotated. 10MB, unless `rotate_interval` is given.",
        example="50MB",
    )
    rotate_interval: Seconds | None = setting(
        None, help="Of a log: how often it is rotated, where that goes by time.", example="1d"
    )
    rotated_kept: int | None = setting(
        None,
        help="Of a log: how many rotated files are kept. 5, or 30 where `rotate_interval` is given.",
        example="14",
    )
    cross_filesystems: bool = setting(False, help="Whether file systems that are mounted below it are walked as well.")
    max_entries: int | None = setting(
        None, help="How many files and folders a walk may meet before it is cut short.", example="1000000"
    )

    @property
    def is_pattern(self) -> bool:
        return WILD.search(self.path) is not None

    @property
    def all_ages(self) -> tuple[float, ...]:
        """The ages for which older files are counted, those of the role among them."""
        return tuple(sorted({*_AGES.get(self.role, ()), *self.ages}))

    @property
    def rotation(self) -> Rotation | None:
        """How the log is rotated, None where the path is no log."""
        if self.role != "log":
            return None
        by_time = self.rotate_interval is not None
        kept = _KEPT_BY_TIME if by_time else _KEPT_BY_SIZE
        size = None if by_time else _LARGEST_LOG
        return Rotation(
            self.rotate_size if self.rotate_size is not None else size,
            self.rotate_interval,
            self.rotated_kept if self.rotated_kept is not None else kept,
        )

    def widest(self, *, folder: bool) -> int | None:
        """Return the widest permissions that are meant, None where any are."""
        if self.mode:
            return int(self.mode, 8)
        modes = _MODES.get(self.role)
        return modes[folder] if modes else None

    def check(self) -> Problems:
        """Find patterns where one place is needed, and limits that leave nothing."""
        if "**" in self.path:
            yield "path", "has `**`, and folders are walked anyway; leave it out, and tell names in `files`"
        if self.mode and not _MODE.fullmatch(self.mode):
            yield "mode", 'is no mode; expected three octal digits in quotes, such as "640"'
        if "/" in self.files:
            yield "files", "is a pattern of names, not of paths; expected one such as `*.js`"
        yield from self._check_place()
        yield from self._check_rotation()
        for limit in ("budget", "max_entries"):
            if getattr(self, limit) is not None and getattr(self, limit) < 1:
                yield limit, "leaves nothing; expected 1 or more, or leave it out"
        if 0 in self.ages:
            yield "ages", "has 0, and every file is older; expected ages such as 30d"

    def _check_place(self) -> Problems:
        for name in ("user", "copy"):
            if self.is_pattern and getattr(self, name):
                yield name, "needs one place, and `path` is a pattern; give each place a path of its own"
        if self.copy and _inside(self.copy, self.path):
            yield "copy", "lies in what it is a copy of; expected another place"

    def _check_rotation(self) -> Problems:
        for name in ("rotate_size", "rotate_interval", "rotated_kept"):
            value = getattr(self, name)
            if value is not None and self.role != "log":
                yield name, f"is about logs, and the role is {self.role}; expected `role: log` beside it"
            elif value is not None and value < (1 if name == "rotate_size" else 0):
                yield name, "leaves nothing; expected more, or leave it out"
        if self.rotate_interval == 0:
            yield "rotate_interval", "is no time at all; expected one such as 1d"


def _inside(path: str, folder: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


@dataclass(frozen=True, slots=True)
class PathsSettings:
    """Which paths are watched, and how often they are walked."""

    paths: Mapping[str, PathSettings] = setting(
        help="The paths by name.", example="{outputs: {path: /srv/app/outputs, role: output}}"
    )
    walk_interval: Seconds = setting(300.0, help="How long after one walk through a path the next one begins.")
    path_timeout: Seconds = setting(
        1.0, help="How long a file system may take to answer before its path is left out, and named as hanging."
    )
    sysfs: str = setting("/sys", help="Where the host's /sys is mounted.", example="/host/sys")

    def check(self) -> Problems:
        """Find a target that watches nothing, and times that leave none."""
        if not self.paths:
            yield "paths", "is empty; expected a path such as `outputs: {path: /srv/app/outputs, role: output}`"
        if self.walk_interval < 1:
            yield "walk_interval", "is shorter than 1s; expected more, such as 5m"
        if self.path_timeout <= 0:
            yield "path_timeout", "leaves no time at all; expected more than 0, such as 1s"


def show_age(seconds: float) -> str:
    """Return an age as its label: in days where it is whole days, since 37d reads better than 5w2d."""
    return f"{seconds / DAY:.0f}d" if seconds % DAY == 0 else show_duration(seconds)
