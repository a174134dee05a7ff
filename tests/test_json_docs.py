"""The pages on JSON and on commands: their configurations are right, and what they promise comes true."""

import re
from pathlib import Path

import pytest

from exporter.config import INSTALLED, read
from tests.onetarget import one
from tests.process import ROOT


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("page", "number"), [("json", 0), ("json", 1), ("command", 0), ("command", 1)])
def test_configurations_are_right(page: str, number: int) -> None:
    environ = {"HEALTH_TOKEN": "a-token-of-the-docs", "DATABASE_URL": "postgresql://docs"}
    config = read(blocks(page, "yaml")[number].encode(), "config.yml", INSTALLED, environ)
    assert {target.collector for target in config.targets} == {page}
    assert config.warnings == ()


def test_the_answer_makes_what_is_said(tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    (answer,) = blocks("json", "json")
    file.write_text(answer)
    metrics = blocks("json", "yaml")[0].partition("    metrics:\n")[2]
    with one("json", f"file: {file}\nmetrics:\n{re.sub('^    ', '', metrics, flags=re.MULTILINE)}") as target:
        series = [line for line in target.text().splitlines() if line.startswith("shop_")]
    assert series == blocks("json", "text")[0].splitlines()
