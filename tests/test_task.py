"""Checklists: what is due when, what is kept of what was done, and what cannot be configured."""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporter import config, state
from exporter.board import Board
from exporter.collector import Trouble
from exporter.collectors.task import calendar, history
from exporter.collectors.task.checklist import Checklist
from exporter.collectors.task.due import Standing, Task, ordered, standing
from exporter.collectors.task.history import Entry, History, Record
from exporter.collectors.task.tasksettings import TaskSettings
from exporter.selfmetrics import Telemetry
from exporter.state import State
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.support import until
from tests.tasking import CHECKLIST, figure

DAY = 86400.0
NOW = 1_795_000_000.0


def checklist_of(it: One) -> Checklist:
    found: Checklist = it.target.collector.checklist  # type: ignore[attr-defined]
    return found


def task(**settings: object) -> Task:
    return Task("it", TaskSettings(title="It", **settings), calendar.zone_of("Europe/Berlin"))  # type: ignore[arg-type]


def stands(it: Task, now: float, *done: float, known: float = NOW) -> Standing:
    return standing(it, Record(known, [Entry(str(at), at, "alice") for at in done]), now)


def test_the_page(golden: Callable[[str, str], None], tmp_path: Path) -> None:
    with one("task", CHECKLIST, tmp_path) as it:
        checklist_of(it).done("access-review", Entry("1", 1_790_000_000.0, "alice"))
        checklist_of(it).done("access-review", Entry("2", 1_780_000_000.0, "mallory", note="not on the page"))
        text = re.sub(
            r"(known_since|due)(_timestamp_seconds\{task=\"(?:window|drill)\"\}) \S+", r"\1\2 TIME", it.text()
        )
        varying = r"(known_since_timestamp_seconds\{.*\}|_duration_seconds\{.*\}|_success_timestamp_seconds\{.*\}) \S+"
        text = re.sub(varying, r"\1 TIME", text)
    golden("task.txt", re.sub(r'(interval_seconds\{task="window"\}) \S+', r"\1 WEEKS", text))


def test_never_done_is_due_since_it_is_known(tmp_path: Path) -> None:
    with one("task", CHECKLIST, tmp_path) as it:
        page = it.page()
        assert figure(page, "due_timestamp_seconds") == figure(page, "known_since_timestamp_seconds")
        assert figure(page, "last_done_timestamp_seconds") is None
        assert figure(page, "done_total", by="alice") == figure(page, "done_total", by="other") == 0
        assert figure(page, "interval_seconds") == 31 * DAY
        first = figure(page, "due_timestamp_seconds", "window")
        assert first is not None
        assert first > time.time()
        assert figure(page, "due_timestamp_seconds", "drill") is figure(page, "due_timestamp_seconds", "errors") is None


def test_what_is_done_counts_for_who_is_known(tmp_path: Path) -> None:
    with one("task", CHECKLIST, tmp_path) as it:
        began = time.time()
        for number, by in enumerate(("alice", "alice", "mallory", "")):
            assert checklist_of(it).done("access-review", Entry(str(number), began - number, by))
        page = it.page()
        assert figure(page, "last_done_timestamp_seconds") == began
        assert figure(page, "due_timestamp_seconds") == began + 31 * DAY
        assert [figure(page, "done_total", by=by) for by in ("alice", "bob", "other")] == [2, 0, 2]
        assert figure(page, "last_done_by_timestamp_seconds", by="other") == began - 2
        assert figure(page, "last_done_by_timestamp_seconds", by="bob") is None


def test_history_outlives_a_restart_and_other_settings(tmp_path: Path) -> None:
    with one("task", CHECKLIST, tmp_path) as it:
        known = figure(it.page(), "known_since_timestamp_seconds")
        assert checklist_of(it).done("access-review", Entry("1", NOW, "alice"))
    with one("task", CHECKLIST.replace("monthly", "weekly").replace("[alice, bob]", "[bob]"), tmp_path) as it:
        page = it.page()
        assert figure(page, "last_done_timestamp_seconds") == NOW
        assert figure(page, "due_timestamp_seconds") == NOW + 7 * DAY
        assert figure(page, "known_since_timestamp_seconds") == known
        assert figure(page, "done_total", by="other") == 1


def test_a_board_forgets_no_history(tmp_path: Path) -> None:
    text = "targets: {it: {collector: task, tasks: {a: {title: A, interval: daily}}}}"
    stored = State(tmp_path)
    board = Board(Telemetry(stored))
    try:
        for wanted in (text, "targets: {}", text):
            board.apply(config.read(wanted.encode(), "config.yml", config.INSTALLED, {}).targets)
            if (target := board.target("it")) is None:
                continue
            checklist: Checklist = target.collector.checklist  # type: ignore[attr-defined]
            checklist.done("a", Entry("1", NOW, "alice"))
        assert [entry.id for entry in checklist.history.record("a").entries] == ["1"]
    finally:
        board.close()
        stored.close()


def test_the_same_is_noted_once_and_the_oldest_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT", 20)
    stored = State(tmp_path)
    kept = History(stored.shelf("history"))
    for number in range(25):
        for _ in range(2):
            kept.add("it", Entry(f"{number:04}", NOW + number, f"person {number % 7}"))
    assert kept.is_on_disk()
    stored.close()
    again = History(State(tmp_path).shelf("history"))
    record = again.record("it")
    assert [len(record.entries), record.entries[0].id, record.entries[-1].id] == [20, "0005", "0024"]
    assert record.counts().total() == 25


def test_names_that_are_added_up_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT", 20)
    kept = History(State(None).shelf("history"))
    for number in range(320):
        kept.add("it", Entry(f"{number:04}", NOW + number, f"person {number}"))
    record = kept.record("it")
    assert record.counts().total() == 320
    assert len(record.folded) <= 101
    assert record.folded["other"] >= 199


def test_two_views_of_one_shelf_see_the_same() -> None:
    shelf = State(None).shelf("history")
    before, after = History(shelf), History(shelf)
    before.add("it", Entry("1", NOW, "alice"))
    assert after.record("it").has("1")
    after.add("it", Entry("2", NOW, "bob"))
    before.add("it", Entry("3", NOW, "alice"))
    assert [entry.id for entry in after.record("it").entries] == ["1", "2", "3"]


def test_a_disk_that_hangs_is_waited_for_no_longer_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = State(tmp_path)
    writing, go_on = threading.Event(), threading.Event()
    commit = state._commit

    def slow(*arguments: Any) -> str:
        writing.set()
        go_on.wait(10)
        return commit(*arguments)

    monkeypatch.setattr(state, "_commit", slow)
    monkeypatch.setattr(history, "_DISK_SECONDS", 0.1)
    it = History(kept.shelf("history"))
    it.add("it", Entry("1", NOW, "alice"))
    assert not it.is_on_disk()
    assert writing.is_set()
    go_on.set()
    until(it.is_on_disk)
    kept.close()


def test_what_another_version_kept_is_left_alone() -> None:
    shelf = State(None).shelf("history")
    shelf.put("it", {"of": "another version"})
    with pytest.raises(Trouble, match="what was kept of the task it is not understood"):
        History(shelf).add("it", Entry("1", NOW, "alice"))
    assert shelf.get("it") == {"of": "another version"}


@pytest.mark.parametrize(("after", "how"), [
    (0.0, "later"), (24.7, "later"), (24.9, "soon"), (30.9, "soon"), (31.0, "due"), (37.1, "due"), (37.3, "overdue"),
])  # fmt: skip
def test_how_a_monthly_task_stands(after: float, how: str) -> None:
    assert stands(task(interval=31 * DAY), NOW + after * DAY, NOW - 1000 * DAY, NOW).state == how


def test_how_tasks_stand() -> None:
    daily = task(interval=DAY)
    assert stands(daily, NOW).state == "due"
    assert stands(daily, NOW + DAY / 5 + 1).state == "overdue"
    assert stands(task(interval=DAY, grace=DAY), NOW + DAY).state == "due"
    assert stands(daily, NOW + 0.81 * DAY, NOW).state == "soon"
    assert stands(task(interval=DAY, watched_by=("A",)), NOW + 9 * DAY).state == "watched"
    assert stands(task(interval=DAY, watched_by=("A",), by_hand="look"), NOW + 9 * DAY).state == "overdue"
    assert stands(task(on_demand="an incident"), NOW + 9 * DAY).state == "on demand"
    assert stands(task(calendar="2020-01-01"), NOW).state == "on demand"


def test_a_calendar_s_task_is_due_at_its_next_time() -> None:
    weekdays = task(calendar="Mon..Fri 09:00")
    done = 1_795_766_400.0  # Friday 27 November 2026, 09:00 in Berlin is 1_795_766_400
    due = stands(weekdays, done, done)
    assert (due.due, due.interval) == (done + 3 * DAY, DAY)
    assert stands(weekdays, done, known=done - 1).due == done


def test_a_clock_that_was_set_back_keeps_nothing_quiet() -> None:
    ahead = NOW + 400 * DAY
    for it in (task(interval=DAY), task(calendar="daily")):
        assert stands(it, NOW + 3 * DAY, ahead).state == "overdue"  # it was done at a time that nobody knows
        assert stands(it, NOW + 3 * DAY, NOW + 2 * DAY, ahead).last == Entry(str(NOW + 2 * DAY), NOW + 2 * DAY, "alice")
        assert stands(it, NOW + 5 * DAY, NOW + 2 * DAY, ahead).state == "overdue"
        assert stands(it, NOW, NOW + 60).state in ("soon", "later")  # clocks differ a little


def test_what_was_first_seen_by_a_clock_that_was_ahead_is_seen_anew(tmp_path: Path) -> None:
    stored = State(tmp_path)
    it = History(stored.shelf("history"))
    times = (NOW + 400 * DAY, NOW, NOW + DAY, NOW + 2 * DAY)
    assert [it.know(["it"], now)["it"].known for now in times] == [NOW + 400 * DAY, NOW, NOW, NOW]
    # a clock that is behind does no harm that lasts
    assert it.know(["it"], NOW + 500 * DAY)["it"].known == NOW + 400 * DAY
    stored.close()


def test_unknown_is_not_never(tmp_path: Path) -> None:
    other = State(tmp_path)
    try:
        with one("task", CHECKLIST, tmp_path) as it:
            failed = "failed what was kept before is not known yet"
            said = it.outcomes()
            assert said.pop("watch") == "ok"
            assert {one[: len(failed)] for one in said.values()} == {failed}
            assert [series for series in it.page() if series.startswith("runbook_task_")] == []
            with pytest.raises(Trouble, match="not known yet"):
                checklist_of(it).standings(NOW)
    finally:
        other.close()


def test_the_last_day_of_a_rule_is_due_until_it_is_done() -> None:
    once = task(calendar="2026-11-30 09:00")
    at = stands(once, NOW, known=NOW - DAY)
    assert at.due is not None
    assert (at.interval, stands(once, at.due + DAY, known=NOW - DAY).state) == (DAY, "overdue")
    assert stands(once, at.due + DAY, at.due + 60).due is None


def test_what_presses_most_stands_first() -> None:
    standings = [
        stands(task(interval=9 * DAY), NOW, NOW), stands(task(interval=DAY, watched_by=("A",)), NOW),
        stands(task(interval=DAY), NOW + 2 * DAY), stands(task(interval=DAY), NOW), stands(task(on_demand="x"), NOW),
        stands(task(interval=DAY), NOW + 0.9 * DAY, NOW),
    ]  # fmt: skip
    assert [one.state for one in ordered(standings)] == [
        "overdue", "due", "soon", "later", "on demand", "watched",
    ]  # fmt: skip


def test_rounds_leave_nothing_behind(tmp_path: Path) -> None:
    with one("task", CHECKLIST, tmp_path) as it:
        leaves_nothing(it)


def test_a_thousand_tasks_with_histories_are_read_within_a_moment(tmp_path: Path) -> None:
    names = [f"task-{number}" for number in range(1000)]
    tasks = "".join(f"  {name}: {{title: A, calendar: first saturday}}\n" for name in names)
    with one("task", f"tasks:\n{tasks}", tmp_path) as it:
        for name in names:
            checklist_of(it).history.add(name, Entry("1", NOW, "alice"))
        it.read()
        began = time.monotonic()
        assert len([series for series in it.page() if series.startswith("runbook_task_last_done_timestamp")]) == 1000
        assert time.monotonic() - began < 5
