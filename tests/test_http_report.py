"""Health reports, whatever words they have for it, the exporter's own among them."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.answering import answering, page
from tests.onetarget import one
from tests.process import running
from tests.support import until

CLIPPY = {
    "status": "degraded",
    "timestamp": "2025-10-29T12:00:00Z",
    "checks": [
        {"name": "frontend", "status": "healthy", "message": "Frontend healthy"},
        {"name": "backend", "status": "unhealthy", "message": "slow"},
        {"name": "storage", "status": "critical", "message": "gone"},
        {"name": "mail", "status": "who knows"},
    ],
    "summary": {"total": 4, "healthy": 1, "unhealthy": 1, "critical": 1},
}


def seen(report: Any, settings: str = "report: {}", status: str = "200 OK") -> tuple[dict[str, str], str]:
    body = report if isinstance(report, bytes) else json.dumps(report).encode()
    with answering(page(body, status)) as served, one("http", f"url: {served.url}/health\n{settings}") as target:
        page_of = target.page()
        return page_of, target.target.view().reason


def state(page_of: dict[str, str]) -> str:
    found = {name: page_of[f'runbook_health_report_status{{status="{name}"}}']
             for name in ("healthy", "degraded", "critical", "unknown")}  # fmt: skip
    assert sorted(found.values()) == ["0", "0", "0", "1"]
    return next(name for name, value in found.items() if value == "1")


def checks(page_of: dict[str, str]) -> dict[str, str]:
    begin = 'runbook_health_check_healthy{check="'
    return {name[len(begin) : -2]: value for name, value in page_of.items() if name.startswith(begin)}


def counts(page_of: dict[str, str]) -> list[str | None]:
    return [page_of.get(f'runbook_health_checks{{status="{name}"}}')
            for name in ("healthy", "unhealthy", "critical", "unknown")]  # fmt: skip


def test_a_report_with_checks() -> None:
    page_of, reason = seen(CLIPPY)
    assert (state(page_of), page_of["probe_success"], reason) == ("degraded", "1", "")
    assert checks(page_of) == {"frontend": "1", "backend": "0", "storage": "0"}  # of mail nothing is known
    assert counts(page_of) == ["1", "1", "1", "1"]
    assert page_of["runbook_health_report_timestamp_seconds"] == "1761739200.0"


def test_a_bad_one_is_read_and_the_endpoint_is_there() -> None:
    page_of, _ = seen(CLIPPY | {"status": "critical"}, status="503 Service Unavailable")
    assert (state(page_of), page_of["probe_success"], page_of["probe_http_status_code"]) == ("critical", "1", "503")
    page_of, reason = seen(CLIPPY, "report: {}\nexpect: {statuses: [200]}", "503 Service Unavailable")
    assert (state(page_of), page_of["probe_success"]) == ("degraded", "0")  # it is read all the same
    assert "the answer has the status 503" in reason
    page_of, reason = seen(b"upstream is gone", status="503 Service Unavailable")
    assert (page_of["probe_success"], page_of["probe_http_status_code"]) == ("0", "503")
    assert "is not JSON" in reason
    page_of, _ = seen(CLIPPY, status="500 Internal Server Error")
    assert page_of["probe_success"] == "0"


def test_the_least_that_an_application_reports() -> None:
    made = time.time()
    page_of, _ = seen(
        {"status": "healthy", "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.500000", time.localtime(made))}
    )
    assert (state(page_of), checks(page_of), counts(page_of)) == ("healthy", {}, [None] * 4)
    assert float(page_of["runbook_health_report_timestamp_seconds"]) == int(made) + 0.5
    page_of, _ = seen({"status": "ok", "timestamp": "2026-01-01T00:00:00"}, "report: {zone: utc}")
    assert page_of["runbook_health_report_timestamp_seconds"] == "1767225600.0"


@pytest.mark.parametrize(
    ("word", "meaning"),
    [("UP", "healthy"), ("pass", "healthy"), (" Ok ", "healthy"), (True, "healthy"), ("warn", "degraded"),
     ("DOWN", "critical"), ("fail", "critical"), ("unhealthy", "critical"), ("OUT_OF_SERVICE", "critical"),
     ("out of service", "critical"), (False, "critical"), ("UNKNOWN", "unknown"), ("maintenance", "unknown")],
)  # fmt: skip
def test_words_for_it(word: str | bool, meaning: str) -> None:
    assert state(seen({"status": word})[0]) == meaning


def test_words_of_one_s_own() -> None:
    settings = "report: {words: {maintenance: degraded, UP: critical}}"
    assert state(seen({"status": "Maintenance"}, settings)[0]) == "degraded"
    assert state(seen({"status": "up"}, settings)[0]) == "critical"


@pytest.mark.parametrize("report", [
    {"status": "UP", "components": {"db": {"status": "UP", "details": {"x": 1}}, "mail": {"status": "DOWN"}}},
    {"status": "pass", "checks": {"db": [{"status": "pass"}, {"status": "pass"}],
                                  "mail": [{"status": "pass"}, {"status": "fail"}]}},
    {"status": "error", "info": {}, "error": {}, "details": {"db": {"status": "up"}, "mail": {"status": "down"}}},
    {"status": "ok", "checks": {"db": True, "mail": False}},
    {"status": "ok", "checks": {"db": "ok", "mail": "error"}},
    {"status": "ok", "checks": [{"name": "db", "status": "ok"}, {"name": "db", "status": "ok"},
                                {"name": "mail", "status": "ok"}, {"name": "mail", "status": "down"}]},
])  # fmt: skip
def test_forms_of_others(report: object) -> None:
    page_of, reason = seen(report)
    assert (reason, checks(page_of)) == ("", {"db": "1", "mail": "0"})
    assert page_of['runbook_health_checks{status="critical"}'] == "1"


def test_paths_of_one_s_own() -> None:
    report = {
        "app": {"state": "green", "at": 1767225600123},
        "parts": [{"id": 7, "fine": True}, {"id": "b", "fine": False}],
    }
    settings = "report: {status: app.state, timestamp: app.at, checks: parts, check_name: id, check_status: fine}"
    page_of, reason = seen(report, settings)
    assert (reason, state(page_of), checks(page_of)) == ("", "healthy", {"7": "1", "b": "0"})
    assert page_of["runbook_health_report_timestamp_seconds"] == "1767225600.123"
    page_of, _ = seen({"status": "ok", "summary": {"total": 9, "healthy": 7, "unhealthy": 2}})
    assert counts(page_of) == ["7", "2", "0", "0"]


def test_words_in_a_summary() -> None:
    summary = {"UP": 3, "under maintenance": 2, "Out-Of-Service": 1, "asleep": 4, "unknown": 5, "total": 15, "ok": "7"}
    page_of, _ = seen({"status": "ok", "summary": summary}, "report: {words: {Asleep: critical}}")
    assert counts(page_of) == ["3", "2", "5", "5"]


def test_a_check_that_does_not_matter_much() -> None:
    report = {"status": "degraded", "checks": [{"name": "a", "status": "down", "critical": False}]}
    assert counts(seen(report)[0]) == ["0", "1", "0", "0"]


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({}, "it has no status at `status`"),
        ({"status": {"x": 1}}, "it has no status at `status`"),
        ([], "it has no status at `status`"),
        (b"", "the answer is empty"),
        (b"<html>", "is HTML or XML"),
        (b'{"status": "ok"', "is not JSON"),
        (b"[" * 100_000, "nested more than"),
    ],
)
def test_what_is_no_report(report: object, reason: str) -> None:
    page_of, said = seen(report)
    assert reason in said
    assert page_of["probe_success"] == "0"
    assert not [name for name in page_of if name.startswith("runbook_health_")]


def test_what_stands_in_the_usual_places_and_is_no_check() -> None:
    for other in ("all is well", 3, ["one", "two"], [{"status": "ok"}], {"version": "1.2", "uptime": 5, "x": {"y": 1}}):
        page_of, reason = seen({"status": "ok", "details": other})
        assert (reason, state(page_of), checks(page_of), counts(page_of)) == ("", "healthy", {}, [None] * 4)
    strict = "report: {checks: details}"
    assert "neither a list nor an object" in seen({"status": "ok", "details": 3}, strict)[1]
    assert "has no name at `name`" in seen({"status": "ok", "details": [{"status": "ok"}]}, strict)[1]


def test_only_some_are_named() -> None:
    page_of, _ = seen(CLIPPY, "report: {names: [storage, cache]}")
    assert checks(page_of) == {"storage": "0"}
    assert counts(page_of) == ["1", "1", "1", "1"]


def test_what_is_wrong_is_told_as_a_remark() -> None:
    with (
        answering(page(json.dumps(CLIPPY).encode())) as served,
        one("http", f"url: {served.url}\nreport: {{}}") as target,
    ):
        assert target.outcomes() == {
            "found": "ok", "health": "ok the report says degraded: backend, mail, storage"
        }  # fmt: skip
    with answering(page(b'{"status": "ok"}')) as served, one("http", f"url: {served.url}\nreport: {{}}") as target:
        assert target.outcomes() == {"found": "ok", "health": "ok"}


def test_a_time_that_is_none_has_no_sample() -> None:
    times: tuple[object, ...] = (
        "yesterday",
        None,
        {},
        "",
        "99999-01-01",
        True,
        0,
        -5,
        10**300,
        float("inf"),
        float("nan"),
    )
    for made in times:
        page_of, _ = seen({"status": "ok", "timestamp": made})
        assert page_of["probe_success"] == "1"
        assert "runbook_health_report_timestamp_seconds" not in page_of


def test_a_thousand_checks_and_strange_names() -> None:
    many = [{"name": f"check {number:04}", "status": "ok" if number < 990 else "down"} for number in range(1000)]
    page_of, _ = seen({"status": "degraded", "checks": many})
    named = checks(page_of)
    assert len(named) == 100
    assert list(named.values()).count("0") == 10  # those that fail are named first
    assert counts(page_of) == ["990", "0", "10", "0"]
    strange = {'a"b\\c\nd': True, "e" * 500: True, "\u0000\u2028": True}
    page_of, reason = seen({"status": "ok", "checks": strange})
    assert (reason, len(checks(page_of))) == ("", 3)


# ---- the exporter's own


def test_the_exporter_s_own_report_is_one(tmp_path: Path) -> None:
    config = """
targets:
  good: {collector: fake}
  gone: {collector: fake, behaviour: down, critical: false}
"""
    with running(tmp_path, config) as exporter:
        url = f"http://{exporter.address}/health"
        until(lambda: requests.get(url, timeout=5).json()["summary"]["unknown"] == 0)
        with one("http", f"url: {url}\nreport: {{}}") as target:
            page_of = target.page()
            assert (target.target.view().reason, state(page_of)) == ("", "degraded")
            assert checks(page_of)["good"] == "1"
            assert checks(page_of)["gone"] == "0"
            assert abs(float(page_of["runbook_health_report_timestamp_seconds"]) - time.time()) < 60
