"""Caches on disk, walked once or for a while, as the tests of the collector `cache` ask for them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import yaml

from exporter import config
from exporter.collector import NotApplicable, Trouble
from exporter.collectors.cache import Cache
from exporter.collectors.cache.classes import Classes
from exporter.collectors.cache.entry import REASONS
from exporter.collectors.cache.settings import CacheSettings, ClassSettings
from exporter.collectors.cache.survey import Survey
from exporter.exposition import render
from tests.engine import series_of
from tests.process import ROOT
from tests.support import until
from tests.toiling import Entries, Toiling, toiling

OLD = 600.0
"""Seconds after which a file counts as written to its end."""


def settings_of(classes: Mapping[str, Mapping[str, Any]], **more: Any) -> CacheSettings:
    """Return the settings of a target with these classes, as the configuration would give them."""
    text = yaml.safe_dump({"targets": {"it": {"collector": "cache", "classes": dict(classes), **more}}})
    found = config.read(text.encode(), str(Path("config.yml")), config.INSTALLED, {}).targets[0].settings
    assert isinstance(found, CacheSettings)
    return found


def put(place: Path, text: str | bytes, age: float = OLD) -> Path:
    """Write an entry that was last changed so many seconds ago."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(place, (time.time() - age,) * 2)
    return place


def page_of(rows: int) -> str:
    """Return HTML with so many rows."""
    return "<html><body><table>" + "<tr class=event><td>a ride</td></tr>" * rows + "</table></body></html>"


def events(count: int, **more: Any) -> str:
    """Return JSON with so many events."""
    return json.dumps({"events": [{"name": "a ride"}] * count, **more})


def surveying(settings: CacheSettings, entries: Entries | None = None) -> AbstractContextManager[Toiling]:
    """Have the toil of these settings work for as long as the block lasts."""
    return toiling(Survey, settings, entries)


def surveyed(settings: CacheSettings, entries: Entries | None = None) -> Entries:
    """Return what the toil tells until each class was walked and checked once."""
    with surveying(settings, entries) as work:
        until(work.ready.is_set, 30)
        until(lambda: all(_is_done(name, one, work.entries) for name, one in settings.classes.items()), 60)
    return work.entries


def _is_done(name: str, settings: ClassSettings, entries: Entries) -> bool:
    found = "surveyed" if settings.validate is None else "checked"
    return f"{found} {name}" in entries or f"trouble {name}" in entries


def page(settings: CacheSettings, entries: Entries) -> dict[str, str]:
    """Return the values of a page by series, without those of reads that fail."""
    looks, samples = Classes(settings, entries), []
    for one in Cache.declared_reads().values():
        with suppress(Trouble):
            samples.extend([sample for sample in one.function(looks) if sample is not None])
    return series_of(render(samples))


def said(settings: CacheSettings, entries: Entries, read: str) -> tuple[str, str]:
    """Return why a read fails or what it remarks, and what to do about it."""
    found = iter(Cache.declared_reads()[read].function(Classes(settings, entries)))
    try:
        while True:
            next(found)
    except StopIteration as end:
        return end.value or "", ""
    except NotApplicable as answer:
        return f"skipped: {answer}", answer.fix
    except Trouble as trouble:
        return str(trouble), trouble.fix


def seen(classes: Mapping[str, Mapping[str, Any]], **more: Any) -> dict[str, str]:
    """Walk these classes once; return the page."""
    settings = settings_of(classes, **more)
    return page(settings, surveyed(settings))


def of(name: str, **more: str) -> Callable[[str], str]:
    """Return what makes the series of a class from the rest of a metric's name."""
    labels = ",".join(f'{label}="{value}"' for label, value in {"class": name, **more}.items())
    return lambda metric: f"runbook_cache_{metric}{{{labels}}}"


def judged(shown: Mapping[str, str], check: str, name: str = "it") -> dict[str, int]:
    """Return what a check found, without what it did not."""
    its = of(name, check=check)
    failed, all_of_them = int(shown[its("invalid_entries")]), int(shown[its("validated_entries")])
    found = {"ok": all_of_them - failed, "failed": failed}
    for reason in REASONS:
        found[reason] = int(shown[of(name, check=check, reason=reason)("unjudged_entries")])
    return {outcome: count for outcome, count in found.items() if count}


AS_NOBODY = """
import json, os, sys
from tests.caching import page, said, settings_of, surveyed
warm = settings_of({"it": {"path": "/usr", "max_entries": 9, "ttl": "1h"}})
page(warm, surveyed(warm))  # what they import may be closed to another user
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
settings = settings_of(json.loads(sys.argv[1]))
entries = surveyed(settings)
print(json.dumps([page(settings, entries), said(settings, entries, "unseen")]))
"""


def as_nobody(classes: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, str], tuple[str, str]]:
    """Return the page of nobody's exporter, and what it does not see."""
    ended = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, json.dumps(classes)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    shown, said_of_it = json.loads(ended.stdout)
    return shown, tuple(said_of_it)
