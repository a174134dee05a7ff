"""RQ's jobs, with real workers on a real Redis."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis as Client
from rq import Queue

from tests import redisserver, rqjobs
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.support import until

JOBS = "jobs: {tests.rqjobs.scrape: {kind: scraper, time_limit: 5m}}"


def settings(url: str, more: str = "", timeout: str = "20s") -> str:
    return f"rq: {{url: '{url}'{more}}}\n{JOBS}\ntimeout: {timeout}"


@pytest.fixture(scope="module")
def running() -> Iterator[redisserver.Redis]:
    with redisserver.server() as found:
        yield found


@pytest.fixture
def redis(running: redisserver.Redis) -> redisserver.Redis:
    running.ask("FLUSHALL")
    return running


@pytest.fixture
def queue(redis: redisserver.Redis) -> Iterator[Queue]:
    with Client(port=redis.port) as client:
        yield Queue(connection=client)


def runs(page: dict[str, str], job: str, outcome: str) -> str:
    return page[f'runbook_job_runs_total{{job_name="tests.rqjobs.{job}",outcome="{outcome}"}}']


def length(page: dict[str, str], state: str, queue: str = "default") -> str:
    return page[f'runbook_job_queue_length{{queue="{queue}",state="{state}"}}']


def counted(asked: One) -> dict[str, str]:
    """Count what has ended, and return the page."""
    asked.read()
    return asked.page()


def settled(asked: One, job: str, outcome: str, count: str) -> None:
    """Wait until a page shows this count, which it does once it is on disk."""
    series = f'runbook_job_runs_total{{job_name="tests.rqjobs.{job}",outcome="{outcome}"}}'
    until(lambda: asked.page().get(series) == count, 20)


def test_what_waits_and_what_ended(redis: redisserver.Redis, queue: Queue) -> None:
    with one("jobs", settings(redis.url())) as asked:
        before = asked.page()
        assert 'runbook_job_info{job_name="tests.rqjobs.scrape",kind="scraper"}' in before
        queue.enqueue(rqjobs.scrape, 7)
        queue.enqueue(rqjobs.fail)
        queue.enqueue_in(timedelta(hours=1), rqjobs.scrape)
        page = counted(asked)
        assert [length(page, state) for state in ("waiting", "scheduled", "running", "failed")] == ["2", "1", "0", "0"]
        since = float(page['runbook_job_oldest_timestamp_seconds{queue="default",state="waiting"}'])
        assert abs(time.time() - since) < 30
        assert runs(page, "scrape", "success") == "0"
        rqjobs.burst(redis.port)
        page = counted(asked)
        assert [length(page, state) for state in ("waiting", "finished", "failed")] == ["0", "1", "1"]
        assert (runs(page, "scrape", "success"), runs(page, "fail", "failure")) == ("1", "1")
        assert page['runbook_job_duration_seconds_count{job_name="tests.rqjobs.scrape"}'] == "1"
        last = float(page['runbook_job_last_success_timestamp_seconds{job_name="tests.rqjobs.scrape"}'])
        assert abs(time.time() - last) < 30
        assert not any("waiting" in series and "oldest" in series for series in page)


def test_a_count_is_whole_after_restarts_and_what_went_does_not_make_it_smaller(
    redis: redisserver.Redis, queue: Queue, tmp_path: Path
) -> None:
    queue.enqueue(rqjobs.scrape)
    rqjobs.burst(redis.port)
    with one("jobs", settings(redis.url()), tmp_path) as asked:
        settled(asked, "scrape", "success", "0")  # it ended before anybody counted
        queue.enqueue(rqjobs.scrape)
        rqjobs.burst(redis.port)
        settled(asked, "scrape", "success", "1")
        assert runs(counted(asked), "scrape", "success") == "1"
    queue.enqueue(rqjobs.scrape)
    rqjobs.burst(redis.port)
    with one("jobs", settings(redis.url()), tmp_path) as asked:
        settled(asked, "scrape", "success", "2")
        redis.ask("FLUSHALL")
        assert runs(counted(asked), "scrape", "success") == "2"
        queue.enqueue(rqjobs.fail)
        rqjobs.burst(redis.port)
        settled(asked, "fail", "failure", "1")
        assert runs(counted(asked), "scrape", "success") == "2"


def test_a_planned_job_that_no_scheduler_sees_to_waits(redis: redisserver.Redis, queue: Queue) -> None:
    queue.enqueue_at(datetime.now(UTC) - timedelta(hours=2), rqjobs.scrape)
    queue.enqueue_at(datetime.now(UTC) + timedelta(hours=2), rqjobs.scrape)
    rqjobs.burst(redis.port)
    with one("jobs", settings(redis.url())) as asked:
        page = asked.page()
        assert (length(page, "waiting"), length(page, "scheduled")) == ("1", "1")
        since = float(page['runbook_job_oldest_timestamp_seconds{queue="default",state="waiting"}'])
        assert abs(time.time() - 7200 - since) < 60


@pytest.mark.parametrize(("key", "read"), [
    ("rq:queue:default", "queues"), ("rq:wip:default", "running"), ("rq:finished:default", "runs"),
    ("rq:workers:default", "workers"), ("rq:job:wrong", "queues"),
])  # fmt: skip
def test_what_is_no_rq_fails_its_own_read(redis: redisserver.Redis, queue: Queue, key: str, read: str) -> None:
    queue.enqueue(rqjobs.scrape)
    redis.ask("RPUSH", "rq:queue:default", "wrong")
    redis.ask("SET", key, "text")
    with one("jobs", settings(redis.url())) as asked:
        outcomes = asked.outcomes()
    assert outcomes[read].startswith("failed")
    assert "WRONGTYPE" in outcomes[read] or "wrong kind" in outcomes[read]
    assert "ok" in outcomes.values()


def test_bytes_that_are_no_text_are_names_all_the_same(redis: redisserver.Redis) -> None:
    with redis.client() as client:
        client.sadd("rq:queues", b"rq:queue:\xff\xfe")
        client.rpush(b"rq:queue:\xff\xfe", b"\xff")
    with one("jobs", settings(redis.url())) as asked:
        assert set(asked.outcomes().values()) == {"ok"}


def test_what_runs_is_seen_with_its_worker(redis: redisserver.Redis, queue: Queue) -> None:
    with one("jobs", settings(redis.url())) as asked:
        queue.enqueue(rqjobs.hang)
        with rqjobs.worker(redis.port):
            until(
                lambda: 'runbook_job_oldest_start_timestamp_seconds{job_name="tests.rqjobs.hang"}' in asked.page(), 30
            )
            page = asked.page()
        assert page['runbook_job_running{job_name="tests.rqjobs.hang"}'] == "1"
        assert page['runbook_job_queue_workers{queue="default"}'] == "1"
        began = float(page['runbook_job_oldest_start_timestamp_seconds{job_name="tests.rqjobs.hang"}'])
        assert abs(time.time() - began) < 30
        assert length(page, "running") == "1"


def test_nothing_there_and_a_queue_that_is_named(redis: redisserver.Redis) -> None:
    with one("jobs", settings(redis.url())) as asked:
        assert not any(series.startswith("runbook_job_queue_length") for series in asked.page())
        assert asked.outcomes()["workers"].startswith("skipped RQ has no queues")
    with one("jobs", settings(redis.url(), ", queues: [mail]")) as asked:
        page = asked.page()
        assert not any(series.startswith("runbook_job_queue_length") for series in page)
        assert "RQ has no queue mail" in asked.outcomes()["queues"]
        with redis.client() as client:
            client.sadd("rq:workers:mail", "rq:worker:one")
        assert length(asked.page(), "waiting", "mail") == "0"
        assert set(asked.outcomes().values()) == {"ok"}


def test_a_worker_whose_clock_is_ahead_does_not_stop_the_counting(
    redis: redisserver.Redis, queue: Queue, tmp_path: Path
) -> None:
    with one("jobs", settings(redis.url()), tmp_path) as asked:
        asked.read()
        job = queue.enqueue(rqjobs.scrape, 1)
        rqjobs.burst(redis.port)
        with redis.client() as client:
            client.hset(job.key, "ended_at", f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%S.%fZ}")
        settled(asked, "scrape", "success", "1")
        queue.enqueue(rqjobs.scrape, 2)
        rqjobs.burst(redis.port)
        settled(asked, "scrape", "success", "2")
    with one("jobs", settings(redis.url()), tmp_path) as asked:
        queue.enqueue(rqjobs.scrape, 3)
        rqjobs.burst(redis.port)
        settled(asked, "scrape", "success", "3")
        assert runs(counted(asked), "scrape", "success") == "3"


def test_many_queues_are_refused_or_added_up(redis: redisserver.Redis) -> None:
    with redis.client() as client:
        for number in range(300):
            client.sadd("rq:queues", f"rq:queue:q{number}")
            client.rpush(f"rq:queue:q{number}", f"job{number}")
    with one("jobs", settings(redis.url())) as asked:
        snapshot = asked.read()
        assert snapshot.up is False
        assert "there are 300 queues, more than 100" in snapshot.reason
    with one("jobs", settings(redis.url(), ", max_queues: 500")) as asked:
        assert length(asked.page(), "waiting", "other") == "200"


def test_names_are_those_of_functions_and_few(redis: redisserver.Redis) -> None:
    with one("jobs", f"rq: {{url: '{redis.url()}'}}\ntop: 2\ntimeout: 20s") as asked:
        asked.read()
        with redis.client() as client:
            client.sadd("rq:queues", "rq:queue:default")
            for number in range(5):
                client.zadd("rq:finished:default", {f"j{number}": time.time() + 500})
                ended = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
                client.hset(f"rq:job:j{number}", mapping={
                    "ended_at": ended, "started_at": "junk", "description": f"app.f{number}('secret')"})  # fmt: skip
        page = counted(asked)
        found = {series for series in page if "runs_total" in series and "success" in series}
        assert len(found) == 3
        assert page['runbook_job_runs_total{job_name="other",outcome="success"}'] == "3"
        assert not any("secret" in series for series in page)


def test_denied_and_what_helps(redis: redisserver.Redis, queue: Queue) -> None:
    queue.enqueue(rqjobs.scrape)
    url = redis.user("jobs", "-@all", "+select", "+client|setname", "+info")
    with one("jobs", settings(url)) as asked:
        assert "scard" in asked.read().fix
    rights = ("+scard", "+smembers", "+llen", "+zcard", "+lrange", "+lindex", "+zrange", "+zrevrange",
              "+zrangebyscore", "+zcount", "+hmget", "+exists")  # fmt: skip
    redis.ask("ACL", "SETUSER", "jobs", *rights, "%R~rq:*")
    with one("jobs", settings(url)) as asked:
        assert set(asked.outcomes().values()) == {"ok"}
    with one("jobs", settings(redis.url("jobs", "not-the-one-it-is"))) as asked:
        assert "correct user and password" in asked.read().fix


def test_gone_hung_and_back() -> None:
    with redisserver.server() as watched, one("jobs", settings(watched.url(), timeout="1s")) as asked:
        assert asked.read().up
        with watched.stopped():
            begun = time.monotonic()
            assert asked.read().up is False
            assert time.monotonic() - begun < 2.5
        until(lambda: asked.read().up, 20)
        watched.stop()
        page = asked.page()
        assert page['runbook_target_up{collector="jobs"}'] == "0"
        assert 'runbook_job_info{job_name="tests.rqjobs.scrape",kind="scraper"}' in page
        assert not any(series.startswith("runbook_job_queue") for series in page)
        watched.start()
        until(lambda: asked.read().up, 20)


@pytest.mark.long
def test_hundreds_of_rounds_leave_nothing(redis: redisserver.Redis, queue: Queue) -> None:
    queue.enqueue(rqjobs.scrape)
    with one("jobs", settings(redis.url())) as asked:
        leaves_nothing(asked, 500)
    with one("jobs", settings("redis://127.0.0.1:1")) as asked:
        leaves_nothing(asked, 500)


def test_registries_are_where_rq_has_them(redis: redisserver.Redis, queue: Queue) -> None:
    assert queue.scheduled_job_registry.key == "rq:scheduled:default"
    assert (queue.key, queue.failed_job_registry.key, queue.started_job_registry.key) == (
        "rq:queue:default", "rq:failed:default", "rq:wip:default")  # fmt: skip


def test_the_page(redis: redisserver.Redis, queue: Queue, golden: Callable[[str, str], None]) -> None:
    queue.enqueue(rqjobs.scrape)
    with one("jobs", settings(redis.url())) as asked:
        asked.read()
        lines = [line for line in asked.text().splitlines(keepends=True) if "runbook_job" in line]
    told = [
        line if line.startswith("#") or "timestamp" not in line else line.split(" ")[0] + " TIME\n" for line in lines
    ]
    golden("jobs.prom", "".join(told))
