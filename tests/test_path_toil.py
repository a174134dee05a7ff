"""The toil that walks: restarts from any place, files that come and go, mounts that hang, clocks that are set."""

import json
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from exporter.collectors.path import rounds, tree
from exporter.collectors.path.tree import Tree
from tests.hang_fs import mounted, need_fuse
from tests.onetarget import one
from tests.support import until
from tests.toiling import Entries
from tests.walking import done, grow, looking, of, page, said, settings_of, walked, walking

IT = of("it")


def totals(walk: Tree) -> tuple[int, int, int, int]:
    return walk.tally.files, walk.tally.folders, walk.tally.size, walk.tally.met


@pytest.mark.parametrize("pattern", ["", "/*"])
def test_a_walk_can_be_taken_up_after_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    monkeypatch.setattr(tree, "CHUNK", 1)
    monkeypatch.setattr(tree, "_SNAPSHOT", 0.0)
    grow(tmp_path, 60)
    path = settings_of({"it": {"path": f"{tmp_path}{pattern}"}}).paths["it"]
    whole = totals(done(Tree(path, 0.0)))
    snapshots = 0
    first = Tree(path, 0.0)
    while not first.done:
        before = first.snapshot
        first.step()
        if first.snapshot is not before:
            snapshots += 1
            kept = json.loads(json.dumps(first.snapshot))
            assert totals(done(Tree(path, 5.0, kept))) == whole
    first.close()
    assert snapshots >= 60


def test_a_walk_is_taken_up_where_the_folder_of_its_place_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "CHUNK", 1)
    monkeypatch.setattr(tree, "_SNAPSHOT", 0.0)
    for name in ("a/b/c", "a/d", "e"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_bytes(b"x")
    path = settings_of({"it": {"path": str(tmp_path)}}).paths["it"]
    first = Tree(path, 0.0)
    while not (first.snapshot and first.snapshot["position"][-1] == "c"):
        first.step()
    first.close()
    shutil.rmtree(tmp_path / "a" / "b")
    assert totals(done(Tree(path, 0.0, first.snapshot)))[:2] == (3, 6)


def test_a_toil_goes_on_where_the_one_before_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "CHUNK", 1)
    monkeypatch.setattr(tree, "_SNAPSHOT", 0.0)
    monkeypatch.setattr(rounds, "_TELL", 0.0)
    grow(tmp_path, 300)
    settings = settings_of({"it": {"path": str(tmp_path)}})
    entries: Entries = {}
    with walking(settings, entries) as work:
        until(lambda: len(work.accounts) > 20)
    assert "walked it" not in entries
    position = entries["walk it"]["position"]
    with walking(settings, entries) as work:
        until(work.ready.is_set)
    assert "walk it" not in entries
    assert all(account["walk it"]["position"] > position for account in work.accounts if account.get("walk it"))
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert page(settings, entries)[IT("files")] == str(len(files))
    assert page(settings, entries)[IT("size_bytes")] == str(sum(file.stat().st_size for file in files))


def test_what_was_walked_outlives_a_restart_and_is_walked_again_when_it_is_due(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_bytes(b"12345")
    settings = f"paths: {{it: {{path: {tmp_path / 'tree'}}}}}\nwalk_interval: 1h"
    with one("path", settings, tmp_path / "state") as target:
        until(lambda: IT("size_bytes") in target.page())
        shown = target.page()
        assert target.outcomes()["watch"] == "ok"
    (tmp_path / "tree" / "b").write_bytes(b"12345")
    with one("path", settings, tmp_path / "state") as target:
        again = target.page()
    for name in ("size_bytes", "walked_timestamp_seconds", "walk_duration_seconds"):
        assert again[IT(name)] == shown[IT(name)]
    with one("path", settings.replace("1h", "1s"), tmp_path / "state") as target:
        until(lambda: target.page()[IT("size_bytes")] == "10")


def test_the_helper_s_death_takes_nothing_that_was_told(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_bytes(b"12345")
    settings = f"paths: {{it: {{path: {tmp_path / 'tree'}}}}}\nwalk_interval: 1s"
    with one("path", settings, tmp_path / "state") as target:
        until(lambda: IT("size_bytes") in target.page())
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):  # one of another test may just have ended
                if "exporter.helperprocess" in " ".join(child.cmdline()):
                    child.kill()
        assert target.page()[IT("size_bytes")] == "5"
        (tmp_path / "tree" / "b").write_bytes(b"12345")
        until(lambda: target.page()[IT("size_bytes")] == "10", 20)


def test_entries_of_paths_that_are_no_longer_configured_are_forgotten(tmp_path: Path) -> None:
    entries = walked(settings_of({"it": {"path": str(tmp_path)}, "other": {"path": str(tmp_path)}}))
    assert {"walked it", "walked other"} <= entries.keys()
    walked(settings_of({"it": {"path": str(tmp_path)}}), entries)
    assert {key.partition(" ")[2] for key in entries} == {"it"}


@contextmanager
def coming_and_going(top: Path) -> Iterator[None]:
    """Have files and folders come, go, and change into one another, all the time."""
    stop = threading.Event()

    def work() -> None:
        chance = random.Random(3)
        while not stop.is_set():
            place = top / f"p{chance.randrange(8)}"
            shutil.rmtree(place, ignore_errors=True)
            place.unlink(missing_ok=True)
            kind = chance.randrange(3)
            if kind == 0:
                (place / "sub" / "deeper").mkdir(parents=True)
                (place / "sub" / "file").write_bytes(b"x")
            elif kind == 1:
                place.symlink_to("/usr")
            else:
                place.write_bytes(b"x")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_files_that_come_and_go_during_a_walk_are_no_holes(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"stays{number}").write_bytes(b"12345")
    path = settings_of({"it": {"path": str(tmp_path)}}).paths["it"]
    with coming_and_going(tmp_path):
        for _ in range(200):
            found = done(Tree(path, 0.0)).tally
            assert (found.unreadable, found.files >= 20, found.size < 200) == (0, True, True)
    assert len(os.listdir("/proc/self/fd")) < 100


def test_a_mount_that_hangs_hurts_its_own_path_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_fuse()
    monkeypatch.setattr(rounds, "STEP", 0.3)
    monkeypatch.setattr(rounds, "_REST", 0.05)
    (tmp_path / "fine").mkdir()
    hung, fine = of("hung"), of("fine")
    paths = {
        "hung": {"path": f"{tmp_path}/mn?"},
        "fine": {"path": f"{tmp_path}/fine"},
        "too": {"path": f"{tmp_path}/mnt"},
    }
    settings = settings_of(paths, walk_interval="1s")
    with mounted(tmp_path / "mnt") as filesystem:
        filesystem.hang()
        with walking(settings) as work:
            until(lambda: "walked fine" in work.entries and "trouble hung" in work.entries)
            until(work.ready.is_set)
            before = work.entries["walked fine"]["ended"]
            until(lambda: work.entries["walked fine"]["ended"] > before)
            begun = time.monotonic()
            with looking(settings, work.entries, timeout=0.3) as looks:
                assert set(looks.looks) == {"hung", "fine"}  # above the pattern, all is well
            assert time.monotonic() - begun < 3
            failing = said(settings, work.entries, "walks_failing")
            assert failing == (f"{tmp_path}/mn?: no answer",
                               "see to the file system's server, or unmount it with `umount -l`")  # fmt: skip
            threads = threading.active_count()
            until(lambda: work.entries["walked fine"]["ended"] > before + 2)
            assert threading.active_count() == threads
            filesystem.answer()
            until(lambda: "walked hung" in work.entries and "trouble hung" not in work.entries)
            assert work.entries["walked hung"]["took"] < 1  # what hung did not work
            assert work.entries["walked hung"]["lasted"] < 1  # and did not last: it was away
            shown = page(settings, work.entries)
            assert shown[fine("files")] == "0"
            assert shown[hung("unreadable_directories")] == "1"  # it cannot list, so this is all that is known
            assert hung("files") not in shown
            assert shown[of("too")("filesystem_size_bytes")] == str(1000 * 4096)


def test_a_page_names_what_hangs_and_shows_the_rest(tmp_path: Path) -> None:
    need_fuse()
    (tmp_path / "fine").mkdir()
    settings = f"path_timeout: 300ms\npaths: {{hung: {{path: {tmp_path}/mnt}}, fine: {{path: {tmp_path}/fine}}}}"
    with mounted(tmp_path / "mnt") as filesystem, one("path", settings) as target:
        assert of("hung")("exists") in target.page()
        filesystem.hang()
        until(lambda: of("hung")("exists") not in target.page())
        shown, said = target.page(), target.outcomes()
        assert shown[of("fine")("exists")] == "1"
        assert of("fine")("filesystem_avail_bytes") in shown
        assert said["unanswered"].startswith(f"failed no answer from {tmp_path}/mnt see to the file system's server")
        assert {read for read, outcome in said.items() if outcome.startswith("failed")} <= {
            "unanswered", "walks_failing"
        }  # fmt: skip
        filesystem.answer()
        until(lambda: target.page().get(of("hung")("exists")) == "1")


def test_a_clock_that_is_set_back_puts_no_walk_off(tmp_path: Path) -> None:
    settings = settings_of({"it": {"path": str(tmp_path)}}, walk_interval="1h")
    entries = walked(settings)
    entries["walked it"]["ended"] += 86_400
    (tmp_path / "new").touch()
    with walking(settings, entries) as work:
        until(lambda: work.entries["walked it"]["files"] == 1)
