"""Pages that a collector gave, laid out over hours, with what Prometheus' rules make of them."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.engine import series_of
from tests.process import ROOT

STEP: Final = 300
"""The seconds between two scrapes: as long as a sample counts."""
Page = dict[str, float]
Story = Sequence[tuple[int, Page]]
"""At which scrape on which page is given."""


class Clock:
    """The time of this process, so many seconds ahead of what it is."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead
        self._real = time.time

    def __call__(self) -> float:
        return self._real() + self.ahead


def figures(text: str, prefix: str, now: float) -> Page:
    """Return the figures of a page whose names begin so; times are told as seconds from now."""
    return {
        series: float(value) - (now if "_timestamp_seconds" in series else 0)
        for series, value in series_of(text).items()
        if series.startswith(prefix)
    }


def alerts_of(area: str) -> list[dict[str, Any]]:
    """Return the alerts of a file of rules, as they stand there."""
    groups = yaml.safe_load((ROOT / "rules" / f"{area}.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def series(place: str, story: Story, ends: int) -> Iterator[dict[str, str]]:
    """Yield the series for promtool: what a page leaves out is stale at once, as Prometheus has it."""
    spans = list(zip(story, [*(start for start, _ in story[1:]), ends], strict=True))
    for name in sorted({name for _, page in story for name in page}):
        metric, _, labels = name.rstrip("}").partition("{")
        placed = f"{place},{labels}" if labels else place
        values = " ".join(_part(name, page, start, end) for (start, page), end in spans)
        yield {"series": f"{metric}{{{placed}}}", "values": values}


def _part(name: str, page: Page, start: int, end: int) -> str:
    if name not in page:
        return f"stale _x{end - start - 1}"
    moves = STEP if "_timestamp_seconds" in name else 0
    return f"{page[name] + start * moves:.3f}+{moves}x{end - start - 1}"


def firing(place: str, rule: Mapping[str, Any], **labels: str) -> dict[str, Any]:
    """Return what promtool finds where an alert fires."""
    every = {"alertname": rule["alert"], "alertstate": "firing", **rule["labels"], **labels}
    told = ",".join(f'{label}="{value}"' for label, value in every.items())
    return {"labels": f"ALERTS{{{place},{told}}}", "value": 1}


def disagreement(
    area: str, given: list[dict[str, str]], looks: Mapping[int, list[dict[str, Any]]], folder: Path
) -> str:
    """Return what promtool says where not exactly these alerts fire at these scrapes; nothing where they do."""
    asked = [
        {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{step * STEP}s", "exp_samples": expected}
        for step, expected in looks.items()
    ]
    test = {"interval": f"{STEP}s", "input_series": given, "promql_expr_test": asked}
    rules = str(ROOT / "rules" / f"{area}.yml")
    text = {"rule_files": [rules], "evaluation_interval": f"{STEP}s", "tests": [test]}
    file = folder / "test.yml"
    file.write_text(json.dumps(text), encoding="utf-8")  # JSON is YAML
    command = ["promtool", "test", "rules", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr
