"""Probes: looks at a target from outside. One that failed shows what it saw as well, beside the reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from exporter.collector import Collector, Context, Trouble, Unable, read
from exporter.deadline import GIVEN_UP, Cancel, Deadline, within
from exporter.metric import Remarking, Sample, Samples
from exporter.probemetrics import DURATION, SUCCESS


class MismatchError(Trouble):
    """What came is not what is expected; `by_pattern` where a pattern told so."""

    def __init__(self, reason: str, fix: str = "", *, by_pattern: bool = False) -> None:
        super().__init__(reason, fix)
        self.by_pattern = by_pattern


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe saw, how many seconds it took, what was wrong, if anything, and what else is to be said."""

    samples: tuple[Sample | None, ...]
    seconds: float
    trouble: Trouble | None = None
    remark: str = ""


class Probe(Collector[Finding]):
    """A collector whose target is up where a probe of it goes as it should.

    A subclass has the method `probe`. While its target is down, the samples that the failed probe gave stand on the
    page all the same: a certificate that has ended has a date, and an error has a status.
    """

    job = "blackbox-exporter"
    interval = 15.0  # not when a scrape asks: hundreds at once would be timed while they wait for each other
    timeout = 5.0

    def __init__(self, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        self._cancel = Cancel()
        self._found: Finding | None = None
        self._looked = True

    def probe(self, deadline: Deadline, cancel: Cancel) -> Finding:  # noqa: ARG002  # for those that have one
        """Look at the target, and say what was seen; nothing outlasts the deadline, nor `cancel` once it is called.

        What is wrong with the target is the finding's trouble. Raising, or a trouble that is Unable, means that
        nothing could be looked at: of the target nothing is known then.
        """
        raise TypeError(f"{type(self).__name__} has no probe()")

    @contextmanager
    def connect(self) -> Iterator[Finding]:
        found, self._cancel = None, Cancel()
        try:
            found = _settled(self.probe(Deadline(within(self.context.timeout)), self._cancel), self._cancel)
        finally:
            self._looked = found is not None and not isinstance(found.trouble, Unable)
            self._found = found if self._looked else None  # what was seen before is over
        if found.trouble is not None:
            raise found.trouble
        yield found

    def interrupt(self) -> None:
        self._cancel.cancel()

    @read
    def found(self, finding: Finding) -> Remarking:
        """What the probe saw: how long each phase took, and what was answered."""
        yield from _shown(finding)
        return finding.remark

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002  # as the engine asks
        """Yield whether the probe went well, where the target could be looked at, and what one that did not saw."""
        if self._looked:
            yield SUCCESS(up)
        if not up and self._found is not None and self._found.trouble is not None:
            yield from _shown(self._found)


def told_by_pattern(trouble: Trouble | None) -> bool:
    """Tell whether a probe failed as a pattern was, or was not, in what came."""
    return isinstance(trouble, MismatchError) and trouble.by_pattern


def _settled(found: Finding, cancel: Cancel) -> Finding:
    """Return a finding as it is kept."""
    trouble = found.trouble
    if trouble is None:
        return found
    if cancel.cancelled and not isinstance(trouble, Unable):  # whatever it was that broke off then
        return replace(found, trouble=Trouble(GIVEN_UP))
    # the frames that it came through hold all that was read, and it is kept until the next probe
    trouble.__traceback__ = trouble.__cause__ = trouble.__context__ = None
    return found


def _shown(finding: Finding) -> Samples:
    yield DURATION(finding.seconds)
    yield from finding.samples
