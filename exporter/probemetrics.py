"""What every probe says of what it saw, by the names of blackbox_exporter."""

import ipaddress
from functools import lru_cache
from typing import Final

from exporter.metric import Samples, gauge
from exporter.probeline import Sight

SUCCESS = gauge("probe_success", "1 where the last probe went as it should, 0 where it did not.", source="the probe")
DURATION = gauge("probe_duration_seconds", "How long the last probe took, also where it failed.", source="the probe")
LOOKUP = gauge("probe_dns_lookup_time_seconds", "How long the look-up of the host's name took.", source="name service")
IP_PROTOCOL = gauge("probe_ip_protocol", "Whether the address is of IPv4 or IPv6 (4 or 6).", source="the probe")
IP_ADDR_HASH = gauge(
    "probe_ip_addr_hash", "A hash of the address: it changes when the address does.", source="the probe"
)
BY_PATTERN = gauge(
    "probe_failed_due_to_regex",
    "1 where the probe failed as a pattern was, or was not, in what came.",
    source="the probe",
)
METRICS: Final = (SUCCESS, DURATION, LOOKUP, IP_PROTOCOL, IP_ADDR_HASH, BY_PATTERN)

_FNV_OFFSET: Final = 2166136261
_FNV_PRIME: Final = 16777619


def sight_samples(sight: Sight) -> Samples:
    """Yield where the host was found, and how long that took."""
    yield LOOKUP(sight.looked_up)
    if sight.address:
        yield IP_PROTOCOL(sight.ip_protocol)
        yield IP_ADDR_HASH(_hashed(sight.address))


@lru_cache(maxsize=4096)
def _hashed(address: str) -> int:
    """Return the 32 bit FNV-1a hash of an address, as blackbox_exporter makes it."""
    found = _FNV_OFFSET
    for byte in ipaddress.ip_address(address.partition("%")[0]).packed:
        found = (found ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return found
