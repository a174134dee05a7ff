"""The toil that walks caches: many entries, mounts that hang, processes that are killed, what stays over a restart."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from exporter.collectors.path import rounds
from tests.caching import events, of, page, put, said, settings_of, surveyed, surveying
from tests.hang_fs import Hanging, mounted, need_fuse
from tests.onetarget import one
from tests.process import PLAIN, running
from tests.soak import leaves_nothing
from tests.support import until

IT = of("it")


@pytest.mark.long
def test_a_hundred_thousand_entries(tmp_path: Path) -> None:
    for folder in range(100):
        place = tmp_path / f"{folder:02}"
        place.mkdir()
        (place / "0000.json").touch()
        for number in range(1, 1000):  # names of one file: made sooner than as many files, and walked alike
            os.link(place / "0000.json", place / f"{number:04}.json")
    settings = settings_of({"it": {"path": str(tmp_path), "ttl": "24h", "validate": {"timestamp": True}}})
    with surveying(settings) as work:
        until(lambda: "checked it" in work.entries, 60)
    shown = page(settings, work.entries)
    assert (shown[IT("entries")], shown[of("it", check="timestamp")("validated_entries")]) == ("100000", "100")
    assert len(str(work.entries)) < 3000


def test_a_mount_that_hangs_hurts_its_own_class_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_fuse()
    monkeypatch.setattr(rounds, "STEP", 0.3)
    monkeypatch.setattr(rounds, "_REST", 0.05)
    put(tmp_path / "fine" / "a", "x")
    classes = {"hung": {"path": f"{tmp_path}/mnt", "ttl": "1h"}, "fine": {"path": f"{tmp_path}/fine", "ttl": "1h"}}
    settings = settings_of(classes, walk_interval="1s")
    with mounted(tmp_path / "mnt") as filesystem, _hung(filesystem), surveying(settings) as work:
        until(lambda: "surveyed fine" in work.entries and "trouble hung" in work.entries)
        before = work.entries["surveyed fine"]["ended"]
        until(lambda: work.entries["surveyed fine"]["ended"] > before)
        threads = threading.active_count()
        until(lambda: work.entries["surveyed fine"]["ended"] > before + 2)
        assert threading.active_count() == threads
        shown = page(settings, work.entries)
        assert (shown[of("hung")("seen")], shown[of("fine")("seen")], shown[of("fine")("entries")]) == ("0", "1", "1")
        fix = "see to the file system's server, or unmount it with `umount -l`"
        assert said(settings, work.entries, "unseen") == (f"{tmp_path}/mnt: no answer", fix)
        filesystem.answer()
        until(
            lambda: "hangs" not in work.entries.get("trouble hung", {"hangs": True})
        )  # it cannot be listed, and says so
        assert said(settings, work.entries, "unseen")[0] == f"{tmp_path}/mnt: Function not implemented"


@contextmanager
def _hung(filesystem: Hanging) -> Iterator[None]:
    filesystem.hang()
    try:
        yield
    finally:
        filesystem.answer()


def test_checks_that_take_long_hold_up_no_other_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "STEP", 0.3)
    monkeypatch.setattr(rounds, "_REST", 0.05)
    put(tmp_path / "slow" / "a.html", "<div>" * 300_000)
    put(tmp_path / "json" / "a.json", events(1))
    put(tmp_path / "fine" / "a", "x")
    count = {"rows": "tr", "pair": f"{tmp_path}/json/{{stem}}.json", "events": "events"}
    classes: dict[str, dict[str, Any]] = {"slow": {"path": f"{tmp_path}/slow", "ttl": "1h", "validate": count},
               "fine": {"path": f"{tmp_path}/fine", "ttl": "1h"}}  # fmt: skip
    settings = settings_of(classes, walk_interval="1s")
    with surveying(settings) as work:
        until(lambda: "surveyed slow" in work.entries and "surveyed fine" in work.entries)
        before = work.entries["surveyed fine"]["ended"]
        until(lambda: work.entries["surveyed fine"]["ended"] > before + 2)
        assert "checked slow" not in work.entries
        assert "trouble slow" not in work.entries
        begun = time.monotonic()
    assert time.monotonic() - begun < 8  # it is not waited for at the end
    until(lambda: not psutil.Process().children())


def test_facts_stay_over_a_restart(tmp_path: Path) -> None:
    put(tmp_path / "cache" / "a.json", "{}")
    settings = f"classes: {{it: {{path: {tmp_path}/cache, ttl: 1h, validate: {{schema: '{{}}'}}}}}}"
    with one("cache", settings, tmp_path / "state") as target:
        until(lambda: IT("validated_timestamp_seconds") in target.page())
        before = target.page()
    (tmp_path / "cache" / "a.json").unlink()
    (tmp_path / "cache").rmdir()
    with one("cache", settings, tmp_path / "state") as target:
        assert target.page()[IT("walked_timestamp_seconds")] == before[IT("walked_timestamp_seconds")]


@pytest.mark.long
def test_a_walk_during_which_the_helper_is_killed_is_made_anew(tmp_path: Path) -> None:
    for number in range(3000):
        put(tmp_path / "cache" / f"{number % 30}" / f"{number}", "x")
    text = f"""
host: {{enabled: false}}
targets:
  it:
    collector: cache
    max_age: 0s
    walk_interval: 1s
    classes: {{it: {{path: {tmp_path}/cache, ttl: 1h, validate: {{timestamp: true}}}}}}
"""
    series = 'runbook_cache_entries{class="it",target="it"} 3000'
    with running(tmp_path, text, f"--storage.path={tmp_path}/state", program=PLAIN) as exporter:
        until(lambda: series in exporter.get("/metrics").text, 30)
        for _ in range(3):
            children = psutil.Process(exporter.process.pid).children()
            for child in children:
                child.send_signal(signal.SIGKILL)
            shown = exporter.get("/metrics").text
            assert series in shown or "runbook_cache_entries{" not in shown
            until(lambda: len(psutil.Process(exporter.process.pid).children()) > 0, 30)
        walked = 'runbook_cache_seen{class="it",target="it"} 1'
        until(lambda: walked in exporter.get("/metrics").text, 30)
        assert series in exporter.get("/metrics").text


@pytest.mark.parametrize("there", [True, False], ids=["healthy", "failing"])
def test_rounds_leave_nothing_behind(tmp_path: Path, there: bool) -> None:
    if there:
        put(tmp_path / "cache" / "a.json", "{}")
    settings = f"classes: {{it: {{path: {tmp_path}/cache, ttl: 1h, validate: {{timestamp: true}}}}}}"
    with one("cache", settings) as target:
        until(lambda: IT("seen") in target.page())
        leaves_nothing(target, 500)


def test_walks_and_checks_leave_nothing_behind(tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path / f"{number}.json", "{}")
    its = {"path": str(tmp_path), "ttl": "1h", "validate": {"schema": "{}"}}
    settings = settings_of({"it": its, "gone": {"path": f"{tmp_path}/none", "ttl": "1h"}})
    surveyed(settings)
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(5):
        surveyed(settings)
    until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors and threading.active_count() <= threads)
    assert psutil.Process().children() == []
