"""What a checklist can be told, lists in files, and what is refused with its place and remedy."""

from pathlib import Path

import pytest

from exporter import config
from exporter.config import ConfigError
from tests.onetarget import one


def problems_of(text: str, folder: Path | None = None) -> str:
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    file = str((folder or Path()) / "config.yml")
    with pytest.raises(ConfigError) as raised:
        config.read(f"targets:\n  it:\n    collector: task\n{lines}".encode(), file, config.INSTALLED, {})
    return str(raised.value)


LIST = """\
guide: The guide
x-daily: &daily {interval: daily}
tasks:
  logs: {title: Read logs, <<: *daily}
  keys: {title: Rotate keys, interval: quarterly, guide: Another}
"""


def test_tasks_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "list.yml").write_text(LIST, encoding="utf-8")
    settings = f"include: [{tmp_path / 'list.yml'}]\nleave_out: [logs]\nowner: ops\n"
    with one("task", f"{settings}tasks: {{own: {{title: Own, interval: 14d, owner: me}}}}", tmp_path / "state") as it:
        page = it.page()
    infos = [series for series in page if series.startswith("runbook_task_info")]
    assert infos == [
        'runbook_task_info{task="keys",owner="ops",guide="Another",way="hand"}',
        'runbook_task_info{task="own",owner="me",guide="",way="hand"}',
    ]


def test_a_list_that_has_changed_is_another_configuration(tmp_path: Path) -> None:
    file = tmp_path / "list.yml"
    text = f"targets: {{it: {{collector: task, include: [{file}]}}}}".encode()
    found: list[object] = []
    for content in (LIST, LIST, LIST.replace(": daily}", ": weekly}")):
        file.write_text(content, encoding="utf-8")
        found += config.read(text, "config.yml", config.INSTALLED, {}).targets
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(("text", "problem"), [
    ("", "list.yml:1: "), ("tasks: [a]", "list.yml:1: tasks: is a list; expected a mapping"),
    ("tasks:\n  a b: {title: A, interval: daily}", "list.yml:2: tasks.'a b': a task cannot have this name"),
    ("tasks:\n  a: {title: A, interval: nightly}", "list.yml:2: tasks.a.interval: is 'nightly', which is not a "),
    ("tasks:\n  a: {titel: A}", "did you mean title?"), ("tasks: {a: {", "list.yml:2: is not YAML"),
    ("gide: x\ntasks: {}", "guide?"),
])  # fmt: skip
def test_a_list_that_is_wrong(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "list.yml").write_text(text, encoding="utf-8")
    assert problem in problems_of(f"include: [{tmp_path / 'list.yml'}]")


def test_lists_that_are_not_there_or_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(LIST, encoding="utf-8")
    (tmp_path / "b.yml").write_text(LIST, encoding="utf-8")
    assert "the task logs stands in" in problems_of(f"include: [{tmp_path / 'a.yml'}, {tmp_path / 'b.yml'}]")
    assert "none.yml cannot be read (No such file or directory)" in problems_of("include: [none.yml]")
    assert "is not a regular file" in problems_of("include: [/dev/null]")
    assert "leave_out: 'x' is no included task" in problems_of("leave_out: [x]")
    assert "leave_out" not in problems_of("include: [none.yml]\nleave_out: [x]")  # nobody can know


@pytest.mark.parametrize(("settings", "problem"), [
    ("title: A", "interval: neither interval nor calendar nor on_demand stand here; expected one of them"),
    ("title: A, interval: daily, calendar: monthly", "calendar: interval and calendar stand here; expected one"),
    ("interval: daily", "title: is missing"), ("title: '', interval: daily", "title: is empty"),
    ("title: A, interval: 30s", "is '30s', which is shorter than a minute"),
    ("title: A, calendar: now and then", "calendar: has 'now', which is no weekday"),
    ("title: A, calendar: 02-30", "calendar: names days that never come"),
    ("title: A, calendar: daily, timezone: Mars/Olympus", "timezone: 'Mars/Olympus' is no time zone here"),
    ("title: A, interval: daily, link: 'javascript:alert(1)'", "link: is no link"),
    ("title: A, interval: daily, link: '//evil.example'", "link: is no link"),
    ("title: A, interval: daily, watched_by: [not a name]", "watched_by: 'not a name' is no name"),
    ("title: A, on_demand: x, done_when: {metric: up}", "done_when: has no use where a task is never due"),
    ("title: A, interval: daily, done_when: {metric: a-b}", "done_when.metric: is no name of a metric"),
    ("title: A, interval: daily, done_when: {metric: up, becomes: up}", "done_when.becomes: is no condition"),
])  # fmt: skip
def test_a_task_that_is_wrong(settings: str, problem: str) -> None:
    assert problem in problems_of(f"tasks: {{a: {{{settings}}}}}")


def test_a_checklist_that_is_wrong() -> None:
    assert "targets.it.timezone: 'Mars' is no time zone" in problems_of("timezone: Mars")
    assert "a task cannot have this name" in problems_of("tasks: {a/b: {title: A, interval: daily}}")
    many = "".join(f"  t{number}: {{title: A, interval: daily}}\n" for number in range(1001))
    assert "are more than 1000" in problems_of(f"tasks:\n{many}")
