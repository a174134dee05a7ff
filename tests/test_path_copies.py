"""A folder and its copy: what the copy lacks by rsync's rule, and since when."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import needs
from tests.walking import of, page, said, seen, settings_of, walked

IT = of("it", "store")
OLD = time.time() - 10 * 86_400


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Return a folder with some files of an earlier time."""
    folder = tmp_path / "media"
    for name in ("a", "sub/b", "sub/deeper/c"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        os.utime(file, (OLD, OLD))
    return folder


def copied(media: Path) -> dict[str, str]:
    return seen({"it": {"path": str(media), "role": "store", "copy": str(media.parent / "copy")}})


def test_what_rsync_copied_is_there_and_what_it_would_copy_is_lacking(media: Path) -> None:
    needs("rsync")
    command = ["rsync", "-a", f"{media}/", f"{media.parent}/copy"]
    subprocess.run(command, check=True)
    shown = copied(media)
    assert shown[IT("unsynced_files")] == "0"
    assert IT("oldest_unsynced_timestamp_seconds") not in shown
    (media / "new").touch()
    (media / "a").write_text("longer than before")
    os.utime(media / "sub" / "b", (OLD + 1, OLD + 1))
    os.utime(media / "sub" / "deeper" / "c", (OLD + 0.25, OLD + 0.25))
    listed = subprocess.run([*command, "--dry-run", "--out-format=%n"], check=True, capture_output=True, text=True)
    lacking = [name for name in listed.stdout.splitlines() if not name.endswith("/")]
    assert copied(media)[IT("unsynced_files")] == str(len(lacking))


def test_a_copy_without_anything_lacks_everything_since_it_came(media: Path) -> None:
    shown = copied(media)
    assert shown[IT("unsynced_files")] == "3"
    oldest = min(file.stat().st_ctime for file in media.rglob("*") if file.is_file())
    assert float(shown[IT("oldest_unsynced_timestamp_seconds")]) == oldest
    assert time.time() - oldest < 60  # not the time that the files carry: nobody could have copied them then


def older(copy: Path) -> None:
    os.utime(copy / "a", (OLD - 2, OLD - 2))


def another_size(copy: Path) -> None:
    (copy / "a").write_text("other")
    os.utime(copy / "a", (OLD, OLD))


def one_more(copy: Path) -> None:
    (copy / "more").touch()


def missing(copy: Path) -> None:
    (copy / "a").unlink()


def a_folder_missing(copy: Path) -> None:
    shutil.rmtree(copy / "sub")


def a_file_in_its_place(copy: Path) -> None:
    shutil.rmtree(copy / "sub")
    (copy / "sub").touch()


@pytest.mark.parametrize(("change", "lacks"), [
    (older, "1"), (another_size, "1"), (one_more, "0"), (missing, "1"), (a_folder_missing, "2"),
    (a_file_in_its_place, "2"),
])  # fmt: skip
def test_what_makes_a_file_lacking(media: Path, change: Callable[[Path], None], lacks: str) -> None:
    copy = media.parent / "copy"
    shutil.copytree(media, copy, copy_function=shutil.copy2)
    assert copied(media)[IT("unsynced_files")] == "0"
    change(copy)
    assert copied(media)[IT("unsynced_files")] == lacks


def test_a_pattern_of_names_leaves_the_others_out(media: Path) -> None:
    shown = seen({"it": {"path": str(media), "role": "store", "copy": str(media.parent / "copy"), "files": "[ab]"}})
    assert shown[IT("unsynced_files")] == "2"


def test_one_file_has_a_copy_too(media: Path) -> None:
    (media.parent / "copy").mkdir()
    shutil.copy2(media / "a", media.parent / "copy" / "other-name")
    paths = {"it": {"path": str(media / "a"), "role": "store", "copy": str(media.parent / "copy" / "other-name")}}
    assert seen(paths)[IT("unsynced_files")] == "0"


def test_a_copy_that_cannot_be_looked_at_is_not_said_to_lack_anything(media: Path) -> None:
    copy = media.parent / "copy"
    copy.symlink_to("copy")
    settings = settings_of({"it": {"path": str(media), "role": "store", "copy": str(copy)}})
    entries = walked(settings)
    shown = page(settings, entries)
    assert IT("unsynced_files") not in shown
    assert IT("oldest_unsynced_timestamp_seconds") not in shown
    assert shown[IT("files")] == "3"
    reason, fix = said(settings, entries, "walks_failing")
    assert reason == f"{copy}: 3 files of the copy could not be looked at"
    assert fix == "let the exporter's user enter all folders of the copy"
