"""Queries of the configuration's own to a SQLite database, beside those who write into it."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.hang_fs import mounted, need_fuse
from tests.onetarget import one
from tests.soak import leaves_nothing
from tests.sqlitefile import ROWS, Contents, hard_writer, made, writer
from tests.sqltargets import figures, query, target
from tests.support import until

COUNT = query("count", "SELECT count(*) AS n FROM t0", "app_rows n")
ENDLESS = "WITH RECURSIVE a (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM a) SELECT count(*) AS n FROM a"


def source(path: Path, more: str = "") -> str:
    return f"sqlite: {path}\n{more}"


@pytest.fixture(params=["wal", "delete"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return made(tmp_path / "app.sqlite", request.param)


WRONG = {
    "SELECT nope AS n FROM t0": "no such column: nope",
    "SELECT 1 AS n FROM missing": "no such table: missing",
    "SELECT 1 AS n FROM WHERE": 'near "WHERE": syntax error',
    "SELECT 1 AS n WHERE 'a word of it": "unrecognized token: '...'",
    "SELECT text AS n FROM t0 LIMIT 1": "`n` is text, expected a number",
    "SELECT x'00' AS n": "`n` is bytes, expected a number",
    "SELECT printf('%.*c', 4000000, 'x') AS n": "`n` is a text of more than 500 characters, expected a number",
    "SELECT 9e999 AS n": "expected one that is not as large as that",
    "SELECT 1 AS m": "the query gives no column `n`, but `m`",
    "SELECT 1 AS n FROM t0": "the query gives more than 100 rows",
    "SELECT 1 AS n FROM t0 LIMIT 2": "there are two rows, and no labels to tell them apart",
    "SELECT ? AS n": "",
    "SELECT length(zeroblob(100000000)) AS n": "too big",
    "SELECT load_extension('x') AS n": "would do more than read",
    "SELECT page_count AS n FROM pragma_page_count": "would do more than read",
    "SELECT CAST(x'ff612d776f7264' AS TEXT) AS n": "Could not decode to UTF-8 column '...'",
    "SELECT abs(-9223372036854775807 - 1) AS n": "integer overflow",
    "SELECT 'a-word' AS n FROM t0 WHERE json_extract('[1]', 'a-word')": "path",
    ENDLESS: "it was cut after 0.3 s make the query quicker, or raise its `timeout`",
}
RIGHT = {
    "SELECT count(*) AS n FROM t0;": str(ROWS),
    "SELECT 1.5 AS n": "1.5",
    "SELECT '12.5' AS n": "12.5",
    "SELECT NULL AS n": None,
    "SELECT id AS n FROM t0 WHERE false": None,
    "SELECT value AS n FROM json_each('[7]')": "7",
}


def all_of(path: Path, queries: dict[str, str] | dict[str, str | None]) -> str:
    """Return the settings of a target that makes all these queries for the column n."""
    metric = "{{name: app_q{}, help: A figure., value: n, convert: {}}}"
    made = [
        query(f"q{place}", sql, metric.format(place, "text" if "'12.5'" in sql or "json_each" in sql else "number"),
              more="max_rows: 100\ntimeout: 300ms")
        for place, sql in enumerate(queries)
    ]  # fmt: skip
    return target(source(path), *made)


def test_what_is_wrong_is_said_without_values(path: Path) -> None:
    with one("sql", all_of(path, WRONG)) as asked:
        outcomes = asked.outcomes()
    said = {sql: outcomes[f"q{place}"] for place, sql in enumerate(WRONG)}
    assert {sql: how for sql, how in said.items() if not how.startswith("failed") or WRONG[sql] not in how} == {}
    assert "a word" not in str(said.values())
    assert "a-word" not in str(said.values())


def test_what_becomes_of_values(path: Path) -> None:
    with one("sql", all_of(path, RIGHT)) as asked:
        page, outcomes = asked.page(), asked.outcomes()
    assert set(outcomes.values()) == {"ok"}
    assert {sql: page.get(f"app_q{place}") for place, sql in enumerate(RIGHT)} == RIGHT


def test_labels_states_and_times(tmp_path: Path) -> None:
    file = tmp_path / "app.sqlite"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE jobs (queue TEXT, state TEXT, made TEXT, number INT)")
        connection.executemany("INSERT INTO jobs VALUES (?, ?, '2026-11-25 10:00:00', ?)",
                               [("mail", "done", 1), ("mail", "done", 2), (None, "waiting", None)])  # fmt: skip
    settings = target(
        source(file),
        query("jobs", "SELECT queue, state, count(*) AS jobs, sum(number) AS number FROM jobs GROUP BY 1, 2",
              "app_jobs jobs queue state", "app_number number queue state"),
        query("oldest", "SELECT min(made) AS made FROM jobs",
              "{name: app_made_timestamp_seconds, help: M., value: made, convert: time_utc}"),
    )  # fmt: skip
    with one("sql", settings) as asked:
        page = asked.page()
    assert {name: value for name, value in page.items() if name.startswith("app")} == {
        'app_jobs{queue="mail",state="done"}': "2", 'app_jobs{queue="",state="waiting"}': "1",
        'app_number{queue="mail",state="done"}': "3", "app_made_timestamp_seconds": "1795600800.0",
    }  # fmt: skip
    assert page['runbook_mapped_values_missing{metric="app_number"}'] == "1"


def test_full_text_is_searched(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.sqlite")) as connection, connection:
        connection.execute("CREATE VIRTUAL TABLE notes USING fts5 (text)")
        connection.executemany("INSERT INTO notes VALUES (?)", [("one two",), ("two three",)])
    found = query("it", "SELECT count(*) AS n FROM notes WHERE notes MATCH 'two'", "app_n n")
    with one("sql", target(source(tmp_path / "app.sqlite"), found)) as asked:
        assert figures(asked) == {"app_n": "2"}


def test_nothing_is_written_not_even_beside_the_file(path: Path) -> None:
    before = Contents(path)
    with one("sql", target(source(path), COUNT)) as asked:
        for _ in range(3):
            assert figures(asked) == {"app_rows": str(ROWS)}
    assert Contents(path) == before


def test_a_writer_is_neither_waited_for_nor_kept_waiting(path: Path) -> None:
    with writer(path) as application, one("sql", target(source(path), COUNT)) as asked:
        application.do("BEGIN IMMEDIATE")
        application.do("INSERT INTO t0 (text) VALUES ('new')")
        assert figures(asked) == {"app_rows": str(ROWS)}
        assert application.do("COMMIT") == "[]"
        assert figures(asked) == {"app_rows": str(ROWS + 1)}


def test_beside_a_writer_without_pause(path: Path) -> None:
    wrong = query("wrong", "SELECT count(*) AS n FROM t0 WHERE text NOT GLOB '[0-9]*'", "app_wrong n")
    before = path.stat().st_mtime_ns
    with hard_writer(path, 0.0) as told, one("sql", target(source(path), COUNT, wrong)) as asked:
        until(lambda: path.stat().st_mtime_ns != before or path.with_name("app.sqlite-wal").exists())
        pages = [asked.outcomes() for _ in range(2)]
        for page in pages:
            assert (
                page["count"] == "ok" or "was written to while it was read" in page["count"] or "held" in page["count"]
            )
    (report,) = told
    assert report.refused == 0  # nobody was in its way
    assert report.commits > 0


@pytest.mark.parametrize(("make", "expected"), [
    (lambda path: None, "no such file"),
    (lambda path: path.mkdir(), "is a directory"),
    (lambda path: path.write_bytes(b"no database" * 1000), "is no sqlite database"),
    (lambda path: path.write_bytes(b""), "it is empty"),
])  # fmt: skip
def test_what_is_no_database_is_down_with_its_reason(
    tmp_path: Path, make: Callable[[Path], object], expected: str
) -> None:
    make(tmp_path / "app.sqlite")
    with one("sql", target(source(tmp_path / "app.sqlite"), COUNT)) as asked:
        snapshot = asked.read()
        assert snapshot.up is False
        assert expected in snapshot.reason.lower()
        assert snapshot.fix


def test_a_slow_query_is_cut_while_the_others_work(path: Path) -> None:
    slow = query("slow", ENDLESS, "app_slow n", more="timeout: 500ms")
    with one("sql", target(source(path), slow, COUNT)) as asked:
        began = time.monotonic()
        outcomes = asked.outcomes()
        assert time.monotonic() - began < 4
    assert outcomes["count"] == "ok"
    assert "it was cut after 0.5 s" in outcomes["slow"]


def test_the_database_is_exclusively_held_by_one_that_hangs(tmp_path: Path) -> None:
    path = made(tmp_path / "app.sqlite")
    with writer(path, "locking_mode = EXCLUSIVE") as application, one("sql", target(source(path), COUNT)) as asked:
        application.do("BEGIN EXCLUSIVE")
        application.stop()
        began = time.monotonic()
        snapshot = asked.read()
        assert time.monotonic() - began < 6
        assert snapshot.up is False
        assert snapshot.fix
        application.go_on()
        application.do("COMMIT")
        application.kill()
        assert figures(asked) == {"app_rows": str(ROWS)}


def test_a_mount_that_hangs_costs_a_page_no_more_than_its_time(tmp_path: Path) -> None:
    need_fuse()
    with mounted(tmp_path / "mount") as hanging:
        settings = target(
            source(tmp_path / "mount" / "app.sqlite", "timeout: 1s"),
            query("q", "SELECT 1 AS n", "app_n n", more="timeout: 1s"),
        )
        with one("sql", settings) as asked:
            assert asked.read().up is False  # it is not there
            hanging.hang()
            for _ in range(3):
                began = time.monotonic()
                assert asked.read().up is False
                assert time.monotonic() - began < 3
            hanging.answer()


def test_a_database_that_is_replaced_is_read_anew(path: Path) -> None:
    with one("sql", target(source(path), COUNT)) as asked:
        assert figures(asked) == {"app_rows": str(ROWS)}
        made(path.parent / "other.sqlite", rows=7)
        os.replace(path.parent / "other.sqlite", path)
        assert figures(asked) == {"app_rows": "7"}


def test_damage_is_not_the_query_s_fault(path: Path) -> None:
    with path.open("r+b") as file:
        for page in range(4096, path.stat().st_size, 4096):
            file.seek(page)
            file.write(b"of another kind")
    with one("sql", target(source(path), COUNT)) as asked:
        found = asked.outcomes()["count"]
        assert asked.target.view().up is True
    assert f"{path}: database disk image is malformed" in found
    assert "put a backup in its place" in found


def test_where_all_queries_fail_the_target_is_up_and_each_says_why(path: Path) -> None:
    bad = [query(f"q{number}", f"SELECT nope{number} AS n", f"app_{number} n") for number in range(2)]
    with one("sql", target(source(path), *bad)) as asked:
        found = asked.outcomes()
        assert asked.target.view().up is True
    assert found["age"] == "ok"
    assert "nope0" in found["q0"]
    assert "nope1" in found["q1"]


@pytest.mark.long
def test_rounds_leave_nothing(path: Path) -> None:
    with one("sql", target(source(path), COUNT, query("bad", "SELECT nope", "app_bad nope"))) as asked:
        leaves_nothing(asked, 5, warm=2)
    with one("sql", target(source(path.parent / "missing"), COUNT)) as asked:
        leaves_nothing(asked, 5, warm=2)
