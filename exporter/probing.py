"""Probes: looks at a target from outside. One that failed shows what it saw as well, beside the reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from exporter.collector import Collector, Context, Trouble, read
from exporter.deadline import GIVEN_UP, Cancel, Deadline, within
from exporter.metric import Sample, Samples
from exporter.probemetrics import DURATION, SUCCESS


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe saw, how many seconds it took, and what was wrong, if anything."""

    samples: tuple[Sample | None, ...]
    seconds: float
    trouble: Trouble | None = None


class Probe(Collector[Finding]):
    """A collector whose target is up where a probe of it goes as it should.

    A subclass has the method `probe`. While its target is down, the samples that the failed probe gave stand on the
    page all the same: a certificate that has ended has a date, and an error has a status.
    """

    job = "blackbox-exporter"

    def __init__(self, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        self._cancel = Cancel()
        self._found: Finding | None = None

    def probe(self, deadline: Deadline, cancel: Cancel) -> Finding:  # noqa: ARG002  # for those that have one
        """Look at the target, and say what was seen; nothing outlasts the deadline, nor `cancel` once it is called."""
        raise TypeError(f"{type(self).__name__} has no probe()")

    @contextmanager
    def connect(self) -> Iterator[Finding]:
        found, self._cancel = None, Cancel()
        try:
            found = self.probe(Deadline(within(self.context.timeout)), self._cancel)
            if found.trouble is not None and self._cancel.cancelled:  # whatever it was that broke off then
                found = replace(found, trouble=Trouble(GIVEN_UP))
        finally:
            self._found = found  # what was seen before is over
        if found.trouble is not None:
            raise found.trouble
        yield found

    def interrupt(self) -> None:
        self._cancel.cancel()

    @read
    def found(self, finding: Finding) -> Samples:
        """What the probe saw: how long each phase took, and what was answered."""
        yield from _shown(finding)

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002  # as the engine asks
        """Yield whether the probe went well, and of one that did not what it saw."""
        yield SUCCESS(up)
        if not up and self._found is not None and self._found.trouble is not None:
            yield from _shown(self._found)


def _shown(finding: Finding) -> Samples:
    yield DURATION(finding.seconds)
    yield from finding.samples
