"""Events and jobs: what is found in lines, and when it was."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.log.times import Clock
from exporter.jobmetrics import BUCKETS
from tests.followed import Followed, followed, settings_of

READY = {
    "auth_failed": [
        "authentication failed for user bob", "Failed password for root from 192.0.2.7 port 22 ssh2",
        'FATAL:  password authentication failed for user "shop"', "Login attempt rejected", "Invalid credentials",
        "401 invalid token", "SIGN-IN FAILED",
    ],
    "rate_limited": [
        "Rate limit reached for gpt-4", "429 Too Many Requests", "RateLimitError: slow down", "insufficient_quota",
        "RESOURCE_EXHAUSTED", "quota exceeded for quota metric",
    ],
    "oom": ["Out of memory: Killed process 12", "MemoryError", "oom-killer", "Cannot allocate memory"],
    "duckdb_locked": ['IO Error: Could not set lock on file "mem.duckdb"'],
    "sqlite_locked": ["sqlite3.OperationalError: database is locked", "database table is locked: orders"],
    "xss": [
        'GET /?q=<script>alert(1)</script>', "GET /?q=%3Cscript%3E", "GET /?u=javascript:alert(1)",
        "comment: <img src=x onerror=alert(1)>", "<svg onload=x>", "<iframe src=x>",
    ],
    "csrf": [
        "CSRF verification failed", "Forbidden (CSRF token missing.)", "invalid csrf token", "XSRF cookie mismatch",
    ],
    "secret_logged": [
        "using key AKIA" + "Z7QX" * 4, "Authorization: Bearer " + "abc.def-" * 3,
        "'authorization': 'Basic dTpwYXNzd29y'",
        "cloned with ghp_" + "a1B2" * 9, "OPENAI_API_KEY=sk-proj-" + "Ab1_" * 6, "key sk-ant-api03-" + "Ab1-" * 6,
        "geocode?key=AIza" + "Ab1_-" * 7, "xoxb-" + "1234567890-a", "-----BEGIN RSA PRIVATE KEY-----",
        "got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF", "cannot reach postgresql://shop:hunter2@db:5432/shop",
        "redis://:p4ssw0rd@cache:6379", 'login {"user": "bob", "password": "abcdef12"}', "api_key=7f3a9c1e55",
        "config: secret-key: x1, secret_key = 'longenough1'", "Password: correct7horse",
    ],
    "secret_in_query": ["fetching https://api.example/v1?token=abcdefgh", "GET /?a=1&id_token=abcdefgh HTTP/1.1"],
    "SCRAPE_001": ["SCRAPE_001: no names"], "SCRIPT_003": ["[SCRIPT_003] not saved"], "IMAGE_002": ["code=IMAGE_002"],
}  # fmt: skip
HARMLESS = [
    "login succeeded for bob", "authentication ok", "the author failed to write", "SCRAPE_0011", "MYSCRAPE_001",
    "rate 429", "port 4290", "wrote description of the book", "csrf token set", "blocked", "room for 3", "a < script",
    "redis://:***@cache:6379", "amqp://guest:**@rabbit", "postgres://shop:xxxxx@db", "postgres://shop:<password>@db",
    "postgres://shop:${PASSWORD}@db", "https://[::1]:8080/@scope/package", "http://db:5432/a?b=c@d",
    "sk-loading-indicator",
    "OPENAI_API_KEY=sk-proj-********************AbCd", "password: required", "password=********", "api_key=None",
    "password changed for user 12345678", "Last change of password: 2026-11-29", "access_token=[REDACTED]",
    "the token expires in 3600 s", "GET /?page=2&token= HTTP/1.1", "?token=%s",
    "task-1234567890123456789012345678901234",
]  # fmt: skip


def follow(tmp_path: Path, **settings: Any) -> Followed:
    """Return a follower of a log `it` with more settings."""
    log = {"files": [str(tmp_path / "it.log")], **settings.pop("log", {})}
    return Followed(settings_of(json.dumps({"logs": {"it": log}, **settings})))


def read(tmp_path: Path, *lines: str, **settings: Any) -> Followed:
    """Return a follower that has read these lines and has ended."""
    it = follow(tmp_path, **settings)
    it.settle()
    (tmp_path / "it.log").write_text("".join(f"{line}\n" for line in lines))
    it.settle()
    it.kill()
    return it


@pytest.mark.parametrize("event", READY)
def test_ready_made_events(tmp_path: Path, event: str) -> None:
    it = read(tmp_path, *(f"2026-11-25 08:00:00 ERROR {line}" for line in READY[event]), *HARMLESS)
    found = {name: count for name, count in it["events"].items() if count}
    assert found == {event: len(READY[event])}


def test_all_events_are_there_from_the_start(tmp_path: Path) -> None:
    it = read(tmp_path, events={"own": "x"})
    codes = {f"{stage}_00{number}" for stage in ("SCRAPE", "SCRIPT", "IMAGE") for number in (1, 2, 3)}
    assert set(it["events"]) == codes | {
        "auth_failed",
        "rate_limited",
        "traceback",
        "oom",
        "duckdb_locked",
        "sqlite_locked",
        "xss",
        "csrf",
        "secret_logged",
        "secret_in_query",
        "own",
    }
    assert not any(it["events"].values())
    assert set(read(tmp_path, ready_events=["oom"])["events"]) == {"oom"}


def test_events_of_ones_own_count_once_a_line_and_stay_within_it(tmp_path: Path) -> None:
    events = {"declined": "payment .* declined", "spread": r"a\s+b", "not_c": "q[^c]w", "begins": "^x", "ends": "z$"}
    lines = ["payment 1 declined, payment 2 declined", "payment", "declined", "a", "b", "q", "w", "x z", "y x z ", "xx"]
    it = read(tmp_path, *lines, events=events, ready_events=[])
    assert it["events"] == {"declined": 1, "spread": 0, "not_c": 0, "begins": 2, "ends": 1}


def test_an_event_of_ones_own_takes_the_place_of_a_ready_made_one(tmp_path: Path) -> None:
    it = read(tmp_path, "login failed", "nope", events={"auth_failed": "nope"}, ready_events=["auth_failed"])
    assert it["events"] == {"auth_failed": 1}


def test_events_are_counted_across_a_restart_and_new_ones_begin_at_0(tmp_path: Path) -> None:
    it = read(tmp_path, "one", "two", events={"one": "one"}, ready_events=[])
    it.kill(settings_of(json.dumps({
        "logs": {"it": {"files": [str(tmp_path / "it.log")]}}, "events": {"one": "one", "two": "two"},
        "ready_events": [],
    })))  # fmt: skip
    with (tmp_path / "it.log").open("a") as file:
        file.write("one two\n")
    assert it.settle()["events"] == {"one": 2, "two": 1}
    it.kill()


def test_patterns_take_no_exponential_time(tmp_path: Path) -> None:
    evil = {
        "nested": "(a+)+$",
        "alternatives": "(a|a)*b",
        "backtracks": "(x+x+)+y",
        "wide": "(.*)(.*)(.*)(.*)(.*)[^a]z",
    }
    began = datetime.now(UTC)
    it = read(tmp_path, *["a" * 50_000 + "!", "x" * 50_000] * 20, events=evil)
    assert it["lines"] == 40
    assert (datetime.now(UTC) - began).total_seconds() < 60


JOBS = {
    "import": {"started": "Import started", "finished": "Import done", "failed": "Import failed"},
    "render": {
        "started": r"render (?P<id>\w+) begins", "finished": r"render (?P<id>\w+) ready",
        "failed": r"render (?P<id>\w+) broke",
    },
}  # fmt: skip


def test_jobs_with_their_outcome_and_duration(tmp_path: Path) -> None:
    at = "2026-11-25 08:%02d:00 INFO "
    it = read(
        tmp_path, at % 0 + "Import started", at % 1 + "Import done", at % 2 + "Import started",
        at % 12 + "Import failed", at % 13 + "Import done", log={"timezone": "UTC"}, jobs=JOBS,
    )  # fmt: skip
    job = it.kept["job import"]
    noon = datetime(2026, 11, 25, 8, tzinfo=UTC).timestamp()
    assert job["outcomes"] == {"success": 2, "failure": 1}
    assert (job["count"], job["sum"]) == (2, 660.0)
    assert job["buckets"] == [sum(seconds <= bound for seconds in (60, 600)) for bound in BUCKETS]
    assert job["last"] == {"start": noon + 120, "success": noon + 780, "failure": noon + 720}
    assert it.kept["job render"]["outcomes"] == {"success": 0, "failure": 0}


def test_runs_that_overlap_are_told_apart_and_outlive_a_restart(tmp_path: Path) -> None:
    at = "2026-11-25T08:%02d:00Z INFO "
    it = read(tmp_path, at % 0 + "render a begins", at % 5 + "render b begins", jobs=JOBS)
    with (tmp_path / "it.log").open("a") as file:
        file.write(at % 6 + "render b ready\n" + at % 30 + "render a broke\n" + at % 31 + "render c ready\n")
    job = it.settle().kept["job render"]
    it.kill()
    assert (job["outcomes"], job["count"], job["sum"]) == ({"success": 2, "failure": 1}, 2, 60.0 + 1800.0)
    assert job["open"] == {}


def test_runs_that_never_end_are_bounded(tmp_path: Path) -> None:
    it = read(tmp_path, *(f"render r{number} begins" for number in range(1500)), jobs=JOBS)
    assert len(it.kept["job render"]["open"]) == 1000
    assert "r1499" in it.kept["job render"]["open"]


def test_a_run_that_begins_again_is_not_the_oldest(tmp_path: Path) -> None:
    others = [f"render r{number} begins" for number in range(999)]
    it = read(tmp_path, "render again begins", *others, "render again begins", "render last begins", jobs=JOBS)
    assert "again" in it.kept["job render"]["open"]


def test_jobs_in_json_have_the_time_of_their_field(tmp_path: Path) -> None:
    lines = [{"ts": 1795593600.5, "msg": "Import started"}, {"ts": 1795593600500 + 2000, "msg": "Import done"}]
    it = read(tmp_path, *map(json.dumps, lines), log={"format": "json"}, jobs=JOBS)
    assert it.kept["job import"]["sum"] == 2.0


NOON = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026-11-25 12:00:00,250 INFO x", NOON + 0.25),
        ("2026-11-25T12:00:00.250Z x", NOON + 0.25),
        ("x 2026-11-25T14:00:00+02:00 x", NOON),
        ("2026-11-25 06:30:00-0530", NOON),
        ("2026/11/25 12:00:00 [error] 1#1", NOON),
        ('192.0.2.1 - - [25/Nov/2026:13:00:00 +0100] "GET / HTTP/1.1" 200 1', NOON),
        # what a client sends stands behind the line's own time
        ('192.0.2.1 - - [25/Nov/2026:12:00:00 +0000] "GET /?from=2031-01-01T00:00:00Z HTTP/1.1" 200 1', NOON),
        ("2026-11-25T12:00:00Z GET /?from=01/Jan/2031:00:00:00", NOON),
        ("2026-13-25 12:00:00", None),
        ("25/Foo/2026:12:00:00 +0000", None),
        ("no time", None),
        ("", None),
    ],
)
def test_times_of_lines(tmp_path: Path, line: str, time: float | None) -> None:
    log = follow(tmp_path, log={"timezone": "UTC"}).settings.logs["it"]
    assert Clock(log, None).of_line(line.encode()) == time


def test_times_without_a_year_are_the_last_that_they_can_be(tmp_path: Path) -> None:
    log = follow(tmp_path, log={"timezone": "UTC"}).settings.logs["it"]
    now = datetime.now(UTC).replace(microsecond=0)
    found = Clock(log, None).of_line(f"{now:%b %d %H:%M:%S} host app: x".encode())
    assert found == now.timestamp()
    behind = Clock(log, None).of_line(f"{now:%b %d %H:%M:%S} host app: backup of 2020-01-01 00:00:00 done".encode())
    assert behind == now.timestamp()
    later = Clock(log, None).of_line(b"Dec 31 23:59:59 host app: x")
    assert later is not None
    assert later < now.timestamp() + 86_400


def test_times_by_a_pattern_and_a_format_of_ones_own(tmp_path: Path) -> None:
    log = {"time_pattern": r"^\[([^]]+)\]", "time_format": "%d.%m.%Y %H:%M:%S", "timezone": "Europe/Berlin"}
    it = read(tmp_path, "[25.11.2026 13:00:00] INFO first", "[25.11.2026 13:00:09] INFO last", log=log)
    assert (it["first"], it["last"]) == (NOON, NOON + 9)


def test_the_first_and_the_last_line_of_the_file_that_is_written(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    with followed(follow(tmp_path, log={"timezone": "UTC"}).settings) as it:
        log.write_text("2026-11-25 12:00:00 INFO a\n2026-11-25 12:00:05 INFO b\n")
        assert (it.settle()["first"], it["last"]) == (NOON, NOON + 5)
        log.rename(f"{log}.1")
        assert (it.settle()["first"], it["last"]) == (None, NOON + 5)
        log.write_text("2026-11-25 12:00:10 INFO c\n")
        it.settle()
        it.kill()
        assert (it.settle()["first"], it["last"]) == (NOON + 10, NOON + 10)


def test_the_first_line_of_a_file_that_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "it.log").write_text("2026-11-25 12:00:00 INFO a\n2026-11-25 12:00:05 INFO b\n")
    with followed(follow(tmp_path, log={"timezone": "UTC"}).settings) as it:
        assert (it["first"], it["last"], it["lines"]) == (NOON, None, 0)


def test_lines_that_tell_no_time_have_that_of_their_file(tmp_path: Path) -> None:
    before = datetime.now(UTC).timestamp()
    it = read(tmp_path, "INFO a")
    assert before - 1 <= it["first"] <= datetime.now(UTC).timestamp()
    assert it["first"] == it["last"]
