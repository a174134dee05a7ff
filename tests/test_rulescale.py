"""Rules on a quicker clock."""

import subprocess
from pathlib import Path

import pytest
import yaml

from exporter.rulescale import scaled
from tests.process import ROOT

FILES = sorted((ROOT / "rules").glob("*.yml"))
RULES = """
groups:
  - name: spool  # a comment
    interval: {interval}
    rules:
      - record: runbook:spool:ratio
        expr: {expression}
      - alert: SpoolFull
        expr: runbook:spool:ratio > 3600
        for: {wait}
        keep_firing_for: 1h30m
        annotations:
          description: "[5m] offset 1h, {{{{ $value }}}}"
"""


def rules(expression: str = "vector(1)", wait: str = "5m", interval: str = "1m") -> str:
    return RULES.format(expression=yaml.safe_dump(expression, default_style='"').strip(), wait=wait, interval=interval)


def record(text: str) -> str:
    return str(yaml.safe_load(text)["groups"][0]["rules"][0]["expr"])


@pytest.mark.parametrize(("wait", "factor", "shorter"), [
    ("5m", 60, "5s"), ("1h", 60, "1m"), ("0m", 60, "0s"), ("1m", 1000, "60ms"), ("1h30m", 4, "22m30s"),
    ("1s", 1e6, "1ms"), ("7d", 2, "3d12h"), ("1m", 1, "1m"), ("1w", 7, "1d"),
])  # fmt: skip
def test_for_is_divided(wait: str, factor: float, shorter: str) -> None:
    alert = yaml.safe_load(scaled(rules(wait=wait), factor, 1))["groups"][0]["rules"][1]
    assert alert["for"] == shorter


def test_what_is_no_clock_stays() -> None:
    group = yaml.safe_load(scaled(rules(), 60, 1))["groups"][0]
    alert = group["rules"][1]
    assert (alert["keep_firing_for"], group["interval"], group["name"]) == ("1m30s", "1s", "spool")
    assert alert["expr"] == "runbook:spool:ratio > 3600"
    assert alert["annotations"] == {"description": "[5m] offset 1h, {{ $value }}"}
    assert list(alert) == ["alert", "expr", "for", "keep_firing_for", "annotations"]


@pytest.mark.parametrize(("expression", "shorter"), [
    ("rate(x[5m])", "rate(x[5s])"),
    ("rate(x[2m])", "rate(x[4s])"),
    ("rate(x[3s])", "rate(x[3s])"),
    ("x unless x offset 1h", "x unless x offset 1m"),
    ("x unless x offset 15s", "x unless x offset 4s"),
    ("x offset -1h", "x offset -1m"),
    ("increase(x[1d] offset 1d)", "increase(x[24m] offset 24m)"),
    ("max_over_time(rate(x[5m])[1h30m:1m])", "max_over_time(rate(x[5s])[1m30s:1s])"),
    ("max_over_time(x[1h:])", "max_over_time(x[1m:])"),
    ('x{a="[5m] offset 5m"}', 'x{a="[5m] offset 5m"}'),
    ("x{a='it\\'s [5m]'} > rate(y[1h])", "x{a='it\\'s [5m]'} > rate(y[1m])"),
    ("time() - x > 3600", "time() - x > 3600"),
    ("predict_linear(x[6h], 86400)", "predict_linear(x[6m], 86400)"),
    ("offset_5m + x_offset", "offset_5m + x_offset"),
])  # fmt: skip
def test_windows_and_offsets_are_divided_down_to_the_floor(expression: str, shorter: str) -> None:
    assert record(scaled(rules(expression), 60, 4)) == shorter


def test_a_group_is_evaluated_no_oftener_than_is_scraped() -> None:
    assert yaml.safe_load(scaled(rules(interval="1m"), 600, 4))["groups"][0]["interval"] == "1s"
    assert yaml.safe_load(scaled(rules(interval="500ms"), 600, 4))["groups"][0]["interval"] == "500ms"


def test_a_guard_that_is_a_number_stays_one() -> None:
    assert record(scaled(rules().replace('"vector(1)"', "0.40"), 60, 4)) == "0.4"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("factor", [1, 60, 300])
def test_promtool_accepts_every_file_at_any_speed(file: Path, factor: int, tmp_path: Path) -> None:
    quick = tmp_path / file.name
    quick.write_text(scaled(file.read_text(encoding="utf-8"), factor, 4), encoding="utf-8")
    ended = subprocess.run(["promtool", "check", "rules", quick], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    before, after = (yaml.safe_load(one.read_text(encoding="utf-8")) for one in (file, quick))
    assert [len(group["rules"]) for group in before["groups"]] == [len(group["rules"]) for group in after["groups"]]
