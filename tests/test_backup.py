"""The collector `backup`: which files count, what is kept of them, and when each is verified."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.backup.files import Listing, listed
from exporter.collectors.backup.kept import Kept
from exporter.collectors.backup.others import RestoreSettings
from exporter.collectors.backup.settings import BackupSettings
from exporter.state import State
from tests.backups import aged, judged_page, value, watching, without_times

DAY = 86_400.0
GOOD = {"good": True, "reason": "", "seconds": 0.1, "format": "json", "way": "structure"}
BAD = {**GOOD, "good": False, "reason": "damaged", "way": "damage"}


def put(path: Path, text: str = "{}", age: float = 1000.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return aged(path, age)


def settings(folder: Path, **more: Any) -> BackupSettings:
    return BackupSettings(**{"path": str(folder), "at_rest": 0.0, **more})


def names(found: Listing) -> list[str]:
    return [file.name for file in found.whole]


def kept(folder: Path, state: State | None = None, **more: Any) -> Kept:
    found = Kept("it", settings(folder, **more), (state or State(None)).shelf("target it"))
    found.note(listed(found.settings))
    return found


def test_the_files_of_a_backup_the_oldest_first(tmp_path: Path) -> None:
    put(tmp_path / "b.json", age=10)
    put(tmp_path / "a.json", age=20)
    put(tmp_path / "line\nbreak \udcff.json", age=30)
    for other in (".hidden.json", "c.json.part", "c.tmp", "a.json.sha256", "SHA256SUMS", "db.sqlite-wal", "a.json.asc"):
        put(tmp_path / other)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "nowhere.json").symlink_to("gone")
    assert names(listed(settings(tmp_path))) == ["line\nbreak \udcff.json", "a.json", "b.json"]
    assert names(listed(settings(tmp_path, files=("a*", "*.json")))) == ["line\nbreak \udcff.json", "a.json", "b.json"]
    assert names(listed(settings(tmp_path, files=("?.json",)))) == ["a.json", "b.json"]


def test_patterns_that_go_into_folders(tmp_path: Path) -> None:
    put(tmp_path / "mon" / "shop.json", age=20)
    put(tmp_path / "tue" / "shop.json", age=10)
    put(tmp_path / "tue" / "other.txt")
    assert names(listed(settings(tmp_path, files=("*/shop.json",)))) == ["mon/shop.json", "tue/shop.json"]


def test_a_link_to_one_of_them_is_none_of_its_own(tmp_path: Path) -> None:
    real = put(tmp_path / "a.json")
    (tmp_path / "latest.json").symlink_to(real.name)
    assert names(listed(settings(tmp_path))) == ["a.json"]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.json").symlink_to(real)
    assert names(listed(settings(tmp_path / "elsewhere"))) == ["link.json"]
    (tmp_path / "elsewhere" / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="symbolic links"):
        listed(settings(tmp_path / "elsewhere"))


def test_a_dump_that_is_a_folder_is_one_backup(tmp_path: Path) -> None:
    put(tmp_path / "mon" / "toc.dat", "x" * 10, age=50)
    put(tmp_path / "mon" / "1.dat.gz", "x" * 20, age=40)
    (tmp_path / "other").mkdir()
    found = listed(settings(tmp_path))
    assert names(found) == ["mon"]
    assert (found.whole[0].size, round(time.time() - found.whole[0].time)) == (30, 40)
    before = found.whole[0].key
    put(tmp_path / "mon" / "2.dat.gz", "", age=60)
    assert listed(settings(tmp_path)).whole[0].key != before
    assert names(listed(settings(tmp_path, format="pg_directory"))) == ["other", "mon"] or names(
        listed(settings(tmp_path, format="pg_directory"))
    ) == ["mon", "other"]


def test_a_file_that_was_just_written_does_not_count_yet(tmp_path: Path) -> None:
    put(tmp_path / "a.json", age=61)
    put(tmp_path / "b.json", age=50)
    (tmp_path / "a.json").chmod(0o640)  # which writes nothing
    found = listed(settings(tmp_path, at_rest=60.0))
    assert (names(found), found.unfinished) == (["a.json"], 1)
    put(tmp_path / "dump" / "toc.dat", age=100)
    put(tmp_path / "dump" / "1.dat.gz", age=50)
    assert listed(settings(tmp_path, at_rest=60.0)).unfinished == 2


def test_times_out_of_names(tmp_path: Path) -> None:
    for name in ("shop-20260101_0200.json", "shop-20260701_0200.json", "shop-latest.json"):
        put(tmp_path / name)
    found = listed(settings(tmp_path, time="name", time_format="shop-%Y%m%d_%H%M.json", timezone="Europe/Berlin"))
    assert [file.time for file in found.whole] == [1767229200.0, 1782864000.0]  # winter and summer
    assert found.remarks == ("'shop-latest.json' does not fit `time_format`",)


def test_a_time_still_to_come_does_not_count(tmp_path: Path) -> None:
    put(tmp_path / "a.json", age=10)
    put(tmp_path / "b.json", age=-3600)
    found = listed(settings(tmp_path))
    assert (names(found), found.remarks) == (["a.json"], ("'b.json' is of a time still to come",))


def test_the_newest_is_verified_and_those_before_it_only_while_none_is_whole(tmp_path: Path) -> None:
    for number in range(4):
        put(tmp_path / f"{number}.json", age=100 - number)
    found = kept(tmp_path)
    order = []
    for answer in (BAD, BAD, GOOD):
        file = found.due()
        assert file is not None
        order.append(file.name)
        found.judged(file, answer)
    assert order == ["3.json", "2.json", "1.json"]
    assert found.due() is None
    assert found.last_success == listed(found.settings).whole[1].time
    assert (found.verdict or {})["good"] is False
    put(tmp_path / "4.json", age=1)
    found.note(listed(found.settings))
    assert found.verdict is None, "of the newest nothing is known yet"
    newest = found.due()
    assert newest is not None
    assert newest.name == "4.json"
    assert found.unverified_since is not None
    found.judged(newest, GOOD)
    assert found.last_success == newest.time
    assert (found.unverified_since or found.due()) is None


def test_one_that_was_whole_and_is_no_more(tmp_path: Path) -> None:
    put(tmp_path / "0.json", age=20)
    put(tmp_path / "1.json", age=10)
    found = kept(tmp_path)
    older, newest = listed(found.settings).whole
    found.judged(older, GOOD)
    found.judged(newest, GOOD)
    assert found.last_success == newest.time
    found.judged(newest, BAD)
    assert found.last_success == older.time


def test_what_could_not_be_judged_is_no_verdict_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.json")
    found = kept(tmp_path)
    file = found.due()
    assert file is not None
    found.unjudged(file, {"reason": "no pg_restore", "fix": "install it", "seconds": 1.0})
    assert "good" not in (found.verdict or {"good": 1})
    assert (found.last_success, found.due()) == (None, None)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 601)
    assert found.due() == file
    found.unjudged(file, {"reason": "took too long", "fix": "", "seconds": 3600.0})
    monkeypatch.setattr("time.time", lambda: now + 601 + 7200)
    assert found.due() is None, "what takes an hour is not tried all day"


def test_the_newest_is_verified_again_after_a_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.json")
    found = kept(tmp_path)
    file = found.due()
    assert file is not None
    found.judged(file, GOOD)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 7 * DAY + 1)
    assert found.due() == file
    found.unjudged(file, {"reason": "no answer", "fix": "", "seconds": 1.0})
    assert (found.verdict or {})["good"], "what was found stays"


def test_a_changed_file_and_a_changed_way_are_verified_anew(tmp_path: Path) -> None:
    state = State(None)
    put(tmp_path / "a.json")
    found = kept(tmp_path, state)
    file = found.due()
    assert file is not None
    found.judged(file, GOOD)
    assert kept(tmp_path, state).due() is None, "a restart reads nothing again"
    assert kept(tmp_path, state, min_size=100).due() == file
    assert kept(tmp_path, state, min_size=100).last_success == file.time
    assert kept(tmp_path, state, files=("*.json",)).last_success is None, "these are other files"
    found = kept(tmp_path, State(None))
    os.utime(tmp_path / "a.json", (5, 5))
    found.note(listed(found.settings))
    assert found.due() is not None


def test_sizes_and_the_last_success_outlive_rotation_and_restart(tmp_path: Path) -> None:
    state = State(None)
    old = put(tmp_path / "0.json", "x" * 100, age=20)
    found = kept(tmp_path, state)
    file = found.due()
    assert file is not None
    found.judged(file, GOOD)
    assert found.previous_size is None
    old.unlink()
    found.note(listed(found.settings))
    assert (found.newest, found.last_success) == (None, file.time)
    put(tmp_path / "1.json", "x" * 40, age=10)
    again = kept(tmp_path, state)
    assert ((again.newest or {})["size"], again.previous_size) == (40, 100)
    assert (again.last_success, again.first_seen) == (file.time, found.first_seen)
    put(tmp_path / "2.json", "x" * 70, age=5)
    again.note(listed(again.settings))
    assert ((again.newest or {})["size"], again.previous_size) == (70, 40)


def test_what_cannot_be_seen_stays_as_it_was_seen_last(tmp_path: Path) -> None:
    put(tmp_path / "a.json")
    found = kept(tmp_path)
    file = found.due()
    assert file is not None
    found.judged(file, GOOD)
    found.note(None)
    assert (found.seen["count"], (found.newest or {})["name"], (found.verdict or {})["good"]) == (1, "a.json", True)
    assert (found.due(), found.restore_due()) == (None, None)


def test_a_restore_is_tried_at_its_interval_and_one_that_failed_with_the_next_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.json", age=20)
    found = kept(tmp_path, restore=RestoreSettings(server=True, interval=31 * DAY))
    file = found.due()
    assert file is not None
    assert found.restore_due() is None, "it is verified first"
    found.judged(file, GOOD)
    assert found.restore_due() == file
    found.restored(file, {"good": False, "reason": "no rows", "seconds": 400.0})
    assert found.restore_due() is None
    put(tmp_path / "b.json", age=10)
    found.note(listed(found.settings))
    file = found.due()
    assert file is not None
    found.judged(file, GOOD)
    assert found.restore_due() == file
    found.restored(file, {"reason": "no server", "fix": "", "seconds": 400.0})
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 7000)
    assert found.restore_due() is None
    monkeypatch.setattr("time.time", lambda: now + 8001)
    assert found.restore_due() == file
    found.restored(file, {"good": True, "reason": "", "seconds": 2.0})
    assert found.restore["last"]["seconds"] == 2.0
    monkeypatch.setattr("time.time", lambda: now + 8001 + 30 * DAY)
    found.judged(file, GOOD)
    assert found.restore_due() is None
    monkeypatch.setattr("time.time", lambda: now + 8001 + 31 * DAY + 1)
    assert found.restore_due() == file


def test_the_page(golden: Callable[[str, str], None], tmp_path: Path) -> None:
    put(tmp_path / "shop" / "1.json", '{"a": 1}', age=2000)
    put(tmp_path / "shop" / "2.json", '{"a": 1, "b": 2}', age=1000)
    put(tmp_path / "broken" / "1.json", "{", age=500)
    (tmp_path / "empty").mkdir()
    promised = "retention: 30d, recovery_point: 1h, recovery_time: 4h, at_rest: 0s"
    with watching(f"""
        it: {{path: {tmp_path}/shop, {promised}}}
        broken: {{path: {tmp_path}/broken, format: json, at_rest: 0s}}
        empty: {{path: {tmp_path}/empty}}
    """) as target:
        page = judged_page(target)
        page = judged_page(target, 'runbook_backup_verified{backup="broken"}')
        assert value(page, "size_bytes") == 16
        assert value(page, "last_success_timestamp_seconds") == (tmp_path / "shop" / "2.json").stat().st_mtime
        assert value(page, "last_success_timestamp_seconds", "broken") is None
        assert "broken: '1.json': it is not JSON at line 1, column 2" in target.outcomes()["verification"]
        golden("backup.prom", without_times(target.text(), tmp_path))


def test_damage_is_said(tmp_path: Path) -> None:
    put(tmp_path / "1.json", "{", age=500)
    put(tmp_path / "2.json", "", age=400)
    with watching(f"it: {{path: {tmp_path}, at_rest: 0s, min_size: 1}}") as target:
        page = judged_page(target)
        assert value(page, "verified") == 0
        assert value(page, "files") == 2
        assert "it: '2.json': it is empty" in target.outcomes()["verification"]
