"""Logs told by their names alone: with a date, left over from one that is gone, or behind a symbolic link."""

import os
import time
from pathlib import Path

import pytest

from exporter.collectors.path import rotation
from exporter.collectors.path.rotation import groups
from tests.toiling import Entries
from tests.walking import of, page, seen, settings_of, unrotated_since, walked

LOG = of("log", "log")
DAY = 86_400.0
DAYS = ["app-2026-11-23.log", "app-2026-11-24.log", "app-2026-11-25.log"]


def write(folder: Path, *names: str, size: int = 10, age: float = 0.0) -> None:
    for name in names:
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, (time.time() - age,) * 2)


@pytest.mark.parametrize(("log", "rotated"), [
    ("app-2026-11-25.log", DAYS[:2]),
    ("app-2026-11-25.log", ["app-2026-11-24.log.gz", "app-2026-11-24.log.1.gz", "app-2026-11-26.log.gz"]),
    ("app_20261125.log", ["app_20261124.log", "app_20261031.log"]),
    ("app.2026-11.json", ["app.2026-10.json"]),
    ("app-20261125T1010.log", ["app-20261125T0910.log", "app-20261124T2310.log"]),
    ("app-2026-11-25_2.log", ["app-2026-11-25_1.log", "app-2026-11-25.log"]),
    ("2026-11-25.log", ["2026-11-24.log"]),
    ("app-1795593600.log", ["app-1795507200.log"]),
    ("app.log", ["app-2026-11-25.log", "app-2026-11-24.log.1", "app.log.1"]),
    ("localhost.2026-11-25.log", []),
])  # fmt: skip
def test_of_dated_names_the_newest_is_the_log(log: str, rotated: list[str]) -> None:
    found = groups([*rotated, log, "other.log"])
    assert {name: sorted(old) for name, old in found.items()} == {log: sorted(rotated), "other.log": []}


@pytest.mark.parametrize("name", [
    "app.log.1", "app.log.2.gz", "syslog.1", "catalina.out.3", "app.log.old", "app.log-1", "app.log-20261125",
    "messages-20261125", "app.log.2026-11-25_10-00", "app-2026-11-25.log.gz", "app.log.gz", "apps.log.1.2",
])  # fmt: skip
def test_what_was_rotated_from_a_log_that_is_gone_is_none(name: str) -> None:
    assert groups([name, "error.log"]) == {"error.log": []}


@pytest.mark.parametrize("name", ["app-8080.log", "app-201103.log", "worker-1.log", "app-2026-13-01.log", "v1.2.3.log"])
def test_numbers_are_no_dates(name: str) -> None:
    other = name.replace("1", "2").replace("8", "9")
    assert groups([name, other]) == {name: [], other: []}


def test_a_log_that_is_gone_leaves_no_log(tmp_path: Path) -> None:
    write(tmp_path, "app.log.1", size=11_000_000)
    shown = seen({"log": {"path": str(tmp_path), "role": "log"}})
    assert shown[LOG("files")] == "1"
    assert not [series for series in shown if "log_size" in series or "rotated_files" in series or "unrot" in series]


@pytest.mark.parametrize("pattern", ["", "/app-*.log"])
def test_a_log_with_a_new_name_each_day_is_rotated_each_day(tmp_path: Path, pattern: str) -> None:
    entries: Entries = {}
    last = time.time()
    write(tmp_path, "app-2026-11-20.log", age=3 * DAY)
    for day in DAYS:
        write(tmp_path, day)
        found = unrotated_since(f"{tmp_path}{pattern}", entries)
        assert found is not None
        assert found > last
        last = time.time()
    assert entries["walked log"]["rotated"] == 3
    write(tmp_path, DAYS[0])  # a line that comes late is nothing new
    again = unrotated_since(f"{tmp_path}{pattern}", entries)
    assert again is not None
    assert again < last


def test_a_dated_log_that_nobody_writes_to_any_more_is_not_overdue(tmp_path: Path) -> None:
    entries: Entries = {}
    write(tmp_path, *DAYS, age=1.1 * DAY)
    assert unrotated_since(str(tmp_path), entries) is None
    write(tmp_path, DAYS[2], age=0.9 * DAY)  # the program had only been quiet
    first = unrotated_since(str(tmp_path), entries)
    assert first is not None
    write(tmp_path, DAYS[2], size=20)
    assert unrotated_since(str(tmp_path), entries) == first


def test_a_link_is_the_log_that_it_leads_to(tmp_path: Path) -> None:
    logs = tmp_path / "data"
    logs.mkdir()
    write(logs, "app.log", size=30)
    write(logs, "app.log.1", "app.log.2")
    (tmp_path / "link.log").symlink_to("data/app.log")
    shown = seen({"log": {"path": f"{tmp_path}/link.log", "role": "log"}})
    assert (shown[LOG("log_size_bytes")], shown[LOG("rotated_files")]) == ("30", "2")
    assert float(shown[LOG("log_unrotated_since_timestamp_seconds")]) == max(
        (logs / f"app.log.{number}").stat().st_ctime for number in (1, 2)
    )


@pytest.mark.parametrize("name", ["access_log.{}", "app-{}.log", "app.log.{}"])
def test_what_a_link_leads_to_is_a_log_whatever_its_name(tmp_path: Path, name: str) -> None:
    link, entries = tmp_path / "current", Entries()
    settings = settings_of({"log": {"path": f"{tmp_path}/cur*", "role": "log", "rotate_interval": "1d"}})
    for number in range(3):
        write(tmp_path, name.format(20261125 - number), size=30 - number)
    link.symlink_to(name.format(20261124))
    shown = page(settings, walked(settings, entries))
    assert (shown[LOG("log_size_bytes")], shown[LOG("rotated_files")]) == ("29", "2")
    assert LOG("log_unrotated_since_timestamp_seconds") in shown


def test_a_log_whose_folder_has_more_names_than_fit_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "MOST_NAMES", 0)
    write(tmp_path, "app.log", "other.log", size=30)
    shown = seen({"log": {"path": f"{tmp_path}/app.log", "role": "log"}})
    assert shown[LOG("log_size_bytes")] == "30"


def test_since_when_is_kept_of_no_more_logs_than_fit(tmp_path: Path) -> None:
    write(tmp_path, *(f"log{number:03}x.log" for number in range(210)), "zzz.log")
    write(tmp_path, "zzz.log", size=99)
    settings = settings_of({"log": {"path": str(tmp_path), "role": "log"}})
    entries = walked(settings)
    assert len(entries["logs log"]) == 200 + 1  # with what it is about
    assert page(settings, entries)[LOG("log_size_bytes")] == "99"  # the largest is that of all
