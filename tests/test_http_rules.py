"""The rules of requests over the pages of real libraries, whatever they call metrics, status and endpoint."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from exporter.config import INSTALLED, read
from grafana.dashboards.http import RELEASES
from tests.middlewares.running import KINDS, recorded
from tests.onetarget import one
from tests.process import ROOT
from tests.requestrules import Looks, promtool

# how the endpoints of the application are called: a number of an order, of an export, search, refused, broken
PATHS: Final = ("/orders/7", "/exports/7", "/search", "/refused", "/broken")
FASTAPI: Final = ("/orders/{number}", "/exports/{number}", *PATHS[2:])
ENDPOINTS: Final = {
    "guide": PATHS[:-1],  # what an exception ends is not counted
    "mended": FASTAPI,
    "instrumentator": FASTAPI,
    "starlette": FASTAPI,
    "flask": PATHS,
    "flask_rules": ("/orders/<int:number>", "/exports/<int:number>", *PATHS[2:]),
    "django": ("order", "export", "search", "refused", "broken"),
    "bundle": ("/orders/#val", "/exports/#val", *PATHS[2:]),
    "client": ("/orders/:number", "/exports/:number", *PATHS[2:]),
}
ASKED: Final = (6, 1, 1, 1, 1)  # in a round
STATUSES: Final = ("200", "200", "200", "503", "500")
GROUPS: Final = ("http-middlewares", "http", "http-latency", "http-traffic", "http-release", "http-proxy")


def hold(folder: Path, series: Mapping[str, str], looks: Looks) -> None:
    promtool(folder, series, every="30s", order=GROUPS, promql_expr_test=looks)


def look(expr: str, at: str, samples: Mapping[str, float]) -> dict[str, Any]:
    return {"expr": expr, "eval_time": at, "exp_samples": [{"labels": one, "value": samples[one]} for one in samples]}


def growing(kind: str, job: str, steps: int = 30) -> Iterator[tuple[str, str]]:
    """Yield the series of an application that is asked as much at each scrape as when its page was recorded."""
    for family in text_string_to_metric_families(recorded(kind)):
        for name, labels, value, *_ in family.samples:
            its = ",".join(f'{label}="{text}"' for label, text in {"job": job, "instance": "app:1", **labels}.items())
            yield f"{name}{{{its}}}", f"0+{value:g}x{steps}"


def counted(kind: str, job: str) -> Iterator[tuple[str, float]]:
    """Yield how many requests are expected in five minutes, by endpoint and status."""
    for endpoint, asked, status in zip(ENDPOINTS[kind], ASKED, STATUSES, strict=False):
        grouped = f"{status[0]}xx" if kind == "instrumentator" else status
        yield f'{{endpoint="{endpoint}",job="{job}",status_code="{grouped}"}}', asked * 20.0


def test_each_library_is_understood(tmp_path: Path) -> None:
    series = dict(one for kind in KINDS for one in growing(kind, kind))
    # one application, two libraries: the requests are the same, and count once
    series |= dict(one for kind in ("instrumentator", "starlette", "flask") for one in growing(kind, "both"))
    jobs = {**dict(zip(KINDS, KINDS, strict=True)), "both": "instrumentator"}
    asked = 'runbook:http_requests:count{status_code!~"404|4xx",endpoint!~".*metrics.*|none"}'
    requests = f"sum by (job, endpoint, status_code) ({asked})"
    alerts = 'count by (alertname, job, endpoint) (ALERTS{alertstate="firing"})'
    firing = {
        f'{{alertname="{alert}",{place}job="{job}"}}': 1.0
        for job, kind in jobs.items()
        for alert, place in (
            ("HighErrorRate", ""),
            ("APIHighLatency", f'endpoint="{ENDPOINTS[kind][1]}",'),
            ("SearchLatencyHigh", f'endpoint="{ENDPOINTS[kind][2]}",'),
        )
    }
    looks = [
        look(f"round({requests})", "6m", dict(one for job, kind in jobs.items() for one in counted(kind, job))),
        look(alerts, "12m", firing),
        look(
            "count by (job) (runbook:http_requests_at_work:count > 0)", "6m", {f'{{job="{job}"}}': 1.0 for job in jobs}
        ),
    ]
    hold(tmp_path, series, looks)


def test_times_without_a_status_say_nothing_of_errors(tmp_path: Path) -> None:
    count = 'http_request_duration_seconds_count{job="app",instance="a",method="GET",endpoint="/a"}'
    looks = [
        look("sum(runbook:http_requests:count)", "6m", {"{}": 100.0}),
        look("runbook:http_errors:ratio", "6m", {}),
        look("runbook:http_errors:count", "6m", {}),
    ]
    hold(tmp_path, {count: "0+10x20"}, looks)


def test_the_first_label_that_says_something_is_the_endpoint(tmp_path: Path) -> None:
    its = 'job="app",instance="a",method="GET",code="200"'
    series = {
        f'http_requests_total{{{its},route="/a/:id",path="/a/1"}}': "0+10x20",
        f'http_requests_total{{{its},route="/a/:id",path="/a/2"}}': "0+10x20",
        f'http_requests_total{{{its},path="/b"}}': "0+10x20",
        f'http_requests_total{{{its},host="x"}}': "0+10x20",
    }
    by = "sum by (endpoint) (runbook:http_requests:count)"
    hold(
        tmp_path,
        series,
        [look(by, "6m", {'{endpoint="/a/:id"}': 200, '{endpoint="/b"}': 100, '{endpoint="none"}': 100})],
    )


OWN: Final = 'job="shop",instance="shop:8000"'
LOG: Final = 'job="runbook-exporter",instance="e:10420",target="mem"'
JSON: Final = 'job="runbook-exporter",instance="e:10420",target="status"'


def test_errors_are_told_by_version(tmp_path: Path) -> None:
    """By the application's own word, or by that of a target that reads it."""
    series = {
        f'http_requests_total{{{OWN},endpoint="/",status_code="200"}}': "0+9x80",
        f'http_requests_total{{{OWN},endpoint="/",status_code="500"}}': "0+1x80",
        f'runbook_app_info{{{OWN},version="1"}}': "1x20 stale",
        f'runbook_app_info{{{OWN},version="2"}}': "_x21 1x60",
        f'http_requests_total{{{LOG},endpoint="/",status_code="200"}}': "0+8x80",
        f'http_requests_total{{{LOG},endpoint="/",status_code="502"}}': "0+2x80",
        f'runbook_app_info{{{JSON},app="mem",version="v7"}}': "1x20 1x60",
        f'runbook_app_info{{{JSON},app="mem",version="v8"}}': "_x21 _x19 1x60",  # both at once: nobody knows which
        f'runbook_app_info{{{JSON},app="other",version="v9"}}': "1x80",
    }
    ratio = "runbook:http_version_errors:ratio"
    own, log = f'{ratio}{{instance="shop:8000",job="shop",version="%s"}}', f'{ratio}{{{LOG},version="v7"}}'
    marked = RELEASES.expr.replace("{$own}", "")
    hold(tmp_path, series, [
        look(f"count by (version) ({marked})", "9m", {}),
        look(f"count by (version) ({marked})", "12m", {'{version="2"}': 1}),
        look(f"count by (version) ({marked})", "17m", {}),
        look(ratio, "9m", {own % "1": 0.1, log: 0.2}),
        look(ratio, "15m", {own % "2": 0.1, log: 0.2}),
        look(ratio, "25m", {own % "2": 0.1}),
    ])  # fmt: skip


def test_requests_to_what_is_deprecated_are_told(tmp_path: Path) -> None:
    deprecated = f'runbook_app_endpoint_deprecated{{{JSON},app="mem",'
    series = {
        f'http_requests_total{{{LOG},method="GET",endpoint="/a/{{id}}",status_code="200"}}': "0+10x20",
        f'http_requests_total{{{LOG},method="GET",endpoint="/a/{{id}}",status_code="404"}}': "0+10x20",
        f'http_requests_total{{{LOG},method="POST",endpoint="/a/{{id}}",status_code="200"}}': "0+10x20",
        f'http_requests_total{{{LOG},method="GET",endpoint="/b",status_code="200"}}': "0+10x20",
        f'http_requests_total{{{OWN},method="GET",endpoint="/a/{{id}}",status_code="200"}}': "0+10x20",
        f'{deprecated}endpoint="/a/{{id}}",methods="GET PATCH"}}': "1x20",
        f'{deprecated}endpoint="/b",methods=""}}': "0x20",
    }
    name = "runbook:http_deprecated_requests:count"
    hold(tmp_path, series, [look(name, "6m", {f'{name}{{{LOG},method="GET",endpoint="/a/{{id}}"}}': 200})])


OPENAPI: Final = {
    "info": {"version": "1.4.2"},
    "paths": {
        "/orders/{number}": {"get": {"deprecated": True}, "post": {}, "patch": {"deprecated": True}},
        "/orders": {"get": {}, "delete": {"deprecated": False}, "parameters": [{"deprecated": True}]},
    },
}


def test_a_description_tells_the_version_and_what_is_deprecated(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(OPENAPI), encoding="utf-8")
    settings = textwrap.dedent(target_of_page().partition("    collector: json\n")[2])
    with one("json", settings.replace("url: http://127.0.0.1:8000/openapi.json", f"file: {file}")) as target:
        found = {name: value for name, value in target.page().items() if name.startswith("runbook_app_")}
    assert found == {
        'runbook_app_info{app="shop",version="1.4.2"}': "1",
        'runbook_app_endpoint_deprecated{app="shop",endpoint="/orders/{number}",methods="GET PATCH"}': "1",
        'runbook_app_endpoint_deprecated{app="shop",endpoint="/orders",methods=""}': "0",
    }


def target_of_page() -> str:
    """Return the configuration of docs/application.md."""
    text = (ROOT / "docs" / "application.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^```yaml\n(targets:\n.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert read(found.encode(), "config.yml", INSTALLED, {}).warnings == ()
    return str(found)
