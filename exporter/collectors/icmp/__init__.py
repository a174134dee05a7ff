"""Hosts, pinged: whether they reply, and how soon."""

import socket
import time
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.icmp.echo import Echo, Reply, exchange, opened
from exporter.collectors.icmp.settings import ICMPSettings
from exporter.deadline import Cancel, Deadline
from exporter.metric import Samples, gauge
from exporter.packets import arriving
from exporter.probeline import Place, Sight, located, share, unable
from exporter.probemetrics import METRICS, sight_samples
from exporter.probing import Finding, Probe

__all__ = ["ICMP", "METRICS"]

DURATION = gauge(
    "probe_icmp_duration_seconds",
    "How long each phase took: resolve, setup, and rtt, which is the way there and back.",
    labels=("phase",),
    source="the probe",
)
HOP_LIMIT = gauge(
    "probe_icmp_reply_hop_limit", "The hop limit that the reply came with (TTL in IPv4).", source="the reply"
)
_FIREWALLS: Final = "see whether it is up, and whether a firewall drops ICMP on the way"


class ICMP(Probe):
    """A host, by an echo request over ICMP."""

    Settings = ICMPSettings
    settings: ICMPSettings

    def probe(self, deadline: Deadline, cancel: Cancel) -> Finding:
        visit = _Visit(self.settings, deadline, cancel)
        found: Trouble | None = None
        try:
            visit.go()
        except Trouble as trouble:
            found = trouble
        except (OSError, ValueError) as error:
            found = unable(error) or _meaning(self.settings.host, deadline, error)
        return Finding(tuple(visit.samples()), deadline.spent(), found)


class _Visit:
    """One probe on its way, and what it saw so far."""

    def __init__(self, settings: ICMPSettings, deadline: Deadline, cancel: Cancel) -> None:
        self._settings, self._deadline, self._cancel = settings, deadline, cancel
        self.sight = Sight()
        self.setup: float | None = None
        self.reply: Reply | None = None

    def go(self) -> None:
        settings = self._settings
        found = located(Place(settings.host, 0, settings.ip_family), self._deadline, self.sight)
        for number, (family, _, _, _, address) in enumerate(found, 1):
            try:
                self._ask(family, address, Deadline(share(self._deadline, len(found) - number)))
            except OSError:
                if number == len(found) or self._cancel.cancelled:
                    raise
            else:
                return

    def _ask(self, family: int, address: Any, deadline: Deadline) -> None:
        begun = time.monotonic()
        self.sight.address = str(address[0])
        packets, raw = opened(family, self._settings.hop_limit)
        with packets, arriving(packets, self._cancel) as arrivals:
            packets.connect(address)
            echo = Echo(family, self._settings.payload_size)
            self.setup = time.monotonic() - begun
            self.reply = exchange(packets, arrivals, echo, deadline, raw=raw)

    def samples(self) -> Samples:
        """Yield what was seen, as far as it came."""
        yield from sight_samples(self.sight)
        yield DURATION(self.sight.resolve, phase="resolve")
        yield DURATION(self.setup, phase="setup")
        if self.reply is not None:
            yield DURATION(self.reply.seconds, phase="rtt")
            yield HOP_LIMIT(self.reply.hop_limit)


def _meaning(host: str, deadline: Deadline, error: Exception) -> Trouble:
    """Return what an error means to a person."""
    if isinstance(error, TimeoutError):
        return Trouble(f"no reply from {host} within {deadline.seconds:g} s", _FIREWALLS)
    if isinstance(error, socket.gaierror):
        return Trouble(f"the host {host} is not known ({error.strerror})", "correct the name, or name service")
    if isinstance(error, OSError):
        return Trouble(f"{host} cannot be reached ({error.strerror or error})", _FIREWALLS)
    return Trouble(f"{host} is no name that can be looked up", "correct the name")
