"""The maintenance window of alertmanager.yml, kept by a real Alertmanager: what is quiet in it, and what never is."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import yaml

from tests.alerting import Webhook, webhook
from tests.process import ROOT, free_port
from tests.support import until

CONFIG: Final = yaml.safe_load((ROOT / "alertmanager.yml").read_text(encoding="utf-8"))
ALERTS: Final[list[dict[str, str]]] = [
    *({"alertname": f"Test{priority}", "priority": priority} for priority in ("P0", "P1", "P2", "P3")),
    {"alertname": "IncidentResponseOverdue", "priority": "P2"},
    {"alertname": "IncidentResolutionOverdue", "priority": "P1"},
    {"alertname": "TestSecurity", "priority": "P3", "security": "yes"},
]
NAMES: Final = {labels["alertname"] for labels in ALERTS}
QUIET: Final = {"TestP2", "TestP3", "IncidentResponseOverdue"}
ZONES: Final = ("UTC", "Asia/Tokyo")
"""The clock of the second is nine hours ahead."""


def routes(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield route
    for inner in route.get("routes", ()):
        yield from routes(inner)


def test_it_is_the_first_saturday_of_a_month_by_the_clock_of_the_machine() -> None:
    assert [interval for interval in CONFIG["time_intervals"] if interval["name"] != "digest"] == [
        {
            "name": "maintenance",
            "time_intervals": [
                {
                    "weekdays": ["saturday"],
                    "days_of_month": ["1:7"],
                    "times": [{"start_time": "02:00", "end_time": "04:00"}],
                    "location": "Local",
                }
            ],
        }
    ]


def test_only_what_can_wait_is_quiet() -> None:
    for top in CONFIG["route"]["routes"]:
        muted = [route.get("mute_time_intervals") for route in routes(top)]
        can_wait = any(f'priority="{priority}"' in top["matchers"] for priority in ("P2", "P3"))
        assert muted == [["maintenance"] if can_wait else None] * len(muted), top["matchers"]
    assert "mute_time_intervals" not in CONFIG["route"]


@contextmanager
def alertmanager(folder: Path, window: dict[str, Any], zone: str, sink: Webhook) -> Iterator[tuple[str, Path]]:
    """Run the shipped routes with another window, without their waits; yield its address and its log."""
    config = {name: kept for name, kept in CONFIG.items() if name not in ("global", "templates")}
    around = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
    config["time_intervals"] = [{"name": "maintenance", "time_intervals": [window]},
                                {"name": "digest", "time_intervals": around}]  # fmt: skip
    config["receivers"] = [
        {"name": receiver["name"], "webhook_configs": [{"url": f"http://127.0.0.1:{sink.port}/"}]}
        for receiver in CONFIG["receivers"]
    ]
    config["route"] = yaml.safe_load(yaml.safe_dump(CONFIG["route"]))
    for route in routes(config["route"]):
        route["group_wait"] = "100ms"
    file, port = folder / "alertmanager.yml", free_port()
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    arguments = ["prometheus-alertmanager", f"--config.file={file}", f"--storage.path={folder}", "--log.level=debug",
                 f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]  # fmt: skip
    url, log = f"http://127.0.0.1:{port}", folder / "log"
    with (
        log.open("wb") as written,
        subprocess.Popen(arguments, stdout=written, stderr=written, env={"TZ": zone}) as process,
    ):
        try:
            until(lambda: is_ready(url), 20)
            yield url, log
        finally:
            process.kill()


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=5).ok
    except requests.ConnectionError:
        return False


def told(folder: Path, window: dict[str, Any], zone: str = "UTC") -> set[str]:
    """Return the names of the alerts that are told; each is told or held back in the end."""
    with webhook() as sink, alertmanager(folder, window, zone, sink) as (url, log):
        answer = requests.post(f"{url}/api/v2/alerts", json=[{"labels": labels} for labels in ALERTS], timeout=10)
        assert answer.ok, answer.text
        until(lambda: len(sink.names()) + log.read_text().count("route is within mute time") >= len(ALERTS), 20)
        return sink.names()


def today(**more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"weekdays": [f"{now:%A}".lower()], "days_of_month": [f"{now.day}:{now.day}"], **more}


def test_in_the_window_only_what_can_wait_is_held_back(tmp_path: Path) -> None:
    around = {"times": [{"start_time": "00:00", "end_time": "24:00"}]}
    assert told(tmp_path, around) == NAMES - QUIET


@pytest.mark.parametrize("other", ["weekday", "day"])
def test_weekday_and_day_of_the_month_both_have_to_be_right(other: str, tmp_path: Path) -> None:
    """The first Saturday is not every Saturday, and not the first week."""
    days = [f"{datetime(2024, 1, number, tzinfo=UTC):%A}".lower() for number in range(1, 8)]
    now = datetime.now(UTC)
    elsewhere = {
        "weekday": {"weekdays": [day for day in days if day != f"{now:%A}".lower()]},
        "day": {"days_of_month": [f"{day}:{day}" for day in range(1, 31) if abs(day - now.day) > 1]},
    }
    # a day that ends meanwhile is another one in either
    wrong = today(**elsewhere[other]) if now.hour < 23 else {"months": ["january"], "years": ["2000"]}
    assert told(tmp_path, wrong) == NAMES


def test_local_is_the_clock_of_the_machine(tmp_path: Path) -> None:
    """Nine hours ahead another hour is told: the window of that hour holds there, and not elsewhere."""
    hour = (datetime.now(UTC).hour + 9) % 24
    around = [(hour - 1) % 24, hour, (hour + 1) % 24]
    times = [{"start_time": f"{one:02}:00", "end_time": f"{one + 1:02}:00"} for one in around]
    found = {}
    for zone in ZONES:
        folder = tmp_path / zone.replace("/", "-")
        folder.mkdir()
        found[zone] = told(folder, {"times": times, "location": "Local"}, zone)
    assert found == {"UTC": NAMES, "Asia/Tokyo": NAMES - QUIET}
