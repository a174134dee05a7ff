"""Logs as rotations leave them: which is the log, which are rotated, and since when it was not."""

import logging
import os
import subprocess
import time
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler
from pathlib import Path

import pytest

from exporter.collectors.path.rotation import groups
from tests.commands import needs
from tests.toiling import Entries
from tests.walking import of, seen, unrotated_since

LOG = of("log", "log")
DAY = 86_400.0


@pytest.mark.parametrize("name", [
    "app.log.1", "app.log.2.gz", "app.log-20261125", "app.log-20261125.gz", "app.log-20261125-1795593600.xz",
    "app.log.2026-11-25", "app.log.2026-11-25_10-00-00", "app.log.old", "app.log.0", "app.log_1",
    "app-20261125.log", "app.1.log", "app-2026-11-25.log.gz", "app.2026-11-25_10-00-00_123456.log",
])  # fmt: skip
def test_rotated_names(name: str) -> None:
    assert groups(["app.log", name]) == {"app.log": [name]}


@pytest.mark.parametrize("name", ["worker-1.log", "app.log.txt", "error.log", "app", "app.log.1x", "1"])
def test_names_that_are_not_rotated(name: str) -> None:
    assert groups(["app.log", name]) == {"app.log": [], name: []}


def test_what_was_rotated_twice_belongs_to_the_log() -> None:
    found = groups(["app.log", "app.log.1", "app.log.1.2"])
    assert {log: sorted(names) for log, names in found.items()} == {"app.log": ["app.log.1", "app.log.1.2"]}


def test_numbered_logs_are_logs() -> None:
    assert groups(["worker-1.log", "worker-2.log"]) == {"worker-1.log": [], "worker-2.log": []}


def logger(handler: logging.Handler) -> logging.Logger:
    made = logging.Logger("test")
    made.addHandler(handler)
    return made


def test_python_s_rotation_by_size(tmp_path: Path) -> None:
    handler = RotatingFileHandler(tmp_path / "app.log", maxBytes=1000, backupCount=5)
    (tmp_path / "other.log").write_bytes(b"x" * 5000)
    for number in range(900):
        logger(handler).warning("line %s", number)
    handler.close()
    shown = seen({"log": {"path": str(tmp_path / "app.log"), "role": "log"}})
    assert shown[LOG("rotated_files")] == "5"
    assert int(shown[LOG("log_size_bytes")]) == (tmp_path / "app.log").stat().st_size <= 1000
    assert shown[LOG("files")] == "1"
    assert (shown[LOG("rotation_size_bytes")], shown[LOG("rotation_kept_files")]) == ("10000000", "5")
    assert LOG("rotation_interval_seconds") not in shown


def test_python_s_rotation_by_time(tmp_path: Path) -> None:
    handler = TimedRotatingFileHandler(tmp_path / "app.log", when="midnight")
    for _ in range(3):
        logger(handler).warning("a line")
        handler.rolloverAt -= 86_400
        handler.doRollover()
        handler.rolloverAt -= 86_400  # the name has the day that has passed
    handler.close()
    rotated = [file.name for file in tmp_path.iterdir() if file.name != "app.log"]
    shown = seen({"log": {"path": f"{tmp_path}/*.log", "role": "log", "rotate_interval": "1d"}})
    assert shown[LOG("rotated_files")] == str(len(rotated)) != "0"
    assert (shown[LOG("rotation_interval_seconds")], shown[LOG("rotation_kept_files")]) == ("86400.0", "30")
    assert LOG("rotation_size_bytes") not in shown


@pytest.mark.parametrize("options", [
    ["compress"], ["copytruncate"], ["dateext", "dateformat -%Y%m%d-%s"], ["nocreate"], ["extension .log"],
], ids=" ".join)  # fmt: skip
def test_logrotate_s_files(tmp_path: Path, options: list[str]) -> None:
    needs("logrotate")
    logs, config = tmp_path / "logs", tmp_path / "config"
    logs.mkdir(mode=0o755)
    config.write_text(
        f"{logs}/api.log {logs}/capture.log {{\n" + "\n".join(["rotate 30", "missingok", *options]) + "\n}\n"
    )
    config.chmod(0o644)
    for number in range(3):
        (logs / "api.log").write_text(f"line {number}\n")
        (logs / "capture.log").write_text(f"line {number}\n")
        command = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(config)]
        subprocess.run(command, check="dateext" not in options, capture_output=True)  # a date twice is refused
    for name in ("api.log", "capture.log"):
        (logs / name).write_text("now\n")
    shown = seen({"log": {"path": str(logs), "role": "log", "rotate_interval": "1d"}})
    rotated = [file.name for file in logs.iterdir() if file.name.startswith("api") and file.name != "api.log"]
    assert shown[LOG("rotated_files")] == str(len(rotated)) != "0"
    assert shown[LOG("log_size_bytes")] == "4"


def test_a_folder_of_logs_is_judged_by_the_largest_and_the_one_with_most_rotated_files(tmp_path: Path) -> None:
    sizes = {"api.log": 10, "capture.log": 30, "capture.log.1": 500, "api.log.1": 1, "api.log.2": 1, "notes.txt": 900}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    shown = seen({"log": {"path": str(tmp_path), "files": "*.log", "role": "log"}})
    assert (shown[LOG("log_size_bytes")], shown[LOG("rotated_files")], shown[LOG("files")]) == ("30", "2", "2")


def test_a_folder_without_a_log_has_no_size_of_one(tmp_path: Path) -> None:
    shown = seen({"log": {"path": str(tmp_path), "role": "log"}, "gone": {"path": f"{tmp_path}/a.log", "role": "log"}})
    assert not [series for series in shown if "log_size" in series or "rotated_files" in series or "unrot" in series]


# ---- since when


def test_since_when_by_what_was_rotated_before_the_first_look(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("line\n")
    (tmp_path / "app.log.1").write_text("older\n")
    (tmp_path / "app.log.2").write_text("oldest\n")
    os.utime(tmp_path / "app.log.1", (time.time() - 3 * DAY,) * 2)  # a log in which little is written
    assert unrotated_since(f"{tmp_path}/app.log", {}) == max(
        (tmp_path / f"app.log.{number}").stat().st_ctime for number in (1, 2)
    )


def test_since_when_by_the_walks(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    entries: Entries = {}
    log.touch()
    assert unrotated_since(f"{tmp_path}/app.log", entries) is None  # nothing stands in it
    log.write_text("first\n")
    first = unrotated_since(f"{tmp_path}/app.log", entries)
    assert first is not None
    assert abs(first - time.time()) < 10
    with log.open("a") as file:
        file.write("second\n")
    assert unrotated_since(f"{tmp_path}/app.log", entries) == first
    log.rename(tmp_path / "app.log.1")
    log.write_text("third\n")
    renamed = unrotated_since(f"{tmp_path}/app.log", entries)
    assert renamed is not None
    assert renamed > first
    log.write_text("4\n")  # the same file, copied and cut
    cut = unrotated_since(f"{tmp_path}/app.log", entries)
    assert cut is not None
    assert cut > renamed
    log.write_text("")
    assert unrotated_since(f"{tmp_path}/app.log", entries) is None
