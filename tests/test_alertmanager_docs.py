"""docs/alertmanager.md: its configuration is taken, its commands work, and its table is what the routes say."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import yaml

from exporter.config import INSTALLED, read
from exporter.rulescale import to_seconds
from tests.notified import Alertmanager, notifying, shipped
from tests.process import ROOT, free_port, prometheus
from tests.support import until

PAGE: Final = (ROOT / "docs" / "alertmanager.md").read_text(encoding="utf-8")
FOLDED: Final = PAGE.replace("\\\n", " ")
BLOCKS: Final = [yaml.safe_load(block) for block in re.findall(r"(?ms)^```yaml\n(.*?)^```$", PAGE)]
AMTOOL: Final = "amtool --alertmanager.url=http://127.0.0.1:9093 "
ROUTES: Final = {"P0": 'priority="P0"', '`security="yes"`': 'security="yes"', "P1": 'priority="P1"',
                 "P2": 'priority="P2"', "P3": 'priority="P3"', "none (`Watchdog`)": 'alertname="Watchdog"'}  # fmt: skip
FIRST: Final = {"at once": 0, "15 seconds": 15, "30 seconds": 30}
AGAIN: Final = {"each minute": 60, "every 15 minutes": 900, "hourly": 3600, "every 4 hours": 4 * 3600}


def block(key: str) -> list[Any]:
    """Return what stands under a key, of each block of configuration that has it."""
    return [found[key] for found in BLOCKS if key in found]


def test_its_table_is_what_the_routes_say() -> None:
    rows = {cells[0]: cells for line in PAGE.splitlines() if line.startswith("| ")
            and len(cells := [cell.strip() for cell in line.strip("| ").split("|")]) == 7}  # fmt: skip
    config = shipped()
    routes = {route["matchers"][0]: config["route"] | route for route in config["route"]["routes"]}
    for name, matcher in ROUTES.items():
        _, level, ways, first, again, _, window = rows[name]
        route = routes[matcher]
        assert route["receiver"].startswith(level.replace(" ", "-").replace("'", "")), name
        kinds = {"PagerDuty": "pagerduty", "channel": "slack", "e-mail": "email", "webhook": "webhook"}
        [receiver] = [one for one in config["receivers"] if one["name"] == route["receiver"]]
        assert {f"{kind}_configs" for way, kind in kinds.items() if way in ways} == set(receiver) - {"name"}, name
        assert ("mute_time_intervals" in route) == (window != "told"), name
        if name != "P3":
            assert to_seconds(route["group_wait"]) == FIRST[first]
            assert 0 < AGAIN[again] - to_seconds(route["repeat_interval"]) <= to_seconds(route["group_interval"])


def test_its_receivers_are_taken(tmp_path: Path) -> None:
    for receivers in block("receivers"):
        config = shipped()
        for receiver in receivers:
            for hook in receiver["webhook_configs"]:
                if hook.pop("url_file", None):
                    hook["url"] = "http://127.0.0.1/"  # the version that runs here may be one that has no url_file
        names = {receiver["name"] for receiver in receivers}
        config["receivers"] = [one for one in config["receivers"] if one["name"] not in names] + receivers
        file = tmp_path / "alertmanager.yml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        ended = subprocess.run(["amtool", "check-config", file], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr


def test_its_targets_are_taken() -> None:
    [targets] = block("targets")
    config = read(yaml.safe_dump({"targets": targets}).encode(), "config.yml", INSTALLED, {})
    assert [target.collector for target in config.targets] == ["http", "http"]


def test_its_keys_are_those_of_the_configuration() -> None:
    text = (ROOT / "alertmanager.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"^[ -]*(\w+_file):", text, re.MULTILINE))
    assert used
    assert all(f"`{key}`" in PAGE for key in used)


def test_its_commands_work(tmp_path: Path) -> None:
    commands = [line.strip() for line in FOLDED.splitlines() if line.startswith("amtool ") and "/etc/" not in line]
    assert len(commands) == 6
    with notifying(tmp_path, 600) as am:
        said = [run(command, am) for command in commands]
        until(lambda: am.inbox.slack("P2 DeliveryTest, test"), 20)
    rendered, shown, routed, _, _, silences = said
    assert rendered.startswith("alert ")
    assert "level-1-digest" in shown
    assert routed.strip() == "level-3"
    assert "cleaning up" in silences


def run(command: str, am: Alertmanager) -> str:
    arguments = shlex.split(command.replace("http://127.0.0.1:9093", am.url).replace("$USER", "root"))
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=ROOT, timeout=30)
    assert ended.returncode == 0, (command, ended.stderr)
    return ended.stdout


@pytest.mark.long
def test_prometheus_gives_the_labels_that_it_tells_of(tmp_path: Path) -> None:
    """By a real Prometheus: what is said of a target, and of an application with a job of its own."""
    [relabelling], port = block("alerting"), free_port()
    rules = [
        {
            "alert": "One",
            "expr": "vector(1)",
            "labels": {"job": "node", "instance": "shop1:10420", "target": "shop-db"},
        },
        {"alert": "Two", "expr": "vector(1)", "labels": {"job": "shop", "instance": "shop1/shop-web", "target": "odd"}},
        {"alert": "Three", "expr": "vector(1)", "labels": {"job": "node", "instance": "alone", "target": "shopping"}},
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}), encoding="utf-8")
    with notifying(tmp_path, 600) as am:
        known = {**relabelling, "alertmanagers": [{"static_configs": [{"targets": [am.url.removeprefix("http://")]}]}]}
        config = {"global": {**block("global")[0], "evaluation_interval": "1s"}, "alerting": known,
                  "rule_files": [str(tmp_path / "rules.yml")]}  # fmt: skip
        with prometheus(tmp_path, yaml.safe_dump(config), port, "--rules.alert.resend-delay=1s"):
            found: dict[str, dict[str, str]] = {}

            def told() -> bool:
                alerts = requests.get(f"{am.url}/api/v2/alerts", timeout=10).json()
                found.update({alert["labels"]["alertname"]: alert["labels"] for alert in alerts})
                return len(found) == len(rules)

            until(told, 20)
    assert {name: (labels.get("host"), labels.get("app")) for name, labels in found.items()} == {
        "One": ("shop1", "shop"), "Two": ("shop1", "shop"), "Three": (None, None),
    }  # fmt: skip
    assert {labels["grafana"] for labels in found.values()} == {"https://grafana.example.org"}
