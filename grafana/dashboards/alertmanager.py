"""The dashboard of incidents: what fires, who has answered, what lasts too long."""

from typing import Final

from grafana.declare import (
    QUIET,
    UP_DOWN,
    YES_NO,
    Column,
    Dashboard,
    Panel,
    Row,
    Variable,
    firing,
    lines,
    signal,
    stat,
    table,
)

OF: Final = 'priority=~"$priority"'
_OF: Final = f"{{$match, {OF}}}"
_ACTIVE: Final = f'{{$match, {OF}, state="active"}}'
_LASTING: Final = f'{{$match, {OF}, state=~"active|silenced"}}'
_NAMES: Final = {"instance": "Instance", "target": "Target", "alertname": "Alert", "priority": "Priority"}
_BY_NAME: Final = "by (instance, target, alertname, priority)"
_BY_STATE: Final = "by (instance, target, alertname, priority, state)"
_PRIORITY: Final = "{{target}} {{priority}}"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Waiting for an answer", "Alerts that people are told of and that nobody has silenced, by priority.",
        f"sum by (instance, target, priority) (runbook_incident_alerts{_ACTIVE})", _PRIORITY, unit="none",
        states=QUIET, empty="nothing waits",
    ),
    stat(
        "Not solved", "Alerts that fire, answered or not, by priority: without what was planned, and what another"
        " alert explains.",
        f"sum by (instance, target, priority) (runbook_incident_alerts{_LASTING})", _PRIORITY, unit="none",
        states=QUIET, empty="nothing fires",
    ),
    stat(
        "Alertmanager answers", "Whether its API could be asked.",
        'runbook_target_up{$match, collector="alertmanager"}', "{{instance}} {{target}}", unit="none", states=UP_DOWN,
    ),
    stat(
        "Cluster has settled", "Whether its members have found each other; one that runs alone has no cluster.",
        "runbook_alertmanager_cluster_ready{$match}", "{{instance}} {{target}}", unit="none", states=YES_NO,
        empty="it runs alone",
    ),
    table(
        "Waiting, by alert", "What nobody has answered, that which waits longest last. The time runs since it began, or"
        " since its last silence was over.",
        _NAMES,
        Column("Waits since", f"min {_BY_NAME} (runbook_incident_unanswered_timestamp_seconds{_OF}) * 1000",
               "dateTimeFromNow"),
        Column("Alerts", f"sum {_BY_NAME} (runbook_incident_alerts{_ACTIVE})", "none"),
        width=12, height=8, empty="nothing waits",
    ),
    table(
        "Everything that fires", "What fires, and what became of it: `planned` was silenced before it began.",
        {**_NAMES, "state": "State"},
        Column("Fires since", f"min {_BY_STATE} (runbook_incident_start_timestamp_seconds{_OF}) * 1000",
               "dateTimeFromNow"),
        Column("Alerts", f"sum {_BY_STATE} (runbook_incident_alerts{_OF})", "none"),
        width=12, height=8, empty="nothing fires",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Time without an answer", "How long each incident has waited for somebody to silence it. Each priority has a"
        " line of its own.",
        "IncidentResponseOverdue", legend="{{target}} {{incident}}", empty="nothing waits",
    ),
    signal(
        "Time without a solution", "How long each incident has lasted, silenced or not. Each priority has a line of its"
        " own; P3 has none.",
        "IncidentResolutionOverdue", legend="{{target}} {{incident}}", empty="nothing lasts",
    ),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
    lines(
        "Alerts by state", "How many alerts are told to people, silenced, planned, inhibited or muted.",
        (f"sum by (instance, target, state) (runbook_incident_alerts{_OF})", "{{target}} {{state}}"),
        stacked=True, empty="nothing fires",
    ),
    lines(
        "Alerts by priority", "How many alerts of each priority fire; `none` is what other rules brought.",
        (f"sum by (instance, target, priority) (runbook_incident_alerts{_OF})", _PRIORITY),
        stacked=True, empty="nothing fires",
    ),
    lines(
        "Members of the cluster", "How many members each Alertmanager knows, itself among them.",
        ("runbook_alertmanager_cluster_members{$match}", "{{instance}} {{target}}"), empty="it runs alone",
    ),
    table(
        "Alertmanagers", "Which version runs, and since when.",
        {"instance": "Instance", "target": "Target", "version": "Version"},
        Column("Running since", "max by (instance, target, version) (runbook_alertmanager_info{$match}"
               " * on (job, instance, target) group_left ()"
               " runbook_alertmanager_start_timestamp_seconds{$match}) * 1000",
               "dateTimeFromNow"),
        width=12, height=8,
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="alertmanager",
    title="Incidents",
    text="What fires, who has answered, and what lasts longer than its priority allows.",
    presence="runbook_alertmanager_info",
    variables=(Variable("priority", "Priority", "runbook_incident_alerts"),),
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
