"""Whether the provider answers, takes the keys, and lets us in."""

import time
from collections.abc import Iterator
from typing import Final

from exporter.collector import read
from exporter.collectors.api.looks import REFUSED_US, Looks
from exporter.collectors.api.metrics import ACCESS, EXHAUSTED, INFO, KEY_VALID, RATE_LIMITED, RETRY, UP
from exporter.collectors.api.verdicts import Noted
from exporter.metric import Remarking, Samples

_REASONS: Final = ("rate", "day", "money")
_OWN: Final = ("main", "engine")
"""The keys whose limits are the application's: a report that is asked for too often stops nobody's work."""


@read
def service(looks: Looks) -> Remarking:
    """Whether the provider answers, which keys it takes, and what it refuses as too much."""
    yield INFO(1, provider=looks.settings.provider)
    noted = looks.verdicts()
    for one in noted:
        if one.look == "look":
            yield UP(one.verdict.up)
    yield from _keys(noted)
    yield from _exhausted(looks)
    yield RATE_LIMITED(looks.counting.totals().get(REFUSED_US, 0), source="exporter")
    for name, left in looks.away().items():
        yield RETRY(round(time.time() + left), read=name)
    return _remark([*noted, *(one for one in looks.limiting() if one not in noted)])


def _keys(noted: list[Noted]) -> Samples:
    """Yield what the newest answer says of each key, and whether it may do what was asked."""
    yield from (KEY_VALID(valid, key=key) for key, valid in _valid(noted).items())
    for one in noted:
        yield ACCESS(one.verdict.allowed, key=one.key, operation=one.look)


def _valid(noted: list[Noted]) -> dict[str, bool]:
    return {one.key: one.verdict.valid for one in noted if one.verdict.valid is not None}


def _exhausted(looks: Looks) -> Samples:
    """Yield what is used up; nothing where no answer tells, and of the money alone where only a report does."""
    told = [report.found.spent for report in looks.reports().values() if report.found.spent is not None]
    own = [one for one in looks.limiting() if one.key in _OWN]
    if not any(one.verdict.up for one in own):
        yield EXHAUSTED(any(told) if told else None, reason="money")
        return
    said = {one.verdict.limit for one in own} | ({"money"} if any(told) else set())
    for reason in _REASONS:
        yield EXHAUSTED(reason in said, reason=reason)


def _remark(noted: list[Noted]) -> str:
    return "; ".join(dict.fromkeys(_said(noted)))


def _said(noted: list[Noted]) -> Iterator[str]:
    for one in noted:
        verdict = one.verdict
        if verdict.reason:
            yield f"{verdict.reason} ({verdict.fix})" if verdict.fix else verdict.reason
