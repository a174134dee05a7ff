"""The rule of the checklist on pages that the real collector gives of it, each laid out over hours for promtool."""

import time
from pathlib import Path
from typing import Final

import pytest

from exporter.collectors.task.checklist import Checklist
from exporter.collectors.task.history import Entry
from tests.laidout import Page, alerts_of, disagreement, figures, firing, series
from tests.onetarget import One, one

DAY: Final = 86_400.0
WRONG: Final = range(2, 17)
"""The steps at which a week has gone by: more than the hour that the alert waits."""
ENDS: Final = 30
PLACE: Final = 'job="runbook-exporter",instance="shop:10420",target="checklist"'
CHECKLIST: Final = """\
owner: operations
people: [alice]
timezone: UTC
tasks:
  daily: {title: Never done, interval: daily}
  night: {title: Each night at two, calendar: "*-*-* 02:00", owner: alice}
  patient: {title: With time to spare, interval: daily, grace: 10d}
  weekly: {title: Done in time, interval: weekly}
  monthly: {title: Never done, interval: monthly}
  quarterly: {title: Not yet a fifth of it, interval: quarterly}
  told: {title: By a metric that nobody gives, interval: daily, done_when: {metric: runbook_backup_verified}}
  errors: {title: What an alert watches, interval: daily, watched_by: [LogErrorsSurge]}
  drill: {title: When there is an occasion, on_demand: each deployment}
"""
OVERDUE: Final = {"daily": "operations", "night": "alice", "monthly": "operations", "told": "operations"}


def page(it: One) -> Page:
    """Return the figures of a round."""
    return figures(it.text(), "runbook_task_", time.time())


def done(it: One, name: str, at: float) -> None:
    checklist: Checklist = it.target.collector.checklist  # type: ignore[attr-defined]
    checklist.done(name, Entry(f"{name}{at}", at, "alice"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Page]:
    """Return the page of a new checklist, that of a week later after a restart, and that once all is done."""
    state, real = tmp_path_factory.mktemp("state"), time.time
    with pytest.MonkeyPatch.context() as patch:
        with one("task", CHECKLIST, state) as it:
            found = [page(it)]
        patch.setattr(time, "time", lambda: real() + 7.5 * DAY)
        with one("task", CHECKLIST, state) as it:
            done(it, "weekly", time.time() - DAY)
            found.append(page(it))
            for name in OVERDUE:
                done(it, name, time.time())
            found.append(page(it))
    return found


def test_what_nobody_does_is_overdue_until_it_is_done(pages: list[Page], tmp_path: Path) -> None:
    given = list(series(PLACE, list(zip((0, WRONG[0], WRONG[-1] + 1), pages, strict=True)), ENDS))
    (rule,) = alerts_of("task")
    told = [firing(PLACE, rule, task=task, owner=owner) for task, owner in OVERDUE.items()]
    assert disagreement("task", given, {WRONG[0] - 1: [], WRONG[-1]: told, ENDS - 1: []}, tmp_path) == ""
