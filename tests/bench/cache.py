"""Caches on disk: what a round over all classes of one costs, with and without a look into entries."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.bench.processes import Running, exporter, tree_cpu
from tests.support import until

_CLASSES: Final = ("html", "json", "api")
_LONGEST: Final = 300.0  # seconds, for one round
_VALIDATE: Final = ', validate: {time: at, schema: \'{"required": ["at", "events"]}\'}'
_WALKED: Final = "runbook_cache_walked_timestamp_seconds"
_VALIDATED: Final = "runbook_cache_validated_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Cached:
    """Rounds over the classes of a cache."""

    about: str
    entries: int
    """In all classes together."""
    seconds: float
    """That the walks of a round take, without their rests."""
    cpu: float
    """Seconds of CPU of the helper and its children for a round, with what is looked into."""
    memory: int
    """Resident bytes of the helper."""


def measure(place: Path, entries: int, rounds: int) -> list[Cached]:
    """Measure a cache that is walked, and one whose newest entries are looked into besides."""
    tree = place / "cache"
    _make(tree, entries)
    try:
        return [
            _measured(place, tree, "walked", "", _WALKED, rounds),
            _measured(place, tree, "walked, and 100 entries of each class held to a schema", _VALIDATE, _VALIDATED,
                      rounds),
        ]  # fmt: skip
    finally:
        shutil.rmtree(tree)


def _make(tree: Path, entries: int) -> None:
    text = json.dumps({"at": "2026-11-25T10:00:00Z", "events": [{"name": f"event {n}"} for n in range(20)]})
    for number in range(entries):
        folder = tree / _CLASSES[number % len(_CLASSES)] / f"{number // 1000}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"entry-{number}.json").write_text(text)


def _measured(place: Path, tree: Path, about: str, validate: str, ended: str, rounds: int) -> Cached:
    classes = ", ".join(f"{name}: {{path: {tree / name}, ttl: 24h{validate}}}" for name in _CLASSES)
    target = f"{{collector: cache, max_age: 0s, walk_interval: 1s, classes: {{{classes}}}}}"
    config = f"host: {{enabled: false}}\ntargets: {{it: {target}}}\n"
    with exporter(place, config, name=f"exporter, cache {about}", path="/probe?target=it") as server:
        until(lambda: len(_figures(server, ended)) == len(_CLASSES), _LONGEST)
        (helper,) = psutil.Process(server.pid).children()
        before = tree_cpu(helper.pid)
        for _ in range(rounds):
            _round(server, ended)
        cpu = (tree_cpu(helper.pid) - before) / rounds
        seconds = sum(_figures(server, "runbook_cache_walk_duration_seconds").values())
        entries = int(sum(_figures(server, "runbook_cache_entries").values()))
        return Cached(about, entries, seconds, cpu, helper.memory_info().rss)


def _round(server: Running, ended: str) -> None:
    """Wait until each class has been gone through once more."""
    before = _figures(server, ended)
    until(lambda: all(at > before[name] for name, at in _figures(server, ended).items()), _LONGEST)


def _figures(server: Running, metric: str) -> Mapping[str, float]:
    """Return the values of a metric by class."""
    found = re.findall(rf'^{metric}\{{class="(\w+)".*\}} (\S+)$', server.page(), re.MULTILINE)
    return {name: float(value) for name, value in found}
