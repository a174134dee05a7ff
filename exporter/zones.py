"""Time zones by name, as configurations give them."""

import functools
from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@functools.cache
def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of this name; ValueError where this machine knows none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name[:60]!r} is no time zone here; expected one such as UTC or Europe/Berlin (where all are missing, "
            "install tzdata)"
        ) from None


def check_zone(name: str, key: str = "timezone") -> Iterator[tuple[str, str]]:
    """Find a time zone that this machine does not know; no name stands for its own."""
    try:
        if name:
            zone_named(name)
    except ValueError as error:
        yield key, str(error)
