"""Celery's rows on the dashboard of queues and jobs: what alerts watch, tasks, queues, workers."""

from typing import Final

from grafana.declare import UP_DOWN, Column, Panel, Row, lines, signal, table

BROKER: Final = "{{instance}} {{target}}"
TASK: Final = f"{BROKER} {{{{name}}}}"
QUEUE: Final = f"{BROKER} {{{{queue_name}}}}"
WORKER: Final = f"{BROKER} {{{{worker}}}}"
_NAMED: Final = "by (instance, target, name)"
_QUEUED: Final = "by (instance, target, queue_name)"
_HOSTED: Final = "by (instance, target, hostname)"
_RATE: Final = "{$match}[$__rate_interval]"

WATCHED: Final[list[Panel]] = [
    signal("Celery's broker answering", "Whether the broker answers the exporter.", "CeleryDown", legend=BROKER,
           width=8, unit="none", states=UP_DOWN),
    signal("Messages that nobody takes", "Messages in queues that no worker consumes.", "CeleryWorkersDown",
           legend=QUEUE, width=8, unit="short", empty="every queue is empty or consumed"),
    signal("Workers missing", "How many workers fewer there are than there should be.", "CeleryWorkersMissing",
           legend=BROKER, width=8, unit="short"),
    signal("Standstill", "How long nothing has begun or ended in all workers of a queue, while every place is taken and"
           " messages wait.", "CeleryStandstill", legend=QUEUE, width=12, empty="every queue gets on"),
    signal("Longest run now", "How long the oldest run of each task has been at it, and how far beyond its own limit;"
           " how long the oldest message of each queue has waited.",
           "CeleryTaskStuck", legend=f"{BROKER} {{{{name}}}}{{{{queue_name}}}}", width=12,
           empty="nothing runs and nothing waits"),
    signal("Workers that get nothing done", "How long a worker has been alive and begun and ended nothing though tasks"
           " wait in it.", "CeleryWorkerStuck", legend=WORKER, width=12, empty="all get on"),
    signal("Share of failed runs", "Of the runs of a task that ended, how many failed: of many within a quarter of an"
           " hour, of few within hours.", "CeleryTaskFailures", legend=TASK, width=12, top=1,
           empty="too few have run to say"),
    signal("Time to empty a queue that grows", "How long the queue would take to empty at the pace of late.",
           "CeleryQueueBacklog", legend=QUEUE, width=12, empty="none grows"),
    signal("Periodic tasks overdue", "How long ago a periodic task should have been sent, some intervals allowed.",
           "CeleryBeatStopped", legend=TASK, width=12, empty="no periodic task is configured"),
    signal("Oldest message not acknowledged", "How long ago a worker took the oldest message that is not acknowledged.",
           "CeleryMessagesUnacknowledged", legend=BROKER, width=8, empty="all are acknowledged"),
    signal("Workers without events", "Workers that process tasks and tell nothing of them.", "CeleryEventsOff",
           legend=BROKER, width=8, unit="short", empty="all tell of their tasks"),
    signal("Events lost", "Tasks begun of late of which no event came.", "CeleryEventsLost", legend=BROKER, width=8,
           unit="short"),
]  # fmt: skip

NOW: Final[list[Panel]] = [
    table(
        "Running tasks", "What runs now by name: since when, how much of it, and the time that it may take.",
        {"instance": "Instance", "target": "Target", "name": "Task"},
        Column("Oldest for", f"time() - min {_NAMED} (celery_active_task_oldest_start_timestamp_seconds{{$match}})",
               "s"),
        Column("Running", f"sum {_NAMED} (celery_active_tasks{{$match}})", "short"),
        Column("Limit", f"min {_NAMED} (celery_active_task_limit_seconds{{$match}})", "s"),
        width=12, empty="nothing runs",
    ),
    table(
        "Queues of Celery", "What waits in each queue, since when at least, and how many workers consume it.",
        {"instance": "Instance", "target": "Target", "queue_name": "Queue"},
        Column("Waiting", f"max {_QUEUED} (celery_queue_length{{$match}})", "short"),
        Column("Oldest for", f"time() - min {_QUEUED} (celery_queue_oldest_message_timestamp_seconds{{$match}})", "s"),
        Column("Workers", f"max {_QUEUED} (celery_active_worker_count{{$match}})", "short"),
        width=12, empty="no queue is known",
    ),
]  # fmt: skip

TASKS: Final[list[Panel]] = [
    lines("Tasks begun", "Runs that began, a second.",
          (f"sum {_NAMED} (rate(celery_task_started_total{_RATE}))", TASK), unit="ops"),
    lines("Tasks failed", "Runs that failed, a second, by what they raised.",
          (f"sum by (instance, target, name, exception) (rate(celery_task_failed_total{_RATE})) > 0",
           f"{TASK} {{{{exception}}}}"), unit="ops", empty="none failed"),
    lines("Time of runs", "How long the runs that ended well took, on average.",
          (f"sum {_NAMED} (rate(celery_task_runtime_sum{_RATE}))"
           f" / (sum {_NAMED} (rate(celery_task_runtime_count{_RATE})) > 0)", TASK), unit="s", empty="none ended"),
    lines("Time until a run begins", "How long tasks waited until a worker began them, on average; where senders tell"
          " when they send.",
          (f"sum {_NAMED} (rate(celery_task_wait_seconds_sum{_RATE}))"
           f" / (sum {_NAMED} (rate(celery_task_wait_seconds_count{_RATE})) > 0)", TASK), unit="s",
          empty="senders do not tell"),
]  # fmt: skip

WORKERS: Final[list[Panel]] = [
    lines("Messages waiting", "Messages in each queue.", (f"max {_QUEUED} (celery_queue_length{{$match}})", QUEUE)),
    lines("Workers of Celery", "Workers that are heard of, and those that there should be.",
          ("max by (instance, target) (celery_workers_online{$match})", BROKER),
          ("max by (instance, target) (celery_workers_expected{$match})", f"{BROKER} expected")),
    lines("Versions of Celery", "How many workers run each version, by what they say of themselves.",
          ("count by (instance, target, version) (celery_worker_info{$match})", f"{BROKER} {{{{version}}}}"),
          unit="none", empty="no worker sends heartbeats"),
    lines("Tasks in workers", "Tasks that run in a worker, and those that it has taken in advance.",
          (f"sum {_HOSTED} (celery_worker_tasks_active{{$match}})", f"{BROKER} {{{{hostname}}}} running"),
          (f"sum {_HOSTED} (celery_worker_tasks_reserved{{$match}})", f"{BROKER} {{{{hostname}}}} taken in advance")),
    lines("Events read", "Events that were read, a second.",
          (f"sum by (instance, target) (rate(celery_events_total{_RATE}))", BROKER), unit="ops"),
]  # fmt: skip

ROWS: Final[list[Row]] = [
    Row("Celery now", NOW),
    Row("Celery: what alerts watch", WATCHED),
    Row("Celery: tasks", TASKS, folded=True),
    Row("Celery: workers and queues", WORKERS, folded=True),
]
