"""The files of a DuckDB database, seen from outside: sizes, times, permissions, what DuckDB leaves beside it."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.duckdbholder import copied, holding, made
from tests.onetarget import One, one
from tests.support import until

SPILLS = """
db.execute("SET memory_limit = '64MB'; SET threads = 1; SET preserve_insertion_order = false")
db.execute("CREATE TEMP TABLE big AS SELECT range AS id, hash(range)::VARCHAR AS text FROM range(3000000)")
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("original") / "it.duckdb")


@pytest.fixture
def database(original: Path, tmp_path: Path) -> Path:
    return copied(original, tmp_path / "it.duckdb")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def watched(database: Path, more: str = "") -> Iterator[One]:
    with one("duckdb", f"path: {database}\nopen: never\n{more}") as target:
        yield target


def test_a_database_at_rest(database: Path) -> None:
    os.utime(database, (0, 1_700_000_000.25))
    database.chmod(0o640)
    with watched(database) as target:
        page = target.page()
    assert int(page["duckdb_database_size_bytes"]) == database.stat().st_size
    assert int(page["duckdb_database_allocated_bytes"]) == database.stat().st_blocks * 512
    assert page["duckdb_database_modified_timestamp_seconds"] == "1700000000.25"
    assert page['duckdb_file_mode_octal{file="database"}'] == "640"
    assert [page[f"duckdb_{one}"] for one in ("wal_size_bytes", "temporary_size_bytes", "temporary_files")] == ["0"] * 3
    assert "duckdb_wal_modified_timestamp_seconds" not in page
    assert not [series for series in page if 'file="wal"' in series]


def test_owners(database: Path) -> None:
    with watched(database) as target:
        (series,) = [series for series in target.page() if series.startswith("duckdb_file_owner_info")]
    assert series == f'duckdb_file_owner_info{{file="database",owner="{database.owner()}",group="{database.group()}"}}'


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_owner_without_a_name(database: Path) -> None:
    os.chown(database, 54_321, 54_322)
    with watched(database) as target:
        assert 'duckdb_file_owner_info{file="database",owner="54321",group="54322"}' in target.page()


def test_a_write_ahead_log_comes_and_goes(database: Path) -> None:
    before = time.time() - 1
    with watched(database) as target:
        with holding(database, code="db.execute('INSERT INTO frames SELECT range, range FROM range(100)')"):
            page = target.page()
            wal = Path(f"{database}.wal").stat()
            assert int(page["duckdb_wal_size_bytes"]) == wal.st_size > 0
            assert before < float(page["duckdb_wal_modified_timestamp_seconds"]) < time.time() + 1
            assert page['duckdb_file_mode_octal{file="wal"}'] == f"{wal.st_mode & 0o777:o}"
        assert int(target.page()["duckdb_wal_size_bytes"]) == wal.st_size  # its process was killed
        with holding(database, code="db.execute('CHECKPOINT')"):
            until(lambda: target.page()["duckdb_wal_size_bytes"] == "0")


def test_every_write_ahead_log_counts(database: Path) -> None:
    """While a checkpoint runs DuckDB 1.5 and later write to another log; after a crash there may be a third."""
    for suffix, size in ((".wal", 100), (".wal.checkpoint", 20), (".wal.recovery", 3), (".wal.bak", 1000)):
        Path(f"{database}{suffix}").write_bytes(bytes(size))
    with watched(database) as target:
        assert target.page()["duckdb_wal_size_bytes"] == "123"


def test_temporary_files(database: Path) -> None:
    with watched(database) as target, holding(database, code=SPILLS):
        page = target.page()
        folder = Path(f"{database}.tmp")
        assert int(page["duckdb_temporary_files"]) == len([*folder.iterdir()]) > 0
        assert int(page["duckdb_temporary_size_bytes"]) > 1_000_000


def test_temporary_files_elsewhere_among_others(database: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "duckdb_temp_storage-0.tmp").write_bytes(bytes(100))
    (folder / "somebody-else-s.tmp").write_bytes(bytes(1000))
    with watched(database, f"temporary: {folder}") as target:
        page = target.page()
    assert (page["duckdb_temporary_files"], page["duckdb_temporary_size_bytes"]) == ("1", "100")


def test_a_symbolic_link_is_followed(database: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.duckdb"
    link.symlink_to(database)
    with watched(link) as target, holding(database):
        page = target.page()
    assert int(page["duckdb_database_size_bytes"]) == database.stat().st_size
    assert page['duckdb_locked{mode="write"}'] == "1"


def test_the_log_of_a_database_behind_a_link(database: Path, tmp_path: Path) -> None:
    """DuckDB 2.0 has it beside the file itself; one beside the link may be this database's or not."""
    link = tmp_path / "elsewhere" / "link.duckdb"
    link.parent.mkdir()
    link.symlink_to(database)
    Path(f"{database}.wal").write_bytes(bytes(500))
    with watched(link) as target:
        page = target.page()
        assert page["duckdb_wal_size_bytes"] == "500"
        assert [series for series in page if 'duckdb_file_mode_octal{file="wal"' in series]
        Path(f"{link}.wal").write_bytes(bytes(70))
        page, outcome = target.page(), target.outcomes()["files"]
    assert "duckdb_wal_size_bytes" not in page
    assert int(page["duckdb_database_size_bytes"]) == database.stat().st_size
    assert "a log lies beside the link" in outcome
    with watched(link) as target:
        assert not [series for series in target.page() if 'duckdb_file_mode_octal{file="wal"' in series]
    with watched(tmp_path / "elsewhere" / ".." / database.name) as target:  # another name, and no link of a file
        assert target.page()["duckdb_wal_size_bytes"] == "500"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_temporary_files_that_may_not_be_seen(original: Path, open_folder: Path) -> None:
    database = copied(original, open_folder / "it.duckdb")
    database.chmod(0o644)
    Path(f"{database}.tmp").mkdir(mode=0o700)
    with watched(database) as target:
        os.seteuid(65534)
        try:
            outcomes, page = target.outcomes(), target.page()
        finally:
            os.seteuid(0)
    assert outcomes["temporary_files"] == (
        f"skipped {database}.tmp may not be looked into let the exporter's user read the folder, if this is of interest"
    )
    assert outcomes["files"] == "ok"
    assert "duckdb_temporary_size_bytes" not in page
