"""What is left of each limit, by headers where a call had them, else by the provider's reports."""

import time
from typing import Final

from exporter.collector import Members, NotApplicable, read
from exporter.collectors.api.found import Quota
from exporter.collectors.api.looks import Looks
from exporter.collectors.api.metrics import QUOTA_LIMIT, QUOTA_REMAINING, QUOTA_RESET
from exporter.metric import Samples

_STANDS: Final = 120.0  # seconds for which what was left stands after its limit was whole again: looks are as far apart


@read(members=Members(("model",), 20, QUOTA_LIMIT))
def quotas(looks: Looks) -> Samples:
    """The limits of the provider, what is left of them, and when they are whole again."""
    known: dict[tuple[str, str, str], Quota] = {}
    for found in looks.reports().values():  # what stands first counts: headers are of now, reports are late
        for quota in found.quotas:
            before = known.get(quota[:3])
            if before is None or (_is_over(before) and quota.remaining is not None and not _is_over(quota)):
                known[quota[:3]] = quota
    if not known:
        raise NotApplicable("nothing that was asked says what its limits are", early=not looks.reports())
    for quota in map(_as_it_is_now, known.values()):
        labels = {"model": quota.model, "quota": quota.quota, "window": quota.window}
        yield QUOTA_LIMIT(quota.limit, **labels)
        yield QUOTA_REMAINING(quota.remaining, **labels)
        yield QUOTA_RESET(quota.reset, **labels)


def _is_over(quota: Quota) -> bool:
    """Tell whether the limit is whole again since: what was left of it then says nothing any more."""
    return quota.reset is not None and quota.reset < time.time() - _STANDS


def _as_it_is_now(quota: Quota) -> Quota:
    """Return a quota without what is over: its limit stays, and what is left of it nobody knows."""
    return quota._replace(remaining=None, reset=None) if _is_over(quota) else quota
