"""What is read inside a DuckDB database, from a private copy, a backup, or the file itself."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.collector import Context, Trouble
from exporter.collectors._duckdb.asking import look
from exporter.collectors._duckdb.settings import WaySettings
from exporter.collectors.duckdb.looks import looks_of
from exporter.collectors.duckdb.settings import DuckDBSettings
from exporter.config import INSTALLED, ConfigError, read
from exporter.deadline import Cancel
from exporter.longlook import LongLook
from exporter.state import State
from tests.duckdbfile import ROOT, calm, held, made, older, run
from tests.onetarget import One, one
from tests.soak import held as held_here
from tests.soak import leaves_nothing
from tests.support import until

# What depends on the library, and on whose processes may be looked at.
_ELSEWHERE = (
    r"(# \S+ )?duckdb_settings_|duckdb_extension_info"  # as the version of the library has them
    r"|.*(open_files|duckdb_unlocked_writers|duckdb_replaced_file|duckdb_open_processes)"
    r'|.*_last_success.*"watch"'  # it stands before or after the reads, whichever was first
)


@contextmanager
def looked(path: Path, scratch: Path, *more: str, state: Path | None = None) -> Iterator[One]:
    """Have a target whose first look into the database has ended."""
    settings = [f"path: {path}", f"scratch: {scratch}", *more]
    if not any(line.startswith("integrity_interval") for line in more):
        settings.append("integrity_interval: 0s")
    with one("duckdb", "\n".join(settings), state) as target:
        until(lambda: "has not ended yet" not in target.outcomes()["contents"], 20)
        yield target


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("duckdb") / "app.duckdb")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def look_at(path: Path, scratch: Path) -> LongLook:
    """Return the look into a database, of no target."""
    settings = DuckDBSettings(path=str(path), scratch=str(scratch))
    return looks_of(settings, Context("it", 5.0, State(None).shelf("target it"))).contents


def inside(page: dict[str, str]) -> dict[str, str]:
    """Return the figures from inside the database."""
    names = ("total_blocks", "used_blocks", "free_blocks", "block_size", "tables", "table_", "views", "indexes",
             "schemas", "sequences", "library", "extension", "read_timestamp", "copy_tries")  # fmt: skip
    return {
        series: value for series, value in page.items() if series.startswith(tuple(f"duckdb_{one}" for one in names))
    }


def test_figures(database: Path, scratch: Path) -> None:
    before = time.time()
    with looked(database, scratch) as target:
        page = target.page()
    assert page["duckdb_up"] == page['runbook_target_up{collector="duckdb"}'] == "1"
    assert page['duckdb_table_rows{schema="main",table="frames"}'] == "1000"
    assert page['duckdb_table_rows{schema="extra",table="jobs"}'] == "10"
    assert page['duckdb_table_columns{schema="main",table="frames"}'] == "3"
    counts = {name: page[f"duckdb_{name}"] for name in ("tables", "views", "indexes", "schemas", "sequences")}
    assert counts == {"tables": "2", "views": "1", "indexes": "1", "schemas": "2", "sequences": "1"}
    size = int(page["duckdb_block_size_bytes"])
    blocks = [int(page[f"duckdb_{name}_blocks"]) for name in ("total", "used", "free")]
    assert blocks[0] == blocks[1] + blocks[2] > 0
    assert blocks[0] * size + 3 * 4096 == os.path.getsize(database)
    assert before <= float(page['duckdb_read_timestamp_seconds{source="copy"}']) <= time.time()
    assert page["duckdb_copy_tries"] == "1"
    assert any(re.fullmatch(r'duckdb_library_info\{version="v[\d.]+"\}', series) for series in page)


def timeless(line: str) -> str:
    """Return a series without what depends on time, machine and version."""
    line = re.sub(r"(_timestamp_seconds(?:\{[^}]*\})?|_duration_seconds(?:\{[^}]*\})?) \S+", r"\1 0", line)
    line = re.sub(r"(duckdb_(?:database_\w+_bytes|storage_version|\w+_blocks|checkpoints_total)) \S+", r"\1 0", line)
    line = re.sub(r'version="v[^"]*"', 'version="v"', line)
    line = re.sub(r'made_by="[^"]*",readable_from="[^"]*"', 'made_by="v",readable_from=""', line)
    return re.sub(r'owner="[^"]*",group="[^"]*"', 'owner="",group=""', line)


def test_golden(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    path = made(tmp_path / "app.duckdb")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    path.chmod(0o640)
    with looked(path, tmp_path / "scratch", "integrity_interval: 1d") as target:
        until(lambda: {"integrity": "ok", "watch": "ok"}.items() <= target.outcomes().items(), 20)
        lines = target.text().splitlines(keepends=True)
    kept = (line if line.startswith("#") else timeless(line) for line in lines if not re.match(_ELSEWHERE, line))
    golden("duckdb.prom", "".join(kept))


def test_settings_are_numbers_in_base_units_and_none_that_the_exporter_sets(database: Path, scratch: Path) -> None:
    with looked(database, scratch) as target:
        page = target.page()
    told = {name.removeprefix("duckdb_settings_"): value for name, value in page.items() if "_settings_" in name}
    assert float(told["checkpoint_threshold_bytes"]) == 16 * 2**20
    assert (float(told["enable_optimizer"]), float(told["errors_as_json"])) == (1, 0)
    assert float(told["default_block_size"]) == 2**18
    assert not {"threads", "memory_limit_bytes", "max_memory_bytes", "lock_configuration"} & told.keys()


@pytest.mark.parametrize("version", ["", "1.5.6"])
def test_what_stands_in_the_log_of_a_linked_file(tmp_path: Path, scratch: Path, version: str) -> None:
    """It is read where it is known to belong to the file, and else nothing is."""
    link, file = tmp_path / "links" / "app.duckdb", tmp_path / "real.duckdb"
    link.parent.mkdir()
    link.symlink_to(file)
    run(link, "CREATE TABLE t AS FROM range(10)", "CHECKPOINT", "INSERT INTO t FROM range(990)", leave=True,
        library=older(version) if version else "")  # fmt: skip
    if Path(f"{link}.wal").exists():
        with pytest.raises(Trouble, match="a log lies beside the link"):
            look_now(link, scratch)
    else:
        assert look_now(link, scratch)["tables"] == [["main", "t", 1, 1000]]


@pytest.mark.parametrize("version", ["", "1.5.6"])
def test_an_index_in_the_log(tmp_path: Path, scratch: Path, version: str) -> None:
    """Up to 1.5.6 the library reads such a log only where it may write."""
    path, library = tmp_path / "app.duckdb", (older(version),) if version else ()
    run(path, "CREATE TABLE t AS SELECT range AS id FROM range(5000)", "CHECKPOINT", "CREATE INDEX by_id ON t (id)",
        leave=True, library=library[0] if library else "")  # fmt: skip
    before = {one: one.read_bytes() for one in tmp_path.glob("app.duckdb*")}
    assert len(before) == 2
    assert look_now(path, scratch, libraries=library)["counts"]["indexes"] == 1
    assert {one: one.read_bytes() for one in tmp_path.glob("app.duckdb*")} == before


def test_names_that_the_application_uses(tmp_path: Path, scratch: Path) -> None:
    """In a copy the database has the name that it has for the application."""
    path = tmp_path / "mem.duckdb"
    run(path, "CREATE TABLE t AS FROM range(7)")
    way = WaySettings(path=str(path), scratch=str(scratch))
    queries = {"rows": {"sql": "SELECT count(*) AS n FROM mem.main.t", "timeout": 5, "rows": 5}}
    told = look("exporter.collectors._sql.duckdbwork:answers", way, "it", timeout=20, seconds=10, queries=queries)
    assert "reason" not in told["answers"]["rows"], told


def look_now(path: Path, scratch: Path, **more: Any) -> Any:
    """Return what a look finds."""
    way = WaySettings(path=str(path), scratch=str(scratch))
    return look("exporter.collectors._duckdb.contents:read", way, "it", timeout=20, seconds=10, **more)


def test_what_stands_in_the_log_only_is_counted(database: Path, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "app.duckdb"
    path.write_bytes(database.read_bytes())
    run(path, "INSERT INTO extra.jobs SELECT range, {'state': 'new'} FROM range(5)", leave=True)
    assert path.with_name("app.duckdb.wal").stat().st_size > 0
    with looked(path, scratch) as target:
        assert target.page()['duckdb_table_rows{schema="extra",table="jobs"}'] == "15"


def test_rows_are_counted_not_estimated(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "app.duckdb"
    run(path, "CREATE TABLE t AS SELECT range AS id FROM range(100000)", "DELETE FROM t WHERE id % 5 < 3", "CHECKPOINT")
    with looked(path, scratch) as target:
        assert target.page()['duckdb_table_rows{schema="main",table="t"}'] == "40000"


def test_a_database_that_is_held_for_writing_is_read_and_its_lock_kept(
    database: Path, tmp_path: Path, scratch: Path
) -> None:
    path = tmp_path / "app.duckdb"
    path.write_bytes(database.read_bytes())
    with held(path, "INSERT INTO extra.jobs SELECT range, {'state': 'new'} FROM range(7)"):
        with looked(path, scratch) as target:
            assert target.page()['duckdb_table_rows{schema="extra",table="jobs"}'] == "17"
        program = f"import duckdb; duckdb.connect({str(path)!r})"
        second = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert "Could not set lock" in second.stderr


def test_an_empty_database(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "app.duckdb"
    run(path, "SELECT 1")
    with looked(path, scratch) as target:
        page = target.page()
    assert [page[f"duckdb_{name}"] for name in ("tables", "views", "indexes", "total_blocks")] == ["0"] * 4
    assert not [series for series in page if series.startswith("duckdb_table_rows")]


def test_names_that_need_quoting(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "app.duckdb"
    run(path, 'CREATE SCHEMA "we ""ird"', 'CREATE TABLE "we ""ird"."Größe; DROP" AS SELECT 1 AS "select"')
    with looked(path, scratch) as target:
        page = target.page()
    assert page['duckdb_table_rows{schema="we \\"ird",table="Größe; DROP"}'] == "1"


def test_a_thousand_tables_stay_in_bounds(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "app.duckdb"
    tables = (f"CREATE TABLE t{number} AS SELECT range FROM range({number})" for number in range(1000))
    run(path, "BEGIN", *tables, "COMMIT")
    with looked(path, scratch) as target:
        page = target.page()
    rows = {series: int(value) for series, value in page.items() if series.startswith("duckdb_table_rows")}
    assert len(rows) == 101
    assert sum(rows.values()) == sum(range(1000))
    assert rows['duckdb_table_rows{schema="main",table="t999"}'] == 999
    assert page["duckdb_tables"] == "1000"


def test_the_newest_whole_backup_is_read(database: Path, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "app.duckdb"
    path.write_bytes(database.read_bytes())
    now = time.time()
    for name, rows, age in (("a", 1, 3000), ("b", 2, 1000), ("c", 3, 1)):
        backup = tmp_path / f"backup-{name}.duckdb"
        run(backup, f"CREATE TABLE t AS SELECT range FROM range({rows})")
        os.utime(backup, (now - age, now - age))
    with looked(path, scratch, "open: backup", f"backup: {tmp_path}/backup-*.duckdb") as target:
        page = target.page()
    assert page['duckdb_table_rows{schema="main",table="t"}'] == "2"  # the newest may still be written
    assert float(page['duckdb_read_timestamp_seconds{source="backup"}']) == pytest.approx(now - 1000, abs=1)
    assert "duckdb_copy_tries" not in page
    assert {one.name for one in scratch.rglob("*") if one.is_file()} <= {"lock"}


def test_live(database: Path, scratch: Path) -> None:
    with looked(database, scratch, "open: live") as target:
        page = target.page()
    assert page['duckdb_table_rows{schema="main",table="frames"}'] == "1000"
    assert 'duckdb_read_timestamp_seconds{source="live"}' in page
    assert {one.name for one in scratch.rglob("*") if one.is_file()} <= {"lock"}


def test_never(database: Path, scratch: Path) -> None:
    with looked(database, scratch, "open: never") as target:
        outcomes, page = target.outcomes(), target.page()
    assert outcomes["contents"].startswith("skipped nothing is opened")
    assert inside(page) == {}
    assert page["duckdb_up"] == "1"
    assert page["duckdb_database_size_bytes"] != "0"


def test_what_was_read_outlives_a_restart(database: Path, tmp_path: Path, scratch: Path) -> None:
    with looked(database, scratch, state=tmp_path / "state") as target:
        first = inside(target.page())
    settings = f"path: {database}\nscratch: {scratch}\nintegrity_interval: 0s"
    with one("duckdb", settings, tmp_path / "state") as target:
        assert inside(target.page()) == first


@pytest.mark.parametrize("version", ["1.1.3", "1.4.4", "1.5.6"])
def test_files_of_older_versions_are_read(tmp_path: Path, scratch: Path, version: str) -> None:
    library = older(version)
    path = made(tmp_path / "app.duckdb", library=library)
    run(path, "DELETE FROM frames WHERE id < 100", library=library, leave=True)
    with looked(path, scratch) as target:
        page = target.page()
    assert page['duckdb_table_rows{schema="main",table="frames"}'] == "900"


def test_a_look_costs_this_process_no_duckdb(database: Path, scratch: Path) -> None:
    program = (
        "import sys\n"
        "from tests.test_duckdb_facts import looked\n"
        "from pathlib import Path\n"
        f"with looked(Path({str(database)!r}), Path({str(scratch)!r})) as target:\n"
        "    assert target.page()['duckdb_tables'] == '2'\n"
        "assert not [name for name in sys.modules if name.startswith(('duckdb', '_duckdb'))]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_scrape_does_not_wait_for_a_look(database: Path, scratch: Path) -> None:
    with one("duckdb", f"path: {database}\nscratch: {scratch}") as target:
        began = time.monotonic()
        target.page()
        target.page()
        assert time.monotonic() - began < 2
        until(lambda: target.outcomes()["contents"] == "ok")


@pytest.mark.long
def test_nothing_is_left_of_many_rounds(database: Path, scratch: Path) -> None:
    with looked(database, scratch) as target:
        calm()
        leaves_nothing(target, 150)


@pytest.mark.long
def test_nothing_is_left_of_many_looks(database: Path, scratch: Path) -> None:
    look = look_at(database, scratch)
    for _ in range(3):
        look.make(Cancel())
    before = held_here()
    for _ in range(12):
        look.make(Cancel())
        assert look.trouble is None
    after = held_here()
    assert after[:3] == before[:3]
    assert after.memory - before.memory < 1 << 20
    assert {name for folder in scratch.iterdir() for name in os.listdir(folder)} == {"lock"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("open: backup", "`open: backup`"),
        ("backup: /backup/*.duckdb", "is not read by `open: copy`"),
        ("scratch: /srv/app", "is the database's own folder"),
        ("read_interval: 100ms", "is shorter than 1s"),
        ("integrity_interval: 1s", "is shorter than 1m"),
        ("memory_limit: 1MB", "is too little"),
    ],
)
def test_settings_that_cannot_be(line: str, problem: str) -> None:
    text = f"targets:\n  it:\n    collector: duckdb\n    path: /srv/app/app.duckdb\n    {line}\n"
    with pytest.raises(ConfigError, match=re.escape(problem)):
        read(text.encode(), "config.yml", INSTALLED, {})
