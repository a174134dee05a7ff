"""Endpoints over HTTP, looked at from outside: what they answer, how long each phase takes, and what TLS shows."""

from collections.abc import Callable
from typing import Final

from exporter import probemetrics
from exporter.certificatemetrics import METRICS as OF_TLS
from exporter.certificatemetrics import library_lacking, shown_samples
from exporter.collector import Context, Read, Trouble, read
from exporter.collectors.http.expect import document
from exporter.collectors.http.metrics import PLAIN, PURPOSE, STEP, seen_samples
from exporter.collectors.http.plain import plain_served
from exporter.collectors.http.report import Report, reported
from exporter.collectors.http.settings import HTTPSettings
from exporter.collectors.http.walk import Walk
from exporter.deadline import Cancel, Deadline
from exporter.exchange import Way
from exporter.httprequest import split
from exporter.metric import Remarking, Samples
from exporter.probemetrics import BY_PATTERN, sight_samples
from exporter.probing import Finding, Probe

METRICS: Final = (*probemetrics.METRICS, *OF_TLS)


class HTTP(Probe):
    """An endpoint over HTTP or HTTPS, or a chain of requests as a user would make them."""

    Settings = HTTPSettings
    settings: HTTPSettings

    def __init__(self, settings: HTTPSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._chain = settings.chain()
        self.patient = bool(settings.steps)  # a chain logs in, or asks for what must be refused
        self._proxy = split(settings.proxy.reveal()) if settings.proxy is not None else None
        self._report: Report | None = None

    def probe(self, deadline: Deadline, cancel: Cancel) -> Finding:
        way = Way(deadline, self.settings.max_bytes, cancel, self.settings.ip_family, self._proxy)
        walk = Walk(self.settings, self._chain, way)
        trouble = _tried(walk.go)
        self._report = None
        no_report = _tried(lambda: self._read_report(walk))
        remark = library_lacking(walk.seen.shown)
        return Finding(tuple(self._walked(walk)), deadline.spent(), trouble or no_report, remark)

    @read
    def health(self, finding: Finding) -> Remarking:  # noqa: ARG002  # what it found is kept beside it
        """What the health report calls anything else than healthy."""
        yield from ()
        return self._report.remark() if self._report is not None else ""

    def reads(self) -> list[Read]:
        """Return the reads of this target: what reports nothing has no health that could be missed."""
        return [one for one in super().reads() if one.name != "health" or self.settings.report is not None]

    def standing(self, up: bool, failing: bool) -> Samples:
        """Yield what it is for, besides what every probe has."""
        yield from super().standing(up, failing)
        yield PURPOSE(1, purpose=self.settings.purpose)

    def _read_report(self, walk: Walk) -> None:
        if self.settings.report is not None and walk.arrived is not None:
            self._report = reported(document(walk.arrived), self.settings.report)

    def _walked(self, walk: Walk) -> Samples:
        yield from sight_samples(walk.seen)
        yield from seen_samples(walk.seen, walk.redirects, secure=walk.secure)
        yield from shown_samples(walk.seen.shown)
        yield PLAIN(plain_served(walk))
        yield BY_PATTERN(walk.failed_by_pattern)
        if self.settings.steps:
            for name, seconds in walk.steps.items():
                yield STEP(seconds, step=name)
        if self._report is not None:
            yield from self._report.samples()


def _tried(act: Callable[[], object]) -> Trouble | None:
    """Return the trouble that an act has, if any."""
    try:
        act()
    except Trouble as trouble:
        return trouble
    return None
