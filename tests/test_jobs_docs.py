"""What docs/jobs.md shows is taken as it stands, and settings that cannot be are refused with their remedy."""

import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from exporter import config
from tests.onetarget import one
from tests.process import ROOT

PAGE = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SECRETS = {"FIGURES_PASSWORD": "figures-of-the-shop", "REDIS_PASSWORD": "redis-of-the-shop"}


@pytest.mark.parametrize("number", range(len(SHOWN)))
def test_what_the_page_shows_is_accepted(number: int) -> None:
    bound = config.read(SHOWN[number].encode(), "config.yml", config.INSTALLED, SECRETS)
    assert [target.name for target in bound.targets] == list(yaml.safe_load(SHOWN[number])["targets"])


@pytest.mark.parametrize(("text", "expected"), [
    ("jobs: {a: {kind: stage}}", "exactly one of rq, table"),
    ("rq: {url: 'redis://h'}\n    table: {sqlite: /a}", "has rq and table"),
    ("rq: {url: 'http://h'}", "is no address of Redis"),
    ("table: {table: jobs}", "exactly one of postgres, duckdb, sqlite"),
    ("table: {sqlite: /a, table: 'jobs; DROP'}", "is no name of a table"),
    ("table: {sqlite: /a, columns: {kind: 'a b'}}", "is no name of a column"),
    ("table: {sqlite: /a, states: {success: [done], failure: [Done]}}", "expected it in one of them"),
    ("table: {duckdb: {path: /a}}", "is copied for each round"),
    ("table: {sqlite: /a, query_timeout: 30s}", "at most the target's timeout"),
    ("table: {sqlite: /a}\n    jobs: {a: {time_limit: 0s}}", "leaves no time to run"),
])  # fmt: skip
def test_what_cannot_be_is_refused(text: str, expected: str) -> None:
    with pytest.raises(config.ConfigError, match=re.escape(expected)):
        config.read(f"targets:\n  it:\n    collector: jobs\n    {text}\n".encode(), "c.yml", config.INSTALLED, {})


def test_the_queries_of_the_page_give_what_the_rules_know(tmp_path: Path) -> None:
    target = next(one for text in SHOWN for one in yaml.safe_load(text)["targets"].values() if "queries" in one)
    target["sqlite"] = str(tmp_path / "imports.sqlite")
    now = datetime.now(UTC).isoformat(" ", "seconds")
    with closing(sqlite3.connect(target["sqlite"], isolation_level=None)) as connection:
        connection.execute("CREATE TABLE imports (scraper, created_at, ended_at, error)")
        for values in (("venues", now, now, None), ("events", now, now, "404"), ("events", now, None, None)):
            connection.execute("INSERT INTO imports VALUES (?, ?, ?, ?)", values)
        settings = yaml.safe_dump({name: value for name, value in target.items() if name != "collector"})
        with one("sql", settings) as asked:
            page = asked.page()
            connection.execute("DELETE FROM imports")
            empty = asked.page()
    assert page['runbook_job_queue_length{queue="imports",state="waiting"}'] == "1"
    assert page['runbook_job_info{job_name="venues",kind="scraper"}'] == "1"
    for series in ('runbook_job_oldest_timestamp_seconds{queue="imports",state="waiting"}',
                   'runbook_job_last_success_timestamp_seconds{job_name="venues"}'):  # fmt: skip
        assert abs(time.time() - float(page[series])) < 60
    assert empty['runbook_job_queue_length{queue="imports",state="waiting"}'] == "0"
    assert not {series: value for series, value in empty.items() if series.startswith("runbook_job_oldest")}
