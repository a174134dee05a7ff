"""Runs of jobs, whoever learns of them: a log, a queue or a scheduler."""

from typing import Final

from exporter.metric import counter, gauge, histogram

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
