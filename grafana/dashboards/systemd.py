"""The dashboard of systemd: units that have failed, services that are started again and again, timers."""

from typing import Final

from grafana.declare import QUIET, YES_NO, Column, Dashboard, Panel, Row, States, firing, lines, signal, stat, table

EACH: Final = "{{instance}} {{target}}"
UNIT: Final = f"{EACH} {{{{name}}}}"
FAILED: Final[States] = {"0": ("no", "green"), "1": ("failed", "red")}
NAMES: Final = {"instance": "Instance", "target": "Target", "name": "Unit"}
_BY: Final = "by (instance, target)"
_BY_UNIT: Final = "by (instance, target, name)"
_NONE: Final = "no systemd is watched"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("All is well", "Whether the system is up and nothing has failed, by its own word.",
         f"min {_BY} (node_systemd_system_running{{$match}})", EACH, unit="none", states=YES_NO, empty=_NONE),
    stat("Failed units", "Units that have failed, those that are left out too.",
         f'sum {_BY} (node_systemd_units{{$match, state="failed"}})', EACH, unit="none", states=QUIET, empty=_NONE),
    stat("Restarts", "Services that were started again by systemd within the last hour.",
         f"sum {_BY} (runbook:systemd_restarts_hour:count{{$match}})", EACH, unit="none", states=QUIET, empty=_NONE),
    stat("Version", "The version of systemd.", f"max {_BY} (node_systemd_version{{$match}})", EACH, unit="none",
         empty=_NONE),
    table(
        "Services", "Every service, the one that was started again most often first.",
        NAMES,
        Column("Restarts in the last hour", f"max {_BY_UNIT} (runbook:systemd_restarts_hour:count{{$match}})", "none"),
        Column("In what is shown", f"max {_BY_UNIT} (increase(node_systemd_service_restart_total{{$match}}[$__range]))",
               "short"),
        Column("Active since", f'max {_BY_UNIT} (node_systemd_unit_start_time_seconds{{$match, name=~".+[.]service"}}'
               " > 0) * 1000", "dateTimeFromNow"),
        height=8, empty=_NONE,
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal("Failed", "Whether each unit has failed.", "SystemdUnitFailed", legend=UNIT, unit="none", states=FAILED,
           empty=_NONE),
    signal("Started again", "How often systemd has started each service again within the last hour.",
           "ServiceRestarting", legend=UNIT, empty=_NONE),
]  # fmt: skip

UNITS: Final[list[Panel]] = [
    lines("Units by state", "How many units are in each state.",
          ("node_systemd_units{$match}", f"{EACH} {{{{state}}}}"), unit="short", stacked=True, empty=_NONE),
    lines("Since timers ran", "How long ago each timer's job was last begun.",
          ("time() - (node_systemd_timer_last_trigger_seconds{$match} > 0)", UNIT), unit="s",
          empty="no timer has elapsed yet"),
    lines("Connections of sockets", "Connections that socket units hold open.",
          ("node_systemd_socket_current_connections{$match}", UNIT), unit="short", empty="no socket unit is there"),
    lines("Connections taken", "Connections that socket units accept.",
          (f"sum {_BY_UNIT} (rate(node_systemd_socket_accepted_connections_total{{$match}}[$__rate_interval]))", UNIT),
          empty="no socket unit is there"),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="systemd",
    title="systemd",
    text="Units of systemd: those that failed, services that are started again and again, timers, sockets.",
    presence="node_systemd_units",
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("Units", UNITS)],
)  # fmt: skip
