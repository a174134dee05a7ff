"""Jobs that nobody takes and a run that hangs, on the whole way: RQ, exporter, Prometheus and what people are told."""

from pathlib import Path
from typing import Any

import pytest
from redis import Redis as Client
from rq import Queue

from tests import redisserver, rqjobs
from tests.alerting import Way, whole_way
from tests.support import until

CONFIG = """
host: {{enabled: false}}
targets:
  mail:
    collector: jobs
    max_age: 500ms
    rq: {{url: "{url}"}}
    jobs: {{tests.rqjobs.hang: {{time_limit: 5s}}, tests.rqjobs.scrape: {{kind: scraper}}}}
"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


def told(way: Way, name: str, status: str = "firing") -> list[dict[str, Any]]:
    return way.webhook.alerts(name, status)


def test_a_queue_without_workers_and_a_run_that_hangs(tmp_path: Path) -> None:
    with (
        redisserver.server() as redis,
        Client(port=redis.port) as client,
        whole_way(tmp_path, CONFIG.format(url=redis.url())) as way,
    ):
        queue = Queue(connection=client)
        until(lambda: way.prometheus.query('runbook_target_up{target="mail"} == 1'), 30)
        assert not {name for name in way.firing() if name.startswith(("Job", "Scraper"))}
        for _ in range(3):
            queue.enqueue(rqjobs.scrape)
        until(lambda: told(way, "JobQueueWithoutWorkers"), 60)
        (alert,) = told(way, "JobQueueWithoutWorkers")[:1]
        assert (alert["labels"]["priority"], alert["labels"]["queue"]) == ("P1", "default")
        assert alert["annotations"]["description"] == (
            f"3 jobs wait in the queue default of mail, and no worker listens to it (instance {way.exporter.address})."
        )
        queue.enqueue(rqjobs.hang)
        with rqjobs.worker(redis.port):
            until(lambda: told(way, "JobQueueWithoutWorkers", "resolved"), 60)
            until(lambda: told(way, "JobStuck"), 60)
            assert told(way, "JobStuck")[0]["labels"]["job_name"] == "tests.rqjobs.hang"
        assert {name for name in way.firing() if name.startswith("Job")} <= {"JobStuck"}
