"""Whether everything in a DuckDB database can be read: a flipped byte is found wherever it is, and nothing else is."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.collector import Context, Trouble
from exporter.collectors._duckdb.blocks import broken, checksum, layout_of
from exporter.collectors.duckdb import looks
from exporter.collectors.duckdb.looks import Check
from exporter.collectors.duckdb.settings import DuckDBSettings
from exporter.deadline import Cancel
from exporter.state import State
from exporter.throwaway import Broke, ask
from tests.duckdbchecks import flip
from tests.duckdbfile import older, request, run
from tests.onetarget import One, one
from tests.support import until

WORK = "exporter.collectors._duckdb.integrity:check"
HEADERS = 3 * 4096


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with tables, nested columns, two indexes and free blocks, some of it in the write-ahead log only."""
    path = tmp_path_factory.mktemp("original") / "app.duckdb"
    run(
        path,
        "CREATE TABLE gone AS SELECT range AS id, hash(range)::VARCHAR AS text FROM range(100000)",
        "CHECKPOINT",
        "CREATE TABLE frames AS SELECT range AS id, 'frame ' || hash(range) AS name, [range] AS box FROM range(60000)",
        "CREATE UNIQUE INDEX by_id ON frames (id)",
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, fields STRUCT(state VARCHAR, tags VARCHAR[]))",
        "INSERT INTO jobs SELECT range, {'state': 'done', 'tags': ['a' || range]} FROM range(5000)",
        "DROP TABLE gone",
        "CHECKPOINT",
        "SET wal_autocheckpoint = '1TB'",
        "INSERT INTO jobs SELECT range, {'state': 'new', 'tags': []} FROM range(5000, 5100)",
        "DELETE FROM frames WHERE id < 10",
        leave=True,
    )
    return path


@pytest.fixture
def database(original: Path, tmp_path: Path) -> Path:
    path = tmp_path / "app.duckdb"
    for end in ("", ".wal"):
        Path(f"{path}{end}").write_bytes(Path(f"{original}{end}").read_bytes())
    return path


def found(path: Path, scratch: Path, **settings: Any) -> dict[str, Any]:
    """Return what one look finds."""
    answer: dict[str, Any] = ask(WORK, request(path, scratch, **settings), timeout=60)
    return answer


def used_blocks(path: Path) -> tuple[int, tuple[int, ...]]:
    with path.open("rb") as file:
        layout = layout_of(file.fileno())
    return layout.size, layout.used


def test_a_whole_database(database: Path, tmp_path: Path) -> None:
    answer = found(database, tmp_path / "scratch")
    assert answer["ok"], answer
    assert answer["rows"] == 60_000 - 10 + 5_100
    assert answer["seconds"] > 0
    assert answer["file"][:2] == [database.stat().st_dev, database.stat().st_ino]


def after_flips(database: Path, scratch: Path, places: list[int], end: str = "") -> list[str]:
    """Return what is found with a bit flipped at each of the places in turn."""
    more = {"request": request(database, scratch), "file": f"{database}{end}", "places": places}
    answer: list[str] = ask("tests.duckdbchecks:flipped", more, timeout=100)
    return answer


def test_a_flipped_bit_is_found_wherever_it_is(database: Path, tmp_path: Path) -> None:
    """In each header and in each block that is in use: of tables, of indexes, of what tells where they are."""
    size, used = used_blocks(database)
    assert len(used) > 6
    dice = random.Random(1)
    places = [8, 12, 20, *(dice.randrange(start, start + 4096) for start in (0, 4096, 8192))]
    places += [HEADERS + number * size + dice.randrange(size) for number in used]
    answers = after_flips(database, tmp_path / "scratch", places)
    missed = [place for place, answer in zip(places, answers, strict=True) if not answer.startswith("damaged: ")]
    assert missed == [], [answer for answer in answers if not answer.startswith("damaged: ")]


def test_a_flipped_bit_in_a_free_block_is_no_damage(database: Path, tmp_path: Path) -> None:
    size, used = used_blocks(database)
    blocks = (database.stat().st_size - HEADERS) // size
    free = sorted(set(range(blocks)) - set(used))
    assert free
    places = [HEADERS + number * size + 100 for number in free]
    assert after_flips(database, tmp_path / "scratch", places) == ["whole"] * len(free)


def test_a_flipped_bit_in_the_log_is_found(database: Path, tmp_path: Path) -> None:
    log = Path(f"{database}.wal").read_bytes()
    places = [place for place in range(0, len(log), 7) if log[place : place + 3] in (b"new", b"job", b"fra")]
    places += [match for word in (b"state", b"new", b"jobs") if (match := log.find(word)) > 0]
    assert places
    answers = after_flips(database, tmp_path / "scratch", places, ".wal")
    assert all(answer.startswith("damaged: ") for answer in answers), answers


@pytest.mark.parametrize("version", ["1.1.3", "1.4.4", "1.5.6"])
def test_it_is_found_in_files_of_older_versions_too(tmp_path: Path, version: str) -> None:
    library = older(version)
    path = tmp_path / "app.duckdb"
    run(path, "CREATE TABLE t AS SELECT range AS id, hash(range) AS h FROM range(60000)",
        "CREATE UNIQUE INDEX by_id ON t (id)", "CREATE TABLE gone AS FROM range(50000)", "CHECKPOINT",
        "DROP TABLE gone", "CHECKPOINT", library=library)  # fmt: skip
    answer = found(path, tmp_path / "scratch")
    assert answer["ok"]
    assert answer["rows"] == 60_000
    size, used = used_blocks(path)
    places = [100, 4200, 8300, *(HEADERS + number * size + 5000 for number in used)]
    answers = after_flips(path, tmp_path / "scratch", places)
    assert all(answer.startswith("damaged: ") for answer in answers), answers


def test_a_file_that_was_cut_short_is_damaged(database: Path, tmp_path: Path) -> None:
    size, used = used_blocks(database)
    os.truncate(database, HEADERS + max(used) * size + 100)
    assert not found(database, tmp_path / "scratch")["ok"]


def test_a_log_that_ends_in_the_middle_is_none(database: Path, tmp_path: Path) -> None:
    """As after a kill: what was not written whole was not committed."""
    os.truncate(f"{database}.wal", Path(f"{database}.wal").stat().st_size - 20)
    assert found(database, tmp_path / "scratch")["ok"]


def test_a_log_of_another_database_is_damage(database: Path, tmp_path: Path) -> None:
    """DuckDB refuses to open it, so the application's next start would fail."""
    other = tmp_path / "other.duckdb"
    run(other, "CREATE TABLE t (id INTEGER)", "CHECKPOINT", "INSERT INTO t VALUES (1)", leave=True)
    Path(f"{database}.wal").write_bytes(Path(f"{other}.wal").read_bytes())
    assert not found(database, tmp_path / "scratch")["ok"]


def test_a_small_memory_is_no_damage(database: Path, tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="so little memory") as raised:
        found(database, tmp_path / "scratch", memory_limit=2_000_000)
    assert "memory_limit" in raised.value.fix


def test_a_file_that_is_no_database_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "app.duckdb"
    for content in (b"", b"SQLite format 3\0" + bytes(20_000), bytes(20_000), b"DUCK", os.urandom(20_000)):
        path.write_bytes(content)
        with pytest.raises(Trouble, match="no DuckDB database"):
            found(path, tmp_path / "scratch")


def test_checksums_are_those_of_duckdb(database: Path) -> None:
    data = os.urandom(4088)
    words = [int.from_bytes(data[place : place + 8], "little") for place in range(0, len(data), 8)]
    expected = 5381
    for word in words:
        expected ^= word * 0xBF58476D1CE4E5B9 % 2**64
    assert checksum(data) == expected
    with database.open("rb") as file:
        assert list(broken(file.fileno(), layout_of(file.fileno()))) == []


@contextmanager
def watched(path: Path, scratch: Path, state: Path | None = None) -> Iterator[One]:
    """Have a target whose first check has ended."""
    with one("duckdb", f"path: {path}\nscratch: {scratch}", state) as target:
        until(lambda: "has not ended yet" not in target.outcomes()["integrity"], 30)
        yield target


def test_what_the_page_says(database: Path, tmp_path: Path) -> None:
    before = time.time()
    with watched(database, tmp_path / "scratch") as target:
        page = target.page()
    assert page["duckdb_integrity_ok"] == "1"
    assert page["duckdb_integrity_checked_rows"] == "65090"
    assert before <= float(page["duckdb_integrity_checked_timestamp_seconds"]) <= time.time()
    assert float(page["duckdb_integrity_check_duration_seconds"]) > 0


def test_damage_is_told_and_that_it_was_mended(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "_AGAIN", 3.0)
    size, used = used_blocks(database)
    place = HEADERS + used[2] * size + 1000
    flip(database, place)
    with watched(database, tmp_path / "scratch") as target:
        outcomes, page = target.outcomes(), target.page()
        assert page["duckdb_integrity_ok"] == "0"
        assert "checksum" in outcomes["integrity"]
        assert page["duckdb_up"] == "1"
        mended = database.with_name("mended")
        mended.write_bytes(database.read_bytes())
        flip(mended, place)
        mended.rename(database)
        assert "another file has taken the place" in target.outcomes()["integrity"]
        until(lambda: target.page().get("duckdb_integrity_ok") == "1", 40)


def checked(database: Path, scratch: Path) -> Check:
    """Return the look that reads everything, made once."""
    settings = DuckDBSettings(path=str(database), scratch=str(scratch))
    check = looks.looks_of(settings, Context("it", 5.0, State(None).shelf("target it"))).integrity
    check.make(Cancel())
    return check


def test_a_file_written_into_the_same_place_is_another(database: Path, tmp_path: Path) -> None:
    """It keeps its number: another database, or an older state of this one."""
    older_state = database.read_bytes()
    run(database, "CHECKPOINT")
    check = checked(database, tmp_path / "scratch")
    found = check.found(60).value
    assert not check.is_of_another(found)
    run(database, "CREATE TABLE more AS FROM range(5)", "CHECKPOINT")
    assert not check.is_of_another(found)
    number = database.stat().st_ino
    database.write_bytes(older_state)
    assert check.is_of_another(found)
    run(tmp_path / "other", "CREATE TABLE t AS FROM range(5)", *["CREATE TABLE u (i INTEGER)", "DROP TABLE u"] * 20)
    database.write_bytes((tmp_path / "other").read_bytes())
    assert check.is_of_another(found)
    assert database.stat().st_ino == number


def test_it_is_not_read_again_and_again(database: Path, tmp_path: Path) -> None:
    """Neither what is damaged for good, nor what is replaced all the time."""
    check = checked(database, tmp_path / "scratch")
    assert check.rest() > 80_000
    check.hasten()
    assert 580 < check.rest() <= 600
    flip(database, 100)
    check.make(Cancel())
    assert not check.found(60).value["ok"]
    for _ in range(3):
        check.hasten()
        assert 580 < check.rest() <= 600
    (tmp_path / "new").write_bytes(database.read_bytes())
    (tmp_path / "new").rename(database)
    assert check.is_of_another(check.found(60).value)
    assert 580 < check.rest() <= 600


def test_a_backup_is_checked_when_it_is_read(database: Path, tmp_path: Path) -> None:
    """However old it is."""
    os.utime(database, (1_700_000_000, 1_700_000_000))
    before = time.time()
    settings = f"path: {database}\nopen: backup\nbackup: {database}\nscratch: {tmp_path / 'scratch'}"
    with one("duckdb", settings) as target:
        until(lambda: target.outcomes()["integrity"].startswith("ok"), 30)
        page = target.page()
    assert float(page["duckdb_integrity_checked_timestamp_seconds"]) >= before


def test_damage_that_one_copy_shows_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second, fresh copy is asked."""
    answers = iter([{"ok": False, "reason": "torn"}, {"ok": True, "reason": ""}])
    monkeypatch.setattr(looks, "look", lambda *args, **kwargs: next(answers))
    assert looks._check(DuckDBSettings(path="/app.duckdb"), "it", Cancel())["ok"]


def test_a_crash_is_a_failure_and_no_damage(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashes(*args: Any, **kwargs: Any) -> Any:
        raise Broke("crashed")

    monkeypatch.setattr(looks, "look", crashes)
    with watched(database, tmp_path / "scratch") as target:
        outcomes, page = target.outcomes(), target.page()
    assert outcomes["integrity"] == "failed crashed"
    assert "duckdb_integrity_ok" not in page


def test_what_was_found_outlives_a_restart(database: Path, tmp_path: Path) -> None:
    with watched(database, tmp_path / "scratch", tmp_path / "state") as target:
        first = target.page()["duckdb_integrity_checked_timestamp_seconds"]
    with one("duckdb", f"path: {database}\nscratch: {tmp_path / 'scratch'}", tmp_path / "state") as target:
        page = target.page()
    assert page["duckdb_integrity_checked_timestamp_seconds"] == first
    assert page["duckdb_integrity_ok"] == "1"


def test_it_is_not_known_while_the_file_is_gone(database: Path, tmp_path: Path) -> None:
    with watched(database, tmp_path / "scratch") as target:
        assert target.page()["duckdb_integrity_ok"] == "1"
        database.rename(tmp_path / "elsewhere")
        page = target.page()
    assert page["duckdb_up"] == "0"
    assert "duckdb_integrity_ok" not in page
    assert "duckdb_integrity_checked_timestamp_seconds" in page  # that stays true
    assert "duckdb_tables" not in page
