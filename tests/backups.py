"""Backups for tests: real ones, damage of all kinds done to them, and what is said of them."""

import os
import random
import re
import shutil
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from exporter.collector import Trouble
from exporter.collectors._backup import restore
from exporter.collectors._backup.work import judged
from tests.onetarget import One, one
from tests.postgres import Cluster
from tests.support import until

FORMS: Final = {"pg_custom": ["-Fc"], "pg_directory": ["-Fd"], "pg_tar": ["-Ft"], "sql": ["-Fp"]}
Damage = Callable[[bytes], bytes]

_TABLES: Final = """
CREATE TABLE orders (id int PRIMARY KEY, told text, made timestamptz);
-- nothing repeats in it, and no time is of now: a flipped bit never leaves it as it was, and always is the same one
INSERT INTO orders SELECT n, md5(n::text) || md5((n * 7)::text) || md5((n * 11)::text), '2026-01-01'
FROM generate_series(1, 6000) AS n;
CREATE TABLE users (id int PRIMARY KEY, name text);
INSERT INTO users SELECT n, md5((n * 3)::text) FROM generate_series(1, 3000) AS n;
CREATE INDEX ON users (name);
"""


def verdict(kind: str, path: Path, **more: Any) -> str:
    """Verify a backup in this process; return `good` with what that rests on, `bad`, or `unable`, with the reason."""
    request: dict[str, Any] = {
        "path": str(path), "format": kind, "database": "", "tables": [], "members": [], "schema": "",
        "checksum": "if_there", "max_bytes": 1 << 40, "pg_restore": "", "timeout": 60.0,
        "folder": str(path.parent / ".scratch" / "backup-00000000"),
    }  # fmt: skip
    try:
        answer = judged(request | more)
    except Trouble as trouble:
        return f"unable: {trouble}"
    return f"good {answer['way']}" if answer["good"] else f"bad: {answer['reason']}"


def restored(path: Path, postgres: str, least_rows: Mapping[str, int] = {}) -> str:
    """Restore a dump in this process; return `good`, `bad` or `unable`, with the reason."""
    request = {"path": str(path), "format": "auto", "pg_restore": "", "server": False, "postgres": postgres,
               "least_rows": dict(least_rows), "mark": "it it"}  # fmt: skip
    try:
        answer = restore.restored(request)
    except Trouble as trouble:
        return f"unable: {trouble}"
    return "good" if answer["good"] else f"bad: {answer['reason']}"


def cut(count: int) -> Damage:
    """Take so many bytes away at the end."""
    return lambda data: data[:-count]


def kept(share: float) -> Damage:
    """Leave only so much of it."""
    return lambda data: data[: int(len(data) * share)]


def zeroed(share: float) -> Damage:
    """Have nothing but zeros from there on."""
    return lambda data: data[: int(len(data) * share)].ljust(len(data), b"\0")


def holed(share: float) -> Damage:
    """Have zeros in place of 4 kB."""

    def damage(data: bytes) -> bytes:
        place = int(len(data) * share)
        return data[:place] + bytes(4096) + data[place + 4096 :]

    return damage


def flipped(seed: int, first: int = 0) -> Damage:
    """Flip one bit, wherever behind the first bytes."""

    def damage(data: bytes) -> bytes:
        chance = random.Random(seed)
        place = chance.randrange(first, len(data))
        return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]

    return damage


CUTS: Final[Mapping[str, Damage]] = {
    "1 B": cut(1), "512 B": cut(512), "4 kB": cut(4096), "three quarters": kept(0.75), "a quarter": kept(0.25),
    "two bytes": lambda data: data[:2], "empty": lambda _: b"",
}  # fmt: skip


def damaged(path: Path, damage: Damage, name: str = "damaged") -> Path:
    """Return a damaged copy of a file."""
    copy = path.with_name(f"{name}{path.suffix}")
    copy.write_bytes(damage(path.read_bytes()))
    return copy


def fill(cluster: Cluster, database: str = "shop") -> None:
    """Make a database with something in it."""
    cluster.sql(f"CREATE DATABASE {database}")
    cluster.sql(_TABLES, database=database)


def dump(cluster: Cluster, place: Path, *options: str, database: str = "shop") -> Path:
    """Have pg_dump dump the database."""
    command = [str(cluster.programs / "pg_dump"), *options, "-f", str(place), cluster.url(database)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return place


def aged(path: Path, seconds: float) -> Path:
    """Have a file be so old."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment))
    return path


@contextmanager
def watching(backups: str, state: Path | None = None, more: str = "") -> Iterator[One]:
    """Have the collector watch these backups, a line of YAML each; files count as whole at once."""
    lines = "".join(f"  {line}\n" for line in textwrap.dedent(backups).strip().splitlines())
    with one("backup", f"interval: 1h\nmax_age: 0s\n{more}\nbackups:\n{lines}".replace("\n\n", "\n"), state) as target:
        yield target


def judged_page(
    target: One, series: str = 'runbook_backup_verified{backup="it"}', seconds: float = 30.0
) -> dict[str, str]:
    """Read until a series is there, of what was found in the background; return the page."""
    page: dict[str, str] = {}

    def is_there() -> bool:
        page.clear()
        page.update(target.page())
        return series in page

    until(_at_times(is_there), seconds)
    return page


def unjudged(target: One, seconds: float = 30.0) -> str:
    """Read until it is said that a backup could not be judged; return why."""
    said: list[str] = []

    def failed() -> bool:
        said[:] = [target.outcomes()["unjudged"]]
        return said[0].startswith("failed")

    until(_at_times(failed), seconds)
    return said[0]


def _at_times(condition: Callable[[], bool]) -> Callable[[], bool]:
    """Ask no more often than several times a second: rounds burn what the verification needs."""
    last = [0.0]

    def asked() -> bool:
        if time.monotonic() - last[0] < 0.15:
            return False
        last[0] = time.monotonic()
        return condition()

    return asked


def value(page: Mapping[str, str], name: str, backup: str = "it") -> float | None:
    """Return a figure of a backup, None where there is none."""
    text = page.get(f'runbook_backup_{name}{{backup="{backup}"}}')
    return None if text is None else float(text)


def without_times(text: str, folder: Path) -> str:
    """Return a page without what differs from run to run."""
    text = "".join(line for line in text.splitlines(keepends=True) if "runbook_backup_" in line)
    measured = re.sub(r"(?m)^(\w*(?:timestamp|duration)_seconds\{[^}]*\}) .*$", r"\1 MEASURED", text)
    return measured.replace(str(folder), "FOLDER")


def needs(program: str) -> None:
    """Skip the test where a program is missing; on the project's own test machines that is a failure."""
    if shutil.which(program) is None:
        reason = f"there is no {program} here: `make test` installs it (.ci/packages)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
