"""The five guides' checklists in examples/: right, whole, and watched by what there is."""

from pathlib import Path

import pytest

from exporter import catalogue, config, pack
from exporter.collectors.task import include
from exporter.collectors.task.tasksettings import TaskSettings
from tests.onetarget import one

FOLDER = Path(__file__).parent.parent / "examples" / "checklists"
FILES = sorted(FOLDER.glob("*.yml"))
LINES = {"novaclip": 60, "trailblaze": 45, "mem": 20, "clippy": 65, "ndisuite": 51}


def tasks_of(*files: Path) -> dict[str, TaskSettings]:
    tasks, problems = include.load([str(file) for file in files])
    assert problems == ()
    return tasks


def test_each_guide_has_one_with_every_line() -> None:
    assert {file.stem: len(tasks_of(file)) for file in FILES} == LINES


def test_no_name_stands_in_two_of_them() -> None:
    assert len(tasks_of(*FILES)) == sum(LINES.values())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_line_is_watched_or_done_by_hand(file: Path) -> None:
    assert [name for name, task in tasks_of(file).items() if not (task.watched_by or task.by_hand)] == []


@pytest.mark.parametrize(("name", "watchers", "left"), [
    ("nova-keys-environment", (), True),  # no alert looks at code
    ("trail-key-review", ("KeyRotationOverdue",), True),  # which fires by the quarter
    ("ndi-backup-retention", ("BackupRetentionShort",), False),  # the other one fires where there are too many
    ("trail-cache-figures", ("CacheStale", "CacheValidationFailed"), False),
    ("mem-database-owner", (), True),
])  # fmt: skip
def test_no_line_claims_a_watcher_that_looks_elsewhere(name: str, watchers: tuple[str, ...], left: bool) -> None:
    task = tasks_of(*FILES)[name]
    assert set(watchers) <= set(task.watched_by)
    assert bool(task.by_hand) is left


def test_what_watches_is_there() -> None:
    known = {*pack.rules().alerts, *(metric.name for group in catalogue.by_collector().values() for metric in group)}
    named = {name for task in tasks_of(*FILES).values() for name in task.watched_by}
    assert sorted(named - known) == []


def test_they_are_watched_together(tmp_path: Path) -> None:
    files = ", ".join(map(str, FILES))
    with one("task", f"include: [{files}]\nowner: ops\ntimezone: Europe/Berlin", tmp_path) as it:
        page = it.page()
    by_hand = [name for name, task in tasks_of(*FILES).items() if task.way == "hand" and not task.on_demand]
    infos = [series for series in page if series.startswith("runbook_task_info")]
    dues = [series for series in page if series.startswith("runbook_task_due_timestamp_seconds")]
    assert (len(infos), len(dues)) == (sum(LINES.values()), len(by_hand))


def test_the_documentation_s_configuration_is_right() -> None:
    text = (FOLDER.parent.parent / "docs" / "checklist.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]
    whole = [block for block in blocks if block.startswith("targets:")]
    assert whole
    for block in whole:
        config.read(block.encode(), str(FOLDER.parent / "config.yml"), config.INSTALLED, {})
