"""How often something may happen, for each of many peers on its own."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

MOST: Final = 4096  # peers remembered, those heard of last


class Buckets:
    """A bucket of `burst` tokens for each key; one token comes back every `interval` seconds.

    Of each key only the moment is kept at which its bucket will be full again.
    """

    def __init__(self, burst: int, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._reserve = (burst - 1) * interval
        self._clock = clock
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, key: Hashable) -> float:
        """Take a token and return 0, or return in how many seconds there will be one."""
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now)
        wait = full_at - now - self._reserve
        if wait > 1e-9:  # less is what adding up floats leaves
            return wait
        self._remember(key, full_at + self._interval)
        return 0.0

    def give_back(self, key: Hashable) -> None:
        """Undo one take()."""
        if key in self._full_at:
            self._remember(key, self._full_at[key] - self._interval)

    def _remember(self, key: Hashable, full_at: float) -> None:
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > MOST:
            self._full_at.popitem(last=False)


def peer_of(address: str) -> str:
    """Return whom an address is counted as: one machine is one peer, with all of a loopback or an IPv6 network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    if parsed.is_loopback:
        return "the loopback"
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
