"""What health reports become."""

from exporter.metric import gauge

STATUS = gauge(
    "runbook_health_report_status",
    "What the health report says as a whole: 1 for the one of healthy, degraded, critical and unknown that it is, 0 "
    "for the others.",
    labels=("status",),
    source="the report",
)
HEALTHY = gauge(
    "runbook_health_check_healthy",
    "1 where the report calls a check healthy, 0 where it calls it anything else; no sample where it does not know.",
    labels=("check",),
    source="the report",
)
CHECKS = gauge(
    "runbook_health_checks",
    "How many checks the report has, by what it calls them: healthy, unhealthy, critical, unknown.",
    labels=("status",),
    source="the report",
)
TIMESTAMP = gauge(
    "runbook_health_report_timestamp_seconds",
    "When the report was made, by its own account.",
    source="the report",
)
AGE = gauge(
    "runbook_health_report_age_seconds",
    "How old the report was when it was read, by its own account; below 0 where its time was yet to come.",
    source="the report",
)
