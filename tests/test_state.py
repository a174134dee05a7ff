"""What outlives a restart, a kill, and damage."""

import logging
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.state import VERSION, State
from tests.support import until

FILE = "state.sqlite"
ODD_KEYS = ["", "a", "é\n", "\udc80.log", "\0", '"', "日本"]


def reopened(directory: Path) -> State:
    state = State(directory)
    assert state.problem == ""
    return state


def content(directory: Path) -> dict[tuple[str, str], str]:
    state = reopened(directory)
    state.close()
    return state.entries


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    state = reopened(tmp_path)
    shelf = state.shelf("target a")
    for key in ODD_KEYS:
        shelf.put(key, {"key": key, "number": 1.5, "list": [None, True, "\udcff"]})
    assert shelf.get("a")["number"] == 1.5
    assert state.flush()
    state.close()
    again = reopened(tmp_path)
    assert again.shelf("target a").keys() == sorted(ODD_KEYS)
    assert [again.shelf("target a").get(key)["key"] for key in ODD_KEYS] == ODD_KEYS
    assert again.shelf("target a").get("a")["list"] == [None, True, "\udcff"]
    assert again.shelf("target b").keys() == []
    again.close()


def test_closing_writes_what_was_put(tmp_path: Path) -> None:
    state = reopened(tmp_path)
    state.shelf("s").put("k", 1)
    state.close()
    assert content(tmp_path) == {("s", "k"): "1"}


def test_none_forgets(tmp_path: Path) -> None:
    state = reopened(tmp_path)
    state.shelf("s").put("k", 1)
    state.shelf("s").put("k", None)
    state.shelf("s").put("never", None)
    assert state.shelf("s").get("k") is None
    state.close()
    assert content(tmp_path) == {}


def test_an_equal_value_writes_nothing(tmp_path: Path) -> None:
    state = reopened(tmp_path)
    state.shelf("s").put("k", {"a": 1})
    assert state.flush()
    wal = tmp_path / f"{FILE}-wal"
    size = wal.stat().st_size
    state.shelf("s").put("k", {"a": 1})
    assert state.flush()
    assert wal.stat().st_size == size
    state.shelf("s").put("k", {"a": 2})
    assert state.flush()
    assert wal.stat().st_size > size
    state.close()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    state = reopened(tmp_path / "deep" / "down")
    state.shelf("s").put("k", 1)
    assert state.flush()
    for path in (tmp_path / "deep" / "down").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((tmp_path / "deep" / "down").stat().st_mode) == 0o700
    state.close()


WRITER = """
import sys
from pathlib import Path
from exporter.state import State
state = State(Path(sys.argv[1]))
assert not state.problem, state.problem
shelf = state.shelf("s")
number = int(shelf.get("number") or 0)
while True:
    number += 1
    shelf.put("number", number)
    shelf.put(f"text {number % 50}", str(number) * 200)
    if number % 3 == 0:
        assert state.flush()
        print(number, flush=True)
"""


def test_a_kill_loses_nothing_that_was_confirmed(tmp_path: Path) -> None:
    for round in range(10):
        # the first is killed as early as can be, when the file may be half made
        least = 0 if round == 0 else random.randrange(1, 40)
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            confirmed = [int(process.stdout.readline()) for _ in range(least)]
            if not least:
                until((tmp_path / FILE).exists)
            process.send_signal(signal.SIGKILL)
            confirmed += [int(line) for line in process.stdout if line.endswith(b"\n")]
        state = reopened(tmp_path)
        assert int(state.shelf("s").get("number") or 0) >= max(confirmed, default=0)
        state.close()
    assert [path.name for path in tmp_path.iterdir()] == [FILE]  # nothing was taken for damaged


@pytest.mark.parametrize("damage", ["no database", "a torn page"])
def test_a_damaged_file_is_kept_aside_and_begun_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    state = reopened(tmp_path)
    for number in range(500):
        state.shelf("s").put(str(number), "x" * 100)
    state.close()
    path = tmp_path / FILE
    good = path.read_bytes()
    bad = b"garbage" * 1000 if damage == "no database" else good[:8192] + b"\xff" * 8192 + good[16384:]
    path.write_bytes(bad)
    with caplog.at_level(logging.WARNING):
        state = reopened(tmp_path)
    assert state.entries == {}
    assert "damaged" in caplog.text
    (aside,) = tmp_path.glob("state.sqlite.damaged-*")
    assert aside.read_bytes() == bad
    state.shelf("s").put("k", 1)
    state.close()
    assert content(tmp_path) == {("s", "k"): "1"}


def test_a_half_made_file_is_finished(tmp_path: Path) -> None:
    content(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as connection:  # as a kill between making the table and noting the version
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    state = reopened(tmp_path)
    state.shelf("s").put("k", 1)
    assert state.flush()
    state.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.execute("CREATE TABLE future (x)")
    connection.commit()
    connection.close()
    before = (tmp_path / FILE).read_bytes()
    state = State(tmp_path)
    assert "newer version" in state.problem
    state.shelf("s").put("k", 1)
    assert not state.flush()
    state.close()
    assert (tmp_path / FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_where_it_cannot_be_written_the_process_runs_on_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        state = State(tmp_path / "file" / "state")
    assert "Not a directory" in state.problem
    assert "the state is not kept" in caplog.text
    state.shelf("s").put("k", 1)
    assert state.shelf("s").get("k") == 1
    assert not state.flush()
    state.close()


def test_without_a_directory_it_forgets() -> None:
    state = State(None)
    assert state.problem == "no storage path is set"
    state.shelf("s").put("k", 1)
    assert state.shelf("s").get("k") == 1
    state.close()


SECOND = """
import sys
from pathlib import Path
from exporter.state import State
print(State(Path(sys.argv[1])).problem)
"""


def test_a_second_process_runs_without_and_says_so(tmp_path: Path) -> None:
    state = reopened(tmp_path)
    second = subprocess.run(
        [sys.executable, "-c", SECOND, str(tmp_path)], capture_output=True, text=True, timeout=20, check=True
    )
    assert "another runbook-exporter uses it" in second.stdout
    state.shelf("s").put("k", 1)
    assert state.flush()
    state.close()
    assert content(tmp_path) == {("s", "k"): "1"}


@contextmanager
def filling(state: State) -> Iterator[None]:
    """Let the file grow no further, which SQLite itself calls a full disk."""
    state.shelf("s").put("before", 1)
    assert state.flush()
    _connection(state).execute("PRAGMA max_page_count = 1")
    state.shelf("s").put("too much", "x" * 10_000)
    assert not state.flush()
    try:
        yield
    finally:
        _connection(state).execute("PRAGMA max_page_count = 100000")


def test_a_full_disk_loses_nothing_once_there_is_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = reopened(tmp_path)
    shelf = state.shelf("s")
    shelf.put("before", 1)
    assert state.flush()
    connection = _connection(state)
    connection.execute("PRAGMA max_page_count = 1")  # what SQLite itself calls full
    with caplog.at_level(logging.INFO):
        for number in range(200):
            shelf.put(f"k{number}", "x" * 200)
        assert not state.flush()
        assert "full" in state.problem
        shelf.put("more", 1)
        assert not state.flush()
        connection.execute("PRAGMA max_page_count = 100000")
        shelf.put("last", 1)
        assert state.flush()
    assert state.problem == ""
    assert [record.getMessage() for record in caplog.records] == [
        "the state cannot be written: database or disk is full", "the state is kept again",
    ]  # fmt: skip
    state.close()
    assert len(content(tmp_path)) == 203


def _connection(state: State) -> sqlite3.Connection:
    assert state._connection is not None
    return state._connection


@contextmanager
def hanging(state: State) -> Iterator[None]:
    """Hold the writer inside SQLite, as a disk that hangs does."""
    inside, goes_on = threading.Event(), threading.Event()

    def hang() -> int:
        inside.set()
        goes_on.wait(20)
        return 0

    _connection(state).set_progress_handler(hang, 1)
    state.shelf("s").put("hanging", 1)
    try:
        assert inside.wait(10)
        yield
    finally:
        goes_on.set()


def test_a_disk_that_hangs_is_said_and_what_waits_for_it_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = reopened(tmp_path)
    shelf = state.shelf("s")
    with hanging(state):
        tracemalloc.start()
        for number in range(20_000):
            shelf.put("number", number)
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert grown < 100_000  # kept one by one they take 2 MB
        assert state.problem == ""
        monkeypatch.setattr(State, "LONGEST_WRITE", 0.0)
        assert "the disk hangs" in state.problem
        assert not state.flush(0.01)
        monkeypatch.undo()
    assert state.flush()
    assert state.problem == ""
    state.close()
    assert content(tmp_path) == {("s", "hanging"): "1", ("s", "number"): "19999"}


def test_what_is_put_during_a_write_that_fails_counts(tmp_path: Path) -> None:
    state = reopened(tmp_path)
    with filling(state):
        with hanging(state):  # writes `hanging`, and what does not fit beside it
            state.shelf("s").put("hanging", 2)
        assert not state.flush()
    assert state.flush()
    state.close()
    assert content(tmp_path)["s", "hanging"] == "2"


def test_closing_does_not_wait_for_a_disk_that_hangs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = reopened(tmp_path)
    writer = state._thread
    assert writer is not None
    with hanging(state):
        started = time.monotonic()
        state.close(0.05)
        assert time.monotonic() - started < 5
        assert "not written to its end" in caplog.text
    writer.join(10)
    assert content(tmp_path) == {("s", "hanging"): "1"}


def test_what_cannot_be_written_at_all_is_said_and_the_writer_lives_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = reopened(tmp_path)
    state.shelf("\udc80").put("k", 1)  # no text to SQLite, and no error of SQLite's either
    assert not state.flush()
    assert "surrogates" in state.problem
    assert "the state cannot be written" in caplog.text
    assert state._thread is not None
    assert state._thread.is_alive()
    state.close()


def test_what_removed_targets_left_is_forgotten(tmp_path: Path) -> None:
    state = reopened(tmp_path)
    for shelf in ("target a", "target b", "target ", "notes"):
        state.shelf(shelf).put("k", 1)
    state.close()
    state = reopened(tmp_path)
    state.keep_only({"target a"})
    assert sorted(state.entries) == [("notes", "k"), ("target a", "k")]
    state.close()
    assert sorted(content(tmp_path)) == [("notes", "k"), ("target a", "k")]


def test_keys_can_be_listed_while_others_put(tmp_path: Path) -> None:
    state = State(None)
    stop = threading.Event()

    def put() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            state.shelf("s").put(str(number % 5000), number)
            state.shelf("s").put(str((number + 2500) % 5000), None)

    thread = threading.Thread(target=put)
    thread.start()
    try:
        until(lambda: len(state.entries) > 1000)
        for _ in range(200):
            assert state.shelf("s").keys()
    finally:
        stop.set()
        thread.join()


def test_the_state_is_taken_over_when_the_process_before_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(State, "RETRY", 0.01)
    before = State(tmp_path)
    before.shelf("s").put("kept", 1)
    before.shelf("s").put("changed", 1)
    after = State(tmp_path)
    assert "another runbook-exporter" in after.problem
    after.shelf("s").put("changed", 2)
    assert not after.flush()
    before.close(5.0)
    until(lambda: not after.problem)
    assert after.flush()
    after.close(5.0)
    again = State(tmp_path)
    assert (again.shelf("s").get("kept"), again.shelf("s").get("changed")) == (1, 2)
    again.close(5.0)


def test_a_directory_that_hangs_does_not_keep_the_process_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, mkdir = threading.Event(), Path.mkdir

    def hang(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        gate.wait(20)
        mkdir(path, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", hang)
    monkeypatch.setattr(State, "LONGEST_OPEN", 0.05)
    state = State(tmp_path / "hanging")
    assert "the disk does not answer" in state.problem
    gate.set()
    until(lambda: not state.problem)
    state.close(5.0)
