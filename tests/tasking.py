"""Checklists for tests: their configuration, and what is asked of them."""

from pathlib import Path

CHECKLIST = """\
owner: operations
people: [alice, bob]
timezone: Europe/Berlin
tasks:
  access-review: {title: Review who has access, interval: monthly, link: /runbooks/, guide: a guide}
  window: {title: Maintenance window, calendar: first saturday 02:00, grace: 2d, owner: alice}
  errors: {title: Errors in the log, interval: daily, watched_by: [LogErrorsSurge]}
  drill: {title: Try a disaster, on_demand: each deployment}
"""


def config(folder: Path, checklist: str = CHECKLIST, name: str = "checklist", more: str = "") -> str:
    """Return a configuration with this checklist, whose state is kept in the folder."""
    lines = "".join(f"    {line}\n" for line in checklist.splitlines())
    head = f"storage: {{path: {folder / 'state'}}}\ntargets:\n{more}"
    return f"{head}  {name}:\n    collector: task\n    max_age: 0s\n{lines}"


def figure(page: dict[str, str], name: str, task: str = "access-review", **labels: str) -> float | None:
    """Return a figure of a task, None where the page has none."""
    shown = "".join(f',{label}="{value}"' for label, value in labels.items())
    value = page.get(f'runbook_task_{name}{{task="{task}"{shown}}}')
    return None if value is None else float(value)
