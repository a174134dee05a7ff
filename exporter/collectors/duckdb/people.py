"""Which process it is that has a database open: its name, and whether it is one that should."""

import os
import re
from typing import Final, NamedTuple

from exporter.collectors.duckdb.settings import DuckDBSettings
from exporter.collectors.process.process import Process
from exporter.collectors.process.procfs import Procfs

OWN: Final = "runbook-exporter"
UNSEEN: Final = "unseen"
_OWN_PROGRAM: Final = "exporter.throwawayprocess"
_LONGEST_LINE: Final = 40
_STOPPED: Final = ("T", "t")
_UNIT: Final = re.compile(r"[^/]+\.(?:service|scope)(?=/|$)", re.MULTILINE)


class Person(NamedTuple):
    """A process as it stands in labels: `expected` is true, false, or unknown where nobody is said to be expected."""

    name: str
    expected: str
    stopped: bool = False


STRANGER_UNSEEN: Final = Person(UNSEEN, "unknown")


class People:
    """The processes of one round, looked at only where they are asked for."""

    def __init__(self, settings: DuckDBSettings, procfs: Procfs) -> None:
        self._settings = settings
        self._procfs = procfs
        self._known: dict[str, Process | None] = {}

    def person(self, pid: str) -> Person:
        """Return who the process is; where it is not shown, one that is unseen."""
        process = self._process(pid)
        if process is None:
            return STRANGER_UNSEEN
        texts = self._texts(pid)
        if any(_OWN_PROGRAM in text for text in texts):
            return Person(OWN, "true")
        name = process.comm.decode("utf-8", "replace")
        return Person(name, self._expected(texts), process.state in _STOPPED)

    def line(self, pid: str) -> list[str]:
        """Return the process and those that it descends from, itself first."""
        line: list[str] = []
        while (process := self._process(pid)) is not None and len(line) < _LONGEST_LINE:
            line.append(pid)
            pid = process.ppid
        return line

    def _texts(self, pid: str) -> list[str]:
        """Return the command lines of the process and of those that it descends from, and its unit."""
        try:
            return [*_UNIT.findall(self._text(pid, "cgroup")), *map(self._command, self.line(pid))]
        except PermissionError:
            return []

    def _expected(self, texts: list[str]) -> str:
        if not self._settings.holders or not texts:
            return "unknown"
        return "true" if any(map(self._settings.is_expected, texts)) else "false"

    def _process(self, pid: str) -> Process | None:
        if pid not in self._known:
            raw = self._stat(pid)
            self._known[pid] = None if raw is None else Process(pid, raw, born=False)
        return self._known[pid]

    def _stat(self, pid: str) -> bytes | None:
        try:
            return self._procfs.read(f"{pid}/stat")
        except PermissionError:  # it is mounted with hidepid
            return None

    def _command(self, pid: str) -> str:
        return self._text(pid, "cmdline").rstrip("\0").replace("\0", " ")

    def _text(self, pid: str, file: str) -> str:
        return os.fsdecode(self._procfs.read(f"{pid}/{file}") or b"")
