"""Runs of jobs, whoever learns of them: a log, a queue or a scheduler."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from exporter.metric import Histogram, Samples, counter, gauge, histogram, info
from exporter.models import Problems
from exporter.setting import Seconds, setting

Kind = Literal["stage", "scraper", "job"]

BUCKETS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0)
"""Upper bounds, in seconds, of how long jobs run."""

RUNS = counter(
    "runbook_job_runs_total",
    "Runs of a job that have ended, by outcome (success, failure). Background value.",
    labels=("job_name", "outcome"), source="the job's log or queue",
)  # fmt: skip
DURATION = histogram(
    "runbook_job_duration_seconds",
    "How long runs of a job took, where both start and end are known. Background value.",
    labels=("job_name",), source="the job's log or queue",
)  # fmt: skip
LAST_SUCCESS = gauge(
    "runbook_job_last_success_timestamp_seconds", "When a run of a job last ended well. Background value.",
    labels=("job_name",), source="the job's log or queue", fact=True,
)  # fmt: skip
LAST_FAILURE = gauge(
    "runbook_job_last_failure_timestamp_seconds", "When a run of a job last failed. Background value.",
    labels=("job_name",), source="the job's log or queue", fact=True,
)  # fmt: skip
LAST_START = gauge(
    "runbook_job_last_start_timestamp_seconds", "When a run of a job last started. Background value.",
    labels=("job_name",), source="the job's log or queue", fact=True,
)  # fmt: skip
LENGTH = gauge(
    "runbook_job_queue_length",
    "Jobs by queue and state: waiting (a worker may take it), scheduled (planned for later), running; others as the "
    "queue has them. 0 where the queue is there and empty.",
    labels=("queue", "state"), source="the job's queue",
)  # fmt: skip
OLDEST = gauge(
    "runbook_job_oldest_timestamp_seconds",
    "Since when the oldest job of a queue is in its state: waiting since it could be taken, running since it started. "
    "None where there is no such job.",
    labels=("queue", "state"), source="the job's queue",
)  # fmt: skip
WORKERS = gauge(
    "runbook_job_queue_workers", "Workers that listen to the queue.", labels=("queue",), source="the job's queue"
)
RUNNING = gauge(
    "runbook_job_running", "Runs of a job that have started and not ended.",
    labels=("job_name",), source="the job's log or queue",
)  # fmt: skip
OLDEST_START = gauge(
    "runbook_job_oldest_start_timestamp_seconds",
    "When the oldest run of a job started that has not ended. None where none is under way.",
    labels=("job_name",), source="the job's log or queue",
)  # fmt: skip
LIMIT = gauge(
    "runbook_job_time_limit_seconds", "How long a run of the job may take.",
    labels=("job_name",), source="the configuration", fact=True,
)  # fmt: skip
INFO = info(
    "runbook_job_info", "A job that is expected, and what kind it is: stage, scraper or job.",
    labels=("job_name", "kind"), source="the configuration", fact=True,
)  # fmt: skip
KNOWN_SINCE = gauge(
    "runbook_job_known_since_timestamp_seconds",
    "Since when runs of a job are counted: it was configured then, or seen for the first time.",
    labels=("job_name",), source="the exporter", fact=True,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExpectedJob:
    """A job that is expected to run: what kind it is, and how long a run may take."""

    kind: Kind = setting(
        "job",
        help="What it is: a `stage` of a processing, which StageNotRun and StageSuccessRateLow watch, a `scraper`, "
        "which ScraperFailing watches, or any other `job`.",
        example="stage",
    )
    time_limit: Seconds | None = setting(
        None,
        help="How long a run may take; JobStuck watches it. Without one JobRunsLong does, by its own figure.",
        example="2h",
    )

    def check(self) -> Problems:
        """Find a limit that no run keeps."""
        if self.time_limit is not None and self.time_limit < 1:
            yield "time_limit", "leaves no time to run; expected 1s or more"


def expected(jobs: Mapping[str, ExpectedJob]) -> Samples:
    """Yield what the configuration says of jobs, whether they ever ran or not."""
    for name, job in jobs.items():
        yield INFO(1, job_name=name, kind=job.kind)
        yield LIMIT(job.time_limit, job_name=name)


def runs(job: str, entry: Mapping[str, Any]) -> Samples:
    """Yield the runs of one job, as a tally has them."""
    for outcome, count in entry["outcomes"].items():
        yield RUNS(count, job_name=job, outcome=outcome)
    buckets = tuple(zip(BUCKETS, entry["buckets"], strict=True))
    yield DURATION(Histogram(buckets, entry["count"], entry["sum"]), job_name=job)
    last = entry["last"]
    yield LAST_START(last.get("start"), job_name=job)
    yield LAST_SUCCESS(last.get("success"), job_name=job)
    yield LAST_FAILURE(last.get("failure"), job_name=job)
    yield KNOWN_SINCE(entry.get("since"), job_name=job)


def under_way(job: str, begun: Collection[float]) -> Samples:
    """Yield the runs of one job that have begun and not ended."""
    yield RUNNING(len(begun), job_name=job)
    yield OLDEST_START(min(begun, default=None), job_name=job)


METRICS: Final = (
    RUNS, DURATION, LAST_SUCCESS, LAST_FAILURE, LAST_START, LENGTH, OLDEST, WORKERS, RUNNING, OLDEST_START, LIMIT, INFO,
    KNOWN_SINCE,
)  # fmt: skip
"""All of them; they stand in the catalogue as the collector `jobs`' own."""
