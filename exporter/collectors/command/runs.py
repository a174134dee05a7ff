"""Named commands: whether the last run succeeded, how it ended, how long it took."""

import time
from dataclasses import asdict, dataclass
from typing import Any, Final

from exporter.collectors.command.output import Output
from exporter.collectors.command.prerequisites import OK
from exporter.collectors.command.session import Session
from exporter.collectors.command.settings import CommandSettings
from exporter.command import Ended, WroteTooMuch
from exporter.metric import Remarking, gauge
from exporter.state import Shelf

_LABELS: Final = ("command", "role")
_SOURCE: Final = "the command, run in the background"
KILLED: Final = 137

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
        self._key, self._output_key = f"run {name}", f"output {name}"  # the engine's own keys there have no space
        self._last = _recalled(shelf.get(self._key))
        self._output = Output(settings, shelf.get(self._output_key))

    def samples(self, session: Session) -> Remarking:
        """Yield what is known after a run, or after the last one where it is too early for another; say why not."""
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
        yield from self._output.samples()
        return "" if last.success else self._why(last)

    def _why(self, last: Run) -> str:
        if last.status == KILLED and last.seconds >= self._timeout:
            return f"it was killed after {self._timeout:g} s, its timeout"
        return f"it ended with {last.status}; run it by hand, as the same user, to see what it says"

    def _is_due(self, last: Run) -> bool:
        interval = self.settings.interval
        # a time to come is one of a clock that was set back since
        return interval is None or not self._output.is_known or not 0 <= time.time() - last.time < interval

    def _run(self, session: Session) -> Run:
        ended = self._ended(session)
        now, success = time.time(), ended.in_time and ended.status in self.settings.expected_status
        before = self._last.succeeded if self._last else None
        self._last = Run(now, ended.status, success, ended.seconds, now if success else before)
        self._shelf.put_all({self._key: asdict(self._last), self._output_key: self._mapped(ended.output, success)})
        return self._last

    def _ended(self, session: Session) -> Ended:
        begun = time.monotonic()
        try:
            return session.run(self.settings, self._timeout, self.settings.max_bytes)
        except WroteTooMuch:  # it ran, and did not end well
            return Ended(KILLED, b"", b"", time.monotonic() - begun, in_time=True)

    def _mapped(self, output: bytes, success: bool) -> Any:
        """Map the output; return what must be kept of it so that the command need not run before it is due."""
        if not self.settings.metrics:
            return None
        kept = self._output.take(output if success else None)
        return kept if self.settings.interval is not None else None


def _recalled(kept: Any) -> Run | None:
    try:
        return Run(**kept) if kept else None
    except TypeError:  # of another version
        return None
