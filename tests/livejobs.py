"""Jobs, queues and caches of an application at work, told in a JSON document: for the tests of dashboards."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests import caching
from tests.livestores import at_work

_JOBS = ("trends", "scraper")


@contextmanager
def jobs_at_work(folder: Path) -> Iterator[str]:
    """Have them at work; yield the lines of YAML of their targets."""
    for name in ("html", "json", "none"):
        (folder / name).mkdir()
    for name in ("paired", "alone"):
        caching.put(folder / "html" / f"{name}.html", caching.page_of(2))
    caching.put(folder / "json" / "paired.json", caching.events(2))
    status = folder / "status.json"
    _write(status, 0, time.time())
    with at_work(partial(_work, status)):
        yield f"""
  app-jobs:
    collector: json
    file: {status}
    max_age: 500ms
    metrics:
      - {{name: runbook_job_queue_length, each: queues, value: length, labels: {{queue: queue, state: state}}}}
      - {{name: runbook_job_queue_workers, each: workers, value: listening, labels: {{queue: queue}}}}
      - name: runbook_job_oldest_timestamp_seconds
        each: queues
        value: oldest
        labels: {{queue: queue, state: state}}
      - {{name: runbook_job_runs_total, each: runs, value: count, labels: {{job_name: job, outcome: outcome}}}}
      - {{name: runbook_job_last_success_timestamp_seconds, each: jobs, value: success, labels: {{job_name: job}}}}
      - {{name: runbook_job_last_failure_timestamp_seconds, each: jobs, value: success, labels: {{job_name: job}}}}
      - {{name: runbook_job_last_start_timestamp_seconds, each: jobs, value: success, labels: {{job_name: job}}}}
      - {{name: runbook_job_known_since_timestamp_seconds, each: jobs, value: since, labels: {{job_name: job}}}}
      - {{name: runbook_job_running, each: jobs, value: running, labels: {{job_name: job}}}}
      - {{name: runbook_job_oldest_start_timestamp_seconds, each: jobs, value: since, labels: {{job_name: job}}}}
      - {{name: runbook_job_time_limit_seconds, each: "jobs[?limit]", value: limit, labels: {{job_name: job}}}}
      - {{name: runbook_job_info, each: jobs, value: "`1`", labels: {{job_name: job, kind: kind}}}}
      - {{name: runbook_cache_hits_total, value: hits, labels: {{cache: "'api'"}}}}
      - {{name: runbook_cache_misses_total, value: misses, labels: {{cache: "'api'"}}}}
  caches:
    collector: cache
    walk_interval: 1s
    max_age: 500ms
    classes:
      html:
        path: {folder}/html
        ttl: 24h
        scheduled: true
        validate: {{timestamp: true, rows: tr.event, pair: "{folder}/json/{{stem}}.json", events: events}}
      json: {{path: {folder}/json, ttl: 12h, validate: {{schema: '{{"type": "object"}}'}}}}
      empty: {{path: {folder}/none, ttl: 6h, scheduled: true}}
"""


def _work(status: Path, stop: threading.Event) -> None:
    begun, turn = time.time(), 0
    while not stop.wait(0.2):
        turn += 1
        _write(status, turn, begun)


def _write(status: Path, turn: int, begun: float) -> None:
    told = {
        "queues": [{"queue": "default", "state": "waiting", "length": turn, "oldest": begun},
                   {"queue": "default", "state": "running", "length": 2, "oldest": begun},
                   {"queue": "default", "state": "scheduled", "length": 1, "oldest": None},
                   {"queue": "stands", "state": "waiting", "length": turn, "oldest": begun}],
        "runs": [{"job": job, "outcome": outcome, "count": 10 * turn} for job in _JOBS
                 for outcome in ("success", "failure")],
        "jobs": [{"job": "trends", "kind": "stage", "success": begun, "since": begun, "running": 1, "limit": 60},
                 {"job": "scraper", "kind": "scraper", "success": begun, "since": begun, "running": 1, "limit": None}],
        "workers": [{"queue": "default", "listening": 1}, {"queue": "stands", "listening": 0}],
        "hits": 1000 * turn, "misses": 100 * turn,
    }  # fmt: skip
    part = status.with_suffix(".part")
    part.write_text(json.dumps(told), encoding="utf-8")
    os.replace(part, status)
