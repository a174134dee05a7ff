"""What is left of each limit, by headers where a call had them, else by the provider's reports."""

import time
from collections.abc import Iterable, Iterator
from typing import Final

from exporter.collector import NotApplicable, read
from exporter.collectors.api.found import Quota
from exporter.collectors.api.looks import Looks
from exporter.collectors.api.metrics import QUOTA_LIMIT, QUOTA_REMAINING, QUOTA_RESET
from exporter.metric import Samples

_STANDS: Final = 120.0  # seconds for which what was left stands after its limit was whole again: looks are as far apart
_SHORT: Final = ("second", "minute")
_OLD: Final = 900.0  # seconds after which what was left of a short window says nothing, whoever told it


@read
def quotas(looks: Looks) -> Samples:
    """The limits of the provider, what is left of them, and when they are whole again."""
    known: dict[tuple[str, str, str], Quota] = {}
    for quota in _told(looks):  # what stands first counts: headers are of now, reports are late
        before = known.get(quota[:3])
        if before is None or (before.remaining is None and quota.remaining is not None):
            known[quota[:3]] = quota
    if not known:
        raise NotApplicable("nothing that was asked says what its limits are", early=not looks.reports())
    for quota in _scarcest(known.values(), looks.settings.top):
        labels = {"model": quota.model, "quota": quota.quota, "window": quota.window}
        yield QUOTA_LIMIT(quota.limit, **labels)
        yield QUOTA_REMAINING(quota.remaining, **labels)
        yield QUOTA_RESET(quota.reset, **labels)


def _told(looks: Looks) -> Iterator[Quota]:
    """Yield the quotas that refusals tell of, then those of reports, each as far as it still says something."""
    for one in looks.limiting():
        yield from (_as_it_is_now(quota, one.time) for quota in one.quotas)
    for report in looks.reports().values():
        yield from (_as_it_is_now(quota, report.time) for quota in report.found.quotas)


def _as_it_is_now(quota: Quota, told: float) -> Quota:
    """Return a quota without what is over: its limit stays, and what is left of it nobody knows."""
    now = time.time()
    whole_again = quota.reset is not None and quota.reset < now - _STANDS
    if whole_again or (quota.window in _SHORT and told < now - _OLD):
        return quota._replace(remaining=None, reset=None)
    return quota


def _scarcest(quotas: Iterable[Quota], top: int) -> list[Quota]:
    """Return the quotas of so many models, of which the least share is left: those are what people look for."""
    of_all, shares = list(quotas), dict[str, float]()
    for quota in of_all:
        shares[quota.model] = min(_share(quota), shares.get(quota.model, 1.0))
    scarcest = sorted(filter(None, shares), key=lambda model: (shares[model], model))[:top]
    return [quota for quota in of_all if quota.model in ("", *scarcest)]


def _share(quota: Quota) -> float:
    """Return the share that is left, 1 where that is not known."""
    if quota.remaining is None or not quota.limit:
        return 1.0
    return quota.remaining / quota.limit
