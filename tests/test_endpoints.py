"""Every endpoint, asked of a real process."""

import gzip
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from exporter import pack
from exporter.answer import accepts_gzip, seconds_for_page
from exporter.collector import kinds
from tests.process import Exporter, running
from tests.test_statuspage import Page

CONFIG = """
targets:
  alpha: {collector: fake, description: The first}
  broken: {collector: fake, behaviour: fails, critical: false}
  gone: {collector: fake, behaviour: down, critical: false}
"""


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with running(tmp_path_factory.mktemp("endpoints"), CONFIG) as exporter:
        yield exporter


def labels(page: str, metric: str) -> list[dict[str, str]]:
    return [
        sample.labels for family in text_string_to_metric_families(page) for sample in family.samples
        if sample.name == metric
    ]  # fmt: skip


def test_metrics_holds_every_target_and_tells_them_apart(exporter: Exporter) -> None:
    page = exporter.get("/metrics").text
    assert {"part": "a", "target": "alpha"} in labels(page, "fake_value")
    up = {(one["target"], one["collector"]) for one in labels(page, "runbook_target_up")}
    assert up == {("host", "system"), ("exporter", "exporter"), ("alpha", "fake"), ("broken", "fake"), ("gone", "fake")}
    assert all("target" not in one for one in labels(page, "node_load1") + labels(page, "process_threads"))
    assert 'runbook_target_up{collector="fake",target="gone"} 0' in page


@pytest.mark.parametrize("accept", [
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "text/html", "*/*",
])  # fmt: skip
def test_content_type_is_the_text_format_whatever_is_asked_for(exporter: Exporter, accept: str) -> None:
    for path in ("/metrics", "/probe?target=alpha"):
        answer = exporter.get(path, Accept=accept)
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "# EOF" not in answer.text


def test_collect_and_exclude_choose_by_collector(exporter: Exporter) -> None:
    chosen = exporter.get("/metrics?collect[]=fake").text
    assert labels(chosen, "fake_value")
    assert not labels(chosen, "node_load1")
    both = exporter.get("/metrics?collect%5B%5D=fake&collect[]=exporter&exclude[]=fake").text
    assert labels(both, "process_threads")
    assert not labels(both, "fake_value")
    without = exporter.get("/metrics?exclude[]=system").text
    assert labels(without, "fake_value")
    assert not labels(without, "node_load1")


@pytest.mark.parametrize("parameter", ["collect[]", "exclude[]"])
def test_unknown_collector_is_refused_with_the_names_there_are(exporter: Exporter, parameter: str) -> None:
    answer = exporter.get(f"/metrics?{parameter}=nope&{parameter}=fake")
    assert answer.status_code == 400
    known = sorted({*kinds(), "exporter", "fake", "many"})
    assert answer.text == f"no such collector: nope; there are {', '.join(known)}\n"


def test_probe_gives_one_target_without_a_target_label(exporter: Exporter) -> None:
    page = exporter.get("/probe?target=alpha").text
    assert labels(page, "fake_value") == [{"part": "a"}, {"part": "doubtful"}]
    assert labels(page, "runbook_target_up") == [{"collector": "fake"}]
    assert "target=" not in page
    assert "target=" not in exporter.get("/probe?target=host").text
    assert "node_load1" not in page


@pytest.mark.parametrize(("query", "status"), [
    ("", 400), ("?target=alpha&target=broken", 400), ("?other=alpha", 400), ("?target=", 404), ("?target=nobody", 404),
    ("?target=ALPHA", 404), ("?target=%ff%fe", 404), ("?target=127.0.0.1:1", 404),
])  # fmt: skip
def test_probe_refuses_what_is_not_one_configured_target(exporter: Exporter, query: str, status: int) -> None:
    assert exporter.get(f"/probe{query}").status_code == status


def test_probe_never_contacts_an_address_from_the_query(exporter: Exporter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as victim:
        victim.settimeout(0.2)
        port = victim.getsockname()[1]
        for target in (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/", f"postgresql://127.0.0.1:{port}/"):
            assert exporter.get(f"/probe?target={target}").status_code == 404
        with pytest.raises(TimeoutError):
            victim.accept()


def test_service_discovery_names_each_target_with_its_area_s_job(exporter: Exporter) -> None:
    answer = exporter.get("/sd")
    assert answer.headers["Content-Type"] == "application/json"
    groups = {group["labels"]["__param_target"]: group for group in answer.json()}
    assert list(groups) == ["host", "exporter", "alpha", "broken", "gone"]
    assert groups["alpha"] == {
        "targets": [exporter.address],
        "labels": {"__scheme__": "http", "__metrics_path__": "/probe", "__param_target": "alpha", "job": "fake-job",
                   "instance": "alpha", "target": "alpha"},
    }  # fmt: skip
    assert groups["host"]["labels"]["job"] == "node"
    assert exporter.get("/sd", Host="metrics.example:1234").json()[0]["targets"] == ["metrics.example:1234"]


def test_service_discovery_refuses_a_host_that_is_none(exporter: Exporter) -> None:
    assert b"400 Bad Request" in exporter.exchange(b"GET /sd HTTP/1.0\r\n\r\n")


def test_health_reports_every_target(exporter: Exporter) -> None:
    answer = exporter.get("/health")
    report = answer.json()
    states = {check["name"]: check["status"] for check in report["checks"]}
    assert states == {
        "host": "healthy", "exporter": "healthy", "alpha": "healthy", "broken": "unhealthy", "gone": "unhealthy"
    }  # fmt: skip
    assert (answer.status_code, report["status"]) == (200, "degraded")
    assert report["summary"] == {"total": 5, "healthy": 3, "unhealthy": 2, "critical": 0, "unknown": 0}
    assert next(c["message"] for c in report["checks"] if c["name"] == "gone") == "nobody is at home"
    assert next(c["description"] for c in report["checks"] if c["name"] == "alpha") == "The first"


def test_health_is_503_while_a_critical_target_is_down(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {gone: {collector: fake, behaviour: down}}") as exporter:
        answer = exporter.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "critical")


def test_healthy_and_ready_touch_no_target(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {slow: {collector: fake, behaviour: hangs}}") as exporter:
        before = exporter.threads()
        assert [exporter.get(path).text for path in ("/-/healthy", "/-/ready")] == ["ok\n", "ok\n"]
        assert exporter.threads() == before
        exporter.get("/probe?target=slow", X_Prometheus_Scrape_Timeout_Seconds="0.2")
        assert exporter.threads() > before


@pytest.mark.parametrize(
    "path", ["/nope", "/metrics/", "//metrics", "/../metrics", "/%6detrics", "/favicon.ico", "/-/"]
)
def test_everything_else_is_404(exporter: Exporter, path: str) -> None:
    answer = exporter.exchange(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b"/metrics" in answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("path", ["/", "/metrics", "/probe?target=alpha", "/sd", "/targets", "/-/healthy", "/nope",
                                  "/runbooks/", "/runbooks/Watchdog", "/runbooks/Nope"])  # fmt: skip
def test_head_is_get_without_the_body(exporter: Exporter, path: str) -> None:
    head = requests.head(f"http://{exporter.address}{path}", timeout=10)
    get = exporter.get(path)
    assert head.status_code == get.status_code
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert int(head.headers["Content-Length"]) > 0
    assert head.content == b""


def test_head_leaves_the_connection_in_step(exporter: Exporter) -> None:
    answer = exporter.exchange(
        b"HEAD /-/healthy HTTP/1.1\r\nHost: x\r\n\r\nGET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert rest.startswith(b"HTTP/1.1 200 OK")
    assert rest.endswith(b"\r\n\r\nok\n")


@pytest.mark.parametrize(("method", "path", "allow"), [
    ("POST", "/metrics", "GET, HEAD"), ("DELETE", "/", "GET, HEAD"), ("OPTIONS", "/probe", "GET, HEAD"),
    ("PUT", "/-/reload", "POST"), ("GET", "/-/reload", "POST"),
])  # fmt: skip
def test_other_methods_are_405_with_those_allowed(exporter: Exporter, method: str, path: str, allow: str) -> None:
    answer = requests.request(method, f"http://{exporter.address}{path}", timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)


def test_gzip_gives_the_same_page_smaller(exporter: Exporter) -> None:
    target = "/probe?target=alpha"
    plain = exporter.get(target, Accept_Encoding="identity")
    zipped = requests.get(
        f"http://{exporter.address}{target}", headers={"Accept-Encoding": "gzip"}, timeout=10, stream=True
    )
    raw = zipped.raw.read(decode_content=False)
    assert "Content-Encoding" not in plain.headers
    assert (zipped.headers["Content-Encoding"], zipped.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert raw[8] == 4  # the mark of level 1, the fastest
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2


@pytest.mark.parametrize(("header", "accepted"), [
    ("gzip", True), ("GZIP", True), ("gzip;q=0.5, deflate", True), ("deflate, gzip", True), ("*", True),
    ("*;q=0, gzip", True), ("gzip;q=1.0", True), ("br, *;q=0.1", True), ("gzip ; q=0.001", True),
    ("", False), ("identity", False), ("gzip;q=0", False), ("gzip; q=0.000", False), ("*, gzip;q=0", False),
    ("deflate", False), ("gzip;q=nonsense", False), ("xgzip", False), ("identity;q=1, *;q=0", False),
    (";;,,;q=", False),
])  # fmt: skip
def test_gzip_only_where_it_is_accepted(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


@pytest.mark.parametrize(("header", "seconds"), [
    ("10", 9.5), ("2.5", 2.0), ("0.4", 0.2), ("1e1", 9.5), ("", 9.5), ("nonsense", 9.5), ("-3", 9.5), ("0", 9.5),
    ("nan", 9.5), ("inf", 9.5), ("1e999", 9.5), ("10s", 9.5),
])  # fmt: skip
def test_the_scrape_timeout_less_the_offset_is_the_deadline(header: str, seconds: float) -> None:
    assert seconds_for_page(header, 0.5) == pytest.approx(seconds)


def test_a_page_is_there_before_the_scraper_gives_up(tmp_path: Path) -> None:
    config = "targets: {slow: {collector: fake, behaviour: hangs, timeout: 60s}, quick: {collector: fake}}"
    with running(tmp_path, config) as exporter:
        page = exporter.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds="1.25")
        assert 0.6 < page.elapsed.total_seconds() < 1.25
        assert labels(page.text, "node_load1")
        assert {"part": "a", "target": "quick"} in labels(page.text, "fake_value")
        assert not [one for one in labels(page.text, "fake_value") if one["target"] == "slow"]


def test_reload_over_http_is_refused_unless_asked_for(exporter: Exporter) -> None:
    answer = requests.post(f"http://{exporter.address}/-/reload", timeout=10)
    assert answer.status_code == 403
    assert "--web.enable-lifecycle" in answer.text


@pytest.mark.parametrize("headers", [
    {"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},
])  # fmt: skip
def test_reload_is_refused_to_pages_in_browsers(reloadable: Exporter, headers: dict[str, str]) -> None:
    assert requests.post(f"http://{reloadable.address}/-/reload", headers=headers, timeout=10).status_code == 403


def test_reload_over_http_works_where_it_is_allowed(reloadable: Exporter) -> None:
    assert reloadable.get("/probe?target=new").status_code == 404
    reloadable.reconfigure("targets: {new: {collector: fake}}")
    assert requests.post(f"http://{reloadable.address}/-/reload", timeout=10).text == "reloaded\n"
    assert labels(reloadable.get("/probe?target=new").text, "fake_value")
    reloadable.reconfigure("targetz: {}")
    answer = requests.post(f"http://{reloadable.address}/-/reload", timeout=10)
    assert answer.status_code == 500
    assert "targetz: unknown key; did you mean targets?" in answer.text
    assert reloadable.get("/probe?target=new").status_code == 200


@pytest.fixture(scope="module")
def reloadable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with running(tmp_path_factory.mktemp("reloadable"), "targets: {}", "--web.enable-lifecycle") as exporter:
        yield exporter


def test_a_mistake_of_ours_is_500_and_logged_once(tmp_path: Path) -> None:
    # a number where a function belongs, as the mistake
    with running(tmp_path, environ={"PLUG": "exporter.discovery:groups=0"}) as exporter:
        assert exporter.get("/sd").status_code == 500
        assert "the request for /sd failed" in exporter.output()
        assert exporter.get("/metrics").status_code == 200


def test_the_runbooks_page_lists_every_alert_and_each_has_its_page(exporter: Exporter) -> None:
    index = Page(exporter.get("/runbooks/").text)
    links = [link for link in index.all("href") if link.startswith("/runbooks/") and link != "/runbooks/"]
    assert [link.removeprefix("/runbooks/") for link in links] == list(pack.rules().alerts)
    for link in links:
        answer = exporter.get(link)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert exporter.get("/runbooks").text == exporter.get("/runbooks/").text
    assert "/runbooks/" in Page(exporter.get("/").text).all("href")


def test_the_index_of_runbooks_tells_priority_and_summary(exporter: Exporter) -> None:
    rows = {row[0]: row for row in Page(exporter.get("/runbooks/").text).rows}
    rule = pack.rules().alerts["PostgreSQLDown"][0]
    assert rows["PostgreSQLDown"][1:3] == ["P0", rule.annotations["summary"]]


@pytest.mark.parametrize("path", [
    "/runbooks/Nope", "/runbooks/watchdog", "/runbooks/Watchdog/", "/runbooks/Watchdog.md", "/runbooks//Watchdog",
    "/runbooks/../Watchdog", "/runbooks/../../README", "/runbooks/..%2f..%2fREADME", "/runbooks/%57atchdog",
    "/runbooks/%2e%2e/metrics", "/runbooks//etc/passwd", "/runbooks/Watchdog%00", "/runbooksX",
    "/runbooks/" + "x" * 9000,
])  # fmt: skip
def test_there_is_no_runbook_of_another_name(exporter: Exporter, path: str) -> None:
    answer = exporter.exchange(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_a_runbook_that_is_not_there_names_the_nearest(exporter: Exporter) -> None:
    assert exporter.get("/runbooks/PostgresDown").text.startswith("there is no such alert; did you mean PostgreSQLDown")
    assert exporter.get("/runbooks/qqqq").text == "there is no such alert; /runbooks/ lists those that there are\n"


def test_names_of_runbooks_do_not_become_label_values(exporter: Exporter) -> None:
    for name in ("Watchdog", "TargetDown", "Nope", "Nope2"):
        exporter.get(f"/runbooks/{name}")
    named = {one["endpoint"] for one in labels(exporter.get("/metrics").text, "runbook_exporter_http_requests_total")}
    assert [endpoint for endpoint in named if endpoint.startswith("/runbooks") and endpoint != "/runbooks/"] == []
    assert named <= {"/", "/metrics", "/probe", "/sd", "/health", "/targets", "/runbooks/", "/tasks", "/tasks/",
                     "/-/healthy", "/-/ready", "/-/reload", "other"}  # fmt: skip
