"""Backups of every state and a checklist, and the configuration that watches them: for the tests of dashboards."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.backups import aged, dump, fill
from tests.postgres import PASSWORD, Cluster, server

_DAY: Final = 86_400.0


@contextmanager
def upkeep(folder: Path, cluster: Cluster) -> Iterator[str]:
    """Have them there; yield the lines of YAML of their targets. A dump is restored into `cluster`.

    The target `checks` and its command `migrations` are another's; each of its runs does a task.
    """
    for name in ("exports", "unfinished", "none", "dumps"):
        (folder / name).mkdir()
    for number, rows in ((2, 100), (1, 120)):
        file = folder / "exports" / f"{number}.json"
        file.write_text(json.dumps(list(range(rows))), encoding="utf-8")
        aged(file, number * _DAY)
    (folder / "unfinished" / "now.json").write_text("[]", encoding="utf-8")
    cluster.sql(f"CREATE ROLE restorer LOGIN CREATEDB PASSWORD '{PASSWORD}'")
    with server() as source:  # of the version that has a pg_dump here
        fill(source)
        aged(dump(source, folder / "dumps" / "shop.dump", "-Fc"), 100)
    restore = f'{{postgres: "{cluster.url("postgres", "restorer")}"}}'
    yield f"""
  backups:
    collector: backup
    interval: 2s
    max_age: 500ms
    backups:
      exports: {{path: {folder}/exports, at_rest: 0s, retention: 30d, recovery_point: 1h}}
      unfinished: {{path: {folder}/unfinished, at_rest: 1h}}
      none: {{path: {folder}/none, recovery_point: 1h}}
      dumps: {{path: {folder}/dumps, at_rest: 0s, recovery_time: 4h, restore: {restore}}}
      unjudged:
        path: {folder}/exports
        at_rest: 0s
        format: command
        check_command: {{command: ['false'], cannot: [1]}}
  checklist:
    collector: task
    interval: 1s
    max_age: 500ms
    owner: operations
    people: [alice]
    tasks:
      access-review: {{title: Review who has access, interval: monthly, guide: a guide}}
      migrations:
        title: Are all migrations made
        interval: daily
        done_when: {{metric: runbook_command_last_run_timestamp_seconds, labels: {{command: migrations}}}}
"""
