"""The dashboard of probes: whether what is looked at from outside answers, how soon, and what it says of itself."""

from typing import Final

from grafana.declare import UP_DOWN, YES_NO, Column, Dashboard, Panel, Row, firing, lines, signal, stat, table

EACH: Final = "{{instance}} {{target}}"
NAMES: Final = {"instance": "Instance", "target": "Target"}
_BY: Final = "by (instance, target)"
_NONE: Final = "nothing is probed"
_NO_HTTP: Final = "nothing is probed over HTTP"
_NO_WEBSOCKET: Final = "no WebSocket is probed"
_NO_REPORT: Final = "no target has a `report`"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Well now", "Whether the last probe went as it should.", f"min {_BY} (probe_success{{$match}})", EACH,
         unit="none", states=UP_DOWN, empty=_NONE, width=16),
    table(
        "Targets", "Each target: how much of the last day it was well, and what the last probe saw.",
        NAMES,
        Column("Available", f"min {_BY} (runbook:availability:ratio{{$match}})", "percentunit"),
        Column("Well", f"min {_BY} (probe_success{{$match}})", "bool_yes_no"),
        Column("Took", f"max {_BY} (probe_duration_seconds{{$match}})", "s"),
        Column("Critical", f"max {_BY} (runbook_target_critical{{$match}} and on (job, instance, target)"
               " probe_success{$match})", "bool_yes_no"),
        Column("Status", f"max {_BY} (probe_http_status_code{{$match}})", "none"),
        Column("By TLS", f"max {_BY} (probe_http_ssl{{$match}})", "bool_yes_no"),
        empty=_NONE,
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal("Endpoints", "Whether each endpoint answers as it should: HTTP, name servers, hosts, WebSockets, pages.",
           "EndpointDown", legend=EACH, unit="none", states=UP_DOWN, empty="no endpoint is probed"),
    signal("Ports", "Whether each port answers as it should.", "PortClosed", legend=EACH, unit="none", states=UP_DOWN,
           empty="no port is probed"),
    signal("Response times of APIs", "What half of the probes of the last minutes took at least.",
           "APIResponseOverTarget", "APIResponseOverMaximum", legend=EACH, empty="no target has `purpose: api`"),
    signal("Failures of WebSockets", "Of the connections of a quarter of an hour, how many failed; not there where"
           " none has failed for a while, or only once.",
           "WebSocketUnstable", legend=EACH, top=1, empty="no WebSocket has failed of late"),
    signal("Logins", "Whether logging in works.", "LoginFailing", legend=EACH, width=8, unit="none", states=UP_DOWN,
           empty="no target has `purpose: login`"),
    signal("Guards", "Whether what should guard the application is in place; not there where nothing answers, or an"
           " error of the server.",
           "SecurityCheckFailed", legend=EACH, width=8, unit="none", states=YES_NO,
           empty="no target has `purpose: security`"),
    signal("HTTPS where it is meant", "Whether the answer came by HTTPS.", "PlainHTTPServed", legend=EACH, width=8,
           unit="none", states=YES_NO, empty="no target means HTTPS"),
    signal("Reports that say critical", "Whether the health report calls the whole critical.", "HealthCritical",
           legend=EACH, width=8, unit="none", states={"0": ("no", "green"), "1": ("critical", "red")},
           empty=_NO_REPORT),
    signal("Reports that say degraded", "Whether the health report calls the whole degraded, by a word that is not"
           " known, or healthy above checks that are not.",
           "HealthDegraded", legend=f"{EACH} {{{{status}}}}", width=8, unit="none",
           states={"0": ("no", "green"), "1": ("yes", "orange")}, empty=_NO_REPORT),
    signal("Age of health reports", "How far each report was from the time when it was read, by its own account.",
           "HealthReportStale", legend=f"{EACH} {{{{when}}}}", width=8, empty="no report says when it was made"),
]  # fmt: skip

TIMES: Final[list[Panel]] = [
    lines("Probes", "How long each probe took, also where it failed.",
          (f"max {_BY} (probe_duration_seconds{{$match}})", EACH), empty=_NONE),
    lines("Availability", "Of the day before each moment, how much it was well.",
          (f"min {_BY} (runbook:availability:ratio{{$match}})", EACH), top=1, empty=_NONE),
    lines("Phases over HTTP", "Where the time went, added up over redirects and steps.",
          (f"max {_BY.replace(')', ', phase)')} (probe_http_duration_seconds{{$match}})", f"{EACH} {{{{phase}}}}"),
          empty=_NO_HTTP),
    lines("Steps of chains", "How long each step of a chain took.",
          ("runbook_http_step_duration_seconds{$match}", f"{EACH} {{{{step}}}}"), empty="no target has `steps`"),
    lines("Phases of WebSockets", "Where the time went.",
          ("runbook_websocket_duration_seconds{$match}", f"{EACH} {{{{phase}}}}"), empty=_NO_WEBSOCKET),
    lines("Phases over TCP", "Where the time went.",
          ("runbook_probe_tcp_duration_seconds{$match}", f"{EACH} {{{{phase}}}}"), empty="no port is probed"),
    lines("Name servers", "How long each phase of asking a name server took.",
          ("probe_dns_duration_seconds{$match}", f"{EACH} {{{{phase}}}}"), empty="no name server is probed"),
    lines("Way there and back", "How long the echo of a ping took.",
          ('probe_icmp_duration_seconds{$match, phase="rtt"}', EACH), empty="no host is pinged"),
    lines("Look-up of names", "How long the name of each host took to look up.",
          ("probe_dns_lookup_time_seconds{$match}", EACH), empty="no host has a name"),
]  # fmt: skip

ANSWERS: Final[list[Panel]] = [
    lines("Status over HTTP", "The status of the last answer; 0 where none came.",
          ("probe_http_status_code{$match}", EACH), unit="none", empty=_NO_HTTP),
    lines("Length of answers", "The length of each body, decompressed.",
          ("probe_http_uncompressed_body_length{$match}", EACH), unit="bytes", empty=_NO_HTTP),
    lines("Phases of WebSockets that worked", "How far each came; a phase that was not reached is not there.",
          ("runbook_websocket_phase_success{$match}", f"{EACH} {{{{phase}}}}"), unit="none", states=YES_NO,
          empty=_NO_WEBSOCKET),
    lines("Failed by a pattern", "Whether the answer came, and was not what is expected.",
          ("probe_failed_due_to_regex{$match}", EACH), unit="none", states={"0": ("no", "green"), "1": ("yes", "red")},
          empty="nothing is expected by a pattern"),
]  # fmt: skip

REPORTS: Final[list[Panel]] = [
    lines("Checks by status", "How many checks each report has.",
          ("runbook_health_checks{$match}", f"{EACH} {{{{status}}}}"), unit="none", empty=_NO_REPORT),
    lines("Checks", "Whether each check is well, by its report.",
          ("runbook_health_check_healthy{$match}", f"{EACH} {{{{check}}}}"), unit="none", states=YES_NO,
          empty="no report names its checks"),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="probe",
    title="Availability and latency",
    text="What is looked at from outside: whether it answers, how soon, and what it says of its own health.",
    presence="probe_success",
    rows=[
        Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("Where the time goes", TIMES),
        Row("What is answered", ANSWERS), Row("Health reports", REPORTS),
    ],
)  # fmt: skip
