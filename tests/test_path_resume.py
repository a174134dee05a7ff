"""Walks that are taken up again, or no longer: after a long time, another version, on slow file systems."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.path import entries as entries_of
from exporter.collectors.path import rounds, tree
from tests.support import until
from tests.toiling import Entries
from tests.walking import grow, of, page, said, settings_of, walked, walking

IT = of("it")
DAY = 86_400.0


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have walks go entry by entry, and tell of each."""
    monkeypatch.setattr(tree, "CHUNK", 1)
    monkeypatch.setattr(tree, "_SNAPSHOT", 0.0)
    monkeypatch.setattr(rounds, "_TELL", 0.0)


def begun(settings: Any) -> Entries:
    """Return the entries of a walk that was cut off."""
    with walking(settings) as work:
        until(lambda: len(work.accounts) > 20)
    assert "walked it" not in work.entries
    return work.entries


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("age", "resumed"), [(900.0, True), (30 * DAY, False), (-30 * DAY, False)])
def test_a_walk_that_was_cut_off_long_ago_is_begun_anew(tmp_path: Path, age: float, resumed: bool) -> None:
    grow(tmp_path, 300)
    settings = settings_of({"it": {"path": str(tmp_path)}})
    entries = begun(settings)
    began = entries["walk it"]["tally"]["began"] = entries["walk it"]["tally"]["began"] - age
    entries["walk it"]["tally"]["size"] += 5_000_000_000
    walked(settings, entries)
    assert (entries["walked it"]["began"] == began) is resumed
    assert (entries["walked it"]["size"] > 5_000_000_000) is resumed


@pytest.mark.usefixtures("slow")
def test_a_long_walk_is_taken_up_for_longer(tmp_path: Path) -> None:
    grow(tmp_path, 300)
    settings = settings_of({"it": {"path": str(tmp_path)}})
    entries = begun(settings)
    entries["walk it"]["tally"]["began"] -= 2 * DAY
    entries["walk it"]["lasted"] += DAY
    walked(settings, entries)
    assert entries["walked it"]["began"] < time.time() - DAY
    assert entries["walked it"]["lasted"] > DAY


@pytest.mark.usefixtures("slow")
def test_a_walk_during_which_the_machine_slept_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(tmp_path, 300)
    real, slept = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: real() + slept)
    with walking(settings_of({"it": {"path": str(tmp_path)}})) as work:
        until(lambda: len(work.accounts) > 20)
        assert "walked it" not in work.entries
        slept = DAY
        until(lambda: "walked it" in work.entries)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert work.entries["walked it"]["files"] == len(files)
    assert work.entries["walked it"]["began"] > real() + DAY / 2


@pytest.mark.usefixtures("slow")
def test_where_every_walk_is_held_up_one_comes_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(tmp_path, 20)
    monkeypatch.setattr(entries_of, "_INTERVALS", 0)
    monkeypatch.setattr(entries_of, "_SLACK", -1.0)  # each walk is too old at once
    assert walked(settings_of({"it": {"path": str(tmp_path)}}))["walked it"]["folders"] == 21


@pytest.mark.usefixtures("slow")
def test_a_walk_lasts_as_long_as_it_waits_for_others(tmp_path: Path) -> None:
    grow(tmp_path, 100)
    names = ("it", "b", "c", "d")
    settings = settings_of({name: {"path": str(tmp_path)} for name in names})
    entries = walked(settings)
    for name in names:
        told = entries[f"walked {name}"]
        assert told["lasted"] > 2 * told["took"]
    entries["walked it"]["lasted"] = 3600.0
    entries["walked it"]["ended"] -= 2 * 3600
    assert IT("files") in page(settings, entries)
    assert said(settings, entries, "walks_failing") == ("", "")


@pytest.mark.usefixtures("slow")
def test_entries_of_another_version_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(tmp_path, 300)
    settings = settings_of({"it": {"path": str(tmp_path)}})
    monkeypatch.setattr(entries_of, "FORMAT", entries_of.FORMAT - 1)
    entries_of.signature.cache_clear()
    entries = begun(settings)
    entries["walk it"]["tally"]["is_gone"] = 1
    entries["walked it"] = {"of": entries["walk it"]["of"], "ended": time.time()}
    monkeypatch.undo()
    entries_of.signature.cache_clear()
    assert IT("files") not in page(settings, entries)
    walked(settings, entries)
    assert "walk it" not in entries
    assert IT("files") in page(settings, entries)


def test_entries_with_other_fields_are_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("line\n")
    settings = settings_of({"it": {"path": str(tmp_path), "role": "log"}})
    entries = walked(settings)
    assert (entries_of.FORMAT, sorted(entries["walked it"])) == (3, [
        "allocated", "began", "complete", "copies_unreadable", "cut", "ended", "excess", "files", "folders",
        "largest_log", "lasted", "met", "mode", "newest", "of", "older", "oldest", "oldest_unsynced", "owners",
        "places", "rotated", "size", "strangers", "took", "unreadable", "unrotated", "unseen", "unsynced", "whole",
    ]), "raise FORMAT, and correct this list"  # fmt: skip


def test_a_slow_file_system_is_not_taken_for_one_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(60):
        (tmp_path / f"{number}").touch()
    (tmp_path / "copy").mkdir()
    real = tree._lacks
    never = threading.Event()

    def slowly(*asked: Any) -> bool:
        never.wait(0.03)
        return real(*asked)

    monkeypatch.setattr(tree, "_lacks", slowly)
    monkeypatch.setattr(tree, "LONGEST", 0.1)
    monkeypatch.setattr(rounds, "STEP", 1.5)
    settings = settings_of({"it": {"path": str(tmp_path), "copy": str(tmp_path.parent / "copy")}})
    with walking(settings) as work:
        until(lambda: "walked it" in work.entries, 20)
    assert not [account for account in work.accounts if account.get("trouble it")]
    assert work.entries["walked it"]["unsynced"] == 60
    assert work.entries["walked it"]["took"] > 1.6


def test_what_was_walked_is_not_told_of_a_path_that_may_no_longer_be_walked(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "file").touch()
    settings = settings_of({"it": {"path": str(place)}}, walk_interval="1s")
    with walking(settings) as work:
        until(lambda: "walked it" in work.entries)
        assert page(settings, work.entries)[IT("files")] == "1"
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(place)
        until(lambda: "trouble it" in work.entries)
    assert work.entries["walked it"]["files"] == 1
    assert IT("files") not in page(settings, work.entries)
    assert IT("walked_timestamp_seconds") in page(settings, work.entries)
    reason, fix = said(settings, work.entries, "unanswered")
    assert reason == f"{place}: Too many levels of symbolic links"
    assert fix.startswith("symbolic links on the way to it lead in a circle: `namei -l` shows which")
    assert said(settings, work.entries, "walks_failing") == ("", "")  # one cause, said once
