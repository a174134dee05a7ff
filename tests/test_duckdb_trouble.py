"""What can be wrong with a DuckDB database, or with looking into it: told apart, each with what to do about it."""

import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.collector import NotApplicable, Trouble
from exporter.collectors._duckdb import asking, opening
from exporter.collectors._duckdb.asking import look
from exporter.collectors._duckdb.settings import WaySettings
from exporter.collectors._duckdb.trouble import Damaged, explained
from exporter.collectors.duckdb import DuckDB
from exporter.throwaway import ask
from tests.duckdbfile import ROOT, calm, held, made, older, run
from tests.hang_fs import mounted, need_fuse
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.support import until

WORK = "exporter.collectors._duckdb.contents:read"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("original") / "app.duckdb")


@pytest.fixture
def database(original: Path, tmp_path: Path) -> Path:
    path = tmp_path / "app.duckdb"
    path.write_bytes(original.read_bytes())
    return path


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def trouble(path: Path, scratch: Path, library: str = "", **settings: object) -> Trouble:
    """Return why nothing is read."""
    way = WaySettings(path=str(path), scratch=str(scratch), **settings)  # type: ignore[arg-type]
    libraries = (library,) if library else ()
    with pytest.raises(Trouble) as raised:
        look(WORK, way, "it", timeout=30, seconds=10, libraries=libraries)
    assert not scratch.exists() or not [name for one in scratch.iterdir() for name in os.listdir(one) if name != "lock"]
    return raised.value


def test_no_such_file(tmp_path: Path, scratch: Path) -> None:
    found = trouble(tmp_path / "none", scratch)
    assert "No such file" in str(found)
    assert "correct `path`" in found.fix


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(9000), b"DUCK", bytes(20_000)])
def test_no_database(tmp_path: Path, scratch: Path, content: bytes) -> None:
    (tmp_path / "app.duckdb").write_bytes(content)
    assert "no DuckDB database" in str(trouble(tmp_path / "app.duckdb", scratch))


def test_a_folder_and_a_pipe(tmp_path: Path, scratch: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is no file" in str(trouble(tmp_path, scratch))
    assert "is no file" in str(trouble(tmp_path / "pipe", scratch))


def test_encrypted(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "app.duckdb"
    attach = f"ATTACH '{path}' AS it (ENCRYPTION_KEY 'plentiful-orchid')"
    run(Path(":memory:"), "SET force_mbedtls_unsafe = true", attach, "CREATE TABLE it.t (id INTEGER)")
    found = trouble(path, scratch)
    assert isinstance(found, NotApplicable)
    assert "is encrypted" in str(found)


def test_newer_than_the_library(tmp_path: Path, scratch: Path) -> None:
    library = older("1.1.3")
    path = tmp_path / "app.duckdb"
    run(Path(":memory:"), f"ATTACH '{path}' AS it (STORAGE_VERSION 'latest')", "CREATE TABLE it.t (id INTEGER)")
    found = trouble(path, scratch, library)
    assert "newer storage version" in str(found)
    assert "pip install --upgrade duckdb" in found.fix


def test_older_than_the_library() -> None:
    text = "Trying to read a database file with version number 39, but we can only read versions between 64 and 69."
    found = explained(RuntimeError(text), "/app.duckdb", "/scratch/copy")
    assert "old storage version 39; the library here reads 64 to 69" in str(found)


@pytest.mark.parametrize(
    "said",
    [
        'IO Error: Could not write file "/srv/checksum corrupt/app.duckdb": Bad file descriptor',
        "IO Error: Cannot open file /checksums/app.duckdb.wal: Too many open files",
        'IO Error: Could not read all bytes from file "/srv/app.duckdb": Input/output error',
        "Conversion Error: Could not convert string 'Corrupt database file' to INT32",
        "Binder Error: there is no column checksum",
    ],
)
def test_what_is_no_damage(said: str) -> None:
    assert not isinstance(explained(RuntimeError(said), "/srv/checksum", "/scratch/copy"), Damaged)


@pytest.mark.parametrize(
    "said",
    [
        "IO Error: Corrupt database file: computed checksum 17 does not match stored checksum 4 in block at location 8",
        "IO Error: Corrupt WAL file: entry at byte position 17 computed checksum 1 does not match stored checksum 2",
        "Serialization Error: Failed to deserialize: field id mismatch, expected: 100, got: 5",
        'IO Error: Could not read enough bytes from file "/srv/app.duckdb": attempted to read 262144 bytes',
    ],
)
def test_what_is_damage(said: str) -> None:
    assert isinstance(explained(RuntimeError(said), "/srv/app.duckdb", "/scratch/copy"), Damaged)


def test_a_backup_that_is_removed_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "backup-1"
    there.write_bytes(b"")
    os.utime(there, (1000, 1000))
    monkeypatch.setattr("glob.glob", lambda *args, **more: [str(tmp_path / "backup-0"), str(there)])
    assert opening._newest(str(tmp_path / "backup-*")) == str(there)


def test_locked(database: Path, scratch: Path) -> None:
    with held(database):
        found = trouble(database, scratch, open="live")
    assert "another process has it open for writing" in str(found)
    assert "open: copy" in found.fix


def test_damaged(database: Path, scratch: Path) -> None:
    with database.open("r+b") as file:
        file.seek(4500)
        file.write(b"other")
    settings = f"path: {database}\nscratch: {scratch}\nintegrity_interval: 0s"
    with one("duckdb", settings) as target:
        until(lambda: "is damaged" in target.outcomes()["contents"], 20)


def test_too_large(database: Path, scratch: Path) -> None:
    found = trouble(database, scratch, max_copy_size=1000)
    assert "1000 are copied at most" in str(found)
    assert "max_copy_size" in found.fix


def test_no_room_for_the_copy(database: Path) -> None:
    need_mount = subprocess.run(["mount", "--version"], capture_output=True, check=False).returncode == 0
    if os.geteuid() != 0 or not need_mount:
        pytest.skip("only root can mount a small file system")
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", folder], check=False)
        if mounted.returncode != 0:
            pytest.skip("no file system can be mounted here")
        try:
            found = trouble(database, Path(folder) / "scratch")
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
    assert "bytes free" in str(found)
    assert "scratch" in found.fix


def test_no_backup(database: Path, tmp_path: Path, scratch: Path) -> None:
    pattern = str(tmp_path / "backup-*")
    assert "there is no backup" in str(trouble(database, scratch, open="backup", backup=pattern))
    (tmp_path / "backup-1").write_bytes(database.read_bytes())
    assert "is being written" in str(trouble(database, scratch, open="backup", backup=pattern))


def test_no_library(database: Path, scratch: Path, tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "duckdb.py").write_text("raise ImportError('none')")
    found = trouble(database, scratch, str(tmp_path / "library"))
    assert "not installed" in str(found)
    assert found.fix == "install it with: pip install 'runbook-exporter[duckdb]'"


def test_a_library_that_crashes(database: Path, scratch: Path, tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "duckdb.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert "crashed (SIGSEGV)" in str(trouble(database, scratch, str(tmp_path / "library")))


def test_the_path_of_the_copy_is_told_nobody(database: Path, scratch: Path) -> None:
    text = f"IO Error: something at {scratch}/copy.wal"
    assert str(scratch) not in str(explained(RuntimeError(text), str(database), f"{scratch}/copy"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user reaches; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_no_permission(original: Path, open_folder: Path) -> None:
    """As another user, who may neither read the database nor write where the copy would be."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    path = open_folder / "app.duckdb"
    path.write_bytes(original.read_bytes())
    path.chmod(0o600)
    user = pwd.getpwnam("nobody")
    program = (
        "import os, sys, duckdb\n"  # all before it becomes another: the libraries may lie where nobody else can read
        "from exporter.collector import Trouble\n"
        "from exporter.collectors._duckdb.contents import read\n"
        "from tests.duckdbfile import Path, request\n"
        f"os.setgroups([]); os.setgid({user.pw_gid}); os.setuid({user.pw_uid})\n"
        "try:\n"
        f"    read(request(Path({str(path)!r}), Path(sys.argv[1])) | {{'seconds': 10}})\n"
        "except Trouble as trouble:\n"
        "    print(trouble, '|', trouble.fix)\n"
    )

    def told(scratch: Path) -> str:
        command = [sys.executable, "-c", program, str(scratch)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Permission denied | let the exporter's user read the file" in told(open_folder / "mine")
    path.chmod(0o644)
    assert "Permission denied | let the exporter's user write there" in told(open_folder / "mine")
    open_folder.chmod(0o1777)
    assert told(open_folder / "mine") == ""


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(9000), bytes(20_000)])
def test_something_else_in_its_place(database: Path, scratch: Path, content: bytes) -> None:
    with one("duckdb", f"path: {database}\nscratch: {scratch}\nopen: never") as target:
        assert target.page()["duckdb_up"] == "1"
        database.write_bytes(content)
        snapshot, page = target.read(), target.page()
    assert "not a DuckDB database" in snapshot.reason
    assert "put a backup in its place" in snapshot.reason + snapshot.fix
    assert page["duckdb_up"] == page['runbook_target_up{collector="duckdb"}'] == "0"


def test_gone_and_back(database: Path, scratch: Path) -> None:
    with one("duckdb", f"path: {database}\nscratch: {scratch}\nintegrity_interval: 0s") as target:
        until(lambda: target.outcomes()["contents"] == "ok", 20)
        database.rename(database.with_name("away"))
        snapshot, page = target.read(), target.page()
        assert "no such file" in snapshot.reason
        assert page["duckdb_up"] == page['runbook_target_up{collector="duckdb"}'] == "0"
        assert "duckdb_tables" not in page
        assert 'duckdb_read_timestamp_seconds{source="copy"}' in page  # it stays true
        database.with_name("away").rename(database)
        assert target.page()["duckdb_tables"] == "2"


@pytest.mark.long
def test_never_there(tmp_path: Path, scratch: Path) -> None:
    with one("duckdb", f"path: {tmp_path}/none\nscratch: {scratch}") as target:
        page = target.page()
        assert page["duckdb_up"] == "0"
        calm()
        leaves_nothing(target, 120, warm=20)


def test_a_file_system_that_hangs(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page keeps its deadline, no process is left, and nothing piles up."""
    need_fuse()
    with mounted(tmp_path / "mount") as system:
        system.hang()
        settings = f"path: {tmp_path}/mount/app.duckdb\nscratch: {scratch}\ntimeout: 1s\nread_timeout: 1s"
        with one("duckdb", settings) as target:
            began = time.monotonic()
            page = target.page()
            assert time.monotonic() - began < 4
            assert page["duckdb_up"] == "0"
            until(lambda: "has not ended yet" not in _reason(target), 20)
            assert "longer than 1 s" in _reason(target) or "still hangs" in _reason(target)
            system.answer()
            until(lambda: "no such file" in target.read().reason, 20)


def _reason(target: One) -> str:
    """Return why the last look failed."""
    collector = target.target.collector
    assert isinstance(collector, DuckDB)
    return str(collector._looks.contents.trouble or "has not ended yet")


def test_a_look_that_hangs_is_killed_and_leaves_nothing(database: Path, scratch: Path, tmp_path: Path) -> None:
    """A library that hangs, with a copy already made."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "duckdb.py").write_text("import time\ntime.sleep(600)")
    way = WaySettings(path=str(database), scratch=str(scratch))
    with pytest.raises(Trouble, match="longer than 2 s"):
        look(WORK, way, "it", timeout=2, seconds=1, libraries=(str(tmp_path / "library"),))
    assert {name for folder in scratch.iterdir() for name in os.listdir(folder)} == {"lock"}


def test_a_look_ends_with_its_target(
    database: Path, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "duckdb.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)")
    library = {"libraries": (str(tmp_path / "library"),)}
    monkeypatch.setattr(asking, "ask", lambda *args, **more: ask(*args, **(more | library)))

    def left() -> set[str]:
        return {name for folder in scratch.glob("*") for name in os.listdir(folder)} - {"lock"}

    with one("duckdb", f"path: {database}\nscratch: {scratch}\nintegrity_interval: 0s") as target:
        until(lambda: left() == {"copy"}, 20)
        began = time.monotonic()
        assert target.page()["duckdb_up"] == "1"
    assert time.monotonic() - began < 8
    until(lambda: left() == set())


def test_a_holder_that_stands_still_disturbs_nothing(database: Path, scratch: Path) -> None:
    with held(database, "INSERT INTO extra.jobs SELECT range, {'state': 'new'} FROM range(5)") as process:
        process.send_signal(signal.SIGSTOP)
        with one("duckdb", f"path: {database}\nscratch: {scratch}\nintegrity_interval: 0s") as target:
            until(lambda: target.outcomes()["contents"] == "ok", 20)
            assert target.page()['duckdb_table_rows{schema="extra",table="jobs"}'] == "15"


def test_written_by_another_version_after_a_restart(tmp_path: Path, scratch: Path) -> None:
    library = older("1.5.6")
    path = made(tmp_path / "app.duckdb", library=library)
    settings = f"path: {path}\nscratch: {scratch}\nintegrity_interval: 0s\nread_interval: 1s"
    with one("duckdb", settings) as target:
        until(lambda: target.outcomes()["contents"] == "ok", 20)
        run(path, "INSERT INTO extra.jobs SELECT range, {'state': 'new'} FROM range(5)")
        until(lambda: target.page()['duckdb_table_rows{schema="extra",table="jobs"}'] == "15", 20)
