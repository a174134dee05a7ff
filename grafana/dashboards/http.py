"""The dashboard of requests: of applications with /metrics of their own, and of those counted in an access log.

It asks for recorded signals alone, since libraries call the labels of status and endpoint differently.
"""

from typing import Final

from grafana.declare import Column, Dashboard, Panel, Row, Variable, firing, lines, signal, stat, table

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
        "runbook:http_request_duration:seconds{$own}", TARGET, unit="s", empty="no times: the log's format has none",
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
        "Time of 95% of the requests", f"What 19 of 20 requests take at most, by application. {_LOOKS_BACK}",
        "SlowResponse", legend=TARGET, empty="no times: the log's format has none",
    ),
    signal(
        "Gateway timeouts", "Answers with 504: the proxy gave up waiting for the application. Of the last quarter of an"
        " hour.",
        "GatewayTimeouts", legend=TARGET, empty="none",
    ),
    lines(
        "Refused as too large", "Answers with 413. A proxy that allows less than the application"
        " (`client_max_body_size`) refuses what the application would take. Of the last quarter of an hour.",
        ("runbook:http_too_large:count{$own}", TARGET), empty="none",
    ),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
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
        "Errors by endpoint", f"Answers with 5xx a second. {_LOOKS_BACK}",
        (f"sum by (instance, target, endpoint, status_code) (runbook:http_requests:count{_FAILED}) {_SECOND}",
         f"{ENDPOINT} {{{{status_code}}}}"), unit="reqps", empty="none",
    ),
    lines(
        "Refusals by endpoint", "Answers with 4xx a second: not found, not allowed, too many. Many of `other` are often"
        f" a scanner's. {_LOOKS_BACK}",
        (f"sum by (instance, target, endpoint, status_code) (runbook:http_requests:count{_REFUSED}) {_SECOND}",
         f"{ENDPOINT} {{{{status_code}}}}"), unit="reqps", empty="none",
    ),
    lines(
        "Time by endpoint", f"What 95% of the requests to each endpoint take at most. {_LOOKS_BACK}",
        (f"runbook:http_endpoint_duration:seconds{_OF}", ENDPOINT), empty="no times: the log's format has none",
    ),
    lines(
        "Times of requests", f"What half, 95% and 99% of the requests take at most. {_LOOKS_BACK}",
        (_quantile("0.5"), f"{TARGET} half"), (_quantile("0.95"), f"{TARGET} 95%"),
        (_quantile("0.99"), f"{TARGET} 99%"),
        unit="s", empty="no times: the log's format has none",
    ),
    lines(
        "Requests by method", f"Requests a second. {_LOOKS_BACK}",
        (f"sum by (instance, target, method) (runbook:http_requests:count{_OF}) {_SECOND}", f"{TARGET} {{{{method}}}}"),
        unit="reqps", stacked=True,
    ),
    lines(
        "Endpoints with series of their own", "Endpoints in the access log that no route names, and how many of them"
        " may have series. Once that is reached, new ones are `other`: name them as routes.",
        ("runbook_log_access_endpoints{$match}", TARGET),
        ("runbook_log_access_endpoints_limit{$match}", f"{TARGET} limit"), empty="no access log is counted",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="http",
    title="Requests",
    text="What applications are asked for: how much, how fast, with how many errors, and which endpoints.",
    presence="runbook:http_requests:count",
    matchers="$own",
    variables=(Variable("endpoint", "Endpoint", "runbook:http_requests:count"),),
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
