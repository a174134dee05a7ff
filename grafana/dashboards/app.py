"""The dashboard of figures that applications give of themselves."""

from typing import Final

from grafana.declare import Column, Dashboard, Panel, Row, firing, lines, signal, stat, table

OF: Final = "{{instance}} {{target}}"
_BY: Final = "by (instance, target)"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Active users", "Users that the applications count as active now.",
        f"max {_BY} (runbook_app_active_users{{$match}})", OF, unit="none", empty="none says",
    ),
    stat(
        "Active sessions", "Sessions that are open in the applications now.",
        f"max {_BY} (runbook_app_active_sessions{{$match}})", OF, unit="none", empty="none says",
    ),
    stat(
        "Recognised", "Share of what came in last that was there already.",
        f"max {_BY} (runbook_app_deduplication_ratio{{$match}})", OF, empty="nothing comes in",
    ),
    stat(
        "Speed", "Seconds of video that are processed in a second.",
        f"max {_BY} (runbook_app_video_processing_speed_ratio{{$match}})", OF, unit="none", empty="at rest",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Recognised over a day", "Share of what came in over the last day that was there already.",
        "DeduplicationRateLow", legend=OF, top=1, empty="not known for half a day yet",
    ),
    signal(
        "Speed over a day", "Seconds of video processed in a second, over the hours of the last day with work.",
        "VideoProcessingSlow", legend=OF, unit="none", empty="not known for half a day yet",
    ),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
    lines(
        "Active users and sessions", "As the applications count them.",
        ("runbook_app_active_users{$match}", f"{OF} users"),
        ("runbook_app_active_sessions{$match}", f"{OF} sessions"), unit="none", empty="none says",
    ),
    lines(
        "Recognised and speed", "The figures themselves; there is none while an application is at rest.",
        ("runbook_app_deduplication_ratio{$match}", f"{OF} recognised"),
        ("runbook_app_video_processing_speed_ratio{$match}", f"{OF} speed"), unit="none", empty="at rest",
    ),
    lines(
        "How old the figures are", "Of what a copy or a backup of a DuckDB database gave.",
        (f"time() - max {_BY} (runbook_sql_data_timestamp_seconds{{$match}})", OF), unit="s", empty="none is asked",
    ),
    lines(
        "How long queries take", "Each query of the configuration. The first of a DuckDB or SQLite database bears all.",
        ('runbook_exporter_read_duration_seconds{$match, collector="sql"}', f"{OF} {{{{read}}}}"), empty="none is made",
    ),
    table(
        "Queries", "Each query of the configuration: whether it works, and since when its figures stand.",
        {"instance": "Instance", "target": "Target", "read": "Query"},
        Column("Works", 'min by (instance, target, read) (runbook_exporter_read_success{$match, collector="sql"})',
               "bool_yes_no"),
        Column("Worked last", "max by (instance, target, read)"
               ' (runbook_exporter_read_last_success_timestamp_seconds{$match, collector="sql"}) * 1000',
               "dateTimeFromNow"),
        width=12, empty="none is made",
    ),
    table(
        "Values that are missing", "What queries and JSON gave as nothing; it has no series.",
        {"instance": "Instance", "target": "Target", "metric": "Metric"},
        Column("Missing", "max by (instance, target, metric) (runbook_mapped_values_missing{$match}) > 0", "none"),
        width=12, empty="none",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="app",
    title="Application figures",
    text="What applications say of their own work, taken from JSON or by SQL.",
    presence='runbook_target_up{collector=~"sql|json|command"}',
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
