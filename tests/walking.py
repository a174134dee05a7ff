"""Walks through real folders, and the page of what they found, as the tests of the collector `path` ask for them."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from exporter import config
from exporter.collector import NotApplicable, Trouble
from exporter.collectors.path import Path as PathCollector
from exporter.collectors.path.encryption import Remembered
from exporter.collectors.path.looks import Looks
from exporter.collectors.path.settings import PathsSettings
from exporter.collectors.path.tree import Tree
from exporter.collectors.path.walk import Walk
from exporter.exposition import render
from exporter.patience import Patience
from tests.engine import series_of
from tests.support import until
from tests.toiling import Entries, Toiling, toiling


def settings_of(paths: Mapping[str, Mapping[str, Any]], **more: Any) -> PathsSettings:
    """Return the settings of a target with these paths, as the configuration would give them."""
    text = yaml.safe_dump({"targets": {"it": {"collector": "path", "paths": dict(paths), **more}}})
    found = config.read(text.encode(), str(Path("config.yml")), config.INSTALLED, {}).targets[0].settings
    assert isinstance(found, PathsSettings)
    return found


def walking(settings: PathsSettings, entries: Entries | None = None) -> AbstractContextManager[Toiling]:
    """Have the toil of these settings work for as long as the block lasts."""
    return toiling(Walk, settings, entries)


def grow(top: Path, folders: int, seed: int = 1) -> None:
    """Make a tree of folders below one another and beside one another, each with some files."""
    chance = random.Random(seed)
    places = [top]
    for number in range(folders):
        place = chance.choice(places) / f"{chance.choice('abcxyz')}{number}"
        place.mkdir()
        places.append(place)
        for file in range(chance.randrange(4)):
            (place / f"f{file}").write_bytes(b"x" * chance.randrange(100))


def done(walk: Tree) -> Tree:
    """Return the walk when it has come to its end."""
    while not walk.done:
        walk.step()
    walk.close()
    return walk


def walked(settings: PathsSettings, entries: Entries | None = None) -> Entries:
    """Return what the toil tells until each path was walked once."""
    with walking(settings, entries) as work:
        until(work.ready.is_set, 20)
    return work.entries


@contextmanager
def looking(settings: PathsSettings, entries: Entries | None = None, timeout: float = 5.0) -> Iterator[Looks]:
    """Make one round of quick looks."""
    patience = Patience(timeout)
    try:
        yield Looks(settings, patience, entries or {}, Remembered(settings.sysfs))
    finally:
        patience.close()


def unrotated_since(log: str, entries: Entries) -> float | None:
    """Walk once more over a log that is rotated daily; return since when it was not."""
    settings = settings_of({"log": {"path": log, "role": "log", "rotate_interval": "1d"}})
    before = 0.0
    if "walked log" in entries:
        before = entries["walked log"]["ended"] = entries["walked log"]["ended"] - 3600
    with walking(settings, entries) as work:
        until(lambda: work.entries.get("walked log", {}).get("ended", 0.0) > before)
    found = page(settings, entries).get(of("log", "log")("log_unrotated_since_timestamp_seconds"))
    return None if found is None else float(found)


def page(settings: PathsSettings, entries: Entries) -> dict[str, str]:
    """Return the values of a page by series, without those of reads that fail."""
    with looking(settings, entries) as looks:
        samples = []
        for one in PathCollector.declared_reads().values():
            with suppress(Trouble):
                samples.extend([sample for sample in one.function(looks) if sample is not None])
    return series_of(render(samples))


def said(settings: PathsSettings, entries: Entries, read: str) -> tuple[str, str]:
    """Return why a read fails, and what to do about it."""
    with looking(settings, entries) as looks:
        function: Callable[[Looks], Any] = PathCollector.declared_reads()[read].function
        try:
            list(function(looks))
        except NotApplicable as answer:
            return f"skipped: {answer}", answer.fix
        except Trouble as trouble:
            return str(trouble), trouble.fix
    return "", ""


def seen(paths: Mapping[str, Mapping[str, Any]], **more: Any) -> dict[str, str]:
    """Walk these paths once; return the page."""
    settings = settings_of(paths, **more)
    return page(settings, walked(settings))


def of(name: str, role: str = "other", **more: str) -> Callable[[str], str]:
    """Return what makes the series of a path from the rest of a metric's name."""
    labels = ",".join(f'{label}="{value}"' for label, value in {"path": name, "role": role, **more}.items())
    return lambda metric: f"runbook_path_{metric}{{{labels}}}"
