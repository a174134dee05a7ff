"""How busy minutes were: one alone says little, as a limit of a minute is whole again after it."""

from collections.abc import Mapping
from typing import Final

_ON_END: Final = 3
_MINUTE: Final = 60


def busiest(minutes: Mapping[int, float]) -> float:
    """Return the most that was used in each of three minutes on end, by the use of minutes by their beginning."""
    runs = ([minutes.get(start + number * _MINUTE, 0.0) for number in range(_ON_END)] for start in minutes)
    return max(map(min, runs), default=0.0)
