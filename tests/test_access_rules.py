"""The rules of requests over an application's own /metrics, whatever its library calls status and endpoint."""

from pathlib import Path

import pytest

from tests.requestrules import Looks, promtool

APP = 'job="app",instance="app:8000"'
ERRORS = [
    'method="GET",endpoint="/orders",status_code="500"',
    'method="GET",handler="/orders",status="5xx"',
    'method="GET",route="/orders",status="503"',
    'code="500",method="get"',
]
EXPECTED = {
    "exp_labels": {"job": "app", "instance": "app:8000", "priority": "P1", "severity": "critical"},
    "exp_annotations": {
        "summary": "Many requests fail with an error of the server.",
        "description": "10% of the requests to app fail with an error of the server (instance app:8000).",
        "runbook_url": "http://localhost:10420/runbooks/HighErrorRate",
    },
}


@pytest.mark.parametrize("labels", ERRORS)
def test_errors_count_under_every_name(tmp_path: Path, labels: str) -> None:
    well = labels.replace("500", "200").replace("5xx", "2xx").replace("503", "201")
    series = {f"http_requests_total{{{APP},{well}}}": "0+90x40", f"http_requests_total{{{APP},{labels}}}": "0+10x40"}
    looks: Looks = [
        {"alertname": "HighErrorRate", "eval_time": "0s"},
        {"alertname": "HighErrorRate", "eval_time": "5m", "exp_alerts": [EXPECTED]},
    ]
    promtool(tmp_path, series, alert_rule_test=looks)


@pytest.mark.parametrize("labels", ERRORS)
def test_what_an_application_counted_before_prometheus_came_is_not_of_now(tmp_path: Path, labels: str) -> None:
    times = f'http_request_duration_seconds_bucket{{{APP},endpoint="/",le='
    series = {
        f"http_requests_total{{{APP},{labels}}}": "_x4 5000x60",
        f'http_requests_total{{{APP},endpoint="/",status_code="504"}}': "_x4 7x60",
        f'{times}"0.5"}}': "_x4 100x60",
        f'{times}"+Inf"}}': "_x4 500x60",
    }
    looks: Looks = [
        {"alertname": name, "eval_time": f"{seconds}s"}
        for name in ("HighErrorRate", "SlowResponse", "GatewayTimeouts")
        for seconds in range(0, 900, 15)
    ]
    promtool(tmp_path, series, alert_rule_test=looks)


def test_status_and_endpoint_have_one_name_in_the_signals(tmp_path: Path) -> None:
    series = {
        f'http_requests_total{{{APP},method="GET",handler="/a",status="2xx"}}': "0+30x40",
        f'http_request_duration_seconds_bucket{{{APP},handler="/a",le="0.5"}}': "0+30x40",
        f'http_request_duration_seconds_bucket{{{APP},handler="/a",le="+Inf"}}': "0+30x40",
    }
    count, slow = 'runbook:http_requests:count{endpoint="/a"}', 'runbook:http_endpoint_duration:seconds{endpoint="/a"}'
    signals = [
        (f"{count} * 0 + 1", f'{{{APP},method="GET",endpoint="/a",status_code="2xx"}}', 1),
        (slow, f'runbook:http_endpoint_duration:seconds{{{APP},endpoint="/a"}}', 0.475),
    ]
    looks: Looks = [
        {"expr": expr, "eval_time": "10m", "exp_samples": [{"labels": labels, "value": value}]}
        for expr, labels, value in signals
    ]
    promtool(tmp_path, series, promql_expr_test=looks)


def test_an_application_that_begins_anew_counts_on(tmp_path: Path) -> None:
    """Its counters start at 0, and those of errors with the first error; the errors of before are still of now."""
    series = {
        f'http_requests_total{{{APP},endpoint="/",status_code="200"}}': "0+10x20 0+10x40",
        f'http_requests_total{{{APP},endpoint="/",status_code="500"}}': "0x16 4 4 4 4 stale _x9 3x40",
    }
    count = 'sum(runbook:http_requests:count{status_code="500"})'
    looks: Looks = [
        {"expr": count, "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": 4}]},
        {"expr": count, "eval_time": "8m", "exp_samples": [{"labels": "{}", "value": 7}]},
    ]
    promtool(tmp_path, series, promql_expr_test=looks)
