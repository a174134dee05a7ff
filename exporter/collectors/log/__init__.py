"""Logs, followed through every rotation: levels, events, jobs and requests, counted as they are written."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from exporter.collector import Collector, NotApplicable, Trouble, read
from exporter.collectors.log import access
from exporter.collectors.log.levels import LEVELS
from exporter.collectors.log.settings import ACCESS_FORMATS, MIXED_FORMATS, LogsSettings
from exporter.collectors.log.tally import job_key, log_key
from exporter.jobmetrics import expected, runs, under_way
from exporter.metric import Metric, Samples, counter, gauge

STALE: Final = 30.0
"""Seconds without a look after which figures are no longer told: several times what passes between two looks."""

_FORGOTTEN: Final = 7 * 86_400.0
"""Seconds after which a run without an end is taken to have died without a word."""

_SOURCE: Final = "the log's files"
_LABELS: Final = ("log",)

MESSAGES = counter(
    "runbook_log_messages_total",
    "Messages by level (critical, error, warning, info, debug; other where none is known), counted in the background"
    " as they are written. A message is a line; what goes on with it, such as a traceback, is none of its own.",
    labels=("log", "level"), source=_SOURCE,
)  # fmt: skip
EVENTS = counter(
    "runbook_log_events_total", "Lines that are a named event, counted in the background as they are written.",
    labels=("log", "event"), source=_SOURCE,
)  # fmt: skip
LINES = counter("runbook_log_lines_total", "Lines read, in the background.", labels=_LABELS, source=_SOURCE)
BYTES = counter("runbook_log_bytes_total", "Bytes read, in the background.", labels=_LABELS, source=_SOURCE)
UNPARSED = counter(
    "runbook_log_unparsed_lines_total",
    "Lines not in the format of the log: no object, no request, or text in which `level_pattern` finds nothing.",
    labels=_LABELS, source=_SOURCE,
)  # fmt: skip
CUT = counter(
    "runbook_log_cut_lines_total", "Lines of which only the first 256 KiB were looked at; each counts as one line.",
    labels=_LABELS, source=_SOURCE,
)  # fmt: skip
LOST_BYTES = counter(
    "runbook_log_lost_bytes_total",
    "Bytes known to have been written and gone before they were read. More may have been: what was written to a file"
    " between the last look and its end is not known, so beside a loss 0 can stand here.",
    labels=_LABELS, source=_SOURCE,
)  # fmt: skip
LOSSES = counter(
    "runbook_log_losses_total",
    "Times that lines may have been lost: a file was emptied (truncated), or was gone after a restart (vanished), and"
    " no copy of it was found.",
    labels=("log", "reason"), source=_SOURCE,
)  # fmt: skip
SINCE = gauge(
    "runbook_log_counted_since_timestamp_seconds", "Since when the lines of a log are counted.",
    labels=_LABELS, source=_SOURCE,
)  # fmt: skip
LOOKED = gauge(
    "runbook_log_looked_timestamp_seconds", "When a log was last looked at, in the background.",
    labels=_LABELS, source=_SOURCE,
)  # fmt: skip
BEHIND = gauge(
    "runbook_log_read_behind_bytes", "Bytes that were there at the last look and are not counted yet.",
    labels=_LABELS, source=_SOURCE,
)  # fmt: skip
FILES = gauge("runbook_log_files", "Files that are followed.", labels=_LABELS, source=_SOURCE)
FIRST = gauge(
    "runbook_log_first_line_timestamp_seconds",
    "Time of the first line of the file that is written now: its own, or else when it was written, where that was"
    " seen. Learned in the background.",
    labels=_LABELS, source=_SOURCE,
)  # fmt: skip
LAST = gauge(
    "runbook_log_last_line_timestamp_seconds",
    "Time of the last line: its own, or else when its file was written. Learned in the background.",
    labels=_LABELS, source=_SOURCE, fact=True,
)  # fmt: skip

Entries = Mapping[str, Any]
_COUNTS: Final[Mapping[str, Metric]] = {
    "lines": LINES, "bytes": BYTES, "unparsed": UNPARSED, "cut": CUT, "lost_bytes": LOST_BYTES,
}  # fmt: skip


class Log(Collector[Entries]):
    """Logs of an application, followed through every rotation."""

    toil: ClassVar[str] = "exporter.collectors.log.follow:Follow"
    Settings = LogsSettings

    @contextmanager
    def connect(self) -> Iterator[Entries]:
        yield self.context.ledger.entries()

    @read
    def lines(self, entries: Entries) -> Samples:
        """What was counted in each log: messages, events, lines and bytes."""
        for log, entry in self._logs(entries):
            yield SINCE(entry["since"], log=log)
            yield LOOKED(entry["looked"], log=log)
            yield BEHIND(entry["behind"], log=log)
            for name, metric in _COUNTS.items():
                yield metric(entry[name], log=log)
            for reason, count in entry["losses"].items():
                yield LOSSES(count, log=log, reason=reason)
            for event in self.settings.events_in(log):
                yield EVENTS(entry["events"].get(event, 0), log=log, event=event)
            if _has_messages(self.settings.logs[log].format):
                for level in LEVELS:
                    yield MESSAGES(entry["levels"].get(level, 0), log=log, level=level)

    @read
    def files(self, entries: Entries) -> Samples:
        """Which files are followed, and how old their lines are."""
        for log, entry in self._logs(entries):
            if entry["problems"]:
                reason, fix = entry["problems"][0]
                raise Trouble(f"log {log}: {reason}", fix)
            yield FILES(entry["open"], log=log)
            yield FIRST(entry["first"], log=log)
            yield LAST(entry["last"], log=log)

    @read
    def jobs(self, entries: Entries) -> Samples:
        """Runs of the jobs that leave lines in the logs."""
        if not self.settings.jobs:
            raise NotApplicable("no jobs are configured")
        yield from expected(self.settings.jobs)
        list(self._logs(entries))  # jobs are as old as the logs
        for job, settings in self.settings.jobs.items():
            if (entry := entries.get(job_key(job))) is None:
                raise Trouble(f"job {job} was not looked for yet", "wait a moment; if it lasts, see the read `watch`")
            yield from runs(job, entry)
            if settings.started:
                yield from under_way(job, _begun(entry))

    @read
    def requests(self, entries: Entries) -> Samples:
        """Requests in the access log, as an application tells them that has /metrics of its own."""
        if not any(log.format in ACCESS_FORMATS for log in self.settings.logs.values()):
            raise NotApplicable("no access log is configured")
        list(self._logs(entries))
        yield from access.samples(entries)

    def _logs(self, entries: Entries) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what was told of each log; Trouble where that is too old, or not there yet."""
        for log in self.settings.logs:
            entry = entries.get(log_key(log))
            if entry is None or entry["looked"] is None:
                fix = "wait a moment; if it lasts, see the read `watch`"
                raise Trouble(f"log {log} was not looked at yet", fix, early=True)
            if (age := time.time() - entry["looked"]) > STALE:
                raise Trouble(
                    f"log {log} was not looked at for {age:.0f} s", "see the read `watch`, or the disk that it is on"
                )
            yield log, entry


def _has_messages(format: str) -> bool:
    return format not in ACCESS_FORMATS or format in MIXED_FORMATS


def _begun(entry: Mapping[str, Any]) -> list[float]:
    """Return when those runs began that have not ended; one that began long ago has died without a word."""
    return [moment for moment in entry["open"].values() if moment > time.time() - _FORGOTTEN]
