"""What the scans told last: newer releases, vulnerabilities, when, and what they could not tell."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from exporter.collector import NotApplicable, read, together
from exporter.collectors.dependency import metrics
from exporter.collectors.dependency.looks import Known, Looks, Report
from exporter.collectors.dependency.settings import SEVERITIES, DependencySettings
from exporter.metric import Remarking, Samples

_MOST_NAMED: Final = 5


@read
def updates(looks: Looks) -> Samples:
    """How many packages of each project are outdated, since when, and how far the last of them is behind."""
    reports = list(looks.reports())
    refuse_none(looks, [report.outdated for report in reports])
    for report in reports:
        if report.outdated is None:
            continue
        of = {"ecosystem": report.ecosystem, "project": report.project}
        yield metrics.OUTDATED(report.outdated.outdated, **of)
        yield metrics.SINCE(report.outdated.since, **of)
        yield metrics.LAG(report.outdated.lag, **of)


@read
def vulnerabilities(looks: Looks) -> Remarking:
    """How many vulnerabilities each project has by severity, and when the oldest was first seen."""
    overdue: list[str] = []
    count = 0
    reports = list(looks.reports())
    refuse_none(looks, [report.known for report in reports])
    for report in reports:
        if report.known is None:
            continue
        of = {"ecosystem": report.ecosystem, "project": report.project}
        for severity in SEVERITIES:
            yield metrics.VULNERABILITIES(report.known.counts[severity], **of, severity=severity)
            yield metrics.FIRST_SEEN(report.known.first.get(severity), **of, severity=severity)
        named = list(_overdue(looks.settings, report.project, report.known))
        overdue += named
        count += max(len(named), _counted(looks.settings, report.known))
    more = f" and {count - _MOST_NAMED} more" if count > _MOST_NAMED else ""
    return f"past their deadline: {', '.join(overdue[:_MOST_NAMED])}{more}" if overdue else ""


@read
def deadlines(looks: Looks) -> Samples:
    """How long vulnerabilities may stay, by severity."""
    for severity in SEVERITIES:
        yield metrics.DEADLINE(looks.settings.deadlines.of(severity), severity=severity)


@read
def scans(looks: Looks) -> Samples:
    """When each project was scanned last, how often it is meant to be, and how many packages could not be told of."""
    for scan in looks.scans:
        for part in scan.parts:
            yield metrics.INTERVAL(
                looks.settings.scan_interval, ecosystem=scan.ecosystem, project=scan.project, part=part
            )
    for report in looks.reports():
        for part, told in _parts(report):
            of = {"ecosystem": report.ecosystem, "project": report.project, "part": part}
            yield metrics.SCANNED(report.time, **of)
            yield metrics.PACKAGES(told[0], **of)
            yield metrics.UNSCANNED(told[1], **of)


@read
def unanswered(looks: Looks) -> Samples:
    """No metrics: fails where a project could not be scanned when that was tried last, and says which and why."""
    troubles = list(looks.troubles())
    together(trouble for trouble in troubles if not isinstance(trouble, NotApplicable))
    for early in troubles:
        raise early
    yield from ()


def refuse_none(looks: Looks, told: Sequence[object]) -> None:
    """Refuse to be well with nothing to tell."""
    if not any(told):
        early = any(trouble.early for trouble in looks.troubles())
        raise NotApplicable("no scan for it has worked yet", early=early)


def _parts(report: Report) -> Iterator[tuple[str, tuple[int, int]]]:
    if report.outdated is not None:
        yield "updates", (report.outdated.packages, report.outdated.unscanned)
    if report.known is not None:
        yield "vulnerabilities", (report.known.packages, report.known.unscanned)


def _overdue(settings: DependencySettings, project: str, known: Known) -> Iterator[str]:
    for severity, first, called in known.named:
        if _is_overdue(settings, severity, first):
            yield f"{project}: {called}, {severity}"


def _counted(settings: DependencySettings, known: Known) -> int:
    """Return how many are past their deadline, with those that are kept without a name."""
    return sum(_is_overdue(settings, severity, first) for severity, times in known.times.items() for first in times)


def _is_overdue(settings: DependencySettings, severity: str, first: float) -> bool:
    deadline = settings.deadlines.of(severity)
    return deadline is not None and time.time() - first > deadline
