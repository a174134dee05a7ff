"""The bounds of the distribution of ages."""

from typing import Final

HOUR: Final = 3600.0
AGES: Final = (300.0, 900.0, HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR)
