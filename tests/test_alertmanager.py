"""alertmanager.yml: who hears of what, and how often, by amtool and by its figures."""

import math
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.rulescale import to_seconds
from tests.process import ROOT
from tests.rules import Rule, shipped

FILE = ROOT / "alertmanager.yml"
TEXT = FILE.read_text(encoding="utf-8")
CONFIG = yaml.safe_load(TEXT)
LEVELS = {"P0": "level-3", "P1": "level-2", "P2": "level-1", "P3": "level-1-digest"}
ROUTED_BY = ("priority", "severity", "security")
ALERTS = [rule for rule in shipped() if rule.is_alert]


def test_nothing_else_is_routed_by() -> None:
    names = {name for route in matched(CONFIG["route"]) for name in re.findall(r"(\w+)(?:=|!)", " ".join(route))}
    assert names == {"alertname", *ROUTED_BY} - {"severity"}


def matched(route: dict[str, Any]) -> Iterator[list[str]]:
    """Yield the matchers of a route and those in it."""
    yield route.get("matchers", [])
    for inner in route.get("routes", ()):
        yield from matched(inner)


def amtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["amtool", *arguments], capture_output=True, text=True, timeout=30, check=False)


@cache
def routed(**labels: str) -> str:
    """Return the receiver that amtool says; rules that differ in nothing it routes by ask once."""
    given = [f"{name}={value}" for name, value in labels.items()]
    return amtool("config", "routes", "test", f"--config.file={FILE}", *given).stdout.strip()


def test_the_configuration_is_right() -> None:
    ended = amtool("check-config", FILE)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=str)
def test_every_alert_goes_to_the_level_of_its_priority(rule: Rule) -> None:
    expected = LEVELS[rule.labels["priority"]] if "priority" in rule.labels else "dead-mans-switch"
    expected = "level-3" if "security" in rule.labels else expected
    labels = {name: value for name, value in rule.labels.items() if name in ROUTED_BY}
    assert routed(alertname=rule.name, job="j", instance="i", **labels) == expected


def test_what_has_no_priority_is_not_lost() -> None:
    assert routed(alertname="Foreign", severity="page") == "level-1"


def test_what_is_told_over_and_over_comes_as_often_as_an_answer_is_due() -> None:
    """Alertmanager looks once in a group_interval, and what it sent took a moment to send."""
    every = {name: told_every(route) for name, route in routes_by_matcher().items() if name != 'priority="P3"'}
    assert every == {
        'alertname="Watchdog"': 60, 'priority="P0"': 15 * 60, 'security="yes"': 3600, 'priority="P1"': 3600,
        'priority="P2"': 4 * 3600,
    }  # fmt: skip


def routes_by_matcher() -> dict[str, dict[str, Any]]:
    return {route["matchers"][0]: CONFIG["route"] | route for route in CONFIG["route"]["routes"]}


def told_every(route: dict[str, Any], sending: float = 1.0) -> float:
    """Return after how long a notification is repeated that takes so many seconds to be sent."""
    interval = to_seconds(route["group_interval"])
    return math.ceil((to_seconds(route["repeat_interval"]) + sending) / interval) * interval


def test_one_look_falls_into_the_hour_of_the_digest() -> None:
    """One and no more, whenever its group began; by the next day it may be told again, also when clocks change."""
    digest = routes_by_matcher()['priority="P3"']
    [(start, end)] = [
        (minutes(one["start_time"]), minutes(one["end_time"]))
        for interval in CONFIG["time_intervals"] if interval["name"] == "digest"
        for window in interval["time_intervals"] for one in window["times"]
    ]  # fmt: skip
    assert to_seconds(digest["group_interval"]) == (end - start) * 60
    assert to_seconds(digest["group_interval"]) < to_seconds(digest["repeat_interval"]) < 23 * 3600 - (end - start) * 60
    assert digest["active_time_intervals"] == ["digest"]
    assert digest["group_by"] == ["priority"]


def minutes(clock: str) -> int:
    hours, _, rest = clock.partition(":")
    return int(hours) * 60 + int(rest)


def test_no_secret_is_in_the_configuration() -> None:
    """Each stands in a file, by an absolute path: Alertmanager looks for relative ones where it was started."""
    found = dict(re.findall(r"^[ -]*(\w+_file): (.+)$", TEXT, re.MULTILINE))
    assert found.keys() == {"smtp_auth_password_file", "slack_api_url_file", "routing_key_file"}
    assert all(path.startswith("/etc/prometheus/secrets/") for path in found.values())
    assert not re.search(
        r"(?m)^[ -]*(smtp_auth_password|auth_password|api_url|slack_api_url|routing_key|service_key):", TEXT
    )
