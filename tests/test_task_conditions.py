"""Tasks that other metrics say are done."""

import time
from pathlib import Path

import pytest

from exporter import config
from exporter.board import Board
from exporter.collector import Seen, Trouble
from exporter.collectors.dependency.firstseen import FirstSeen
from exporter.collectors.task import condition
from exporter.collectors.task.history import Entry, History
from exporter.collectors.task.tasksettings import DoneWhen
from exporter.metric import Metric, Sample
from exporter.pages import Pages
from exporter.selfmetrics import Telemetry
from exporter.state import State
from tests.engine import series_of
from tests.onetarget import one
from tests.support import until
from tests.tasking import figure

NOW = 1_795_000_000.0

TABLE = """\
targets:
  figures: {{collector: json, file: {file}, max_age: 0s,
    metrics: [{{name: app_tested_timestamp_seconds, help: When., value: tested}},
              {{name: app_clean, help: Whether., value: clean}}]}}
  it:
    collector: task
    tasks:
      tested: {{title: T, interval: daily, done_when: {{metric: app_tested_timestamp_seconds}}}}
      other: {{title: T, interval: daily, done_when: {{metric: app_tested_timestamp_seconds, labels: {{a: b}}}}}}
      clean:
        title: T
        interval: daily
        done_when: {{metric: app_clean, labels: {{target: figures}}, becomes: "== 1"}}
"""


class Figures:
    """A target whose figures a file has, and a checklist whose tasks they have done."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "figures.json"
        self.state = State(folder / "state")
        self.board = Board(Telemetry(self.state))
        self.say(0, 0)
        text = TABLE.format(file=self.file)
        self.board.apply(config.read(text.encode(), "config.yml", config.INSTALLED, {}).targets)

    def say(self, tested: float, clean: float) -> None:
        self.file.write_text(f'{{"tested": {tested}, "clean": {clean}}}', encoding="utf-8")

    def page(self) -> dict[str, str]:
        """Read the figures, then the checklist; return the page of this one."""
        targets = [target for name in ("figures", "it") if (target := self.board.target(name)) is not None]
        for target in targets:
            target.run_now().done.result(10)
        page = Pages().page(targets[1:], [targets[1].view()], labelled=False, zipped=False)
        return series_of(page.decode())

    def close(self) -> None:
        self.board.close()
        self.state.close()


def test_another_metric_s_time_is_when_it_was_done(tmp_path: Path) -> None:
    figures = Figures(tmp_path)
    try:
        assert figure(figures.page(), "last_done_timestamp_seconds", "tested") is None  # 0 is no time
        figures.say(NOW, 0)
        page = figures.page()
        assert figure(page, "last_done_timestamp_seconds", "tested") == NOW
        assert figure(page, "done_total", "tested", by="metric") == 1
        figures.say(NOW - 5, 0)  # what was done stays done
        figures.page()
        figures.say(NOW + 7, 0)
        page = figures.page()
        assert figure(page, "last_done_timestamp_seconds", "tested") == NOW + 7
        assert figure(page, "done_total", "tested", by="metric") == 2
        figures.say(time.time() + 4000, 0)  # nothing was done in the future
        assert figure(figures.page(), "last_done_timestamp_seconds", "tested") == NOW + 7
        assert figure(page, "last_done_timestamp_seconds", "other") is None
    finally:
        figures.close()


def test_a_time_ahead_of_the_clock_hides_none_that_is_told_later() -> None:
    history = History(State(None).shelf("history"))
    history.add("it", Entry("wrong clock", NOW + 86_400.0, "metric x"))
    condition.look("it", TIME, seen(a=NOW - 9), history)
    assert NOW - 9 in times_done(history)


def test_a_comparison_counts_whenever_it_comes_to_hold(tmp_path: Path) -> None:
    figures = Figures(tmp_path)
    try:
        figures.say(0, 1)  # how long it has held nobody knows
        assert figure(figures.page(), "done_total", "clean", by="metric") == 0
        for clean, count in ((1, 0), (0, 0), (1, 1), (1, 1), (0, 1), (1, 2)):
            figures.say(0, clean)
            page = figures.page()
            assert figure(page, "done_total", "clean", by="metric") == count
        assert abs((figure(page, "last_done_timestamp_seconds", "clean") or 0) - time.time()) < 60
    finally:
        figures.close()
    again = Figures(tmp_path)
    try:
        again.say(0, 1)
        assert figure(again.page(), "done_total", "clean", by="metric") == 2  # as it held before
    finally:
        again.close()


def test_a_metric_that_nobody_gives_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = "tasks: {a: {title: A, interval: daily, done_when: {metric: runbook_nope_timestamp_seconds}}}"
    with one("task", settings, tmp_path) as it:
        assert it.outcomes()["conditions"] == "ok"  # targets have yet to be read
        monkeypatch.setattr("exporter.collectors.task._UNSEEN_SECONDS", 0.0)
        assert it.outcomes()["conditions"] == "ok no target gives the metric that says whether it is done: a"
        until(lambda: figure(it.page(), "due_timestamp_seconds", "a") is not None)


TIME = DoneWhen(metric="app_tested_timestamp_seconds")
HOLDS = DoneWhen(metric="app_clean", becomes="== 1")
METRIC = Metric("app", "gauge", "Help.", source="the test")


def seen(**values: float) -> list[Seen]:
    """Return what targets say of a metric."""
    return [Seen(target, Sample(METRIC, (), value), NOW) for target, value in values.items()]


def times_of(history: History, task: str) -> list[float]:
    return [entry.at for entry in history.record(task).entries]


def times_done(history: History) -> list[float]:
    return times_of(history, "it")


@pytest.mark.parametrize(
    ("when", "before", "then"),
    [(TIME, {"a": NOW - 50, "b": 0.0}, NOW - 9), (HOLDS, {"a": 1.0, "b": 0.0}, 1.0)],
    ids=["time", "comparison"],
)
def test_a_target_that_says_nothing_now_makes_no_task_done(
    when: DoneWhen, before: dict[str, float], then: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = State(None).shelf("history")
    condition.look("it", when, seen(**before), History(shelf))
    again = History(shelf)  # after a restart one of them has not been read yet
    assert condition.look("it", when, seen(a=then), again)
    assert times_done(again) == []
    condition.look("it", when, seen(a=then, b=then), again)
    assert len(times_done(again)) == 1
    monkeypatch.setattr(condition, "_GONE", 0.0)  # and one that is away for long is gone
    assert condition.look("it", when, seen(a=then), again)
    assert again.record("it").given == ("a",)


def test_the_oldest_time_counts_and_all_must_hold() -> None:
    history = History(State(None).shelf("history"))
    condition.look("it", TIME, seen(a=NOW - 9, b=NOW - 50), history)
    assert times_done(history) == [NOW - 50]
    held = History(State(None).shelf("history"))
    for value in (0.0, 1.0):
        condition.look("it", HOLDS, seen(a=1.0, b=value), held)
    condition.look("it", HOLDS, seen(a=0.0, b=1.0), held)
    assert len(times_done(held)) == 1


def test_what_was_kept_is_not_lost_while_another_process_has_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(State, "RETRY", 0.1)
    old = State(tmp_path)
    History(old.shelf("tasks")).add("it", Entry("a", NOW, "alice"))
    FirstSeen(old.shelf("packages"), "known").note([("CVE-2026-1",)], NOW)
    assert old.flush()
    new = State(tmp_path)
    history, first = History(new.shelf("tasks")), FirstSeen(new.shelf("packages"), "known")
    with pytest.raises(Trouble, match="not known yet"):
        history.add("it", Entry("b", NOW + 1, "bob"))
    first.note([("CVE-2026-1",)], NOW + 500)
    old.close()
    until(lambda: new.is_read)
    history.add("it", Entry("b", NOW + 1, "bob"))
    assert times_done(history) == [NOW, NOW + 1]
    assert first.note([("CVE-2026-1",)], NOW + 900) == [NOW]
    new.close()
