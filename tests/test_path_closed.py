"""Paths that are closed to the exporter's user, wholly or in part: nothing is called 0 that could not be seen."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.walking import of, seen

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

AS_NOBODY = """
import json, os, sys
from tests.walking import settings_of, walked, page, said
warm = settings_of({"it": {"path": "/var/empty*"}, "gone": {"path": "/nowhere"}})
page(warm, walked(warm))  # what they import may be closed to another user
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
settings = settings_of(json.loads(sys.argv[1]))
entries = walked(settings)
reasons = [said(settings, entries, read) for read in ("unanswered", "walks_failing")]
print(json.dumps([page(settings, entries), *reasons]))
"""
MONTHS = 100 * 86_400


class Seen(NamedTuple):
    """The page of nobody's exporter, and why reads fail there, each with its remedy."""

    page: dict[str, str]
    unanswered: list[str]
    walks_failing: list[str]

    def names(self, path: str) -> set[str]:
        """Return what there is of a path, but for what the configuration says of it, its file system and mode."""
        names = {series.partition("{")[0] for series in self.page if f'path="{path}"' in series}
        plain = ("info", "mode_octal", "encrypted", "filesystem_", "budget_", "rotation_")
        return {
            name for one in names if not (name := one.removeprefix("runbook_path_")).startswith(plain)
            and name != "owner_info"
        }  # fmt: skip


def as_nobody(paths: dict[str, dict[str, object]]) -> Seen:
    ended = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, json.dumps(paths)], cwd=Path(__file__).parents[1], capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return Seen(*json.loads(ended.stdout))


@pytest.fixture
def top() -> Iterator[Path]:
    """Return a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


def make(top: Path, *names: str) -> None:
    """Write old files of ten bytes."""
    for name in names:
        file = top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 10)
        os.utime(file, (time.time() - MONTHS,) * 2)


def test_folders_that_are_closed_leave_holes_that_are_told(top: Path) -> None:
    make(top, "open/a", "closed/b", "listed/c", "listed/sub/d", "behind/it/e")
    (top / "closed").chmod(0o700)
    (top / "listed").chmod(0o744)
    (top / "behind").chmod(0o700)
    told = as_nobody({
        "all": {"path": str(top)}, "fine": {"path": f"{top}/open"}, "behind": {"path": f"{top}/behind/it"},
        "some": {"path": f"{top}/*/it"},
    })  # fmt: skip
    everything = of("all")
    assert (told.page[everything("unreadable_directories")], told.page[everything("seen_bytes")]) == ("3", "10")
    assert everything("size_bytes") not in told.page
    assert told.page[of("fine")("size_bytes")] == "10"
    assert told.names("behind") == set()
    assert told.names("some") == {"unreadable_directories", "walk_cut", "walk_duration_seconds",
                                  "walked_timestamp_seconds"}  # fmt: skip
    assert told.page[of("some")("unreadable_directories")] == "3"
    assert told.unanswered[0] == f"{top}/behind/it: Permission denied"
    assert "CAP_DAC_READ_SEARCH" in told.unanswered[1]
    assert told.walks_failing == ["", ""]  # what one read says the other does not repeat


@pytest.mark.parametrize("mode", [0o700, 0o744, 0o711], ids=oct)
@pytest.mark.parametrize("role", ["output", "temp", "store", "log", "other"])
def test_of_a_folder_that_cannot_be_read_there_are_no_figures_and_it_is_named(top: Path, role: str, mode: int) -> None:
    make(top, "it/a.log", "it/sub/b")
    (top / "it").chmod(mode)
    told = as_nobody({"it": {"path": f"{top}/it", "role": role, "ages": ["1d"], "budget": "1kB"}})
    assert told.names("it") == {"exists"}
    assert told.page[of("it", role)("exists")] == "1"
    assert told.unanswered == ["", ""]
    assert told.walks_failing[0] == f"{top}/it: Permission denied"
    assert "CAP_DAC_READ_SEARCH" in told.walks_failing[1]


@pytest.mark.parametrize("pattern", ["it/*", "it/*.log", "it/*/b"])
def test_a_pattern_in_a_folder_that_cannot_be_listed_is_not_known_to_match_nothing(top: Path, pattern: str) -> None:
    make(top, "it/app.log", "it/a/b")
    (top / "it").chmod(0o700)
    told = as_nobody({"it": {"path": f"{top}/{pattern}", "role": "secret"}})
    assert told.names("it") == set()
    assert told.walks_failing[0] == f"{top}/{pattern}: Permission denied"


def test_a_pattern_whose_matches_cannot_be_seen_is_not_known_to_match_nothing(top: Path) -> None:
    make(top, "it/app.log")
    (top / "it").chmod(0o744)
    told = as_nobody({"it": {"path": f"{top}/it/*.log", "role": "secret"}})
    assert of("it", "secret")("exists") not in told.page
    assert told.page[of("it", "secret")("unreadable_directories")] == "1"


def test_of_several_places_none_is_said_to_be_closed_where_one_could_not_be_seen(top: Path) -> None:
    make(top, "a/.env", "b/.env")
    (top / "a").chmod(0o700)
    (top / "b/.env").chmod(0o600)
    paths: dict[str, dict[str, object]] = {"it": {"path": f"{top}/*/.env", "role": "secret", "owner": "root"}}
    it = of("it", "secret")
    told = as_nobody(paths)
    assert (told.page[it("exists")], told.page[it("unreadable_directories")]) == ("1", "1")
    assert not {it("excess_mode_octal"), it("mode_octal"), it("wrong_owner_places")} & told.page.keys()
    (top / "b/.env").chmod(0o644)
    os.chown(top / "b/.env", 65534, 65534)
    told = as_nobody(paths)
    assert (told.page[it("excess_mode_octal")], told.page[it("wrong_owner_places")]) == ("44", "1")
    everything = seen(paths)
    assert (everything[it("mode_octal")], everything[it("excess_mode_octal")]) == ("644", "44")


def test_what_is_0_of_a_part_is_not_told_and_what_is_more_is(top: Path) -> None:
    make(top, "empty/closed/a", "some/closed/a", "some/old", "logs/closed/a.log", "logs/app.log")
    (top / "logs" / "app.log").write_text("")
    for name in ("empty", "some", "logs"):
        (top / name / "closed").chmod(0o700)
    told = as_nobody({
        "empty": {"path": f"{top}/empty", "role": "temp"}, "some": {"path": f"{top}/some", "role": "temp"},
        "logs": {"path": f"{top}/logs", "role": "log"},
    })  # fmt: skip
    parts = {"exists", "unreadable_directories", "walk_cut", "walk_duration_seconds", "walked_timestamp_seconds"}
    assert told.names("empty") == parts
    assert told.page[of("some", "temp", age="7d")("files_older_than")] == "1"
    assert told.page[of("some", "temp")("seen_bytes")] == "10"
    assert not told.names("logs") & {"log_size_bytes", "rotated_files", "seen_bytes"}


def test_what_was_rotated_is_not_known_where_its_folder_cannot_be_listed(top: Path) -> None:
    make(top, "logs/app.log", "logs/app.log.1")
    (top / "logs").chmod(0o711)
    told = as_nobody({"it": {"path": f"{top}/logs/app.log", "role": "log"}})
    it = of("it", "log")
    assert (told.page[it("log_size_bytes")], told.page[it("unreadable_directories")]) == ("10", "1")
    assert it("rotated_files") not in told.page


def test_a_walk_that_is_cut_before_it_saw_a_file_tells_no_0(top: Path) -> None:
    make(top, "one/a", "two/b", "three/c")
    shown = seen({"it": {"path": str(top), "role": "temp", "max_entries": 2}})
    assert shown[of("it", "temp")("walk_cut")] == "1"
    assert of("it", "temp")("seen_bytes") not in shown
    assert of("it", "temp", age="7d")("files_older_than") not in shown
