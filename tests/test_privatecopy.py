"""Private copies of files that somebody else writes: as they stood at one moment, or none at all."""

import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter import privatecopy
from exporter.collector import Trouble
from exporter.privatecopy import Copy, copied
from exporter.scratch import clear

LOGS = (".wal", ".more")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch" / "it-0123abcd"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "app.db"
    file.write_bytes(os.urandom(20_000))
    return file


@contextmanager
def copy(file: Path, scratch: Path, *, most: int = 1 << 30, tries: int = 3) -> Iterator[Copy]:
    with copied(str(file), LOGS, str(scratch), most=most, header=12_288, tries=tries) as made:
        yield made


def refused(file: Path, scratch: Path, most: int = 1 << 30) -> Trouble:
    """Return why there is no copy."""
    with pytest.raises(Trouble) as raised, copy(file, scratch, most=most):
        pass
    assert raised.value.fix
    assert left(scratch) == set()
    return raised.value


def left(scratch: Path) -> set[str]:
    """Return what is left in the folder, besides its lock."""
    return set(os.listdir(scratch)) - {"lock"} if scratch.exists() else set()


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[], object], times: int = 1, after: str = "_copy"
) -> None:
    """Have a change made after the main file was copied, in so many tries."""
    done: list[object] = []
    original = getattr(privatecopy, after)

    def with_change(*args: object, **kwargs: object) -> object:
        answer = original(*args, **kwargs)
        if len(done) < times and (after != "_copy" or kwargs["whole"]):
            done.append(change())
        return answer

    monkeypatch.setattr(privatecopy, after, with_change)


def test_a_copy_has_the_file_and_its_logs(file: Path, scratch: Path) -> None:
    (file.parent / "app.db.wal").write_bytes(b"log")
    before = time.time()
    with copy(file, scratch) as made:
        assert Path(made.path).read_bytes() == file.read_bytes()
        assert Path(f"{made.path}.wal").read_bytes() == b"log"
        assert not Path(f"{made.path}.more").exists()
        assert made.tries == 1
        assert before <= made.time <= time.time()
        assert stat.S_IMODE(os.stat(made.path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(scratch).st_mode) == 0o700
    assert left(scratch) == set()


def test_large_and_empty_files_come_whole(tmp_path: Path, scratch: Path) -> None:
    for size in (0, 1, (8 << 20) + 1, 20 << 20):
        (tmp_path / "file").write_bytes(os.urandom(size))
        with copy(tmp_path / "file", scratch) as made:
            assert Path(made.path).read_bytes() == (tmp_path / "file").read_bytes()


@pytest.mark.parametrize(
    "failure", [OSError(18, "Invalid cross-device link"), OSError(38, "Function not implemented"), 0]
)
def test_where_the_kernel_does_not_copy_it_is_done_by_hand(
    file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, failure: OSError | int
) -> None:
    def fails(*args: object) -> int:
        if isinstance(failure, OSError):
            raise failure
        return failure

    monkeypatch.setattr(os, "copy_file_range", fails)
    with copy(file, scratch) as made:
        assert Path(made.path).read_bytes() == file.read_bytes()


def _append(file: Path) -> None:
    with file.open("ab") as open_file:
        open_file.write(b"more")


def _overwrite(file: Path) -> None:
    with file.open("r+b") as open_file:
        open_file.seek(15_000)
        open_file.write(b"other")


def _replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.rename(file)


def _keep_the_time(file: Path) -> None:
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    _overwrite(file)
    os.utime(file, ns=times)


CHANGES: list[Callable[[Path], object]] = [
    _append, _overwrite, _replace, _keep_the_time, lambda file: os.truncate(file, 100), lambda file: file.touch(),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_meanwhile_is_copied_again(
    file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    meanwhile(monkeypatch, lambda: change(file))
    with copy(file, scratch) as made:
        assert made.tries == 2
        assert Path(made.path).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_right_after_the_first_look_is_copied_again(
    file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    meanwhile(monkeypatch, lambda: change(file), after="_settled")
    file.touch()  # the clock of files may stand where it was when the first look was
    with copy(file, scratch) as made:
        assert made.tries == 2
        assert Path(made.path).read_bytes() == file.read_bytes()


def test_a_file_that_always_changes_is_not_copied(file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, lambda: _append(file), times=99)
    trouble = refused(file, scratch)
    assert "was written to during each of 3 tries" in str(trouble)
    assert "backup" in trouble.fix


def test_a_log_may_grow_and_is_taken_as_it_was(file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = file.with_name("app.db.wal")
    log.write_bytes(b"first")
    meanwhile(monkeypatch, lambda: _append(log))
    with copy(file, scratch) as made:
        assert made.tries == 1
        assert Path(f"{made.path}.wal").read_bytes() == b"first"


@pytest.mark.parametrize(
    "change",
    [lambda log: log.write_bytes(b"other"), lambda log: os.truncate(log, 1), lambda log: log.unlink(), _replace],
)
def test_a_log_that_changed_otherwise_is_not_taken(
    file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    log = file.with_name("app.db.wal")
    log.write_bytes(b"first")
    # after all was copied: what is in the copy by then is compared
    meanwhile(monkeypatch, lambda: change(log), after="_check_same")
    with copy(file, scratch) as made:
        assert made.tries == 2
        assert Path(f"{made.path}.wal").exists() == log.exists()


def test_a_log_that_appears_is_taken(file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = file.with_name("app.db.wal")
    meanwhile(monkeypatch, lambda: log.write_bytes(b"first"))
    with copy(file, scratch) as made:
        assert made.tries == 2
        assert Path(f"{made.path}.wal").read_bytes() == b"first"


def test_a_change_that_no_time_shows_is_seen_in_the_header(
    file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file.open("r+b") as beginning:
        descriptor = beginning.fileno()
        frozen = privatecopy._state_of(os.fstat(descriptor))
        monkeypatch.setattr(privatecopy, "_state_of", lambda found: frozen)  # as if nothing had a time
        meanwhile(monkeypatch, lambda: os.pwrite(descriptor, b"other", 4096))
        with copy(file, scratch) as made:
            assert made.tries == 2
            assert Path(made.path).read_bytes()[4096:4101] == b"other"


def test_whole_seconds_are_waited_for(file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr("exporter.privatecopy.time.sleep", rests.append)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    with copy(file, scratch):
        assert rests == [pytest.approx(2.1)]


def test_no_file(tmp_path: Path, scratch: Path) -> None:
    assert "no such file" in str(refused(tmp_path / "none", scratch))


def test_too_large(file: Path, scratch: Path) -> None:
    trouble = refused(file, scratch, most=19_999)
    assert "20000 bytes" in str(trouble)
    assert "max_copy_size" in trouble.fix
    file.with_name("app.db.wal").write_bytes(b"log")
    refused(file, scratch, most=20_002)
    with copy(file, scratch, most=20_003):
        pass


def test_no_room(file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs

    def little(path: str) -> os.statvfs_result:
        values = list(real(path))
        values[4] = 100  # blocks for everybody
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "statvfs", little)
    trouble = refused(file, scratch)
    assert "bytes free" in str(trouble)
    assert "scratch" in trouble.fix


def test_a_disk_that_fills_up_is_told(file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", full)
    monkeypatch.setattr(os, "pwrite", full)
    assert "No space left" in str(refused(file, scratch))


def test_what_a_killed_process_left_is_removed(file: Path, scratch: Path) -> None:
    scratch.mkdir(mode=0o700, parents=True)
    (scratch / "copy").write_bytes(b"old")
    (scratch / "spilled").mkdir()
    (scratch / "spilled" / "file").write_bytes(b"old")
    with copy(file, scratch) as made:
        assert Path(made.path).read_bytes() == file.read_bytes()
        assert not (scratch / "spilled").exists()
    (scratch / "copy").write_bytes(b"old")
    clear(str(scratch))
    assert left(scratch) == set()
    clear(str(scratch.parent / "none" / "it-0123abcd"))


def test_what_was_left_of_another_target_is_removed(file: Path, scratch: Path) -> None:
    """It was renamed, or is configured no more: nobody would ever look into its folder again."""
    renamed, foreign = scratch.with_name("before-0123abcd"), scratch.with_name("of-others-0123abcd")
    with copy(file, renamed):
        pass
    (renamed / "copy").write_bytes(b"old")
    foreign.mkdir(0o700)
    (foreign / "lock").touch()
    (foreign / "theirs").write_bytes(b"")
    with copy(file, scratch):
        assert left(renamed) == set()
    assert left(foreign) == {"theirs"}


def test_a_folder_in_use_is_left_alone(file: Path, scratch: Path) -> None:
    with copy(file, scratch) as made, copy(file, scratch) as beside:
        clear(str(scratch))
        assert Path(made.path).read_bytes() == Path(beside.path).read_bytes() == file.read_bytes()
        assert made.folder != beside.folder
        with copy(file, scratch), pytest.raises(Trouble, match="other processes use"), copy(file, scratch):
            pass
        assert Path(made.path).exists()
    assert {name for name in os.listdir(scratch.parent) if left(scratch.with_name(name))} == set()


def test_room_is_taken_before_it_is_filled(file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another copy that looks for room meanwhile must not count on the same."""
    sizes: list[int] = []

    def first(*args: object, **kwargs: object) -> None:
        sizes.extend(one.stat().st_blocks * 512 for one in scratch.rglob("*") if one.is_file() and one.name != "lock")

    monkeypatch.setattr(privatecopy, "_pour", first)
    monkeypatch.setattr(privatecopy, "_check_same", lambda *args: None)
    with copy(file, scratch):
        assert sizes
        assert sizes[0] >= 20_000


def test_a_folder_that_others_may_enter_is_refused(file: Path, scratch: Path) -> None:
    scratch.mkdir(parents=True)
    scratch.chmod(0o755)
    assert "only the exporter's user can enter" in str(refused(file, scratch))
    scratch.rmdir()
    elsewhere = scratch.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    scratch.symlink_to(elsewhere)
    assert "only the exporter's user can enter" in str(refused(file, scratch))
    assert list(elsewhere.iterdir()) == []


def test_a_folder_that_others_may_swap_is_refused(file: Path, scratch: Path) -> None:
    scratch.parent.mkdir()
    scratch.parent.chmod(0o777)
    assert "others may change" in str(refused(file, scratch))
    scratch.parent.chmod(0o1777)
    with copy(file, scratch):
        pass


def test_a_scratch_that_is_a_file(file: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("")
    with pytest.raises(Trouble, match="scratch"), copy(file, tmp_path / "scratch" / "it"):
        pass


def test_nothing_is_locked_or_written(file: Path, scratch: Path) -> None:
    """Somebody who has the file locked against all others notices nothing."""
    before = file.stat()
    with file.open("r+b") as own:
        fcntl.lockf(own, fcntl.LOCK_EX)
        answers = []

        def make() -> None:
            with copy(file, scratch) as made:
                answers.append(made.tries)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join(10)
    after = file.stat()
    assert answers == [1]
    assert (before.st_mtime_ns, before.st_ctime_ns, before.st_size) == (
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_size,
    )
    assert sorted(os.listdir(file.parent)) == ["app.db", "scratch"]
