"""The PostgreSQL collector's statements: with the extension, without it, and without its library."""

import re

import pytest

from tests.onetarget import one
from tests.postgres import monitor, server

LOADED = {"shared_preload_libraries": "pg_stat_statements"}


def calls(page: dict[str, str]) -> dict[tuple[str, ...], float]:
    series = re.compile(r'pg_stat_statements_calls_total\{datname="(.*)",queryid="(.*)",user="(.*)"\}')
    return {match.groups(): float(value) for name, value in page.items() if (match := series.fullmatch(name))}


@pytest.mark.parametrize("major", [13, 15, 18])
def test_statements_are_counted_without_their_text(major: int) -> None:
    with server(major, LOADED) as running:
        url = monitor(running)
        with one("postgres", f"url: {url}") as target:
            said = target.outcomes()["statements"]
        assert said.startswith("skipped the extension pg_stat_statements is installed in no database")
        running.sql("CREATE DATABASE app")
        running.sql("CREATE EXTENSION pg_stat_statements", database="app")  # not where the collector is connected
        running.sql("CREATE TABLE kept (secret text)", database="app")
        for number in range(7):
            running.sql(f"SELECT pg_sleep(0.02), 'not-for-labels', {number}", database="app")
        with one("postgres", f"url: {url}\ntop: 3") as target:
            text = target.text()
            page = target.page()
        assert "not-for-labels" not in text
        counted = calls(page)
        assert len(counted) <= 4
        slow = [key for key, count in counted.items() if count == 7 and key[0] == "app" and key[2] == "postgres"]
        assert len(slow) == 1
        labels = f'{{datname="app",queryid="{slow[0][1]}",user="postgres"}}'
        assert float(page[f"pg_stat_statements_seconds_total{labels}"]) >= 0.14
        assert page[f"pg_stat_statements_rows_total{labels}"] == "7"
        for figure in ("block_read_seconds_total", "block_write_seconds_total"):
            assert float(page[f"pg_stat_statements_{figure}{labels}"]) >= 0
        assert ("other", "other", "other") in counted


def test_a_library_that_is_not_loaded_is_said_with_the_remedy() -> None:
    with server(15) as running:
        running.sql("CREATE EXTENSION pg_stat_statements")
        with one("postgres", f"url: {monitor(running)}") as target:
            said = target.outcomes()["statements"]
    assert said.startswith("skipped the library pg_stat_statements is not loaded")
    assert "shared_preload_libraries" in said
