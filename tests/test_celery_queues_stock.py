"""The age of a stock is never told too high, whatever happens to it."""

import random
from itertools import pairwise

import pytest

from exporter.collectors.celery.stock import Stock


class Broker:
    """A queue whose figures are told late, each by a lateness of its own."""

    def __init__(self, seed: int, lag: float) -> None:
        self.chance = random.Random(seed)
        self.lag = lag
        self.waiting: list[float] = []  # when each came
        self.taken: list[float] = []
        self.history: list[tuple[float, int, int, int]] = []
        self.came = self.went = 0

    def live(self, now: float) -> None:
        """Let a second pass."""
        for _ in range(self.chance.choice((0, 0, 1, 3))):
            self.waiting.append(now)
            self.came += 1
        for _ in range(self.chance.choice((0, 0, 1, 3, 4))):
            if self.waiting:
                place = 0 if self.chance.random() < 0.9 else self.chance.randrange(len(self.waiting))
                self.taken.append(self.waiting.pop(place))
                self.went += 1
        if self.taken and self.chance.random() < 0.1:  # put back
            self.waiting.insert(0, self.taken.pop())
        if self.chance.random() < 0.01:  # purged
            self.waiting.clear()
        self.taken = self.taken[-5:]
        self.history.append((now, len(self.waiting), self.came, self.went))

    def late(self, now: float) -> tuple[int, int, int]:
        """Return what would be told: each figure as it was some seconds ago."""
        return tuple(self._at(now - self.chance.uniform(0, self.lag))[field] for field in (1, 2, 3))  # type: ignore[return-value]

    def _at(self, moment: float) -> tuple[float, int, int, int]:
        return next((seen for seen in reversed(self.history) if seen[0] <= moment), (0, 0, 0, 0))


@pytest.mark.parametrize("seed", range(40))
def test_a_lower_bound_however_late_figures_are(seed: int) -> None:
    broker, stock = Broker(seed, lag=7.0), Stock(in_order=True)
    oldest: dict[int, float] = {}  # when the oldest that waited had come, by second
    told = 0
    for second in range(1, 600):
        broker.live(float(second))
        oldest[second] = min(broker.waiting, default=float(second))
        if second % 5 == 0:
            since = stock.see(second, *broker.late(second))
            if since is not None:
                told += 1
                # right for some moment of what is told, which is not of this second
                assert any(since >= oldest[then] for then in range(max(1, second - 30), second + 1)), second
    assert told > 20


def test_what_nobody_takes_is_as_old_as_it_is() -> None:
    stock = Stock(in_order=True)
    assert stock.see(0, 0, 100, 100) is None
    ages = {stock.see(second, 3 + second // 10, 103 + second // 10, 100) for second in range(10, 7200, 5)}
    assert ages <= {10, 15, 20, 25}  # figures of before may have been told late, so it is safe only after a while
    assert stock.see(7200, 723, 823, 100) == 20


def test_what_flows_is_young() -> None:
    stock = Stock(in_order=True)
    for second in range(5, 3600, 5):
        since = stock.see(second, 50, 10 * second, 10 * second)
        assert since is not None
        assert second - since <= 15


def test_a_purge_between_two_looks() -> None:
    stock = Stock(in_order=True)
    stock.see(0, 100, 100, 0)
    for second in range(5, 60, 5):
        stock.see(second, 100, 100, 0)
    assert stock.see(60, 100, 100, 0) == 0
    # all were thrown away, and as many have come since
    assert stock.see(65, 100, 200, 0) == 65


def test_dead_letters_come_in_uncounted() -> None:
    stock = Stock(in_order=True)
    for second in range(0, 600, 5):
        since = stock.see(second, 10, 0, second)  # one goes out a second, and one comes in that nobody counts
        assert since is not None
        assert second - since <= 25


def test_a_count_that_began_again() -> None:
    stock = Stock(in_order=False)
    for second in range(0, 100, 5):
        stock.see(second, 4, 1000)
    assert stock.see(100, 4, 1000) == 0
    assert stock.see(105, 4, 3) == 105  # the node was started anew


def test_few_marks_are_kept_and_go_on_after_a_restart() -> None:
    stock = Stock(in_order=True)
    for second in range(0, 100_000, 5):
        stock.see(second, 1_000_000 + second, second, 0)
    kept = stock.kept()
    assert len(kept["marks"]) == 16
    assert len(kept["recent"]) <= 6
    assert Stock(kept, in_order=True).see(200_000, 1_000_000, 100_000, 0) == 0
    # some of what is remembered is young, so that a stock that begins to move gets younger bit by bit
    ages = sorted(100_000 - mark.at for mark in kept["marks"])
    assert all(later <= 3 * max(earlier, 10) for earlier, later in pairwise(ages))
