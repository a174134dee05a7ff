"""What is said of tasks."""

from exporter.metric import counter, gauge, info

_CONFIGURATION = "the configuration"
_HISTORY = "the state: its history of tasks"

INFO = info(
    "runbook_task_info",
    "A line of the checklist: who sees to it, which guide asks for it, and the way in which it is done (hand, metric "
    "or watched).",
    labels=("task", "owner", "guide", "way"),
    source=_CONFIGURATION,
    fact=True,
)
INTERVAL = gauge(
    "runbook_task_interval_seconds",
    "How long after one time the task is due the next time; of a calendar rule, the time between these two.",
    labels=("task",),
    source=_CONFIGURATION,
    fact=True,
)
GRACE = gauge(
    "runbook_task_grace_seconds",
    "How long the task may stay undone after it is due, besides the fifth of its interval that all have.",
    labels=("task",),
    source=_CONFIGURATION,
    fact=True,
)
KNOWN_SINCE = gauge(
    "runbook_task_known_since_timestamp_seconds",
    "When the task was first seen in the configuration.",
    labels=("task",),
    source=_HISTORY,
    fact=True,
)
DUE = gauge(
    "runbook_task_due_timestamp_seconds",
    "When the task is due, or has been since; of one that was never done, when it was first known or first came.",
    labels=("task",),
    source=_HISTORY,
    fact=True,
)
LAST_DONE = gauge(
    "runbook_task_last_done_timestamp_seconds",
    "When the task was last done; no sample where it never was.",
    labels=("task",),
    source=_HISTORY,
    fact=True,
)
DONE = counter(
    "runbook_task_done_total",
    "How often the task was done, by the people of the configuration, by `metric`, and by anybody else as `other`.",
    labels=("task", "by"),
    source=_HISTORY,
)
LAST_DONE_BY = gauge(
    "runbook_task_last_done_by_timestamp_seconds",
    "When each of these last did the task; no sample where they never did.",
    labels=("task", "by"),
    source=_HISTORY,
    fact=True,
)
