"""The dashboard of the checklist: what is due, what is overdue, and who did what when."""

from typing import Final

from grafana.declare import QUIET, Column, Dashboard, Row, Variable, firing, lines, signal, stat, table

_OF: Final = '{$match, task=~"$task"}'
TASK: Final = "{{instance}} {{target}} {{task}}"
NAMES: Final = {"instance": "Instance", "target": "Checklist", "task": "Task"}
_BY: Final = "by (instance, target, task)"
_AT: Final = "by (instance, target)"
_OR_NONE: Final = f"or on (instance, target) 0 * count {_AT} (runbook_task_info{_OF})"
_LIST: Final = "{{instance}} {{target}}"
_NONE: Final = "no task comes again by itself"
_NOT_DONE: Final = "nothing was done yet"

GLANCE: Final = [
    firing(),
    stat(
        "Overdue", "Tasks that were due so long ago that an alert fires, or soon will.",
        f"count {_AT} (runbook:task_overdue:ratio{_OF} > 0.2) {_OR_NONE}", _LIST, unit="none", states=QUIET,
    ),
    stat(
        "Due", "Tasks that are due now, overdue or not.",
        f"count {_AT} (runbook_task_due_timestamp_seconds{_OF} < time()) {_OR_NONE}", _LIST, unit="none", states=QUIET,
    ),
    stat(
        "Never done", "Tasks that come again by themselves and were never done.",
        f"count {_AT} (runbook_task_due_timestamp_seconds{_OF}"
        f" unless on (job, instance, target, task) runbook_task_last_done_timestamp_seconds{_OF}) {_OR_NONE}",
        _LIST, unit="none",
    ),
    stat(
        "Tasks", "All lines of the checklist, also those that only alerts watch.",
        f"count {_AT} (runbook_task_info{_OF})", _LIST, unit="none",
    ),
    table(
        "Tasks that come again",
        "The most pressing first: how late each is, of its interval. Below 0 it is not due yet.",
        NAMES,
        Column("Late", f"max {_BY} (runbook:task_overdue:ratio{_OF})", "percentunit"),
        Column("Due", f"max {_BY} (runbook_task_due_timestamp_seconds{_OF}) * 1000", "dateTimeFromNow"),
        Column("Last done", f"max {_BY} (runbook_task_last_done_timestamp_seconds{_OF}) * 1000", "dateTimeFromNow"),
        Column("Interval", f"max {_BY} (runbook_task_interval_seconds{_OF})", "s"),
        Column("Grace", f"max {_BY} (runbook_task_grace_seconds{_OF})", "s"),
        height=12, empty=_NONE,
    ),
    table(
        "Who did what when",
        "When each of the people of the configuration last did a task, the latest first; others are `other`, and what a"
        " metric told is `metric`.",
        NAMES | {"by": "By"},
        Column(
            "Last done",
            f"max by (instance, target, task, by) (runbook_task_last_done_by_timestamp_seconds{_OF}) * 1000",
            "dateTimeFromNow",
        ),
        width=12, height=10, empty=_NOT_DONE,
    ),
    table(
        "Whose each is",
        "The owner of each task, the guide that asks for it, and whether it is done by hand, told by a metric, or only"
        " watched by alerts.",
        NAMES | {"owner": "Owner", "guide": "Guide", "way": "Way"},
        Column(
            "Lines", f"count by (instance, target, task, owner, guide, way) (runbook_task_info{_OF})", "none"
        ),
        width=12, height=10,
    ),
]  # fmt: skip

WATCHED: Final = [
    signal(
        "Late, of the interval", "How long ago each task was due, of its interval. Below 0 it is not due yet.",
        "MaintenanceTaskOverdue", legend=TASK, within='task=~"$task"', unit="percentunit", width=24, empty=_NONE,
    ),
]  # fmt: skip

DETAIL: Final = [
    lines(
        "Done", "How often each task was marked done, by whom, within the time that is shown.",
        (f"increase(runbook_task_done_total{_OF}[$__range]) > 0", f"{TASK} {{{{by}}}}"), unit="short", empty=_NOT_DONE,
    ),
    lines(
        "Since each was done", "How long ago each task was last done.",
        (f"time() - runbook_task_last_done_timestamp_seconds{_OF}", TASK), unit="s", empty=_NOT_DONE,
    ),
    lines(
        "Until each is due", "How long each task still has; below 0 it is due.",
        (f"runbook_task_due_timestamp_seconds{_OF} - time()", TASK), unit="s", empty=_NONE,
    ),
    lines(
        "Known for", "How long each task has been in the configuration.",
        (f"time() - runbook_task_known_since_timestamp_seconds{_OF}", TASK), unit="s",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="task",
    title="Checklist",
    text="What people do now and then: what is due, what is overdue, and who did what when.",
    presence="runbook_task_info",
    variables=(Variable("task", "Task", "runbook_task_info"),),
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
