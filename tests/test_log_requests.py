"""What is looked for in lines of requests: clients write what they like there."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.log.settings import ACCESS_FORMATS, MIXED_FORMATS
from tests.followed import Followed, followed, settings_of

ASKED = (
    "SCRAPE_001", "login-failed-password-invalid/failed login", "rate_limited/too many requests", "MemoryError",
    "database is locked", "Traceback (most recent call last)", "Import done",
)  # fmt: skip
COMBINED = '192.0.2.7 - - [25/Nov/2026:08:00:00 +0000] "GET /?q=%s HTTP/1.1" 200 5 "-" "%s"\n'
LINES = {
    "nginx": COMBINED,
    "nginx_timed": COMBINED.replace("\n", ' request_time="0.010"\n'),
    "nginx_json": '{"request": "GET /?q=%s HTTP/1.1", "status": 200, "request_time": "0.010", "agent": "%s"}\n',
    "uvicorn": 'INFO:     192.0.2.7:1234 - "GET /?q=%s %s HTTP/1.1" 200 OK\n',
    "gunicorn": COMBINED,
}
OWN = {"special": "special offer", "xss": "mine"}


def read(tmp_path: Path, format: str, text: str, **more: Any) -> Followed:
    log = tmp_path / "it.log"
    target = {
        "logs": {"it": {"files": [str(log)], "format": format}}, "jobs": {"import": {"finished": "Import done"}}, **more
    }  # fmt: skip
    with followed(settings_of(json.dumps(target))) as it:
        log.write_text(text)
        return it.settle()


@pytest.mark.parametrize("format", ACCESS_FORMATS)
def test_a_client_cannot_raise_alerts_of_the_application(tmp_path: Path, format: str) -> None:
    it = read(tmp_path, format, "".join(LINES[format] % (word, word) for word in ASKED))
    assert {event: count for event, count in it["events"].items() if count} == {}
    assert it.kept["job import"]["outcomes"]["success"] == 0
    assert (it["lines"], it["unparsed"]) == (len(ASKED), 0)


@pytest.mark.parametrize("format", ACCESS_FORMATS)
def test_attacks_and_events_of_ones_own_are_found_in_requests(tmp_path: Path, format: str) -> None:
    text = "".join(
        LINES[format] % (word, "x")
        for word in ("%3Cscript%3E", "special offer", "csrf token invalid", "1&token=abcdefgh")
    )
    it = read(tmp_path, format, text, events={"special": "special offer"})
    found = {event: count for event, count in it["events"].items() if count}
    assert found == {"xss": 1, "csrf": 1, "special": 1, "secret_in_query": 1}


@pytest.mark.parametrize("format", MIXED_FORMATS)
def test_what_the_server_says_between_requests_is_searched_for_all(tmp_path: Path, format: str) -> None:
    text = "INFO:     SCRAPE_001: no names\n" + LINES[format] % ("SCRAPE_001", "") + "INFO:     Import done\n"
    it = read(tmp_path, format, text)
    assert (it["events"]["SCRAPE_001"], it.kept["job import"]["outcomes"]["success"]) == (1, 1)


def test_events_that_cannot_be_there_are_not_told(tmp_path: Path) -> None:
    assert set(read(tmp_path, "nginx", "", events=OWN)["events"]) == {"xss", "csrf", "secret_in_query", "special"}
    assert set(read(tmp_path, "nginx", "", ready_events=["oom"])["events"]) == set()
    assert "SCRAPE_001" in read(tmp_path, "uvicorn", "")["events"]
