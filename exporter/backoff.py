"""How long to leave alone what has just failed."""

import random
from collections.abc import Callable


class Backoff:
    """Doubles the wait with each failure in a row, up to `cap` seconds, less up to half of it by chance."""

    def __init__(self, base: float, cap: float, chance: Callable[[], float] = random.random) -> None:
        self._base = base
        self._cap = cap
        self._chance = chance
        self._failures = 0

    def failed(self) -> float:
        """Count a failure and return the seconds to wait."""
        self._failures += 1
        longest = min(self._cap, self._base * 2.0 ** min(self._failures - 1, 60))
        return longest * (1 - self._chance() / 2)

    def succeeded(self) -> None:
        self._failures = 0
