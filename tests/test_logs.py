"""Logs: one line a record, whatever is in it, and nothing breaks where they cannot be written."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from exporter import logs
from exporter.secret import MASK, hide

logger = logging.getLogger("some.library")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield
    root.handlers[:], level, sys.excepthook, threading.excepthook, sys.unraisablehook = before
    root.setLevel(level)
    logging.captureWarnings(False)


def written(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.split("\n")[:-1]


def test_text_says_when_how_grave_which_target_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("text", "info")
    logger.info("hello %s", "world", extra={"target": "orders-db"})
    logger.warning("no target")
    logger.debug("not shown")
    first, second = written(capsys)
    assert re.fullmatch(f"{TIME} info target=orders-db hello world", first)
    assert re.fullmatch(f"{TIME} warning no target", second)


def test_json_has_the_same_as_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("json", "debug")
    logger.debug("hello %s", "wörld", extra={"target": "orders-db"})
    logger.error("no target")
    first, second = (json.loads(line) for line in written(capsys))
    assert re.fullmatch(TIME, first.pop("timestamp"))
    assert first == {"level": "debug", "service": "runbook-exporter", "target": "orders-db", "message": "hello wörld"}
    assert list(second) == ["timestamp", "level", "service", "message"]


def test_the_time_is_in_utc_and_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("text", "info")
    record = logger.makeRecord("x", logging.INFO, "", 0, "then", (), None)
    record.created = 1795316190.1239
    logging.getLogger().handle(record)
    assert written(capsys) == ["2026-11-22T02:56:30.123Z info then"]


def test_an_exception_is_one_line_with_its_cause_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("json", "info")
    try:
        try:
            raise KeyError("first\nline")
        except KeyError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        logger.exception("it failed")
    (line,) = written(capsys)
    said = json.loads(line)["error"]
    here = r"\(at tests/test_logs\.py:\d+ test_an_exception_is_one_line_with_its_cause_and_place\)"
    assert re.fullmatch(rf"RuntimeError: outer {here}; caused by KeyError: 'first\\nline' {here}", said)


@pytest.mark.parametrize("style", ["text", "json"])
def test_no_message_can_forge_a_line(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup(style, "info")  # type: ignore[arg-type]
    evil = "a\n2026-01-01T00:00:00.000Z info forged\r\x1b[2J\u2028\x85\ud800"
    logger.info(evil, extra={"target": evil})
    logger.error("x", exc_info=ValueError(evil))
    lines = written(capsys)
    assert len(lines) == 2
    assert all(line.isprintable() and "forged" in line for line in lines)


def test_every_record_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    hide("kanari-of-logs")
    logs.setup("text", "info")
    logger.info("say %s", "kanari-of-logs")
    logger.info("say", exc_info=ValueError("kanari-of-logs"), extra={"target": "kanari-of-logs"})
    text = "\n".join(written(capsys))
    assert "kanari" not in text
    assert text.count(MASK) == 3


def test_what_python_itself_says_is_logged_too(capsys: pytest.CaptureFixture[str]) -> None:
    hide("kanari-of-hooks")
    logs.setup("text", "info")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("kanari-of-hooks warned", stacklevel=1)
    logging.captureWarnings(False)
    thread = threading.Thread(target=lambda: int("kanari-of-hooks"), name="worker")
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError("kanari-of-hooks"), None)
    sys.unraisablehook(type("Args", (), {"object": None, "exc_value": ValueError("kanari-of-hooks")}))  # type: ignore[arg-type]
    warned, in_thread, uncaught, ignored = written(capsys)
    assert "kanari" not in warned + in_thread + uncaught + ignored
    assert f"{MASK} warned" in warned
    assert "critical uncaught exception in the thread worker error=" in in_thread
    assert f'critical uncaught exception error="ValueError: {MASK}"' in uncaught
    assert f'error exception ignored in None error="ValueError: {MASK}"' in ignored


def test_a_record_that_does_not_fit_its_arguments_is_still_seen(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    handler = logs.handler("text")  # alone, as pytest's own raises on such records
    error = ValueError(Broken())
    for message, args, exc_info in (
        ("%d", ("x",), None),
        ("%s", (Broken(),), None),
        ("", (), (ValueError, error, None)),
    ):
        handler.handle(logger.makeRecord("x", logging.INFO, "", 0, message, args, exc_info))
    first, second, third = written(capsys)
    assert first.endswith("info %d (its arguments do not fit: TypeError)")
    assert second.endswith("info %s (its arguments do not fit: RuntimeError)")
    assert "ValueError: <exception str() failed>" in third


def test_setting_up_again_replaces_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("text", "info")
    logs.setup("json", "warning")
    logger.info("not shown")
    logger.warning("once")
    (line,) = written(capsys)
    assert json.loads(line)["message"] == "once"


def test_a_closed_stderr_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.setup("text", "info")
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        logger.info("nobody hears this")
    assert closed.closed


def test_a_broken_pipe_does_not_end_the_process() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = (
        "from exporter import logs; import logging; logs.setup('text', 'info'); "
        "[logging.info('x' * 1000) for _ in range(100)]; print('alive')"
    )
    with os.fdopen(writing, "wb") as pipe:
        run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=pipe, text=True, check=False)
    assert run.stdout == "alive\n"
    assert run.returncode in (0, 120)  # 120: at the very end Python itself could not flush a standard stream
