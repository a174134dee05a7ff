"""Many workers over hours: each page that an exporter makes of them, given to promtool with the shipped rules."""

import re
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.collectors.celery.heartbeats import BUSY
from tests.celeryfleet import SCRAPE, Fleet, promtool_series
from tests.process import ROOT

RULES = ROOT / "rules" / "celery.yml"
ASKED_FOR = frozenset(re.findall(r"celery_\w+", RULES.read_text(encoding="utf-8")))
MINUTE = 60


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fleet]:
    """Make a fleet whose clock is the one of all the collector's code."""

    def make(**given: Any) -> Fleet:
        made = Fleet(ASKED_FOR, **given)
        monkeypatch.setattr(time, "time", made.time)
        return made

    return make


def firing(fleet: Fleet, folder: Path, expected: dict[int, list[str]]) -> None:
    """Have promtool say that in each of these minutes these alerts fire, and no other one."""
    tests = [
        {"expr": 'sort(count by (alertname) (ALERTS{alertstate="firing"}))', "eval_time": f"{minute}m",
         "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names]}
        for minute, names in expected.items()
    ]  # fmt: skip
    series = promtool_series(fleet.pages)
    content = {"rule_files": [str(RULES)], "evaluation_interval": f"{SCRAPE}s",
               "tests": [{"interval": f"{SCRAPE}s", "input_series": series, "promql_expr_test": tests}]}  # fmt: skip
    file = folder / "recorded.yml"
    file.write_text(yaml.safe_dump(content, width=1_000_000), encoding="utf-8")
    done = subprocess.run(
        [ROOT / ".ci" / "promtool", "test", "rules", file], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def minutes(fleet: Fleet, first: int = 1) -> range:
    return range(first, fleet.second // MINUTE)


def works(fleet: Fleet, every: int = 20) -> Callable[[int], None]:
    """Return what has each worker do a task every few seconds, that takes a second."""
    running: dict[str, str] = {}

    def each(second: int) -> None:
        for number, name in enumerate(list(fleet.workers)):
            if name in running and (uuid := running.pop(name)) in fleet.workers[name].running:
                fleet.end(name, uuid)
            elif (second + number) % every == 0:
                running[name] = fleet.begin(name)

    return each


def total(fleet: Fleet, name: str) -> float:
    """Return all series of the name added up."""
    return sum(value for series, value in fleet.page().items() if series.partition("{")[0] == name)


def test_a_worker_that_vanished_is_missed_until_another_is_there(fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    made = fleet(workers=2)
    made.start("w@stays")
    made.start("w@goes")
    made.run(5 * MINUTE)
    made.vanish("w@goes")
    made.run(75 * MINUTE)
    assert not [series for series in made.page() if "goes" in series]  # no series of it is left, and yet
    made.start("w@new")
    made.run(8 * MINUTE)
    missed = {minute: ["CeleryWorkersMissing"] for minute in range(17, 85)}
    firing(made, tmp_path, {minute: missed.get(minute, []) for minute in minutes(made) if minute not in (16, 85, 86)})


@pytest.mark.long
@pytest.mark.parametrize("goodbye", [True, False], ids=["goodbye", "killed"])
def test_deployments_of_fifty_workers_call_nobody(goodbye: bool, fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    made = fleet(workers=50)
    each = works(made)
    names = [f"w@v0-{number}" for number in range(50)]
    for name in names:
        made.start(name)
    made.run(6 * MINUTE, each)
    widths, rows = [], []
    for version in (1, 2):
        for number, name in enumerate(names):
            (made.leave if goodbye else made.vanish)(name)
            made.run(5, each)
            names[number] = f"w@v{version}-{number}"
            made.start(names[number])
        made.run(15 * MINUTE, each)
        made.run(5)
        page = made.page()
        widths.append(len(page))
        rows.append(len([series for series in page if series.startswith("celery_task_started_total")]))
        assert page["celery_workers_online"] == page["celery_workers_answering"] == 50
        assert page['celery_active_worker_count{queue_name="celery"}'] == 50
        assert page["celery_events_lost_total"] == 0
    assert rows == [51, 51]  # those of the first fifty, and `other`
    gone = [series for series in made.page() if series.startswith("celery_worker_up") and "v1-" in series]
    assert len(gone) == (0 if goodbye else 50)
    if goodbye:
        assert widths[0] == widths[1]
    for (_, before), (_, after) in pairwise(made.pages):
        assert not [series for series, value in before.items() if "_total" in series and after[series] < value]
    begun = total(made, "celery_task_started_total")
    assert begun == made.sent == total(made, "celery_task_sent_total")
    firing(made, tmp_path, {minute: [] for minute in minutes(made)})


def test_hosts_that_vanished_go_after_an_hour(fleet: Callable[..., Fleet]) -> None:
    made = fleet(workers=5)
    widths = []
    for version in range(3):
        for number in range(5):
            made.start(f"w@v{version}-{number}")
        made.run(70 * MINUTE)
        widths.append(len(made.page()))
        for name in list(made.workers):
            made.vanish(name)
    assert len(set(widths)) == 1


def test_a_deployment_that_leaves_a_gap_of_a_minute_calls_nobody(fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    made = fleet(workers=10)
    each = works(made)
    for version in range(3):
        made.waiting = 0
        for number in range(10):
            made.start(f"w@v{version}-{number}")
        made.run(6 * MINUTE, each)
        for name in list(made.workers):
            made.leave(name)
        made.waiting = 25
        made.run(MINUTE)
    firing(made, tmp_path, {minute: [] for minute in minutes(made)})


def test_messages_that_nobody_takes_any_more_call(fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    made = fleet(workers=0)
    made.start("w@one")
    made.run(5 * MINUTE, works(made))
    made.vanish("w@one")
    made.waiting = 3
    made.run(5 * MINUTE)
    made.start("w@two")
    made.waiting = 0
    made.run(5 * MINUTE)
    down = {9: ["CeleryWorkersDown"]}  # a minute of silence, and two of waiting
    firing(made, tmp_path, {minute: down.get(minute, []) for minute in minutes(made) if minute not in (8, 10, 11, 12)})


def test_workers_in_which_nothing_begins_any_more_call_within_minutes(
    fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    made = fleet(workers=2)
    for name in ("w@one", "w@two"):
        made.start(name)
    made.run(3 * MINUTE, works(made))
    hanging = [(name, made.begin(name)) for name in list(made.workers) for _ in range(4)]
    made.waiting = 3
    made.run(15 * MINUTE)
    made.end(*hanging[0])
    made.waiting = 0
    made.run(8 * MINUTE)
    stands = {minute: ["CeleryStandstill"] for minute in range(14, 23)}
    firing(made, tmp_path, {minute: stands.get(minute, []) for minute in minutes(made) if minute not in (13, 23, 24)})


def test_a_worker_alone_with_its_task_calls_nobody_for_as_long_as_a_task_may_take(
    fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    made = fleet(workers=2)
    made.start("w@solo", solo=True)
    made.start("w@other", solo=True)
    made.run(5 * MINUTE)
    for _ in range(2):  # two tasks, one after the other, each nearly as long as it may be
        uuid = made.begin("w@solo")
        made.waiting = 2
        made.run(int(BUSY) - MINUTE)
        made.waiting = 0
        made.end("w@solo", uuid)
        made.run(MINUTE)
    assert total(made, "celery_task_succeeded_total") == 2
    firing(made, tmp_path, {minute: [] for minute in minutes(made)})


def test_a_worker_alone_with_a_task_that_never_ends_is_missed_at_last(
    fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    made = fleet(workers=1)
    made.start("w@solo", solo=True)
    made.run(5 * MINUTE)
    made.begin("w@solo")
    made.waiting = 1
    made.run(50 * MINUTE)
    expected = {minute: ["CeleryWorkersDown"] for minute in range(38, 46)}
    expected |= {minute: ["CeleryWorkersDown", "CeleryWorkersMissing"] for minute in range(47, 55)}
    firing(made, tmp_path, {minute: expected.get(minute, []) for minute in minutes(made) if minute not in (37, 46)})


@pytest.mark.parametrize("asked", [pytest.param(True, marks=pytest.mark.long), False], ids=["asked", "not asked"])
def test_workers_alone_with_their_tasks_that_are_never_idle_call_nobody(
    asked: bool, fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    made = fleet(workers=3)
    made.are_asked = asked
    made.waiting = 100
    for version in range(3):  # each is busy as soon as it is there, and never answers; the first task is not that long
        names = [f"w@v{version}-{number}" for number in range(3)]
        for name in names:
            made.start(name, solo=True)
        for turn in range(3):
            running = {name: made.begin(name) for name in names}
            made.run(2 * MINUTE if version == turn == 0 else 15 * MINUTE)
            for name, uuid in running.items():
                made.end(name, uuid)
            made.run(5)
        for name in names:
            made.leave(name)
    assert total(made, "celery_task_succeeded_total") == 27
    assert total(made, "celery_events_lost_total") == 0
    firing(made, tmp_path, {minute: [] for minute in minutes(made)})
