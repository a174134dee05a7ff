"""What a command's output was mapped to outlives a restart, so that a command need not run before it is due."""

import json
import time
from pathlib import Path

import pytest

from tests.commands import commands, figure, script
from tests.onetarget import one

DAILY = "1d"


def mapped(folder: Path, output: str, metrics: str = "{name: app_jobs, help: Jobs., value: jobs}") -> str:
    """Return the settings of a command that runs daily, notes that it ran, and writes this."""
    code = f"echo >>{folder}/runs; cat {folder}/output"
    (folder / "output").write_text(output)
    return commands(script("it", code, interval=DAILY, metrics=f"[{metrics}]"))


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


def test_values_labels_and_what_is_missing_outlive_a_restart(tmp_path: Path) -> None:
    queues = [{"name": "mail", "jobs": 3}, {"name": "näme", "jobs": 0.1}, {"name": "gone", "jobs": None}]
    metrics = "{name: app_jobs, help: Jobs., each: '@', value: jobs, labels: {queue: name}}"
    settings = mapped(tmp_path, json.dumps(queues), metrics)
    for _ in range(3):
        with one("command", settings, tmp_path / "state") as target:
            page = target.page()
            assert {series: value for series, value in page.items() if series.startswith("app_")} == {
                'app_jobs{queue="mail"}': "3",
                'app_jobs{queue="näme"}': "0.1",
            }
            assert page['runbook_mapped_values_missing{metric="app_jobs"}'] == "1"
            assert figure(page, "success") == "1"
    assert runs(tmp_path) == 1


def test_a_mapping_that_was_changed_makes_it_run_again(tmp_path: Path) -> None:
    with one("command", mapped(tmp_path, '{"jobs": 3, "done": 4}'), tmp_path / "state") as target:
        assert target.page()["app_jobs"] == "3"
    changed = mapped(tmp_path, '{"jobs": 3, "done": 4}', "{name: app_jobs, help: Jobs., value: done}")
    with one("command", changed, tmp_path / "state") as target:
        assert target.page()["app_jobs"] == "4"
    assert runs(tmp_path) == 2


def test_what_does_not_fit_outlives_a_restart_as_well(tmp_path: Path) -> None:
    for _ in range(2):
        with one("command", mapped(tmp_path, '{"jobs": "many"}'), tmp_path / "state") as target:
            said = target.outcomes()["it"]
            assert "app_jobs: `jobs` is text" in said
            assert "correct the mapping" in said
    assert runs(tmp_path) == 1


def test_a_failure_outlives_a_restart_without_values(tmp_path: Path) -> None:
    settings = mapped(tmp_path, "")
    (tmp_path / "output").unlink()
    for _ in range(2):
        with one("command", settings, tmp_path / "state") as target:
            page = target.page()
            assert (figure(page, "success"), figure(page, "exit_status")) == ("0", "1")
            assert "app_jobs" not in page
    assert runs(tmp_path) == 1


def test_what_would_take_too_much_is_not_kept(tmp_path: Path) -> None:
    many = json.dumps([f"a-label-that-is-somewhat-long-{number}" for number in range(1500)])
    metrics = "{name: app_jobs, help: Jobs., each: '@', value: '`1`', labels: {queue: '@'}}"
    settings = mapped(tmp_path, many, metrics)
    for restarts in range(2):
        with one("command", settings, tmp_path / "state") as target:
            for _ in range(2):
                assert sum(series.startswith("app_jobs{") for series in target.page()) == 1500
        assert runs(tmp_path) == restarts + 1
        assert sum(file.stat().st_size for file in (tmp_path / "state").iterdir()) < 64 << 10


@pytest.mark.parametrize(("ago", "ran"), [(-3600.0, 2), (3600.0, 1), (2 * 86400.0, 2)])
def test_it_runs_again_when_it_is_due_or_the_clock_was_set_back(tmp_path: Path, ago: float, ran: int) -> None:
    settings = mapped(tmp_path, '{"jobs": 3}')
    with one("command", settings, tmp_path / "state") as target:
        target.page()
        shelf = target.target.collector.context.shelf
        shelf.put("run it", shelf.get("run it") | {"time": time.time() - ago})
    with one("command", settings, tmp_path / "state") as target:
        assert target.page()["app_jobs"] == "3"
    assert runs(tmp_path) == ran
