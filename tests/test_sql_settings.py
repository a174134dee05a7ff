"""The collector `sql`: what `check` finds before any database is asked, and what it leaves alone."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter import config
from exporter.collectors._sql.wording import masked
from exporter.collectors.sql.statement import place, problems, single
from exporter.config import INSTALLED, ConfigError, read
from tests import memapp
from tests.process import ROOT
from tests.sqltargets import query, target

METRIC = "app_jobs jobs"
GOOD = query("jobs", "SELECT 1 AS jobs", METRIC)
URL = "postgres: postgresql://figures@127.0.0.1/app"


def a(sql: str, *metrics: str, more: str = "") -> str:
    """Return the settings of a target with one query named a."""
    return target(URL, query("a", sql, *metrics, more=more))


def problems_of(settings: str) -> tuple[str, ...]:
    """Return what is wrong with a target of these settings."""
    lines = "".join(f"    {line}\n" for line in settings.splitlines())
    try:
        read(f"targets:\n  it:\n    collector: sql\n{lines}".encode(), "config.yml", INSTALLED, {})
    except ConfigError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("settings", [
    target(URL, GOOD),
    target("sqlite: a.sqlite", GOOD),
    target("duckdb: {path: a.duckdb}\ninterval: 5m", GOOD),
    target("duckdb: {path: a.duckdb, open: backup, backup: 'b-*.duckdb'}\ninterval: 5m", GOOD),
    target(URL, GOOD, query("more", "SELECT 1 AS n", "app_more n", more="interval: 1h\ntimeout: 5s\nmax_rows: 20000")),
    target(URL, query("known", "SELECT 1 AS n", "{name: runbook_app_active_users, value: n}")),
    target(URL, query("info", "SELECT version() AS v", "{name: app_info, type: info, help: Version., labels: [v]}")),
])  # fmt: skip
def test_what_is_right_is_taken(settings: str) -> None:
    assert problems_of(settings) == ()


@pytest.mark.parametrize(("settings", "where", "said"), [
    (target("timeout: 5s", GOOD), "postgres", "does not say where its queries go; expected exactly one"),
    (target(f"{URL}\nsqlite: a", GOOD), "sqlite", "has postgres and sqlite; expected exactly one"),
    (target("postgres: 'postgresql://u:pa@long-word@h/d'", GOOD), "postgres", "has an `@`, `/` or `?` inside"),
    (target("postgres: mysql://h/d", GOOD), "postgres", "is no address of PostgreSQL"),
    (target("sqlite: ':memory:'", GOOD), "sqlite", "is no path of a file"),
    (target("duckdb: {path: a.duckdb}", GOOD), "interval", "is missing, and a database of DuckDB is copied"),
    (target("duckdb: {path: a, open: never}\ninterval: 5m", GOOD), "duckdb.open", "leaves nothing to ask"),
    (target("duckdb: {path: a, backup: b}\ninterval: 5m", GOOD), "duckdb.backup", "expected `open: backup`"),
    (f"{URL}\nqueries: {{}}", "queries", "is empty; expected such as"),
    (target(URL, query("a b", "SELECT 1 AS n", "app_n n")), "'queries.a b'", "cannot have this name"),
    (target(URL, query("age", "SELECT 1 AS n", "app_n n")), "queries.age", "is the name of a read of this program"),
    (a("SELECT 1 AS n"), "queries.a.metrics", "is empty; expected such as"),
    (a("SELECT 1 AS n", "app_n n", "app_n n"), "queries", "makes app_n twice"),
    (target(URL, GOOD, query("b", "SELECT 1", METRIC)), "queries", "makes app_jobs twice; expected it in one query"),
    (target(URL, GOOD, query("b", "SELECT 1", METRIC.replace("help: ", "help: Other "))), "queries",
     "makes app_jobs twice"),
    (a("SELECT 1", "app_n n", more="interval: 500ms"), "queries.a.interval", "shorter than 1s"),
    (a("SELECT 1", "app_n n", more="timeout: 10ms"), "queries.a.timeout", "leaves no time"),
    (a("SELECT 1", "app_n n", more="timeout: 10s"), "queries.a.timeout",
     "is longer than a round over the target may take; expected at most the target's timeout (5s)"),
    (a("SELECT 1", "app_n n", more="max_rows: 0"), "queries.a.max_rows", "expected 1 to 20000"),
    (a("SELECT 1", "app_n n", more="max_rows: 20001"), "queries.a.max_rows", "expected 1 to 20000"),
    (a("SELECT 1", "{name: app_n, help: N.}"), "queries.a.metrics[0].value",
     "is missing; expected the name of a column, such as `value: jobs`"),
    (a("SELECT 1", "{name: app_n, value: n}"), "queries.a.metrics[0].help", "is missing"),
    (a("SELECT 1", "app_n n target"), "queries.a.metrics[0].labels", "cannot have a label 'target'"),
    (a("SELECT 1", "app_n n a-b"), "queries.a.metrics[0].labels", "cannot have a label 'a-b'"),
    (a("SELECT 1", "node_load1 n"), "queries.a.metrics", "node_load1 is a metric of this program"),
    (a("SELECT 1", "app_n_total n"), "queries.a.metrics[0].name", "`_total` ends the names"),
    (a("SELECT 1", "runbook_app_else n"), "queries.a.metrics[0].name", "may be given are runbook"),
    (a("SELECT 1", "{name: runbook_app_active_users, help: Ours., value: n}"),
     "queries.a.metrics[0].help", "has its own; expected it left out"),
    (a("SELECT 1", "{name: runbook_app_active_users, value: n, labels: [a]}"),
     "queries.a.metrics[0].labels", "the rules know by its labels; expected none"),
    (a("SELECT 1", "{name: runbook_app_active_users, value: n, type: counter}"),
     "queries.a.metrics[0].type", "is a gauge"),
    (a("DELETE FROM jobs", METRIC), "queries.a.sql", "begins with DELETE; expected one statement that"),
])  # fmt: skip
def test_every_mistake_is_found_beforehand(settings: str, where: str, said: str) -> None:
    found = problems_of(settings)
    assert any(f"targets.it.{where}: " in problem and said in problem for problem in found), found
    assert "long-word" not in "".join(found)


def test_two_targets_that_differ_are_found_whatever_collector_they_are_of() -> None:
    text = """targets:
  a: {collector: json, file: x, metrics: [{name: app_n, help: N., value: n}]}
  b: {collector: sql, sqlite: x, queries: {q: {sql: SELECT 1 AS n, metrics: [{name: app_n, help: M., value: n}]}}}
  c: {collector: sql, sqlite: x, queries: {q: {sql: SELECT 1 AS n, metrics: [{name: app_n, help: N., value: n}]}}}
"""
    with pytest.raises(ConfigError) as caught:
        read(text.encode(), "config.yml", INSTALLED, {})
    differs = "type, help or labels differ from those in the target a; expected the same, or another name"
    assert caught.value.problems == (f"config.yml:3: targets.b.queries.q.metrics: app_n: {differs}",)


@pytest.mark.parametrize("sql", [
    "SELECT 1", "select 1;", " SELECT 1 ; \n ; -- done; really\n", "-- first\n/* ; */ SELECT ';' AS \"a;b\"",
    "(SELECT 1)",
    "WITH a AS (SELECT 1) SELECT * FROM a", "VALUES (1)", "TABLE jobs", "FROM jobs", "SELECT $$;$$, $a$ ; $b$ ; $a$",
    r"SELECT E'it\'s; fine'", "SELECT 'it''s; fine'", "SELECT last_update, \"insert into\" FROM a",
    "SELECT 'delete from jobs' -- insert into x", "SELECT replace(a, 'b', 'c') FROM d", "SELECT `a;b` FROM c",
])  # fmt: skip
def test_a_query_is_taken(sql: str) -> None:
    assert list(problems(sql)) == []


@pytest.mark.parametrize(("sql", "said"), [
    ("", "is no query"), ("  ;", "is no query"), ("-- SELECT 1", "is no query"), ("'SELECT 1'", "is no query"),
    ("SELECT 1; SELECT 2", "holds several statements"), ("SELECT 1; DROP TABLE jobs", "holds several statements"),
    ("SELECT ''; DROP TABLE jobs --'", "holds several statements"),
    ("INSERT INTO jobs VALUES (1)", "begins with INSERT"), ("update jobs set a = 1", "begins with UPDATE"),
    ("COPY jobs TO '/tmp/x'", "begins with COPY"), ("ATTACH 'x' AS y", "begins with ATTACH"),
    ("PRAGMA user_version = 3", "begins with PRAGMA"), ("SET x = 1", "begins with SET"),
    ("CALL f()", "begins with CALL"),
    ("WITH a AS (INSERT INTO jobs VALUES (1) RETURNING *) SELECT * FROM a", "would write (INSERT INTO)"),
    ("WITH a AS (SELECT 1) DELETE\n FROM jobs", "would write (DELETE FROM)"),
    ("WITH a AS (SELECT 1) UPDATE public.jobs SET x = 1", "would write (UPDATE PUBLIC.JOBS SET)"),
    ("SELECT '" + "x" * 20_000 + "'", "is longer than 20000"), ("SELECT '\0'", "holds a NUL"),
])  # fmt: skip
def test_what_plainly_is_none_is_refused(sql: str, said: str) -> None:
    (problem,) = problems(sql)
    assert said in problem
    assert "expected one statement that reads" in problem


@given(text=st.text(max_size=40), name=st.text(max_size=40), comment=st.text(max_size=40))
def test_whatever_is_quoted_is_no_part_of_the_statement(text: str, name: str, comment: str) -> None:
    if "\0" in text + name + comment:
        return
    value, column = text.replace("'", "''"), name.replace('"', '""')
    remark = comment.replace("\n", " ").replace("*/", "")
    sql = f"SELECT '{value}' AS \"{column}\" /*{remark} */ FROM a --{remark}\nWHERE b = '{value}'"
    assert list(problems(sql)) == []
    assert single(f"{sql} ; --{remark}") == sql
    assert [problem.partition(";")[0] for problem in problems(f"{sql}; DROP TABLE a")] == ["holds several statements"]


@pytest.mark.parametrize(("words", "told"), [
    ("ungültige Syntax für integer: \u00bba-word\u00ab oder a-word\u00ab", "ungültige Syntax für integer: '...'"),
    ("syntaxe : \u00ab a-word \u00bb", "syntaxe : '...'"),
    ("for \u201ca-word\u201d \u2018a-word\u2019", "for '...'"),
    ("value {'a': a-word} cannot", "value '...' cannot"),
    ('type integer: "a\na-word', "type integer: '...'"),
    ("no column\na-word", "no column"),
    ("value -12.5e3 of INT32, 2026-11-25 10:00:00+00 and UTF-8", "value ... of INT32, ... ... and UTF-8"),
])  # fmt: skip
def test_values_are_left_out_however_they_are_quoted(words: str, told: str) -> None:
    assert masked(words, values=True) == told


def test_the_semicolon_at_the_end_is_left_out_and_nothing_else() -> None:
    assert single("SELECT 'a' ; ") == "SELECT 'a'"
    assert single("SELECT ';'") == "SELECT ';'"
    assert single('SELECT "a";\n-- b;\n') == 'SELECT "a"'
    assert place("SELECT a,\n  b", 12) == "line 2, column 3"
    assert place("SELECT a", 7) == "line 1, column 8"


def pages() -> list[str]:
    text = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", [*pages(), memapp.EXAMPLE.read_text(encoding="utf-8")])
def test_the_configurations_that_are_shown_are_right(text: str) -> None:
    bound = read(text.encode(), "config.yml", INSTALLED, {"DATABASE_URL": "postgresql://figures@127.0.0.1/shop"})
    assert {target.collector for target in bound.targets} == {"sql"}
    assert bound.warnings == ()


def test_the_configuration_in_force_is_shown_without_the_password() -> None:
    settings = yaml.safe_load(target("postgres: postgresql://u:long-password@h/d", GOOD))
    text = yaml.safe_dump({"targets": {"it": {"collector": "sql", **settings}}})
    shown = config.redacted(read(text.encode(), "config.yml", INSTALLED, {}))
    assert "long-password" not in shown
    assert yaml.safe_load(shown)["targets"]["it"]["queries"]["jobs"]["sql"] == "SELECT 1 AS jobs"
