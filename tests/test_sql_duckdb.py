"""Queries of the configuration's own to a DuckDB: the figures of an application that has its file open for writing."""

import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from exporter.collectors._duckdb.blocks import HEADERS, layout_of
from exporter.collectors.sql.fromfile import FromFile
from tests import memapp
from tests.duckdbfile import run
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.sqltargets import figures, query, target
from tests.support import until

MEM = {
    "mem_frames": "500", "mem_unique_frames": "50", "runbook_app_deduplication_ratio": "0.9",
    "runbook_app_video_processing_speed_ratio": "2.0", "runbook_app_active_users": "4",
    "runbook_app_active_sessions": "7",
}  # fmt: skip
FRAMES = query("frames", "SELECT count(*) AS n FROM frames", "app_frames n")


def source(path: Path, more: str = "", background: str = "interval: 5m") -> str:
    return f"duckdb: {{path: '{path}'{more}}}\n{background}"


@pytest.fixture(scope="module")
def mem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return memapp.made(tmp_path_factory.mktemp("mem") / "mem.duckdb")


def test_the_figures_of_an_application_that_holds_its_database(mem: Path) -> None:
    with memapp.writing(mem, "CREATE OR REPLACE TABLE held (i INT)"), one("sql", memapp.settings(mem)) as asked:
        page = asked.page()
    assert {name: value for name, value in page.items() if name in MEM} == MEM
    jobs = {state: page[f'mem_jobs{{state="{state}"}}'] for state in ("queued", "running", "done", "failed")}
    assert jobs == {"queued": "3", "running": "0", "done": "7", "failed": "0"}
    assert page['mem_job_oldest_timestamp_seconds{state="queued"}'] == "1795600800.0"
    assert 'mem_job_oldest_timestamp_seconds{state="failed"}' not in page
    assert abs(float(page["runbook_sql_data_timestamp_seconds"]) - time.time()) < 60
    assert page['runbook_exporter_read_interval_seconds{collector="sql",read="library"}'] == "3600.0"


def test_the_figures_of_an_application_that_never_worked_are_unknown(tmp_path: Path) -> None:
    idle = memapp.made(tmp_path / "mem.duckdb", idle=True)
    with one("sql", memapp.settings(idle)) as asked:
        page = asked.page()
        assert set(asked.outcomes().values()) == {"ok"}
    assert page["mem_frames"] == "0"
    assert page["runbook_app_active_users"] == "0"
    assert [name for name in page if name.startswith("runbook_app") and "ratio" in name] == []
    assert page['runbook_mapped_values_missing{metric="runbook_app_deduplication_ratio"}'] == "1"


def test_golden(mem: Path, golden: Callable[[str, str], None]) -> None:
    with one("sql", memapp.settings(mem)) as asked:
        text = asked.text()
    own = text[: text.index("# HELP runbook_target_up")]
    golden("sql.prom", re.sub(r"(runbook_sql_data_timestamp_seconds) [0-9.]+", r"\1 TIME", own))


def test_the_newest_backup_with_the_time_of_it(mem: Path, tmp_path: Path) -> None:
    for name, age in (("mem_1.duckdb", 90_000), ("mem_2.duckdb", 3_600)):
        (tmp_path / name).write_bytes(mem.read_bytes())
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    way = f", open: backup, backup: '{tmp_path}/mem_*.duckdb'"
    with one("sql", target(source(tmp_path / "elsewhere.duckdb", way), FRAMES)) as asked:
        page = asked.page()
    assert page["app_frames"] == "500"
    assert abs(time.time() - 3600 - float(page["runbook_sql_data_timestamp_seconds"])) < 60
    assert sorted(os.listdir(tmp_path)) == ["mem_1.duckdb", "mem_2.duckdb"]


WRONG = {
    "SELECT nope AS n FROM frames": '"nope"',
    "SELECT 1 AS n FROM missing": "Table with name missing does not exist!",
    "SELECT 1 AS n FROM WHERE": 'syntax error at or near "WHERE"',
    "SELECT state AS n FROM jobs LIMIT 1": "`n` is text, expected a number",
    "SELECT TIMESTAMP '2026-11-25 10:00:00' AS n": "`n` is a time, expected a time zone in it",
    "SELECT DATE '2026-11-25' AS n": "`n` is a date, expected a time zone in it",
    "SELECT 'infinity'::TIMESTAMPTZ AS n": "`n` is endless, expected a number",
    "SELECT uuid() AS n": "`n` is of the type UUID, expected a number",
    "SELECT [1, 2] AS n": "`n` is a list, expected a number",
    "SELECT {'a': 1} AS n": "`n` is an object, expected a number",
    "SELECT 'a-word-of-the-data'::INT AS n": "Could not convert string '...' to INT32",
    "SELECT 1 AS m": "the query gives no column `n`, but `m`",
    "SELECT 1 AS n FROM frames": "the query gives more than 100 rows",
    """SELECT 'it''s a-word'' of it'::INT AS n""": "Could not convert string '...' to INT32",
    "SELECT (state || chr(10) || chr(39) || 'a-word')::INT AS n FROM jobs": "Could not convert string '...' to INT32",
    "SELECT strptime(state || ' a-word', '%d') AS n FROM jobs": "Could not parse string '...' correct",
    "SELECT error(state || ' a-word') AS n FROM jobs": "failed Invalid Input Error correct",
    "SELECT (12345678 + length(state))::TINYINT AS n FROM jobs": "with value ... cannot be cast",
    "SELECT (12345678 + length(state))::DECIMAL(3, 1) AS n FROM jobs": "Could not cast value ... to DECIMAL",
    "SELECT ? AS n": "Values were not provided",
    "SELECT 1 AS n FROM read_csv('/etc/passwd')": "disabled by configuration leave that out of the query: other files",
    "SELECT count(*) AS n FROM glob('/etc/*')": "disabled by configuration",
    "FROM (SUMMARIZE SELECT 1)": "the query gives no column `n`",
    "SELECT len(string_agg(repeat('x', 1000000) || range, '')) AS n FROM range(1000)": "more memory than it may have",
}
RIGHT = {
    "SELECT 1.5::DECIMAL(5, 2) AS n": "1.5",
    "SELECT 170141183460469231731687303715884105727::HUGEINT AS n": "1.7014118346046923e+38",
    "SELECT TIMESTAMPTZ '2026-11-25T10:00:00Z' AS n": "1795600800.0",
    "SELECT INTERVAL 90 SECOND AS n": "90.0",
    "SELECT true AS n": "1",
    "FROM (SELECT count(*) AS n FROM frames);": "500",
    "WITH a AS (SELECT 2 AS n) SELECT n FROM a": "2",
    "SELECT 'nan'::DOUBLE AS n": None,
    "SELECT NULL AS n": None,
    "SELECT 3 AS n WHERE false": None,
}


def all_of(path: Path, queries: Iterable[str]) -> str:
    """Return the settings of a target that makes all these queries for the column n."""
    made = [query(f"q{place}", sql, f"app_q{place} n", more="max_rows: 100") for place, sql in enumerate(queries)]
    return target(source(path), *made)


def test_what_is_wrong_is_said_without_values(mem: Path) -> None:
    with one("sql", all_of(mem, WRONG)) as asked:
        outcomes = asked.outcomes()
    said = {sql: outcomes[f"q{place}"] for place, sql in enumerate(WRONG)}
    assert {sql: how for sql, how in said.items() if not how.startswith("failed") or WRONG[sql] not in how} == {}
    assert "a-word" not in str(said.values())
    assert "1234567" not in str(said.values())


def test_what_becomes_of_values(mem: Path) -> None:
    with one("sql", all_of(mem, RIGHT)) as asked:
        page, outcomes = asked.page(), asked.outcomes()
    assert set(outcomes.values()) == {"ok"}
    assert {sql: page.get(f"app_q{place}") for place, sql in enumerate(RIGHT)} == RIGHT


def test_a_slow_query_is_cut_while_the_others_work(mem: Path) -> None:
    slow = "SELECT sum(hash(a.range + b.range) % 7) AS n FROM range(10_000_000) a, range(10_000_000) b"
    with one("sql", target(source(mem), query("slow", slow, "app_n n", more="timeout: 500ms"), FRAMES)) as asked:
        began = time.monotonic()
        found = asked.outcomes()
        assert time.monotonic() - began < 5
    assert found["slow"] == "failed it was cut after 0.5 s make the query quicker, or raise its `timeout`"
    assert found["frames"] == "ok"


def asked_of(asked: One, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list that notes which queries each process makes."""
    made: list[list[str]] = []
    collector = asked.target.collector
    plain = collector._source._ask  # type: ignore[attr-defined]

    def noting(request: dict[str, object], *rest: object) -> object:
        made.append(sorted(request["queries"]))  # type: ignore[call-overload]
        return plain(request, *rest)

    monkeypatch.setattr(collector._source, "_ask", noting)  # type: ignore[attr-defined]
    return made


def test_all_queries_of_a_round_are_made_over_one_copy(mem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seldom = query("seldom", "SELECT 1 AS n", "app_seldom n", more="interval: 1h")
    with one("sql", target(source(mem), FRAMES, seldom, query("bad", "SELECT nope", "app_bad nope"))) as asked:
        assert isinstance(asked.target.collector._source, FromFile)  # type: ignore[attr-defined]
        made = asked_of(asked, monkeypatch)
        for _ in range(3):
            assert figures(asked) == {"app_frames": "500", "app_seldom": "1"}
    assert made == [["bad", "frames", "seldom"], ["bad", "frames"], ["bad", "frames"]]


def test_no_copy_is_made_while_no_query_is_due(mem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seldom = query("seldom", "SELECT 1 AS n", "app_seldom n", more="interval: 1h")
    with one("sql", target(source(mem), seldom)) as asked:
        made = asked_of(asked, monkeypatch)
        first, second = asked.page(), asked.page()
        assert asked.read().up
    assert made == [["seldom"]]
    assert first["runbook_sql_data_timestamp_seconds"] == second["runbook_sql_data_timestamp_seconds"]


def test_a_query_that_fails_is_left_alone_for_a_while(mem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = query("bad", "SELECT nope", "app_bad nope", more="interval: 1h")
    with one("sql", target(source(mem), FRAMES, bad)) as asked:
        made = asked_of(asked, monkeypatch)
        for _ in range(2):
            found = asked.outcomes()
            assert found["bad"].startswith("failed")
    assert made == [["bad", "frames"], ["frames"]]


def test_where_all_queries_fail_the_target_is_up_and_each_says_why(mem: Path) -> None:
    bad = [query(f"q{number}", f"SELECT nope{number} AS n", f"app_{number} n") for number in range(2)]
    with one("sql", target(source(mem), *bad)) as asked:
        found = asked.outcomes()
        assert asked.target.view().up is True
    assert found["age"] == "ok"
    assert "nope0" in found["q0"]
    assert "nope1" in found["q1"]


def test_a_query_changes_nothing_that_the_next_one_sees(tmp_path: Path) -> None:
    run(tmp_path / "app.duckdb", "CREATE SEQUENCE numbers")
    with one("sql", all_of(tmp_path / "app.duckdb", ["SELECT nextval('numbers') AS n", "SELECT 1 AS n"])) as asked:
        found = asked.outcomes()
    assert "read-only" in found["q0"]
    assert found["q1"] == "ok"


def test_damage_is_not_the_query_s_fault(tmp_path: Path) -> None:
    path = tmp_path / "app.duckdb"
    run(path, "CREATE TABLE t AS SELECT hash(range) AS h FROM range(100000)", "CHECKPOINT")
    with path.open("r+b") as file:
        size, used = (layout := layout_of(file.fileno())).size, layout.used
        for number in used[: len(used) // 2]:
            file.seek(HEADERS + number * size + 5000)
            file.write(b"of another kind")
    with one("sql", target(source(path), query("q", "SELECT max(h) % 7 AS n FROM t", "app_n n"))) as asked:
        found = asked.outcomes()["q"]
    assert "is damaged" in found
    assert "correct the query" not in found
    assert "backup" in found


def test_a_page_never_waits_for_a_copy(mem: Path) -> None:
    with one("sql", target(source(mem), FRAMES)) as asked:
        assert asked.target.ask() is None


@pytest.mark.parametrize(("made", "expected"), [
    (lambda path: None, "no such file"),
    (lambda path: path.write_bytes(b"no database" * 10_000), "DuckDB"),
    (lambda path: path.write_bytes(b""), ""),
    (lambda path: path.mkdir(), ""),
])  # fmt: skip
def test_what_is_no_database_is_down_with_its_reason(
    tmp_path: Path, made: Callable[[Path], object], expected: str
) -> None:
    path = tmp_path / "mem.duckdb"
    made(path)
    with one("sql", target(source(path), FRAMES)) as asked:
        snapshot = asked.read()
        assert snapshot.up is False
        assert expected.lower() in snapshot.reason.lower()
        assert snapshot.fix


def test_a_database_that_comes_later_is_read_then(tmp_path: Path) -> None:
    path = tmp_path / "mem.duckdb"
    with one("sql", target(source(path), FRAMES)) as asked:
        assert asked.read().up is False
        memapp.made(path)
        assert figures(asked) == {"app_frames": "500"}
        path.unlink()
        assert asked.read().up is False
        assert "app_frames" not in asked.page()


def test_what_a_writer_has_not_committed_is_not_counted(tmp_path: Path) -> None:
    path = memapp.made(tmp_path / "mem.duckdb")
    more = "INSERT INTO frames SELECT 1, 1, 1, now() FROM range(1000)"
    with one("sql", target(source(path), FRAMES)) as asked:
        with memapp.writing(path, f"BEGIN; {more}"):
            assert figures(asked) == {"app_frames": "500"}
        with memapp.writing(path, more) as process:
            process.kill()  # what it committed lies in the WAL
            assert figures(asked) == {"app_frames": "1500"}


def test_the_live_database_is_opened_only_where_nobody_writes(tmp_path: Path) -> None:
    path = memapp.made(tmp_path / "mem.duckdb")
    with one("sql", target(source(path, ", open: live"), FRAMES)) as asked:
        with memapp.writing(path):
            snapshot = asked.read()
            assert snapshot.up is False
            assert "another process has it open for writing" in snapshot.reason
        assert figures(asked) == {"app_frames": "500"}


@pytest.mark.long
def test_nothing_is_left_of_rounds_well_or_not(mem: Path, tmp_path: Path) -> None:
    for path in (mem, tmp_path / "missing"):
        with one("sql", target(source(path, f", scratch: {tmp_path}/scratch"), FRAMES)) as asked:
            leaves_nothing(asked, 4, warm=2)
    left = [name for _, _, names in os.walk(tmp_path / "scratch") for name in names]
    assert set(left) <= {"lock"}


def test_what_is_under_way_ends_with_the_target(mem: Path) -> None:
    slow = "SELECT sum(hash(a.range + b.range) % 7) AS n FROM range(10_000_000) a, range(10_000_000) b"
    settings = target(
        source(mem, background="interval: 5m\ntimeout: 1m"), query("slow", slow, "app_n n", more="timeout: 1m")
    )
    with one("sql", settings) as asked:
        asked.target.run_now()
        children = Path(f"/proc/{os.getpid()}/task")
        until(lambda: any((thread / "children").read_text().strip() for thread in children.iterdir()))
        began = time.monotonic()
        asked.target.close(20)
        assert asked.target.ended.is_set()
        assert time.monotonic() - began < 5
