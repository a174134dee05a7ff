"""Tasks that other metrics say are done."""

import time
from pathlib import Path

import pytest

from exporter import config
from exporter.board import Board
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
