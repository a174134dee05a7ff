"""Named commands: whether the last run succeeded, how it ended, how long it took."""

import time
from dataclasses import asdict, dataclass
from typing import Any, Final

from exporter.collectors.command.prerequisites import OK
from exporter.collectors.command.session import Session
from exporter.collectors.command.settings import CommandSettings
from exporter.jsontext import parse
from exporter.mappingpick import Picker
from exporter.metric import Samples, gauge
from exporter.state import Shelf

_LABELS: Final = ("command", "role")
_SOURCE: Final = "the command, run in the background"

SUCCESS = gauge(
    "runbook_command_success",
    "Whether the last run ended in time with an exit status that means success.",
    labels=_LABELS, source=_SOURCE, fact=True,
)  # fmt: skip
STATUS = gauge(
    "runbook_command_exit_status",
    "How the last run ended: its exit status, or 128 plus the signal that ended it (137 past its timeout).",
    labels=_LABELS, source=_SOURCE, fact=True,
)  # fmt: skip
DURATION = gauge(
    "runbook_command_duration_seconds", "How long the last run took.", labels=_LABELS, source=_SOURCE, fact=True
)
TIMEOUT = gauge(
    "runbook_command_timeout_seconds", "After how long a run is killed.", labels=_LABELS, source="the configuration"
)
LAST_RUN = gauge(
    "runbook_command_last_run_timestamp_seconds",
    "When the last run ended, in Unix time.",
    labels=_LABELS, source=_SOURCE, fact=True,
)  # fmt: skip
LAST_SUCCESS = gauge(
    "runbook_command_last_success_timestamp_seconds",
    "When the last successful run ended, in Unix time.",
    labels=_LABELS, source=_SOURCE, fact=True,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """What is remembered of the last run."""

    time: float
    status: int
    success: bool
    seconds: float
    succeeded: float | None


class Command:
    """A named command, and its last run, which outlives a restart."""

    def __init__(self, name: str, settings: CommandSettings, timeout: float, shelf: Shelf) -> None:
        self.settings = settings
        self._timeout = timeout
        self._labels = {"command": name, "role": settings.role}
        self._shelf = shelf
        self._key = f"run {name}"  # names of reads, which the engine keeps there, have no space
        self._picker = Picker(settings.metrics, "a command's output, by the configuration's mapping")
        self._last = _recalled(shelf.get(self._key))
        self._output: bytes | None = None  # of the last run, if it is mapped; it does not outlive a restart

    def samples(self, session: Session) -> Samples:
        """Yield what is known after a run, or after the last one where it is too early for another."""
        last = self._last
        if last is None or self._is_due(last):
            last = self._run(session)
        yield SUCCESS(last.success, **self._labels)
        yield STATUS(last.status, **self._labels)
        yield DURATION(last.seconds, **self._labels)
        yield TIMEOUT(self._timeout, **self._labels)
        yield LAST_RUN(last.time, **self._labels)
        yield LAST_SUCCESS(last.succeeded, **self._labels)
        if self.settings.role == "prerequisite":
            yield OK(last.success, name=self._labels["command"])
        if self._output is not None and last.success:
            yield from self._picker.samples(parse(self._output, "its output", shown=False))

    def _is_due(self, last: Run) -> bool:
        interval, unknown = self.settings.interval, bool(self.settings.metrics) and self._output is None
        return interval is None or unknown or not 0 <= time.time() - last.time < interval

    def _run(self, session: Session) -> Run:
        ended = session.run(self.settings, self._timeout, self.settings.max_bytes)
        now, success = time.time(), ended.in_time and ended.status in self.settings.expected_status
        before = self._last.succeeded if self._last else None
        self._last = Run(now, ended.status, success, ended.seconds, now if success else before)
        self._shelf.put(self._key, asdict(self._last))
        self._output = ended.output if self.settings.metrics else None
        return self._last


def _recalled(kept: Any) -> Run | None:
    try:
        return Run(**kept) if kept else None
    except TypeError:  # of another version
        return None
