"""What is made of the lines of a log: levels, messages, tracebacks, and what does not fit."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.followed import followed, of_files

TRACEBACK = b"""\
2026-11-25 08:00:00,123 ERROR app: it failed
Traceback (most recent call last):
  File "app.py", line 3, in run
    raise ValueError("ERROR and INFO are words")
ValueError: CRITICAL is a word too
"""
CHAINED = b"""\

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "app.py", line 5, in run
    raise
RuntimeError: one
that goes on
"""
GROUP = b"""\
  + Exception Group Traceback (most recent call last):
  |   File "app.py", line 1, in run
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +------------------------------------
"""
INFO = b"2026-11-25 08:00:01 INFO fine\n"


def read(tmp_path: Path, text: bytes, **settings: Any) -> Any:
    """Return what is kept of a log that this text was written to."""
    path = tmp_path / "it.log"
    with followed(of_files(path, **settings)) as it:
        path.write_bytes(text)
        return it.settle().kept["log it"]


def levels(entry: Any) -> dict[str, int]:
    return {level: count for level, count in entry["levels"].items() if count}


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026-11-25 08:00:00,123 ERROR app: failed", "error"),
        ("2026-11-25 08:00:00,123 - app.worker - WARNING - slow", "warning"),
        ("CRITICAL:root:no more", "critical"),
        ("[2026-11-25 08:00:00 +0000] [12] [INFO] Booting worker", "info"),
        ("2026/11/25 08:00:00 [error] 12#12: *1 upstream timed out", "error"),
        ("2026/11/25 08:00:00 [crit] 12#12: no", "critical"),
        ("ts=2026-11-25T08:00:00Z level=warn msg=slow", "warning"),
        ('time="2026-11-25T08:00:00Z" level="debug" msg="x"', "debug"),
        ("2026-11-25 08:00:00.123 UTC [12] FATAL:  password authentication failed", "critical"),
        ("2026-11-25 08:00:00.123 UTC [12] LOG:  checkpoint starting", "info"),
        ("error: connect ECONNREFUSED", "error"),
        ("[2026-11-25 08:00:00,123: WARNING/MainProcess] slow", "warning"),
        ("INFO 3 ERROR rows were skipped", "info"),
        ("an INFORMAL word, and errors", "other"),
        ("TRACE enter", "debug"),
    ],
)
def test_the_level_of_a_line_of_text(tmp_path: Path, line: str, level: str) -> None:
    entry = read(tmp_path, f"{line}\n".encode())
    assert (levels(entry), entry["unparsed"]) == ({level: 1}, 0)  # without a pattern no line is out of its format


def test_a_level_is_looked_for_at_the_beginning_only(tmp_path: Path) -> None:
    assert levels(read(tmp_path, b"x" * 250 + b" ERROR\n")) == {"other": 1}


def test_a_level_by_a_pattern_of_ones_own(tmp_path: Path) -> None:
    text = b"INFO <err> failed\nINFO <w> slow\nINFO <WARN> slow\nnothing\n  goes on\n"
    entry = read(tmp_path, text, level_pattern=r"<(\w+)>")
    assert (levels(entry), entry["unparsed"]) == ({"error": 1, "warning": 1, "other": 2}, 1)


@pytest.mark.parametrize("text", [TRACEBACK, TRACEBACK + CHAINED], ids=["one", "chained"])
def test_a_traceback_is_one_event_and_no_message(tmp_path: Path, text: bytes) -> None:
    entry = read(tmp_path, INFO + text + INFO + text + INFO)
    assert levels(entry) == {"info": 3, "error": 2}
    assert (entry["unparsed"], entry["events"]["traceback"]) == (0, 2)
    assert entry["lines"] == 3 + 2 * text.count(b"\n")


def test_a_traceback_of_a_group_and_one_without_a_message_before_it(tmp_path: Path) -> None:
    entry = read(tmp_path, GROUP + INFO + TRACEBACK.split(b"\n", 1)[1] + INFO)
    assert levels(entry) == {"info": 2}
    assert (entry["unparsed"], entry["events"]["traceback"]) == (0, 2)


def test_a_traceback_that_is_cut_off_hides_no_message(tmp_path: Path) -> None:
    entry = read(tmp_path, b"Traceback (most recent call last):\n  File x\n" + INFO)
    assert levels(entry) == {"info": 1}


def test_a_traceback_that_comes_in_pieces_is_one(tmp_path: Path) -> None:
    path = tmp_path / "it.log"
    with followed(of_files(path)) as it:
        path.touch()
        for line in (TRACEBACK + CHAINED + INFO).splitlines(keepends=True):
            with path.open("ab") as file:
                file.write(line)
            it.settle()
            it.kill()
        it.settle()
        assert (it["events"]["traceback"], levels(it.of("it")), it["unparsed"]) == (1, {"info": 1, "error": 1}, 0)


def test_lines_that_go_on_with_a_message_are_none(tmp_path: Path) -> None:
    entry = read(tmp_path, INFO + b"\tat com.shop.Order\n  a detail\n\nCaused by: x\n")
    assert (levels(entry), entry["unparsed"], entry["lines"]) == ({"info": 1}, 0, 5)


def test_json_by_its_fields(tmp_path: Path) -> None:
    objects: list[Any] = [
        {"level": "ERROR", "message": "SCRAPE_002: timeout"}, {"levelname": "warning"}, {"severity": "CRITICAL"},
        {"log": {"level": "debug"}}, {"log.level": "info"}, {"level": 50}, {"level": 30}, {"level": "30"},
        {"level": 10},
        {"level": None}, {"level": True}, {"level": {"x": 1}}, {}, {"level": "loud"},
    ]  # fmt: skip
    entry = read(tmp_path, "".join(json.dumps(one) + "\n" for one in objects).encode(), format="json")
    assert levels(entry) == {"error": 2, "warning": 1, "critical": 1, "debug": 2, "info": 3, "other": 5}
    assert (entry["unparsed"], entry["events"]["SCRAPE_002"]) == (0, 1)


def test_json_by_fields_of_ones_own(tmp_path: Path) -> None:
    text = b'{"sev": "err", "level": "info", "text": "too many requests", "path": "SCRAPE_001"}\n'
    entry = read(tmp_path, text, format="json", fields={"level": ["sev"], "message": ["text"]})
    assert levels(entry) == {"error": 1}
    assert (entry["events"]["rate_limited"], entry["events"]["SCRAPE_001"]) == (1, 0)


def test_events_in_json_are_found_behind_escapes(tmp_path: Path) -> None:
    text = json.dumps({"message": 'C\u00e4f\u00e9 "Could not set\tlock"', "exc_info": TRACEBACK.decode()}).encode()
    entry = read(tmp_path, text + b"\n", format="json", fields={"level": ["none"]})
    assert entry["events"]["traceback"] == 1
    assert entry["lines"] == 1


def test_what_is_no_json_is_said_and_read_as_text(tmp_path: Path) -> None:
    deep = b"[" * 100_000
    strays = [
        b"INFO: Started server",
        b"not at all",
        b"[1, 2]",
        b'"text"',
        b'{"level": "info"',
        deep,
        b"9" * 5000,
        b"NaN",
    ]
    text = b"".join(line + b"\n" for line in [b'{"level": "info"}', *strays])
    entry = read(tmp_path, text, format="json")
    assert (levels(entry), entry["unparsed"]) == ({"info": 2, "other": 7}, 8)


def test_a_traceback_between_json_is_one_event_and_not_held_against_it(tmp_path: Path) -> None:
    text = b'{"level": "info"}\n' + TRACEBACK.split(b"\n", 1)[1] + CHAINED + b'{"level": "info"}\n'
    entry = read(tmp_path, text, format="json")
    assert (levels(entry), entry["unparsed"], entry["events"]["traceback"]) == ({"info": 2}, 0, 1)


def test_ends_of_lines_invalid_utf8_and_nuls(tmp_path: Path) -> None:
    text = b"INFO a\r\nERROR \xff\xfe login \xe4 failed\r\n\0\0\0WARNING b\0c\r\n\r\nCRITICAL caf\xc3\xa9\n"
    entry = read(tmp_path, text)
    assert levels(entry) == {"info": 1, "error": 1, "warning": 1, "critical": 1}
    assert (entry["unparsed"], entry["events"]["auth_failed"], entry["bytes"]) == (0, 1, len(text))


def test_a_line_without_an_end_waits_and_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "it.log"
    with followed(of_files(path)) as it:
        path.write_bytes(b"INFO a\nERR")
        assert (it.settle()["lines"], it["behind"]) == (1, 3)
        path.write_bytes(b"INFO a\nERROR b\n")
        assert (it.settle()["lines"], levels(it.of("it")), it["behind"]) == (2, {"info": 1, "error": 1}, 0)


@pytest.mark.parametrize("end", [b"\n", b""], ids=["ended", "open"])
def test_a_line_of_a_megabyte_is_cut_and_counts_once(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "it.log"
    long = b"ERROR SCRAPE_001 " + b"x" * 1_000_000
    with followed(of_files(path)) as it:
        path.write_bytes(INFO + long + end)
        it.settle()
        it.kill()
        with path.open("ab") as file:
            file.write((b"" if end else b" ERROR SCRAPE_001\n") + INFO)
        it.settle()
        assert (it["lines"], it["cut"], levels(it.of("it"))) == (3, 1, {"info": 2, "error": 1})
        assert (it["events"]["SCRAPE_001"], it["behind"], it["bytes"]) == (1, 0, path.stat().st_size)


def test_a_line_just_short_of_what_is_read_at_once_is_whole(tmp_path: Path) -> None:
    text = INFO + b"ERROR " + b"x" * (256 * 1024 - 20) + b" SCRAPE_001\n"
    entry = read(tmp_path, INFO + text + text)
    assert (entry["lines"], entry["cut"], entry["events"]["SCRAPE_001"]) == (5, 0, 2)


def test_requests_between_the_messages_of_their_server(tmp_path: Path) -> None:
    text = (
        b"INFO:     Started server process [12]\n"
        b'INFO:     127.0.0.1:51234 - "GET /api/videos/7 HTTP/1.1" 200 OK\n'
        b'INFO:     127.0.0.1:51234 - "GET /api/videos/8 HTTP/1.1" 500 Internal Server Error\n'
        b"ERROR:    Exception in ASGI application\n"
        + TRACEBACK.split(b"\n", 1)[1]
        + b"INFO:     HTTP/1.1 is no request\n"
    )
    path = tmp_path / "it.log"
    with followed(of_files(path, format="uvicorn")) as it:
        path.write_bytes(text)
        entry = it.settle().of("it")
        assert (levels(entry), entry["unparsed"], entry["events"]["traceback"]) == ({"info": 2, "error": 1}, 0, 1)
        assert it.kept["access it GET /api/videos/{id}"]["statuses"] == {"200": 1, "500": 1}
        it.kill()
        with path.open("ab") as file:
            file.write(b'INFO:     127.0.0.1:1 - "GET /api/videos/9 HTTP/1.1" 200 OK\n')
        assert it.settle().kept["access it GET /api/videos/{id}"]["statuses"] == {"200": 2, "500": 1}


def test_a_burst_of_a_million_lines(tmp_path: Path) -> None:
    path = tmp_path / "it.log"
    with followed(of_files(path)) as it:
        with path.open("w") as file:
            file.writelines(
                f"INFO {number}\n" if number % 10 else f"ERROR {number} SCRAPE_001\n" for number in range(10**6)
            )
        entry = it.settle().of("it")
        assert levels(entry) == {"info": 900_000, "error": 100_000}
        assert (entry["lines"], entry["unparsed"], entry["events"]["SCRAPE_001"]) == (10**6, 0, 100_000)
