"""Whatever happens to a log and to its follower: each line is counted once."""

import gzip
import itertools
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.collectors.log.follow import Follow
from exporter.collectors.log.leftovers import Leftovers
from tests.followed import Followed, Running, of_files
from tests.support import until


class Writer:
    """Writes numbered lines to a log, and rotates it in every manner."""

    def __init__(self, folder: Path, alike: bool = False) -> None:
        self._alike = alike
        self.path = folder / "app.log"
        self._file = self.path.open("ab", buffering=0)
        self.written = self.errors = 0
        self._half = False
        self._names = itertools.count(1)

    def write(self, count: int) -> None:
        lines = []
        for number in range(count) if self._alike else range(self.written, self.written + count):
            self.errors += number % 7 == 0
            lines.append(f"2026-11-25 08:00:00 {'ERROR' if number % 7 == 0 else 'INFO'} number {number}")
        self._file.write(("\n".join(lines) + "\n").encode() if lines else b"")
        self.written += count

    def write_in_halves(self, between: "Followed | None" = None) -> None:
        number = self.written
        self.errors += number % 7 == 0
        self._file.write(f"2026-11-25 08:00:00 {'ERROR' if number % 7 == 0 else 'INFO'} num".encode())
        if between is not None:
            between.turn()
        self._file.write(f"ber {number}\n".encode())
        self.written += 1

    def rename(self) -> None:
        self.path.rename(self._aside())
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def shift(self) -> None:
        """Rotate as Python's RotatingFileHandler does: each file takes the name of the one before."""
        there = sorted(self.path.parent.glob("app.log.[0-9]*"), key=lambda path: int(path.suffix[1:]), reverse=True)
        for path in there:
            path.rename(path.with_suffix(f".{int(path.suffix[1:]) + 1}"))
        self._names = itertools.count(len(there) + 2)
        self.path.rename(self.path.with_name("app.log.1"))
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def copy_and_empty(self) -> None:
        shutil.copyfile(self.path, self._aside())
        os.truncate(self.path, 0)

    def _aside(self) -> Path:
        # a name beyond all that are there, as shifting leaves gaps
        return next(path for n in self._names if not (path := self.path.with_name(f"app.log.{n}")).exists())

    def compress(self) -> None:
        """Compress all that was rotated away."""
        for path in self.path.parent.glob("app.log.[0-9]*"):
            if path.suffix != ".gz":
                with gzip.open(f"{path}.gz", "wb") as packed:
                    packed.write(path.read_bytes())
                path.unlink()

    def close(self) -> None:
        self._file.close()


ACTIONS = ("write", "halves", "rename", "shift", "copy", "turn", "look", "settle", "kill")
STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(1, 40)), max_size=40)


# renamed before its first line was read, and known to be renamed when the follower is killed
UNREAD_AND_KILLED = [("write", 1), ("rename", 1), ("look", 1), ("kill", 1)]


def act(writer: Writer, follower: Followed, action: str, count: int) -> None:
    simple: dict[str, Callable[[], object]] = {
        "rename": writer.rename, "shift": writer.shift, "copy": writer.copy_and_empty, "kill": follower.kill,
        "settle": follower.settle, "turn": follower.turn,
        "look": lambda: follower.follow.tell(follower.tell),
    }  # fmt: skip
    if action == "write":
        writer.write(count)
    elif action == "halves":
        writer.write_in_halves(follower)
    else:
        simple[action]()


def followed_through(steps: list[tuple[str, int]], folder: Path, pattern: str, writer: Writer) -> Followed:
    """Return the follower after all steps, the last of which is to look at everything."""
    follower = Followed(of_files(folder / pattern))
    follower.settle()
    for action, count in steps:
        act(writer, follower, action, count)
    follower.settle()
    follower.kill()
    writer.close()
    return follower


@settings(max_examples=120, deadline=None)
@example(UNREAD_AND_KILLED, "app.log")
@example(UNREAD_AND_KILLED[:-1], "app.log")
@given(STEPS, st.sampled_from(["app.log", "app.log*"]))
def test_each_line_is_counted_once_whatever_happens(steps: list[tuple[str, int]], pattern: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder))
        follower = followed_through(steps, Path(folder), pattern, writer)
        assert (follower["lines"], follower["levels"]["error"]) == (writer.written, writer.errors)
        assert follower["unparsed"] == follower["lost_bytes"] == 0


ALIKE = ("write", "rename", "turn", "look", "settle", "kill")


@settings(max_examples=50, deadline=None)
@example(UNREAD_AND_KILLED, "app.log")
@example(UNREAD_AND_KILLED[:-1], "app.log")
@given(
    st.lists(st.tuples(st.sampled_from(ALIKE), st.integers(1, 40)), max_size=40),
    st.sampled_from(["app.log", "app.log*"]),
)
def test_lines_that_are_all_alike_are_counted_too_where_files_are_renamed(
    steps: list[tuple[str, int]], pattern: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder), alike=True)
        follower = followed_through(steps, Path(folder), pattern, writer)
        assert (follower["lines"], follower["lost_bytes"]) == (writer.written, 0)


@pytest.mark.parametrize("read_before", [False, True], ids=["unread", "read in part"])
def test_a_log_emptied_while_its_copy_is_looked_for_is_counted_once(
    tmp_path: Path, read_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, follower = Writer(tmp_path), Followed(of_files(tmp_path / "app.log"))
    follower.settle()
    if not read_before:
        writer.rename()
    writer.write(3)
    if read_before:
        follower.settle()
        writer.write(2)
    shutil.copyfile(writer.path, tmp_path / "app.log.2")
    follower.follow.tell(follower.tell)  # it has seen how large the log is
    beside = Leftovers.look_beside

    def emptied_first(leftovers: Leftovers, *given: Any, **more: Any) -> int:
        os.truncate(writer.path, 0)
        monkeypatch.undo()
        return beside(leftovers, *given, **more)

    monkeypatch.setattr(Leftovers, "look_beside", emptied_first)
    follower.follow._logs[0].files.look_beside()
    writer.write(1)
    follower.settle()
    writer.close()
    assert (follower["lines"], follower["losses"]["truncated"], follower["lost_bytes"]) == (writer.written, 0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_follower_that_is_killed_again_and_again_counts_exactly(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Follow, "PAUSE", 0.002)
    monkeypatch.setattr(Follow, "TELL", 0.01)
    monkeypatch.setattr(Leftovers, "LINGER", 0.05)
    chance = random.Random(seed)
    writer, ended = Writer(tmp_path), threading.Event()

    def write() -> None:
        for _ in range(1500):
            writer.write(chance.randrange(400))
            if chance.random() < 0.03:
                chance.choice([writer.rename, writer.shift, writer.copy_and_empty, writer.write_in_halves])()
        ended.set()

    follower = Running(of_files(writer.path))
    follower.start()
    thread = threading.Thread(target=write)
    thread.start()
    kills = random.Random(-seed)
    try:
        while not ended.is_set():
            ended.wait(kills.random() / 20)
            follower.stop(kill=True)
            follower.start()
        until(lambda: follower["lines"] >= writer.written, 20)
    finally:
        thread.join()
        follower.stop()
        writer.close()
    assert (follower["lines"], follower["levels"]["error"]) == (writer.written, writer.errors)
    assert (follower["losses"], follower["lost_bytes"]) == ({"truncated": 0, "vanished": 0}, 0)
