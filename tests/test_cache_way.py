"""A cache whose entries go stale, on the whole way: exporter, Prometheus, Alertmanager and what people are told."""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.alerting import Way, whole_way
from tests.caching import events, page_of, put
from tests.support import until

HOUR = 3600.0
CONFIG = """
host: {{enabled: false}}
targets:
  cache:
    collector: cache
    walk_interval: 1s
    max_age: 500ms
    classes:
      html:
        path: {folder}/html
        ttl: 24h
        scheduled: true
        validate: {{rows: tr.event, pair: "{folder}/json/{{stem}}.json", events: events}}
      json: {{path: {folder}/json, ttl: 12h, scheduled: true}}
      asked: {{path: {folder}/asked, ttl: 1h}}
  status:
    collector: json
    file: {folder}/status.json
    max_age: 500ms
    metrics:
      - {{name: runbook_cache_hits_total, value: hits, labels: {{cache: "'responses'"}}}}
      - {{name: runbook_cache_misses_total, value: misses, labels: {{cache: "'responses'"}}}}
"""
OURS = {"CacheStale", "CacheValidationFailed", "CacheNotValidated", "CacheNotSeen", "CacheNotCleaned",
        "AppCacheHitRateLow"}  # fmt: skip

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


def fill(folder: Path, age: float, found: int = 3) -> None:
    """Have twenty pages of so many seconds ago, and the JSON made from them."""
    for number in range(20):
        put(folder / "html" / f"{number}.html", page_of(3), age)
        put(folder / "json" / f"{number}.json", events(found), age - 10)


@contextmanager
def looked_up(file: Path, hits: int, misses: int) -> Iterator[None]:
    """Have an application look so often into its cache each half second."""
    stop, told = threading.Event(), {"hits": 0, "misses": 0}

    def write() -> None:
        file.with_suffix(".new").write_text(json.dumps(told))
        os.replace(file.with_suffix(".new"), file)

    def work() -> None:
        while not stop.wait(0.5):
            told["hits"] += hits
            told["misses"] += misses
            write()

    write()
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def told(way: Way, name: str, **labels: str) -> list[dict[str, Any]]:
    """Return what people were told of an alert with these labels."""
    return [alert for alert in way.webhook.alerts(name, "firing") if labels.items() <= alert["labels"].items()]


def test_entries_that_go_stale_are_told_and_so_is_their_end(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    fill(folder, age=2 * HOUR)
    put(folder / "asked" / "old", "x", age=5 * HOUR)  # filled as it is asked for: it may rest
    with (
        looked_up(folder / "status.json", hits=10, misses=10),
        whole_way(tmp_path, CONFIG.format(folder=folder)) as way,
    ):
        until(lambda: way.prometheus.query("runbook:cache_newest_age:ratio"), 30)
        assert not {*way.firing()} & OURS
        fill(folder, age=36 * HOUR, found=2)
        until(lambda: told(way, "CacheValidationFailed"), 60)
        until(lambda: len({alert["labels"]["class"] for alert in told(way, "CacheStale")}) == 2, 150)
        (html,) = {alert["annotations"]["description"] for alert in told(way, "CacheStale", **{"class": "html"})}
        where = f"{folder}/html (html) on {way.exporter.address} (target cache)"
        assert re.fullmatch(rf"The newest entry of {re.escape(where)} is 1\.5\d* times as old as it may be\.", html)
        (checked,) = {alert["annotations"]["description"] for alert in told(way, "CacheValidationFailed")}
        assert checked == f"Of the entries of {where}, 0% are as the check count wants them."
        until(lambda: told(way, "AppCacheHitRateLow", cache="responses"), 120)
        assert "had 50% of what it was asked for" in told(way, "AppCacheHitRateLow")[0]["annotations"]["description"]
        assert {*way.firing()} & OURS == {"CacheStale", "CacheValidationFailed", "AppCacheHitRateLow"}
        fill(folder, age=2 * HOUR)
        begun = time.monotonic()
        until(lambda: not {*way.firing()} & {"CacheStale", "CacheValidationFailed"}, 60)
        assert time.monotonic() - begun < 60
        until(lambda: len(way.webhook.alerts("CacheStale", "resolved")) >= 2, 60)
