"""Queries of dashboards, asked of a real Prometheus until each gives data."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from tests import dashboards
from tests.alerting import Way
from tests.support import until

FROM_OUTSIDE: Final = ("certificate", "page", "probe")
"""Dashboards of what is looked at from outside, which has an exporter of its own in the tests."""


def unanswered(way: Way, area: str, empty: Iterable[str], seconds: float) -> list[tuple[str, str]]:
    """Return panels and queries of a dashboard that give nothing in time, without those that are known to."""
    asked = [(panel, expr) for dashboard, panel, expr in dashboards.queries(rate_interval="2m") if dashboard == area]
    assert len(asked) > 10
    waiting = [one for one in asked if not any(part in one[1] for part in empty)]

    def all_answered() -> bool:
        waiting[:] = [one for one in waiting if not way.prometheus.query(one[1])]
        return not waiting

    with suppress(AssertionError):  # what is still waited for is returned
        until(all_answered, seconds)
    return waiting
