"""What docs/jobs.md shows is taken as it stands, and settings that cannot be are refused with their remedy."""

import re

import pytest
import yaml

from exporter import config
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
