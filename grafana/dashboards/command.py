"""The dashboard of commands and prerequisites, and of values that are taken from JSON."""

from typing import Final

from grafana.declare import QUIET, YES_NO, Column, Dashboard, Panel, Row, firing, lines, signal, stat, table

COMMAND: Final = "{{instance}} {{target}} {{command}}"
NAME: Final = "{{instance}} {{target}} {{name}}"
_COMMANDS: Final = {"instance": "Instance", "target": "Target", "command": "Command", "role": "Role"}
_BY: Final = "by (instance, target, command, role)"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Commands that failed", "Commands whose last run did not succeed, whatever they are for.",
        "sum by (instance, target) (runbook_command_success{$match} == bool 0)", "{{instance}} {{target}}",
        unit="none", states=QUIET, empty="no commands",
    ),
    stat(
        "Prerequisites missing", "Programs that are needed and will not do.",
        "sum by (instance, target) (runbook_prerequisite_ok{$match} == bool 0)", "{{instance}} {{target}}",
        unit="none", states=QUIET, empty="none are named",
    ),
    table(
        "Commands", "Every command, the slowest first: how its last run ended, and when one last succeeded.", _COMMANDS,
        Column("Took", f"max {_BY} (runbook_command_duration_seconds{{$match}})", "s"),
        Column("May take", f"max {_BY} (runbook_command_timeout_seconds{{$match}})", "s"),
        Column("Exit status", f"max {_BY} (runbook_command_exit_status{{$match}})", "none"),
        Column("Last run", f"max {_BY} (runbook_command_last_run_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        Column("Last success", f"max {_BY} (runbook_command_last_success_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        height=8, empty="no commands are configured",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Prerequisites", "Whether each program that is needed is there, new enough, and starts.",
        "PrerequisiteMissing", legend=NAME, states=YES_NO, empty="no prerequisites are named",
    ),
    signal(
        "Pipeline tests", "Whether the last run of each test of a whole pipeline succeeded, and in time.",
        "PipelineTestFailed", legend=COMMAND, states=YES_NO, empty="no command has the role pipeline_test",
    ),
    signal(
        "Migrations applied", "Whether the last look found every migration applied.",
        "MigrationsPending", legend=COMMAND, states=YES_NO, empty="no command has the role migrations",
    ),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
    lines(
        "Time of the last run", "How long each command took. A flat line at its timeout: it was killed.",
        ("runbook_command_duration_seconds{$match}", COMMAND), empty="no commands are configured",
    ),
    lines(
        "Time of the last run against its timeout", "At 1 the command is killed.",
        ("runbook_command_duration_seconds{$match}"
         " / on (job, instance, target, command) runbook_command_timeout_seconds{$match}", COMMAND),
        unit="percentunit", top=1, empty="no commands are configured",
    ),
    table(
        "Versions", "What the programs that are needed say of themselves.",
        {"instance": "Instance", "target": "Target", "name": "Program", "version": "Version"},
        Column("There", "max by (instance, target, name, version) (runbook_prerequisite_info{$match})", "none"),
        width=12, height=8, empty="no prerequisites are named",
    ),
    lines(
        "Values missing from JSON", "Of the metrics that the configuration takes from JSON, by name: how many values"
        " were null or not there. A line that rises: the document has changed.",
        ("runbook_mapped_values_missing{$match}", "{{instance}} {{target}} {{metric}}"), unit="none",
        empty="no JSON is mapped",
    ),
    lines(
        "Age of files with JSON", "How long ago each file was written that values are taken from.",
        ("time() - runbook_json_file_modified_timestamp_seconds{$match}", "{{instance}} {{target}}"), unit="s",
        empty="no JSON is read from a file",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="command",
    title="Commands and JSON",
    text="What the exporter runs itself, what must be installed, and values that it takes from JSON.",
    presence='runbook_target_up{collector=~"command|json"}',
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
