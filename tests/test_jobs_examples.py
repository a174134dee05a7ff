"""The examples of applications' jobs and caches at work: logs, a table, caches, a status that is asked."""

import json
import logging
import logging.handlers
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import config
from tests import caching, postgres, redisserver
from tests.process import PLAIN, ROOT, Exporter, running
from tests.support import until

EXAMPLES = sorted((ROOT / "examples").glob("*.yml"))
PASSWORD = "figures-of-the-example"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.stem))
def test_an_example_is_right(file: Path) -> None:
    bound = config.read(file.read_bytes(), file.name, config.INSTALLED, {"FIGURES_PASSWORD": PASSWORD})
    assert [target.name for target in bound.targets] == list(yaml.safe_load(file.read_text())["targets"])


@dataclass
class Application:
    """What answers with JSON, by path."""

    port: int
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def application() -> Iterator[Application]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(app.answers[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        app = Application(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield app
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def at_work(folder: Path, name: str, places: Mapping[str, str], *only: str) -> Iterator[Exporter]:
    """Run an exporter with the example, or only these targets of it, which finds in these places what it names."""
    text = (ROOT / "examples" / name / "config.yml").read_text(encoding="utf-8") if only else ""
    text = text or (ROOT / "examples" / f"{name}.yml").read_text(encoding="utf-8")
    for shown, place in places.items():
        assert shown in text
        text = text.replace(shown, place)
    told = yaml.safe_load(text)
    told["targets"] = {target: told["targets"][target] for target in only or told["targets"]}
    for target in told["targets"].values():
        target["max_age"] = "0s"
        if target["collector"] == "cache":
            target["walk_interval"] = "1s"
        if "table" in target:
            target["table"]["settle"] = "0s"
    told["host"] = {"enabled": False}
    environ = {"FIGURES_PASSWORD": PASSWORD}
    with running(folder, yaml.safe_dump(told), program=PLAIN, environ=environ) as exporter:
        yield exporter


def value(exporter: Exporter, metric: str, **labels: str) -> float | None:
    """Return one sample of the page, None where there is none."""
    inside = ",".join(f'{name}="{labels[name]}"' for name in sorted(labels))
    for line in exporter.get("/metrics").text.splitlines():
        series, _, number = line.rpartition(" ")
        told, _, rest = series.partition("{")
        if told == metric and ",".join(sorted(rest.rstrip("}").split(","))) == inside:
            return float(number)
    return None


def shows(exporter: Exporter, expected: float | None, metric: str, **labels: str) -> None:
    until(lambda: value(exporter, metric, **labels) == expected, 30)


# ---- Nova Clip


class Pipeline:
    """Stages that log as the application does: a rotating file of 10 MB, and its own codes."""

    def __init__(self, place: Path) -> None:
        place.parent.mkdir(parents=True)
        self.handler = logging.handlers.RotatingFileHandler(place, maxBytes=10_000_000, backupCount=5)
        self.handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))

    def say(self, level: int, text: str) -> None:
        self.handler.handle(logging.LogRecord("app", level, "app.py", 1, text, (), None))

    def run(self, stage: int, code: str = "") -> None:
        """Run a stage to its end."""
        self.say(logging.INFO, f"Stage {stage} started")
        if code:
            self.say(logging.ERROR, f"{code}: it did not work")
        else:
            self.say(logging.INFO, f"Stage {stage} completed in 0.1 s")


def test_the_stages_of_nova_clip(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path / "nova-clip" / "logs" / "app.log")
    stages = ("trends", "scripts", "images")
    its = {"target": "nova-clip"}
    with at_work(tmp_path, "nova-clip", {"/srv/nova-clip": f"{tmp_path}/nova-clip"}) as exporter:
        for stage in stages:
            shows(exporter, 0, "runbook_job_runs_total", job_name=stage, outcome="success", **its)
            shows(exporter, 1, "runbook_job_info", job_name=stage, kind="stage", **its)
        for _ in range(3):
            for number in (1, 2, 3):
                pipeline.run(number)
        pipeline.run(2, "SCRIPT_002")
        pipeline.say(logging.INFO, "Stage 3 started")
        for stage, failed in zip(stages, (0, 1, 0), strict=True):
            shows(exporter, 3, "runbook_job_runs_total", job_name=stage, outcome="success", **its)
            shows(exporter, failed, "runbook_job_runs_total", job_name=stage, outcome="failure", **its)
            shows(exporter, 3 + failed, "runbook_job_duration_seconds_count", job_name=stage, **its)
            last = value(exporter, "runbook_job_last_success_timestamp_seconds", job_name=stage, **its)
            assert last is not None
            assert abs(time.time() - last) < 60
        shows(exporter, 1, "runbook_job_running", job_name="images", **its)
        shows(exporter, 7200, "runbook_job_time_limit_seconds", job_name="images", **its)
        shows(exporter, 1, "runbook_log_events_total", log="app", event="SCRIPT_002", **its)
        pipeline.handler.doRollover()
        pipeline.say(logging.INFO, "Stage 3 completed")
        shows(exporter, 4, "runbook_job_runs_total", job_name="images", outcome="success", **its)
        shows(exporter, 0, "runbook_job_running", job_name="images", **its)
    pipeline.handler.close()


# ---- TrailBlaze

TABLE = f"""
CREATE TABLE jobs (status text, created_at timestamptz, started_at timestamptz, finished_at timestamptz, kind text);
CREATE ROLE figures LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON jobs TO figures;
INSERT INTO jobs VALUES ('pending', now(), NULL, NULL, 'import_events')
"""
RUN = "INSERT INTO jobs VALUES ('{}', now(), now(), clock_timestamp(), 'import_events')"
PAGE = "<table class=calendar>" + "<tr class=event><td>a ride</td></tr>" * 3 + "</table>"


def fill(cache: Path) -> None:
    """Have three pages of the calendar, one of them with less in its JSON, and other classes beside them."""
    for year, found in ((2024, 3), (2025, 3), (2026, 2)):
        fetched = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 700))
        rides = [{"name": "a ride", "date": f"{year}-05-01"}] * found
        caching.put(cache / f"aerc_calendar_{year}.html", PAGE, age=700)
        told = json.dumps({"fetched_at": fetched, "events": rides})
        caching.put(cache / f"aerc_calendar_{year}.json", told, age=650)
    caching.put(cache / "comparison" / "2026.json", "{}", age=3 * 3600)
    caching.put(cache / "api" / "gemini.json", "{}", age=8 * 86400)


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[dict[str, str], Any, Any]]:
    """Start what the example of TrailBlaze names; yield where it is, the database and the application."""
    with postgres.server() as cluster, redisserver.server() as redis, application() as app:
        cluster.sql("CREATE DATABASE trailblaze")
        cluster.sql(TABLE, database="trailblaze")
        with redis.client() as client:
            client.set("a", "b")
            client.get("a")
            client.get("missing")
        found = {
            "@127.0.0.1/trailblaze": f"@127.0.0.1:{cluster.port}/trailblaze",
            "redis://127.0.0.1:6379/0": redis.url(),
            "http://127.0.0.1:8000": app.url,
            "/srv/trailblaze": f"{tmp_path}/trailblaze",
        }
        yield found, cluster, app


def test_the_scrapers_and_caches_of_trailblaze(places: tuple[dict[str, str], Any, Any], tmp_path: Path) -> None:
    found, cluster, app = places
    log = tmp_path / "trailblaze" / "logs" / "scrapers.log"
    log.parent.mkdir(parents=True)
    log.touch()
    fill(tmp_path / "trailblaze" / "cache")
    app.answers["/status"] = {"cache": {"hits": 90, "misses": 10}}

    def say(text: str) -> None:
        told = {"asctime": time.strftime("%Y-%m-%d %H:%M:%S,000"), "levelname": "INFO", "message": text}
        with log.open("a") as file:
            file.write(json.dumps(told) + "\n")

    with at_work(tmp_path, "trailblaze", found) as exporter:
        scraper = {"target": "scrapers", "job_name": "aerc_calendar"}
        shows(exporter, 1, "runbook_job_info", kind="scraper", **scraper)
        shows(exporter, 0, "runbook_job_runs_total", outcome="success", **scraper)
        for text in ("started", "finished", "started", "failed"):
            say(f"aerc_calendar: {text}")
        for outcome in ("success", "failure"):
            shows(exporter, 1, "runbook_job_runs_total", outcome=outcome, **scraper)
        assert value(exporter, "runbook_job_last_success_timestamp_seconds", **scraper) is not None

        job = {"target": "jobs", "job_name": "import_events"}
        shows(exporter, 1, "runbook_job_queue_length", target="jobs", queue="jobs", state="waiting")
        shows(exporter, 0, "runbook_job_runs_total", outcome="success", **job)
        cluster.sql(RUN.format("done"), database="trailblaze")
        cluster.sql(RUN.format("failed"), database="trailblaze")
        for outcome in ("success", "failure"):
            shows(exporter, 1, "runbook_job_runs_total", outcome=outcome, **job)

        figures = {"html": (3, 0, 86400), "json": (3, 0, 43200), "comparison": (1, 0, 21600),
                   "reference": (1, 1, 604800)}  # fmt: skip
        for name, (entries, stale, ttl) in figures.items():
            its = {"target": "cache", "class": name}
            shows(exporter, entries, "runbook_cache_entries", **its)
            shows(exporter, stale, "runbook_cache_stale_entries", **its)
            shows(exporter, ttl, "runbook_cache_ttl_seconds", **its)
        checks = {("html", "timestamp"): 0, ("html", "count"): 1, ("json", "timestamp"): 0, ("json", "schema"): 0}
        for (name, check), failed in checks.items():
            its = {"target": "cache", "class": name, "check": check}
            shows(exporter, 3, "runbook_cache_validated_entries", **its)
            shows(exporter, failed, "runbook_cache_invalid_entries", **its)

        shows(exporter, 1, "redis_keyspace_hits_total", target="cache-redis")
        shows(exporter, 1, "redis_keyspace_misses_total", target="cache-redis")
        shows(exporter, 90, "runbook_cache_hits_total", target="status", cache="responses")
        shows(exporter, 10, "runbook_cache_misses_total", target="status", cache="responses")


# ---- Mem


def test_the_queue_of_mem(tmp_path: Path) -> None:
    with application() as app:
        app.answers["/api/status"] = {
            "queues": [{"name": "videos", "waiting": 4, "running": 1, "oldest": "2026-11-25T10:00:00Z"},
                       {"name": "frames", "waiting": 0, "running": 0, "oldest": None}],
            "jobs": [{"name": "transcribe", "done": 30, "failed": 2, "since": "2026-11-20T00:00:00Z"}],
        }  # fmt: skip
        with at_work(tmp_path, "mem", {"http://127.0.0.1:8000": app.url}, "mem") as exporter:
            its = {"target": "mem"}
            shows(exporter, 4, "runbook_job_queue_length", queue="videos", state="waiting", **its)
            shows(exporter, 1, "runbook_job_queue_length", queue="videos", state="running", **its)
            shows(exporter, 0, "runbook_job_queue_length", queue="frames", state="waiting", **its)
            shows(exporter, 1795600800, "runbook_job_oldest_timestamp_seconds", queue="videos", state="waiting", **its)
            shows(exporter, None, "runbook_job_oldest_timestamp_seconds", queue="frames", state="waiting", **its)
            shows(exporter, 30, "runbook_job_runs_total", job_name="transcribe", outcome="success", **its)
            shows(exporter, 2, "runbook_job_runs_total", job_name="transcribe", outcome="failure", **its)
