"""The pages on probes and certificates: their configurations are right."""

import re

import pytest

from exporter.collector import find, kinds
from exporter.config import INSTALLED, read
from exporter.metric import is_declared
from tests.process import ROOT
from tests.test_json_docs import blocks

ENVIRON = {"REDIS_PASSWORD": "a-word-of-the-docs", "KEYSTORE_PASSWORD": "another-word-of-the-docs"}


@pytest.mark.parametrize(("page", "number", "kind"), [
    ("probes", 0, "tcp"), ("probes", 1, "dns"), ("probes", 2, "icmp"), ("certificates", 0, "tls"),
])  # fmt: skip
def test_configurations_are_right(page: str, number: int, kind: str) -> None:
    config = read(blocks(page, "yaml")[number].encode(), "config.yml", INSTALLED, ENVIRON)
    assert {target.collector for target in config.targets} == {kind}
    assert config.warnings == ()
    assert len(blocks(page, "yaml")) == (3 if page == "probes" else 1)


@pytest.mark.parametrize("page", ["probes", "certificates"])
def test_the_metrics_that_the_page_names_are_there(page: str) -> None:
    for kind in kinds():
        find(kind)
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\b(?:probe_|x509_|runbook_)[a-z0-9_]+\b(?!\{answer)", text))
    assert len(names) > 7
    assert [name for name in names if not is_declared(name)] == []
