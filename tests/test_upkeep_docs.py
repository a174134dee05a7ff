"""The page on secrets, browsers, systemd and ClamAV: its configuration is right, and its names are what is shown."""

import re

from exporter.collector import find
from exporter.config import INSTALLED, read
from exporter.metric import is_declared
from tests.process import ROOT

KINDS = {"secret", "browser", "systemd", "clamd"}
PAGE = (ROOT / "docs" / "upkeep.md").read_text(encoding="utf-8")


def test_its_configuration_is_right() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    config = read(block.encode(), "config.yml", INSTALLED, {})
    assert {target.collector for target in config.targets} == KINDS
    assert config.warnings == ()


def test_its_metrics_are_declared() -> None:
    for kind in KINDS:
        find(kind)
    names = set(re.findall(r"`((?:runbook|clamav|node_systemd)_[a-z_]+)`", PAGE))
    assert len(names) > 15
    assert [name for name in sorted(names) if not is_declared(name)] == []
