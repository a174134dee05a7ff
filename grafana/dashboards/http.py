"""The dashboard of requests: of applications with /metrics of their own, and of those counted in an access log.

Of requests it asks for recorded signals alone, since libraries call metrics and labels differently. Its rows are the
four golden signals: traffic, errors, latency, saturation.
"""

from typing import Final

from grafana.declare import Column, Dashboard, Mark, Panel, Row, Variable, firing, lines, signal, stat, table

OF: Final = 'endpoint=~"$endpoint"'
TARGET: Final = "{{instance}} {{target}}"
ENDPOINT: Final = "{{instance}} {{target}} {{endpoint}}"
NAMES: Final = {"instance": "Instance", "target": "Target", "endpoint": "Endpoint"}
_BY: Final = "by (instance, target, endpoint)"
_OF: Final = f"{{$own, {OF}}}"
_FAILED: Final = f'{{$own, {OF}, status_code=~"5.."}}'
_REFUSED: Final = f'{{$own, {OF}, status_code=~"4.."}}'
_SECOND: Final = "/ 300"  # the signals count what came in five minutes
_LOOKS_BACK: Final = "Of the last five minutes."
_NO_TIMES: Final = "no times: the log's format has none"
_NO_PROCESS: Final = "no /metrics of an application's own"
# the exporter's own process is none of the applications that it counts the requests of
_OF_APPLICATIONS: Final = "and on (job, instance, target) runbook:http_traffic:count{$own}"


def _quantile(share: str) -> str:
    return (
        f"histogram_quantile({share}, sum by (instance, target, le) (runbook:http_request_duration_buckets:count{_OF}))"
    )


GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Requests a second", f"How many requests are answered. {_LOOKS_BACK}",
        f"sum by (instance, target) (runbook:http_requests:count{{$own}}) {_SECOND}", TARGET, unit="reqps",
    ),
    stat(
        "Requests that failed", f"How many requests ended with an error of the server. {_LOOKS_BACK}",
        "runbook:http_errors:count{$own}", TARGET, unit="none", states={"0": ("none", "green")},
    ),
    stat(
        "Time of 19 in 20", f"What 95% of the requests take at most. {_LOOKS_BACK}",
        "runbook:http_request_duration:seconds{$own}", TARGET, unit="s", empty=_NO_TIMES,
    ),
    table(
        "Endpoints",
        "Every endpoint, the one that is asked for most first. `other` is what has no series of its own."
        f" {_LOOKS_BACK}",
        NAMES,
        Column("Requests a second", f"sum {_BY} (runbook:http_requests:count{_OF}) {_SECOND}", "reqps"),
        Column("Failed", f"sum {_BY} (runbook:http_requests:count{_FAILED})"
               f" / (sum {_BY} (runbook:http_requests:count{_OF}) > 0)", "percentunit"),
        Column("Refused", f"sum {_BY} (runbook:http_requests:count{_REFUSED})"
               f" / (sum {_BY} (runbook:http_requests:count{_OF}) > 0)", "percentunit"),
        Column("Time of 19 in 20", f"max {_BY} (runbook:http_endpoint_duration:seconds{_OF})", "s"),
        height=9, empty="nothing was asked for",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Share of requests that fail", "Answers with 5xx among all. No line where only one or two failed: that is no"
        f" rate. {_LOOKS_BACK}",
        "HighErrorRate", legend=TARGET, top=1, empty="nothing was asked for",
    ),
    signal(
        "Time of 95% of the requests", "What 19 of 20 requests take at most, by application. Single endpoints that the"
        f" panel beside tells of are not in it, unless most of the requests are theirs. {_LOOKS_BACK}",
        "SlowResponse", legend=TARGET, empty=_NO_TIMES,
    ),
    signal(
        "Time by endpoint", f"What 95% of the requests to each endpoint take at most. {_LOOKS_BACK}",
        "APIHighLatency", legend=ENDPOINT, within=OF, empty=_NO_TIMES,
    ),
    signal(
        "Time of searches", "What 95% of the requests take at most to endpoints that have `search` in their names."
        f" {_LOOKS_BACK}",
        "SearchLatencyHigh", legend=ENDPOINT, within=OF, empty="no endpoint is called search",
    ),
    signal(
        "Requests, as a share of what is usual", "The last hour beside the same hour of the days before: more than is"
        " usual, and less. It is known after four days, and where enough requests come.",
        "TrafficUnusual", legend=TARGET, empty="not known, or too few requests",
    ),
    signal(
        "Gateway timeouts", "Answers with 504: the proxy gave up waiting for the application. Of the last quarter of an"
        " hour.",
        "GatewayTimeouts", legend=TARGET, empty="none",
    ),
    signal(
        "Against what is aimed at", "How far pages, what they load, searches and the work of applications are from what"
        " is aimed at, where less is better: it is stricter than what alerts of their own allow.",
        "PerformanceTargetMissed", legend="{{instance}} {{target}} {{kind}} {{endpoint}}",
        empty="no page has a budget, nothing is searched",
    ),
]  # fmt: skip

TRAFFIC: Final[list[Panel]] = [
    lines(
        "Requests by endpoint", f"Requests a second. {_LOOKS_BACK}",
        (f"sum {_BY} (runbook:http_requests:count{_OF}) {_SECOND}", ENDPOINT), unit="reqps", stacked=True,
    ),
    lines(
        "Requests by status", f"Requests a second. {_LOOKS_BACK}",
        (f"sum by (instance, target, status_code) (runbook:http_requests:count{_OF}) {_SECOND}",
         f"{TARGET} {{{{status_code}}}}"), unit="reqps", stacked=True,
    ),
    lines(
        "Requests by method", f"Requests a second. {_LOOKS_BACK}",
        (f"sum by (instance, target, method) (runbook:http_requests:count{_OF}) {_SECOND}", f"{TARGET} {{{{method}}}}"),
        unit="reqps", stacked=True,
    ),
    lines(
        "Requests beside those of a week ago", "Requests a second, of the last hour, beside the same hour of most days"
        " and of a week ago.",
        (f"runbook:http_traffic_hour:count{{$own}} {_SECOND}", TARGET),
        (f"runbook:http_traffic_usual:count{{$own}} {_SECOND}", f"{TARGET} most days"),
        (f'runbook:http_traffic_day:count{{$own, day="7"}} {_SECOND}', f"{TARGET} a week ago"),
        unit="reqps", empty="not known for an hour yet",
    ),
    lines(
        "Requests to what is deprecated", "Requests a second to operations that the application's own description"
        f" (openapi.json) calls deprecated: while somebody asks for them, they cannot be removed. {_LOOKS_BACK}",
        (f"sum by (instance, target, method, endpoint) (runbook:http_deprecated_requests:count{_OF}) {_SECOND}",
         f"{TARGET} {{{{method}}}} {{{{endpoint}}}}"), unit="reqps", empty="nothing is known to be deprecated",
    ),
    lines(
        "Endpoints with series of their own", "Endpoints in the access log that no route names, and how many of them"
        " may have series. Once that is reached, new ones are `other`: name them as routes.",
        ("runbook_log_access_endpoints{$match}", TARGET),
        ("runbook_log_access_endpoints_limit{$match}", f"{TARGET} limit"), empty="no access log is counted",
    ),
]  # fmt: skip

ERRORS: Final[list[Panel]] = [
    lines(
        "Errors by endpoint", f"Answers with 5xx a second. {_LOOKS_BACK}",
        (f"sum by (instance, target, endpoint, status_code) (runbook:http_requests:count{_FAILED}) {_SECOND}",
         f"{ENDPOINT} {{{{status_code}}}}"), unit="reqps", empty="none",
    ),
    lines(
        "Share of errors by version", "Answers with 5xx among all, by the version that runs: one that is worse than the"
        f" one before is put back. {_LOOKS_BACK}",
        ("runbook:http_version_errors:ratio{$own}", f"{TARGET} {{{{version}}}}"), top=1,
        empty="no version is known: docs/application.md says how it becomes known",
    ),
    lines(
        "Refusals by endpoint", "Answers with 4xx a second: not found, not allowed, too many. Many of `other` are often"
        f" a scanner's. {_LOOKS_BACK}",
        (f"sum by (instance, target, endpoint, status_code) (runbook:http_requests:count{_REFUSED}) {_SECOND}",
         f"{ENDPOINT} {{{{status_code}}}}"), unit="reqps", empty="none",
    ),
    lines(
        "Refused as too large", "Answers with 413. A proxy that allows less than the application"
        " (`client_max_body_size`) refuses what the application would take. Of the last quarter of an hour.",
        ("runbook:http_too_large:count{$own}", TARGET), empty="none",
    ),
]  # fmt: skip

LATENCY: Final[list[Panel]] = [
    lines(
        "Times of requests", f"What half, 95% and 99% of all requests take at most. {_LOOKS_BACK}",
        (_quantile("0.5"), f"{TARGET} half"), (_quantile("0.95"), f"{TARGET} 95%"),
        (_quantile("0.99"), f"{TARGET} 99%"),
        unit="s", empty=_NO_TIMES,
    ),
    lines(
        "Share of requests to slow endpoints", "How many of the requests go to endpoints that are slow by themselves."
        f" Where it is most of them, the application is slow as a whole. {_LOOKS_BACK}",
        ("runbook:http_slow_requests:ratio{$own}", TARGET), top=1, empty="none is slow",
    ),
]  # fmt: skip

SATURATION: Final[list[Panel]] = [
    lines(
        "Requests at work", "How many requests are worked on at once, on average: as many as workers or threads means"
        f" that others wait. {_LOOKS_BACK}",
        ("runbook:http_requests_at_work:count{$own}", TARGET), empty=_NO_TIMES,
    ),
    lines(
        "Processor time", "Of the application's process, where its own /metrics tell: 100% is one core, which is all"
        " that one process of Python or Node can use.",
        (f"rate(process_cpu_seconds_total{{$own}}[$__rate_interval]) {_OF_APPLICATIONS}", TARGET), unit="percentunit",
        empty=_NO_PROCESS,
    ),
    lines(
        "Memory", "Of the application's process, where its own /metrics tell.",
        (f"process_resident_memory_bytes{{$own}} {_OF_APPLICATIONS}", TARGET), unit="bytes", empty=_NO_PROCESS,
    ),
    lines(
        "Open files and connections", "Of those that the application's process may have open.",
        (f"process_open_fds{{$own}} / on (job, instance, target) (process_max_fds{{$own}} > 0) {_OF_APPLICATIONS}",
         TARGET), unit="percentunit", top=1, empty=_NO_PROCESS,
    ),
]  # fmt: skip

# a version is marked for as long as the signals look back, and not where none was known before
RELEASES: Final = Mark(
    "Versions",
    "runbook:http_version:known{$own} unless on (job, instance, target, version) runbook:http_version:known{$own}"
    " offset 5m and on (job, instance, target) runbook:http_version:known{$own} offset 5m",
    "blue",
)

DASHBOARD: Final = Dashboard(
    area="http",
    title="Requests",
    text="What applications are asked for: how much, how fast, with how many errors, and which endpoints.",
    presence="runbook:http_requests:count",
    matchers="$own",
    variables=(Variable("endpoint", "Endpoint", "runbook:http_requests:count"),),
    rows=[
        Row("At a glance", GLANCE),
        Row("What alerts watch", WATCHED),
        Row("Traffic", TRAFFIC),
        Row("Errors", ERRORS),
        Row("Latency", LATENCY),
        Row("Saturation", SATURATION),
    ],
    marks=[RELEASES],
)
