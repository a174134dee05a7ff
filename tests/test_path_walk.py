"""Walks: what is counted, what is not, and what is told where a part cannot be seen."""

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from exporter.collectors.path import tree
from tests.walking import of, page, said, seen, settings_of, walked

DAY = 86_400.0
IT = of("it")


def make(folder: Path, *files: str, size: int = 10, age: float = 0.0) -> None:
    """Write files of this size, last changed so many seconds ago."""
    for name in files:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size)
        os.utime(file, (time.time() - age,) * 2)


def test_size_count_and_times(tmp_path: Path) -> None:
    make(tmp_path, "a", "sub/b", "sub/deeper/c", size=100)
    make(tmp_path, "old", age=40 * DAY)
    shown = seen({"it": {"path": str(tmp_path)}})
    assert shown[IT("size_bytes")] == shown[IT("seen_bytes")] == "310"
    assert (shown[IT("files")], shown[IT("directories")]) == ("4", "3")
    assert float(shown[IT("oldest_file_timestamp_seconds")]) == (tmp_path / "old").stat().st_mtime
    newest = max(file.stat().st_mtime for file in tmp_path.rglob("*") if file.is_file())
    assert float(shown[IT("newest_file_timestamp_seconds")]) == newest
    assert float(shown[IT("allocated_bytes")]) == sum(
        file.stat().st_blocks * 512 for file in tmp_path.rglob("*") if file.is_file()
    )
    assert abs(float(shown[IT("walked_timestamp_seconds")]) - time.time()) < 20
    assert (shown[IT("unreadable_directories")], shown[IT("walk_cut")]) == ("0", "0")


def test_a_folder_without_files_has_none_and_no_times(tmp_path: Path) -> None:
    shown = seen({"it": {"path": str(tmp_path)}})
    assert (shown[IT("files")], shown[IT("size_bytes")], shown[IT("directories")]) == ("0", "0", "1")
    assert IT("oldest_file_timestamp_seconds") not in shown
    assert IT("newest_file_timestamp_seconds") not in shown


def test_ages_are_the_role_s_and_those_asked_for(tmp_path: Path) -> None:
    make(tmp_path, "week", age=6.9 * DAY)
    make(tmp_path, "month", "sub/month", age=36.9 * DAY)
    make(tmp_path, "older", age=37.1 * DAY)
    shown = seen({"out": {"path": str(tmp_path), "role": "output", "ages": ["12h", "7d", "30d"]},
                  "tmp": {"path": str(tmp_path), "role": "temp"}, "it": {"path": str(tmp_path)}})  # fmt: skip
    ages = {age: shown[of("out", "output", age=age)("files_older_than")] for age in ("12h", "7d", "30d", "37d")}
    assert ages == {"12h": "4", "7d": "3", "30d": "3", "37d": "1"}
    assert shown[of("tmp", "temp", age="7d")("files_older_than")] == "3"
    assert not [series for series in shown if series.startswith(IT("files_older_than")[:-1])]


def test_one_file_is_a_path_too(tmp_path: Path) -> None:
    make(tmp_path, "mem.duckdb", "beside", size=50)
    shown = seen({"it": {"path": str(tmp_path / "mem.duckdb")}})
    assert (shown[IT("files")], shown[IT("size_bytes")], shown[IT("directories")]) == ("1", "50", "0")


def test_only_files_of_the_names_asked_for_are_counted(tmp_path: Path) -> None:
    make(tmp_path, "a.js", "sub/b.js", "a.js.map", "c.css")
    shown = seen({"it": {"path": str(tmp_path), "files": "*.js", "role": "build", "budget": "1MB"}})
    build = of("it", "build")
    assert (shown[build("files")], shown[build("size_bytes")], shown[build("budget_bytes")]) == ("2", "20", "1000000")


def test_a_pattern_has_what_it_matches_and_what_is_below(tmp_path: Path) -> None:
    make(tmp_path, "one/out/a", "one/out/sub/b", "two/out/c", "three/other/d", ".hidden/out/e")
    (tmp_path / "current").symlink_to("two")
    shown = seen({"it": {"path": f"{tmp_path}/*/out"}})
    assert (shown[IT("files")], shown[IT("exists")]) == ("3", "1")  # what a link leads to counts once
    hidden = seen({"it": {"path": f"{tmp_path}/.*/out"}})
    assert hidden[IT("files")] == "1"


def test_a_pattern_that_matches_nothing_has_nothing_and_one_without_its_folder_is_unknown(tmp_path: Path) -> None:
    shown = seen({"it": {"path": f"{tmp_path}/*.env"}, "gone": {"path": f"{tmp_path}/none/*.env"}})
    assert (shown[IT("exists")], shown[IT("files")], shown[IT("size_bytes")]) == ("0", "0", "0")
    gone = of("gone")
    assert shown[gone("exists")] == "0"
    assert gone("files") not in shown


def test_a_place_that_is_gone_has_no_size(tmp_path: Path) -> None:
    shown = seen({"it": {"path": str(tmp_path / "gone")}, "below": {"path": f"{Path(__file__)}/x"}})
    for name in ("it", "below"):
        assert {series for series in shown if f'"{name}"' in series and "_info" not in series} == {of(name)("exists")}
        assert shown[of(name)("exists")] == "0"


def test_symbolic_links_are_not_followed_but_the_place_may_be_one(tmp_path: Path) -> None:
    real = tmp_path / "real"
    make(real, "a", "sub/b")
    make(tmp_path, "elsewhere/huge", size=5000)
    (real / "loop").symlink_to(real)
    (real / "out").symlink_to(tmp_path / "elsewhere")
    (real / "file").symlink_to(tmp_path / "elsewhere" / "huge")
    (real / "broken").symlink_to("nowhere")
    (tmp_path / "link").symlink_to("real")
    shown = seen({"it": {"path": str(tmp_path / "link")}})
    assert (shown[IT("files")], shown[IT("size_bytes")], shown[IT("directories")]) == ("2", "20", "2")


def test_what_is_no_file_is_not_counted_and_nothing_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        shown = seen({"it": {"path": str(tmp_path)}, "fifo": {"path": str(tmp_path / "fifo")}})
    assert shown[IT("files")] == shown[of("fifo")("files")] == "0"


def test_names_that_are_no_text_are_names(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")
    with open(os.fsencode(tmp_path) + b"/\xff\xfe/\xf0\n", "wb") as file:
        file.write(b"12345")
    assert seen({"it": {"path": str(tmp_path)}})[IT("size_bytes")] == "5"


def test_names_of_one_file_share_what_it_takes_on_the_disk(tmp_path: Path) -> None:
    make(tmp_path, "a", size=8192)
    for number in range(3):
        os.link(tmp_path / "a", tmp_path / f"b{number}")
    shown = seen({"it": {"path": str(tmp_path)}})
    assert shown[IT("size_bytes")] == str(4 * 8192)
    assert float(shown[IT("allocated_bytes")]) == (tmp_path / "a").stat().st_blocks * 512


def test_a_walk_is_cut_where_it_may_not_go_on_and_says_so(tmp_path: Path) -> None:
    make(tmp_path, *(f"{number:03}" for number in range(100)))
    shown = seen({"it": {"path": str(tmp_path), "max_entries": 30}, "all": {"path": str(tmp_path), "max_entries": 100}})
    assert (shown[IT("walk_cut")], shown[IT("seen_bytes")]) == ("1", "300")
    assert not {IT("size_bytes"), IT("files"), IT("directories"), IT("allocated_bytes")} & shown.keys()
    assert (shown[of("all")("walk_cut")], shown[of("all")("files")]) == ("0", "100")


def test_a_pattern_with_more_places_than_fit_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MOST_PLACES", 3)
    make(tmp_path, *"abcde")
    shown = seen({"it": {"path": f"{tmp_path}/*"}})
    assert (shown[IT("walk_cut")], shown[IT("seen_bytes")], IT("files") in shown) == ("1", "30", False)


def test_a_tree_deeper_than_any_path_may_be_long(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 20, dir_fd=here)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    shown = seen({"it": {"path": str(tmp_path)}})
    assert (shown[IT("unreadable_directories")], IT("size_bytes") in shown) == ("1", False)
    subprocess.run(["rm", "-rf", str(tmp_path / ("d" * 20))], check=True)


def test_what_was_walked_too_long_ago_is_not_told_but_when_is(tmp_path: Path) -> None:
    make(tmp_path, "a")
    settings = settings_of({"it": {"path": str(tmp_path)}}, walk_interval="1m")
    entries = walked(settings)
    assert page(settings, entries)[IT("files")] == "1"
    assert said(settings, entries, "walks_failing") == ("", "")
    entries["walked it"]["ended"] -= 400
    shown = page(settings, entries)
    assert IT("files") not in shown
    assert IT("walked_timestamp_seconds") in shown
    assert said(settings, entries, "walks_failing")[0] == f"{tmp_path}: not walked for 7 minutes"


def test_what_was_found_with_other_settings_is_not_told(tmp_path: Path) -> None:
    make(tmp_path, "a")
    before = settings_of({"it": {"path": str(tmp_path)}})
    entries = walked(before)
    after = settings_of({"it": {"path": str(tmp_path), "files": "b"}})
    assert IT("files") not in page(after, entries)
    assert page(after, walked(after, entries))[IT("files")] == "0"
