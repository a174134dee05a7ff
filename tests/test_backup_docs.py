"""The page on backups: its configurations are right, and the metrics that it names are there."""

import re

import pytest

from exporter.collector import find, kinds
from exporter.config import INSTALLED, read
from exporter.metric import is_declared
from tests.process import ROOT
from tests.test_json_docs import blocks


@pytest.mark.parametrize("number", [0, 1])
def test_configurations_are_right(number: int) -> None:
    environ = {"RESTIC_PASSWORD": "a-word-of-the-docs"}
    config = read(blocks("backups", "yaml")[number].encode(), "config.yml", INSTALLED, environ)
    assert {target.collector for target in config.targets} == {"backup"}
    assert config.warnings == ()


def test_the_metrics_that_the_page_names_are_there() -> None:
    for kind in kinds():
        find(kind)
    text = (ROOT / "docs" / "backups.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\brunbook_backup_[a-z0-9_]+\b", text))
    assert len(names) > 6
    assert [name for name in names if not is_declared(name)] == []
