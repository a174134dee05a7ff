"""The rules of requests, fed with series by promtool."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.process import ROOT

Looks = list[dict[str, Any]]


def promtool(
    folder: Path, series: Mapping[str, str], *, every: str = "15s", order: Sequence[str] = (), **looks: Looks
) -> None:
    """Feed these series to the rules, of which groups in an order come first, and look; fail where it is otherwise."""
    given = [{"series": name, "values": values} for name, values in series.items()]
    text = {
        "rule_files": [str(ROOT / "rules" / "http.yml")],
        "evaluation_interval": every,
        "group_eval_order": list(order),
        "tests": [{"interval": every, "input_series": given, **looks}],
    }
    (folder / "test.yml").write_text(json.dumps(text), encoding="utf-8")  # JSON is YAML
    command = ["promtool", "test", "rules", str(folder / "test.yml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
