"""Who has a DuckDB database open: real processes that write, read, copy, stop, fork, are killed, or lose their lock."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from exporter.collectors.duckdb.people import People
from exporter.collectors.duckdb.settings import DuckDBSettings
from exporter.collectors.process.procfs import Procfs
from tests.duckdbholder import copied, holding, locking, made, named, stop
from tests.onetarget import One, one
from tests.support import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="locks are read from Linux's /proc")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

PYTHON = Path(sys.executable).name


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("original") / "it.duckdb")


@pytest.fixture
def database(original: Path, tmp_path: Path) -> Path:
    return copied(original, tmp_path / "it.duckdb")


@pytest.fixture
def open_to_all(original: Path) -> Iterator[Path]:
    """A database that other users reach; pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        database = copied(original, Path(folder) / "it.duckdb")
        database.chmod(0o644)
        yield database


@contextmanager
def watched(database: Path, more: str = "") -> Iterator[One]:
    with one("duckdb", f"path: {database}\nopen: never\n{more}") as target:
        yield target


def of(page: dict[str, str], name: str) -> dict[str, str]:
    """Return the series of a metric by their labels as text, without quotes."""
    return {
        series.removeprefix(name).strip("{}").replace('"', ""): value
        for series, value in page.items() if series.partition("{")[0] == name
    }  # fmt: skip


def held(database: Path, more: str = "") -> tuple[dict[str, str], dict[str, str]]:
    """Return how the database is locked, and by whom."""
    with watched(database, more) as target:
        page = target.page()
    return of(page, "duckdb_locked"), of(page, "duckdb_lock_holders")


def seen(database: Path, name: str) -> str | None:
    """Return a figure that needs all descriptors: 0 where none was found, also if not all could be looked at."""
    with watched(database) as target:
        page, outcome = target.page(), target.outcomes()["open_files"]
    return page.get(name, "0" if "may not be looked at" in outcome else None)


FREE, WRITTEN, READ = ({"mode=write": write, "mode=read": read} for write, read in ("00", "10", "01"))


def test_nobody(database: Path) -> None:
    assert held(database) == (FREE, {})


def test_a_writer(database: Path) -> None:
    with holding(database, "write"):
        assert held(database) == (WRITTEN, {f"holder={PYTHON},expected=unknown,mode=write": "1"})
    assert held(database) == (FREE, {})


def test_readers(database: Path) -> None:
    with holding(database, "read"), holding(database, "read"):
        assert held(database) == (READ, {f"holder={PYTHON},expected=unknown,mode=read": "2"})


def test_what_only_reads_the_file_locks_nothing(database: Path) -> None:
    with subprocess.Popen(["tail", "-f", database], stdout=subprocess.DEVNULL) as tail, watched(database) as target:
        try:
            until(lambda: os.readlink(f"/proc/{tail.pid}/exe").endswith("tail"))
            until(lambda: str(database) in map(os.readlink, Path(f"/proc/{tail.pid}/fd").iterdir()))
            page = target.page()
        finally:
            tail.kill()
    assert (of(page, "duckdb_locked"), of(page, "duckdb_lock_holders")) == (FREE, {})
    assert of(page, "duckdb_open_processes") == {"holder=tail,expected=unknown": "1"}


def test_a_killed_writer_holds_nothing(database: Path) -> None:
    with holding(database, "write") as writer, watched(database) as target:
        assert of(target.page(), "duckdb_locked") == WRITTEN
        writer.kill()
        writer.wait()
        assert of(target.page(), "duckdb_locked") == FREE
        assert of(target.page(), "duckdb_lock_holders") == {}


def test_a_stopped_holder(database: Path) -> None:
    with holding(database, "write") as writer, watched(database) as target:
        assert target.page()["duckdb_stopped_lock_holders"] == "0"
        stop(writer)
        page = target.page()
        assert page["duckdb_stopped_lock_holders"] == "1"
        assert of(page, "duckdb_locked") == WRITTEN
        writer.send_signal(signal.SIGCONT)
        until(lambda: target.page()["duckdb_stopped_lock_holders"] == "0")


# ---- who is expected


def expected(database: Path, holders: str) -> str:
    _, found = held(database, f"holders: {holders}")
    (holder,) = found
    return holder.partition("expected=")[2].partition(",")[0]


def test_who_is_expected(database: Path) -> None:
    with holding(database, "write"):
        assert expected(database, "[]") == "unknown"
        assert expected(database, f"[{database.name} write$]") == "true"
        assert expected(database, "[uvicorn, nothing of the kind]") == "false"


def test_what_an_expected_process_has_started_is_expected(database: Path) -> None:
    code = f"from tests.duckdbholder import holding\nwith holding({str(database)!r}):\n    print(flush=True); input()"
    command = [sys.executable, "-c", code, "the application"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as it:
        assert it.stdout is not None
        it.stdout.readline()
        assert expected(database, "[the application$]") == "true"
        assert expected(database, "[the applicat1on$]") == "false"
        it.communicate(b"\n", timeout=20)


def test_a_stranger_beside_one_that_is_expected(database: Path, tmp_path: Path) -> None:
    expected = named(tmp_path, "dbeaver")
    with holding(database, "read"), holding(database, "read", name=expected):
        _, found = held(database, f"holders: [^{tmp_path}/dbeaver ]")
    assert found == {f"holder={PYTHON},expected=false,mode=read": "1", "holder=dbeaver,expected=true,mode=read": "1"}


def test_many_names_add_up(database: Path) -> None:
    with ExitStack() as stack:
        for number in range(25):
            stack.enter_context(locking(database, f"reader-{number}"))
        _, found = held(database)
    assert len(found) == 21
    assert found["holder=other,expected=unknown,mode=read"] == "5"


def test_a_unit_is_expected_by_its_name(tmp_path: Path) -> None:
    """By a /proc as systemd makes it; on a machine of the tests there may be no unit."""
    for pid, parent, cgroup in ((10, 1, "mem.service"), (11, 10, "mem.service/workers"), (12, 1, "xmem.service")):
        process = tmp_path / str(pid)
        process.mkdir()
        (process / "stat").write_text(f"{pid} (python3) S {parent} " + "0 " * 48 + "\n")
        (process / "cmdline").write_bytes(b"python3\0-m\0src\0")
        (process / "cgroup").write_text(f"0::/system.slice/{cgroup}\n")
    settings = DuckDBSettings(path="/it", holders=(r"^mem\.service$",))
    procfs = Procfs(str(tmp_path))
    with procfs.opened():
        people = People(settings, procfs)
        assert [people.person(pid).expected for pid in ("10", "11", "12", "13")] == ["true", "true", "false", "unknown"]


def test_the_exporter_s_own_looks_are_no_strangers(database: Path) -> None:
    with holding(database, "read", "import exporter.throwawayprocess"):
        _, found = held(database, "holders: [uvicorn]")
    assert found == {"holder=runbook-exporter,expected=true,mode=read": "1"}


# ---- what is dangerous


def test_a_lock_that_was_lost(database: Path) -> None:
    """DuckDB's own fact: what closes another descriptor of the file drops the lock of the whole process."""
    with holding(database, "write"):
        assert seen(database, "duckdb_unlocked_writers") == "0"
    with holding(database, "write", "open(sys.argv[1], 'rb').close()"):
        assert held(database) == (FREE, {})
        assert seen(database, "duckdb_unlocked_writers") == "1"
        with holding(database, "write"):  # and so a second one may write
            assert held(database)[0] == WRITTEN
            assert seen(database, "duckdb_unlocked_writers") == "1"


def test_a_forked_child_has_lost_nothing(database: Path) -> None:
    code = "import os, signal\nif not os.fork(): signal.pause()"
    with holding(database, "write", code, start_new_session=True) as writer, watched(database) as target:
        page = target.page()
        os.killpg(writer.pid, signal.SIGKILL)
    assert of(page, "duckdb_open_processes") == {f"holder={PYTHON},expected=unknown": "2"}
    assert page.get("duckdb_unlocked_writers", "0") == "0"


@pytest.mark.parametrize("removed", [False, True])
def test_a_file_that_was_replaced(database: Path, tmp_path: Path, removed: bool) -> None:
    restored = copied(database, tmp_path / "restored.duckdb")
    with holding(database, "write"):
        assert seen(database, "duckdb_replaced_file_processes") == "0"
        if removed:
            database.unlink()
        restored.rename(database)
        assert seen(database, "duckdb_replaced_file_processes") == "1"
        assert held(database) == (FREE, {})  # of the new file
    assert seen(database, "duckdb_replaced_file_processes") == "0"


def test_another_file_of_that_name_does_not_count(database: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    other = copied(database, tmp_path / "old" / database.name)
    with holding(other, "write"):
        other.unlink()
        assert seen(database, "duckdb_replaced_file_processes") == "0"
        assert held(database) == (FREE, {})


# ---- what cannot be seen


def test_no_proc_there(database: Path, tmp_path: Path) -> None:
    with watched(database, f"procfs: {tmp_path}/proc") as target:
        outcomes, page = target.outcomes(), target.page()
    said = f"failed {tmp_path}/proc/locks cannot be read: No such file or directory correct `procfs`"
    assert (outcomes["lock_holders"], outcomes["open_files"], outcomes["locked"]) == (said, said, "ok")
    assert of(page, "duckdb_locked") == FREE


@as_root
def test_without_rights_locks_are_seen_and_open_files_are_not(open_to_all: Path) -> None:
    with holding(open_to_all, "write"), watched(open_to_all, "holders: [uvicorn]") as target:
        os.seteuid(65534)
        try:
            round = target.outcomes()
            page = target.page()
        finally:
            os.seteuid(0)
    assert of(page, "duckdb_lock_holders") == {f"holder={PYTHON},expected=false,mode=write": "1"}
    assert re.fullmatch(
        r"skipped the open files of \d+ processes may not be looked at, and no other process has it open run the "
        r"exporter as the application's user, or let its unit have AmbientCapabilities=CAP_SYS_PTRACE",
        round["open_files"],
    )
    assert not {"duckdb_unlocked_writers", "duckdb_replaced_file_processes"} & {*page}


@as_root
def test_a_holder_of_another_user(open_to_all: Path) -> None:
    with locking(open_to_all, "mem", user=65534) as holder:
        assert held(open_to_all)[1] == {"holder=mem,expected=unknown,mode=read": "1"}
        assert "Uid:\t65534\t" in Path(f"/proc/{holder.pid}/status").read_text()


@as_root
def test_a_holder_in_another_container(database: Path) -> None:
    """What /proc of another namespace shows: the lock is there, whose it is cannot be told."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", "echo; read line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other, holding(database):
        assert other.stdout is not None
        if other.stdout.readline() != b"\n":
            pytest.skip("no namespace of processes can be made here")
        (child,) = Path(f"/proc/{other.pid}/task/{other.pid}/children").read_text().split()
        with watched(database, f"procfs: /proc/{child}/root/proc") as target:
            page, outcome = target.page(), target.outcomes()["lock_holders"]
        other.communicate(b"\n", timeout=10)
    assert of(page, "duckdb_locked") == WRITTEN
    assert of(page, "duckdb_lock_holders") == {"holder=unseen,expected=unknown,mode=write": "1"}
    assert outcome.startswith("ok a process that cannot be seen from here holds the database")
    assert "duckdb_stopped_lock_holders" not in page  # whether one that is unseen is stopped is not known


@as_root
def test_a_file_that_may_not_be_read(open_to_all: Path) -> None:
    open_to_all.chmod(0o600)
    with watched(open_to_all) as target:
        os.seteuid(65534)
        try:
            snapshot = target.read()
            page = target.page()
        finally:
            os.seteuid(0)
    assert "may not be read" in snapshot.reason
    assert page["duckdb_up"] == "0"
    assert "duckdb_locked" not in {series.partition("{")[0] for series in page}
