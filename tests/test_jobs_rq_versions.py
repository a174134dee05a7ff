"""RQ's jobs as other versions of RQ keep them, each with workers of its own; and runs that are hard to see."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import redisserver
from tests.onetarget import One, one
from tests.slowline import slow_line
from tests.support import until

ENQUEUE = """
import sys
from datetime import timedelta
from redis import Redis
from rq import Queue, Retry
queue = Queue(connection=Redis(port=int(sys.argv[1])))
if sys.argv[2] == "hang":
    queue.enqueue("time.sleep", 60)
else:
    queue.enqueue("operator.add", 1, 2)
    queue.enqueue("operator.truediv", 1, 0)
    queue.enqueue("operator.mul", 2, 3, result_ttl=-1)
    queue.enqueue("os.abort")
    queue.enqueue("operator.floordiv", 1, 0, retry=Retry(max=2))
    before = queue.enqueue("operator.sub", 2, 1)
    queue.enqueue("operator.sub", 3, 1, depends_on=before)
    queue.enqueue_in(timedelta(hours=1), "operator.add", 1, 2)
"""
WORK = """
import sys
from redis import Redis
from rq import Queue, Worker
line = Redis(port=int(sys.argv[1]))
Worker([Queue(connection=line)], connection=line).work(burst=sys.argv[2] == "burst", logging_level="CRITICAL")
"""
Run = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def redis() -> Iterator[redisserver.Redis]:
    with redisserver.server() as found:
        yield found


@pytest.fixture
def run(redis: redisserver.Redis) -> Iterator[Run]:
    """Return what starts a script with an RQ from a folder, or the one that is installed; all end with the test."""
    redis.ask("FLUSHALL")
    started: list[subprocess.Popen[bytes]] = []

    def begin(script: str, how: str, path: str = "") -> "subprocess.Popen[bytes]":
        environ = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-c", script, str(redis.port), how]
        started.append(subprocess.Popen(command, env=environ, cwd="/", stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True))  # fmt: skip
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait(20)


def of(page: dict[str, str], state: str) -> str:
    return page[f'runbook_job_queue_length{{queue="default",state="{state}"}}']


def counted(asked: One) -> dict[str, tuple[int, int]]:
    """Return how many runs of each job ended well, and how many failed, without those of which none did."""
    asked.read()
    found: dict[str, tuple[int, int]] = {}
    for series, value in asked.page().items():
        if series.startswith("runbook_job_runs_total{"):
            name, outcome = series.split('"')[1:4:2]
            well, failed = found.get(name, (0, 0))
            found[name] = (well + int(value), failed) if outcome == "success" else (well, failed + int(value))
    return {name: counts for name, counts in found.items() if any(counts)}


def seen(redis: redisserver.Redis, run: Run, path: str = "") -> None:
    """See that all is told of what a worker with this RQ does."""
    with one("jobs", f"rq: {{url: '{redis.url()}'}}\ntimeout: 20s") as asked:
        asked.read()
        assert run(ENQUEUE, "all", path).wait(60) == 0
        page = asked.page()
        assert [of(page, state) for state in ("waiting", "scheduled", "deferred")] == ["6", "1", "1"]
        assert page['runbook_job_queue_workers{queue="default"}'] == "0"
        run(WORK, "burst", path).wait(60)
        assert counted(asked) == {"operator.add": (1, 0), "operator.truediv": (0, 1), "operator.mul": (1, 0),
                                  "os.abort": (0, 1), "operator.floordiv": (0, 1), "operator.sub": (2, 0)}  # fmt: skip
        assert run(ENQUEUE, "hang", path).wait(60) == 0
        worker = run(WORK, "on", path)
        began = 'runbook_job_oldest_start_timestamp_seconds{job_name="time.sleep"}'
        until(lambda: began in asked.page(), 30)
        page = asked.page()
        assert (of(page, "running"), page['runbook_job_queue_workers{queue="default"}']) == ("1", "1")
        assert abs(time.time() - float(page[began])) < 60
        os.killpg(worker.pid, 9)
        _is_given_up(redis)
        run(WORK, "burst", path).wait(60)
        assert counted(asked)["time.sleep"] == (0, 1)
        assert of(asked.page(), "running") == "0"
        last = asked.page()['runbook_job_last_failure_timestamp_seconds{job_name="time.sleep"}']
        assert abs(time.time() - float(last)) < 60


def _is_given_up(redis: redisserver.Redis) -> None:
    """Have the time be over for which nothing was heard of a run, and for which its registries are taken for tidy."""
    with redis.client() as client:
        for name in client.zrange("rq:wip:default", 0, -1):
            client.zadd("rq:wip:default", {name: time.time() - 5})
        for key in client.keys("rq:clean_registries:*"):
            client.delete(key)


def test_the_version_that_is_installed(redis: redisserver.Redis, run: Run) -> None:
    seen(redis, run)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", ["1.16.2", "2.0.0", "2.12.0"])
def test_other_versions(redis: redisserver.Redis, run: Run, version: str, tmp_path: Path) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", f"--target={tmp_path}", f"rq=={version}"]
    ended = subprocess.run(install, capture_output=True, text=True, timeout=120, check=False)
    if ended.returncode and os.environ.get("CI") != "true":
        pytest.skip(f"RQ {version} cannot be had: {ended.stderr[-200:]}")
    assert ended.returncode == 0, ended.stderr
    seen(redis, run, str(tmp_path))
    assert redis.ask("ZCARD", "rq:finished:default") >= 4


# ---- what a registry hides


def kept(redis: redisserver.Redis, count: int, seconds: float, kind: str = "finished", name: str = "j") -> None:
    """Have runs that ended just now, and are kept for so long."""
    with redis.client() as client:
        client.sadd("rq:queues", "rq:queue:default")
        line = client.pipeline()
        for number in range(count):
            moment = time.time() - count + number if count > 1 else time.time()
            ended = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e6):06}Z"
            until_then = "+inf" if seconds < 0 else moment + seconds
            line.zadd(f"rq:{kind}:default", {f"{name}{number}": until_then})
            times = {"enqueued_at": ended, "started_at": ended, "ended_at": ended}
            line.hset(f"rq:job:{name}{number}", mapping={**times, "description": f"app.{name}()"})
        line.execute()


@pytest.mark.parametrize(("spans", "told"), [
    ((500.0,), ""), ((500.0, 86400.0), "not all for as long"), ((-1.0,), "not all for as long"),
], ids=["alike", "some longer", "for ever"])  # fmt: skip
def test_runs_that_lie_behind_others_are_said(
    redis: redisserver.Redis, run: Run, spans: tuple[float, ...], told: str
) -> None:
    del run  # it makes the server empty
    with one("jobs", f"rq: {{url: '{redis.url()}', max_runs: 20}}\ntimeout: 20s") as asked:
        asked.read()
        for number, seconds in enumerate(spans):
            kept(redis, 30, seconds, name=f"j{number}x")
        asked.read()
        (said,) = [outcome.reason for outcome in asked.read().outcomes if outcome.read == "runs"]
    assert told in said
    assert bool(told) == bool(said)


def test_what_was_looked_at_is_not_asked_for_again(redis: redisserver.Redis, run: Run) -> None:
    del run
    with one("jobs", f"rq: {{url: '{redis.url()}'}}\ntimeout: 20s") as asked:
        kept(redis, 500, 500.0)
        asked.read()
        redis.ask("CONFIG", "RESETSTAT")
        asked.read()
        with redis.client() as client:
            assert "cmdstat_hmget" not in client.info("commandstats")
        kept(redis, 1, 900.0, name="new")
        assert counted(asked) == {"app.new": (1, 0)}
        kept(redis, 1, 950.0, name="new")  # the same job once more, as one that is repeated
        assert counted(asked) == {"app.new": (2, 0)}


def test_a_queue_that_comes_and_goes_is_counted_once(redis: redisserver.Redis, run: Run) -> None:
    del run
    with one("jobs", f"rq: {{url: '{redis.url()}'}}\ntimeout: 20s") as asked:
        asked.read()
        kept(redis, 1, 900.0, name="new")
        assert counted(asked) == {"app.new": (1, 0)}
        redis.ask("SREM", "rq:queues", "rq:queue:default")
        assert counted(asked) == {"app.new": (1, 0)}
        redis.ask("SADD", "rq:queues", "rq:queue:default")
        assert counted(asked) == {"app.new": (1, 0)}
        kept(redis, 1, 950.0, name="new")
        assert counted(asked) == {"app.new": (2, 0)}


def test_a_hundred_queues_over_a_slow_line(redis: redisserver.Redis, run: Run) -> None:
    del run
    with redis.client() as client:
        for number in range(100):
            client.sadd("rq:queues", f"rq:queue:q{number}")
            client.rpush(f"rq:queue:q{number}", f"job{number}")
            client.hset(
                f"rq:job:job{number}", mapping={"enqueued_at": "2026-11-25T10:00:00Z", "description": "app.f()"}
            )
    with slow_line(redis.port) as line:
        line.delay = 0.01
        with one("jobs", f"rq: {{url: 'redis://127.0.0.1:{line.port}'}}\ntimeout: 5s") as asked:
            for _ in range(2):
                assert set(asked.outcomes().values()) == {"ok"}
