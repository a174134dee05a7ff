"""The dashboard of queues and jobs: what is stuck, since when, and what fails."""

from typing import Final

from grafana.dashboards import celery
from grafana.declare import Column, Dashboard, Panel, Row, firing, lines, signal, stat, table

QUEUE: Final = "{{instance}} {{target}} {{queue}}"
JOB: Final = "{{instance}} {{target}} {{job_name}}"
_BY_QUEUE: Final = "by (instance, target, queue)"
_BY_JOB: Final = "by (instance, target, job_name)"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Waiting now", "Jobs that a worker may take.",
         'sum by (instance, target) (runbook_job_queue_length{$match, state="waiting"})', "{{instance}} {{target}}",
         unit="none"),
    stat("Running now", "Runs that have started and not ended.",
         "sum by (instance, target) (runbook_job_running{$match})", "{{instance}} {{target}}", unit="none"),
    table(
        "Jobs", "Every job: what is under way and since when, and when it last ended well.",
        {"instance": "Instance", "target": "Target", "job_name": "Job"},
        Column("Running", f"sum {_BY_JOB} (runbook_job_running{{$match}})", "none"),
        Column("Oldest began", f"min {_BY_JOB} (runbook_job_oldest_start_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        Column("Last started", f"max {_BY_JOB} (runbook_job_last_start_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        Column("Last ended well", f"max {_BY_JOB} (runbook_job_last_success_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        Column("Last failed", f"max {_BY_JOB} (runbook_job_last_failure_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        height=8, empty="no jobs are known",
    ),
    table(
        "Queues", "Every queue: what waits, since when, and who listens.",
        {"instance": "Instance", "target": "Target", "queue": "Queue"},
        Column("Waiting", f'sum {_BY_QUEUE} (runbook_job_queue_length{{$match, state="waiting"}})', "none"),
        Column("Oldest waits since",
               f'min {_BY_QUEUE} (runbook_job_oldest_timestamp_seconds{{$match, state="waiting"}}) * 1000',
               "dateTimeFromNow"),
        Column("Running", f'sum {_BY_QUEUE} (runbook_job_queue_length{{$match, state="running"}})', "none"),
        Column("Workers", f"sum {_BY_QUEUE} (runbook_job_queue_workers{{$match}})", "none"),
        height=8, empty="no queues are known",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal("Waiting", "How long the oldest job of each queue has waited.", "JobQueueBacklog", legend=QUEUE,
           empty="nothing waits"),
    signal("Growing", "By how many jobs a queue has grown in which nothing was done.", "JobQueueGrowing", legend=QUEUE,
           empty="no queue grows while nothing is done"),
    signal("Without workers", "How many jobs wait in each queue that no worker listens to, where that is known.",
           "JobQueueWithoutWorkers", legend=QUEUE, unit="short", empty="no queue with jobs is without workers"),
    signal("Runs beside their limit", "Of its limit, how much the oldest run of a job has taken.", "JobStuck",
           legend=JOB, empty="nothing runs that has a limit"),
    signal("Runs without a limit", "How long the oldest run of a job takes that has no limit.", "JobRunsLong",
           legend=JOB, empty="nothing runs that has no limit"),
    signal("Failures of a day", "Of the runs that ended in a day, how many failed; where there were enough.",
           "JobFailureRateHigh", legend=JOB, top=1, empty="too few runs"),
    signal("Stages that end well", "Of the runs of each stage that ended in an hour, how many ended well; where there "
           "were enough.",
           "StageSuccessRateLow", legend=JOB, top=1, empty="too few runs of stages"),
    signal("Stages without a success", "How long ago each stage last ended well.", "StageNotRun", legend=JOB,
           empty="no job is a stage"),
    signal("Scrapers without a success", "How long ago each scraper last ended well.", "ScraperFailing", legend=JOB,
           empty="no job is a scraper"),
]  # fmt: skip

RUNS: Final[list[Panel]] = [
    lines(
        "Runs that ended", "Runs a second, by job and outcome.",
        ("sum by (instance, target, job_name, outcome) (rate(runbook_job_runs_total{$match}[$__rate_interval]))",
         JOB + " {{outcome}}"),
        unit="ops",
    ),
    lines(
        "Duration", "How long a run takes, on average.",
        (f"sum {_BY_JOB} (rate(runbook_job_duration_seconds_sum{{$match}}[$__rate_interval]))"
         f" / (sum {_BY_JOB} (rate(runbook_job_duration_seconds_count{{$match}}[$__rate_interval])) > 0)", JOB),
        unit="s",
    ),
    lines(
        "Queues by state", "How many jobs are in each state.",
        ("sum by (instance, target, queue, state) (runbook_job_queue_length{$match})", QUEUE + " {{state}}"),
        unit="short", width=24,
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="jobs",
    title="Queues and jobs",
    text="What waits and since when, what runs and does not end, what fails.",
    presence="runbook_job_queue_length",
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("Runs", RUNS), *celery.ROWS],
)
