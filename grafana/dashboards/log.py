"""The dashboard of logs, and of the jobs that leave lines in them."""

from typing import Final

from grafana.declare import QUIET, Column, Dashboard, Panel, Row, Variable, firing, lines, signal, stat, table

OF: Final = 'log=~"$log"'
LOG: Final = "{{instance}} {{target}} {{log}}"
NAMES: Final = {"instance": "Instance", "target": "Target", "log": "Log"}
JOBS: Final = {"instance": "Instance", "target": "Target", "job_name": "Job"}
_BY: Final = "by (instance, target, log)"
_BY_JOB: Final = "by (instance, target, job_name)"
_OF: Final = f"{{$match, {OF}}}"
_RATE: Final = f"{_OF}[$__rate_interval]"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Logs followed", "How many logs the configuration names.",
        f"count by (instance, target) (runbook_log_read_behind_bytes{_OF})", "{{instance}} {{target}}", unit="none",
    ),
    stat(
        "Losses", "How often lines may have been lost a moment ago: a file was emptied or gone before it was read.",
        f"sum by (instance, target) (increase(runbook_log_losses_total{_RATE}))", "{{instance}} {{target}}",
        unit="none", states=QUIET,
    ),
    table(
        "Logs", "Every log, the one with the most lines first.",
        NAMES,
        Column("Lines a second", f"sum {_BY} (rate(runbook_log_lines_total{_RATE}))", "short"),
        Column("Bytes a second", f"sum {_BY} (rate(runbook_log_bytes_total{_RATE}))", "Bps"),
        Column("Errors in the last hour", f"sum {_BY} (runbook:log_errors_hour:count{_OF})", "none"),
        Column("Not read yet", f"sum {_BY} (runbook_log_read_behind_bytes{_OF})", "bytes"),
        Column("Files", f"sum {_BY} (runbook_log_files{_OF})", "none"),
        Column("Last line", f"max {_BY} (runbook_log_last_line_timestamp_seconds{_OF}) * 1000", "dateTimeFromNow"),
        height=8, empty="no logs are configured",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Error codes of the stages", "How often each code was written within the time that the alert looks back.",
        "StageErrors", legend=f"{LOG} {{{{event}}}}", within=OF,
    ),
    signal(
        "Errors against what is usual", "Errors of the last hour, as a multiple of those at the same time of other"
        " days. There only where enough errors are written to speak of.",
        "LogErrorsSurge", legend=LOG, within=OF, empty="no log has many errors, or nothing is known of other days",
    ),
    signal(
        "Failed logins", "How many logins failed within the time that the alert looks back.",
        "FailedAuthentications", legend=LOG, within=OF,
    ),
    signal(
        "Attacks", "How many lines look like attacks within the time that the alert looks back.",
        "AttackPatterns", legend=LOG, within=OF,
    ),
    signal(
        "Secrets", "How many lines look as if they had a secret in them within the time that the alert looks back.",
        "SecretLogged", legend=LOG, within=OF, empty="no log is looked through for secrets",
    ),
    signal(
        "Losses of lines", "How often lines may have gone before they were counted, and why, within the time that the"
        " alert looks back.",
        "LogLinesLost", legend=f"{LOG} {{{{reason}}}}", within=OF,
    ),
    signal(
        "Lines that are not understood", "Lines that are not in the log's format, among those of the last hour.",
        "LogNotUnderstood", legend=LOG, within=OF, top=1, empty="no log has enough lines",
    ),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
    lines(
        "Messages by level", "Messages a second, of all logs chosen; `other` is what has no level that is known.",
        (f"sum by (instance, target, log, level) (rate(runbook_log_messages_total{_RATE}))", f"{LOG} {{{{level}}}}"),
        stacked=True, empty="no log with messages is configured",
    ),
    lines(
        "Errors and what is usual", "Errors of the last hour, and the mean of the same hour of the days before.",
        (f"runbook:log_errors_hour:count{_OF}", f"{LOG} last hour"),
        (f"runbook:log_errors_usual:count{_OF}", f"{LOG} usual"), unit="short",
        empty="no log with messages is configured",
    ),
    lines(
        "Events", "How often each event was written, a second.",
        (f"sum by (instance, target, log, event) (rate(runbook_log_events_total{_RATE})) > 0", f"{LOG} {{{{event}}}}"),
        empty="no event was written",
    ),
    lines("Lines", "Lines read a second.", (f"rate(runbook_log_lines_total{_RATE})", LOG)),
    lines("Bytes", "Bytes read a second.", (f"rate(runbook_log_bytes_total{_RATE})", LOG)),
    lines("Not read yet", "Bytes that were there and not counted at the last look.",
          (f"runbook_log_read_behind_bytes{_OF}", LOG)),
    lines(
        "Not in the log's format", "Lines a second that are not what the configuration says they are, or were cut.",
        (f"rate(runbook_log_unparsed_lines_total{_RATE})", f"{LOG} unparsed"),
        (f"rate(runbook_log_cut_lines_total{_RATE})", f"{LOG} cut"),
    ),
    lines(
        "Lost", "Bytes a second that are known to have been gone before they were read.",
        (f"rate(runbook_log_lost_bytes_total{_RATE})", LOG),
    ),
    lines(
        "Age of the file", "Since the first line of the file that is written now. It falls when the log is rotated.",
        (f"time() - runbook_log_first_line_timestamp_seconds{_OF}", LOG), unit="s",
        empty="no first line tells its time",
    ),
]  # fmt: skip

RUNS: Final[list[Panel]] = [
    table(
        "Jobs", "Every job that is watched, the one that succeeded last first.",
        JOBS,
        Column("Last success", f"max {_BY_JOB} (runbook_job_last_success_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        Column("Last start", f"max {_BY_JOB} (runbook_job_last_start_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        Column("Last failure", f"max {_BY_JOB} (runbook_job_last_failure_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        height=8, empty="no jobs are configured",
    ),
    lines(
        "Runs by outcome", "Runs that ended, a second.",
        ("sum by (instance, target, job_name, outcome) (rate(runbook_job_runs_total{$match}[$__rate_interval]))",
         "{{instance}} {{target}} {{job_name}} {{outcome}}"),
        empty="no jobs are configured",
    ),
    lines(
        "How long jobs take", "The time that nineteen in twenty runs keep within.",
        ("histogram_quantile(0.95, sum by (instance, target, job_name, le)"
         " (rate(runbook_job_duration_seconds_bucket{$match}[$__rate_interval])))",
         "{{instance}} {{target}} {{job_name}}"),
        unit="s", empty="no run has ended a moment ago",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="log",
    title="Logs",
    text="What applications write to their logs: errors, events, and the runs of jobs.",
    presence="runbook_log_read_behind_bytes",
    variables=(Variable("log", "Log", "runbook_log_read_behind_bytes"),),
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL), Row("Jobs", RUNS)],
)
