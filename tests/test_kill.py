"""The whole exporter, and its helper process, killed at random moments while a log is written and rotated."""

import random
import re
import signal
from contextlib import suppress
from pathlib import Path

import psutil

from tests.process import PLAIN, Exporter, running
from tests.support import until

CONFIG = """
host: {{enabled: false}}
targets:
  app:
    collector: log
    max_age: 0s
    logs: {{api: {{files: [{log}], start: beginning}}}}
    events: {{declined: "payment .* declined"}}
"""
COUNTS = re.compile(r'^(runbook_log_\w+_total)\{.*(?:declined|error|log="api",target).*\} (\d+)$', re.MULTILINE)
LIVES = 5


class Writer:
    """Writes a log and rotates it, and knows what it wrote."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        self.path, self.lines, self.declined = path, 0, 0
        self._chance = chance
        self._rotated = 0
        path.touch()

    def write(self) -> None:
        """Write some lines, and now and then begin another file."""
        if self._chance.random() < 0.15:
            self._rotated += 1
            self.path.rename(self.path.with_name(f"api.log.{self._rotated}"))
        with self.path.open("a") as file:
            for _ in range(self._chance.randrange(400)):
                declined = self._chance.random() < 0.1
                file.write(f"2026-11-25 08:00:00 ERROR payment {self.lines} {'declined' if declined else 'made'}\n")
                self.lines += 1
                self.declined += declined


def counted(exporter: Exporter) -> dict[str, int]:
    """Return the counts that the page shows; none as long as the log was not looked at."""
    page = exporter.get("/metrics").text
    found = re.findall(
        r'^(runbook_log_\w+_total)\{.*(?:declined|error|log="api",target).*\} (\d+)$', page, re.MULTILINE
    )
    return {name: int(value) for name, value in found}


def kill_helper(exporter: Exporter) -> int | None:
    children = psutil.Process(exporter.process.pid).children()
    for child in children:
        with suppress(psutil.NoSuchProcess):  # it has just ended
            child.kill()
    return children[0].pid if children else None


def test_each_line_counts_once_and_no_count_that_was_shown_goes_back(tmp_path: Path) -> None:
    chance = random.Random(11)
    writer = Writer(tmp_path / "api.log", chance)
    shown: list[dict[str, int]] = []
    for life in range(LIVES):
        with running(tmp_path, CONFIG.format(log=writer.path), program=PLAIN) as exporter:
            until(lambda: counted(exporter))  # what is written before the first look of all is another matter
            for _ in range(chance.randrange(5, 25)):
                writer.write()
                shown.append(counted(exporter))
                if chance.random() < 0.1:
                    kill_helper(exporter)
            if life == LIVES - 1:
                until(lambda: counted(exporter).get("runbook_log_lines_total") == writer.lines, 40)
                shown.append(counted(exporter))
            exporter.send(signal.SIGKILL)
    for name in ("runbook_log_lines_total", "runbook_log_events_total", "runbook_log_messages_total"):
        counts = [page[name] for page in shown if name in page]
        assert counts == sorted(counts), name
    assert shown[-1] == {
        "runbook_log_lines_total": writer.lines, "runbook_log_bytes_total": sum(map(size, tmp_path.glob("api.log*"))),
        "runbook_log_unparsed_lines_total": 0, "runbook_log_cut_lines_total": 0, "runbook_log_lost_bytes_total": 0,
        "runbook_log_events_total": writer.declined, "runbook_log_messages_total": writer.lines,
    }  # fmt: skip


def size(path: Path) -> int:
    return path.stat().st_size
