"""What is made of a row's figures, kept until they are others: most tasks did not run since the last scrape."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final, TypeVar

from exporter.collectors.celery.counts import MOST_ROWS, Key

# Rows of several targets: each scrape goes through all of them in order, so that a cache too small would never hit.
_ROWS: Final = 8 * MOST_ROWS
_FIGURES: Final = 2  # of a row: that of another target may have the same labels

_Figures = TypeVar("_Figures")
_Made = TypeVar("_Made")


def by_row(make: Callable[[Key, _Figures], _Made]) -> Callable[[Key, _Figures], _Made]:
    """Have it called only where a row's figures are other than before; those that were are not kept for long."""

    @lru_cache(_ROWS)
    def of_row(labels: Key) -> Callable[[_Figures], _Made]:
        return lru_cache(_FIGURES)(partial(make, labels))

    return lambda labels, figures: of_row(labels)(figures)
