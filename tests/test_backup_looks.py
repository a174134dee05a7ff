"""What is said before the first look, of clocks that were wrong, and of old ones that were copied anew."""

import time
from pathlib import Path

import pytest

from exporter import config
from exporter.collectors.backup.files import listed
from exporter.collectors.backup.others import RestoreSettings
from exporter.oneshot import as_text, read_once, succeeded
from exporter.state import State
from tests.backups import aged, dump, fill, judged_page, value, watching
from tests.postgres import server
from tests.test_backup import BAD, DAY, GOOD, kept, put


def one_shot(text: str) -> tuple[str, bool]:
    """Return what `test` prints of the targets, and whether it ends well."""
    bound = config.read(text.encode(), "config.yml", config.INSTALLED, {})
    _, snapshots = read_once(bound, ["backups"])
    return as_text(snapshots), succeeded(snapshots)


def configured(folder: Path, *names: str, more: str = "") -> str:
    backups = "".join(f"      {name}: {{path: {folder}/{name}{more}}}\n" for name in names)
    return f"targets:\n  backups:\n    collector: backup\n    scratch: {folder}/scratch\n    backups:\n{backups}"


def test_who_asks_once_is_told_of_each_of_them(tmp_path: Path) -> None:
    names = ["first", "second", "third", "damaged"]
    for name in names:
        put(tmp_path / name / "a.json", "{" if name == "damaged" else "{}")
    said, well = one_shot(configured(tmp_path, *names, more=", format: json"))
    assert "damaged: 'a.json': it is not JSON" in said
    assert not well
    assert "first_looks" in said
    assert "not been verified yet" not in said
    said, well = one_shot(configured(tmp_path, "first", "second", "third"))
    assert well, said


def test_what_was_not_looked_at_yet_is_named_and_not_called_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.oneshot._FIRST_LOOKS", 0.0)
    put(tmp_path / "quick" / "a.json", "{}")
    put(tmp_path / "slow" / "a.json", "{}")
    put(tmp_path / "fresh" / "a.json", "{}", age=5)
    check = ", format: command, check_command: {command: [sh, -c, 'case {file} in */slow/*) sleep 3;; esac']}"
    said, _ = one_shot(configured(tmp_path, "quick", "slow", "fresh", more=check))
    assert "slow: 'a.json' has not been verified yet; fresh: all that is there was written to just now" in said
    assert "quick: " not in said


def test_a_restore_that_has_not_been_tried_yet_is_awaited_as_well(tmp_path: Path) -> None:
    put(tmp_path / "a.json")
    found = kept(tmp_path, restore=RestoreSettings(server=True))
    file = found.due()
    assert file is not None
    assert found.awaited == "'a.json' has not been verified yet"
    found.judged(file, GOOD)
    assert found.awaited == "'a.json' has not been restored yet"
    found.restored(file, {"reason": "no server", "fix": "", "seconds": 1.0})
    assert found.awaited == ""


def test_one_that_is_read_again_is_not_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.json")
    found = kept(tmp_path)
    file = found.due()
    assert file is not None
    found.judged(file, BAD)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 9 * DAY)
    assert found.due() == file
    assert found.awaited == ""


def test_a_file_that_is_no_more_what_it_was_is_left_until_the_files_are_seen_again(tmp_path: Path) -> None:
    put(tmp_path / "a.json")
    found = kept(tmp_path)
    file = found.due()
    assert file is not None
    found.set_aside(file)
    assert (found.due(), found.awaited) == (None, "")
    found.note(listed(found.settings))
    assert found.due() == file
    found.judged(file, GOOD)
    restoring = kept(tmp_path, restore=RestoreSettings(server=True))
    restoring.judged(file, GOOD)
    assert restoring.restore_due() == file
    restoring.set_aside(file)
    assert restoring.restore_due() is None


def test_that_nothing_fits_is_said(tmp_path: Path) -> None:
    put(tmp_path / "a.json")
    said = "no file there fits `files`, or the right disk is not mounted"
    with watching(f"it: {{path: {tmp_path}, files: ['shop-*.dump']}}") as target:
        assert target.outcomes()["files"] == f"ok it: {said}"
    put(tmp_path / "shop-1.dump", age=1)
    with watching(f"it: {{path: {tmp_path}, files: ['shop-*.dump']}}") as target:
        assert target.outcomes()["files"] == "ok"


def test_a_clock_that_was_ahead_makes_no_success_of_a_time_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, ahead, state = time.time(), 365 * DAY, State(None)
    put(tmp_path / "1.json", age=100)
    found = kept(tmp_path, state)
    older = found.due()
    assert older is not None
    found.judged(older, GOOD)
    monkeypatch.setattr("time.time", lambda: now + ahead)
    newer = put(tmp_path / "2.json", age=50)
    found.note(listed(found.settings))
    file = found.due()
    assert file is not None
    assert (found.unverified_since or 0) > now + ahead - 60
    found.judged(file, GOOD)
    assert found.last_success == pytest.approx(now + ahead - 50, abs=5)
    monkeypatch.setattr("time.time", lambda: now + 10)
    assert found.last_success == older.time, "that one is not old for a year"
    found.note(listed(found.settings))
    newer.unlink()
    again = kept(tmp_path, state)
    assert again.last_success == older.time
    assert (again.first_seen or 0) <= now + 10


def test_what_waits_since_a_time_to_come_waits_since_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    put(tmp_path / "1.json", age=100)
    monkeypatch.setattr("time.time", lambda: now + 365 * DAY)
    found = kept(tmp_path)
    assert found.first_seen == found.unverified_since == now + 365 * DAY
    monkeypatch.setattr("time.time", lambda: now)
    found.note(listed(found.settings))
    assert found.first_seen == found.unverified_since == now


def test_an_old_dump_that_was_copied_anew_is_as_old_as_it_says(tmp_path: Path) -> None:
    put(tmp_path / "0.dump", age=3 * DAY)
    put(tmp_path / "1.dump", age=100)
    found = kept(tmp_path)
    older, newest = listed(found.settings).whole
    found.judged(older, {**GOOD, "made": older.time - DAY})
    assert found.last_success == older.time, "zones, and the time that a dump takes"
    found.judged(newest, {**GOOD, "made": newest.time - 40 * DAY})
    assert found.last_success == older.time
    found.judged(older, BAD)
    assert found.last_success == newest.time - 40 * DAY
    found.judged(newest, BAD)
    assert found.last_success is None


def test_the_day_of_a_dump_is_said_where_its_file_is_much_younger(tmp_path: Path) -> None:
    with server() as cluster:
        fill(cluster)
        place = dump(cluster, tmp_path / "shop.dump", "-Fc")
    made = time.time()
    aged(place, 1)
    with watching(f"it: {{path: {tmp_path}, at_rest: 0s}}") as target:
        page = judged_page(target)
        assert value(page, "last_success_timestamp_seconds") == pytest.approx(made, abs=20)
        assert target.outcomes()["verification"] == "ok"
    data = place.read_bytes()
    # the year stands in the head, counted from 1900, in five bytes
    year = time.gmtime().tm_year - 1900
    place.write_bytes(data.replace(b"\0" + bytes([year, 0, 0, 0]), b"\0" + bytes([year - 1, 0, 0, 0]), 1))
    aged(place, 100)
    with watching(f"it: {{path: {tmp_path}, at_rest: 0s}}") as target:
        page = judged_page(target)
        assert value(page, "verified") == 1
        assert (value(page, "last_success_timestamp_seconds") or 0) < made - 300 * DAY
        said = target.outcomes()["verification"]
        assert f"it: 'shop.dump' was made {time.gmtime().tm_year - 1}-" in said
        assert "long before its file" in said
