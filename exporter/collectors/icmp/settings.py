"""What a target of the collector `icmp` can be told."""

from dataclasses import dataclass

from exporter.models import Problems
from exporter.probeline import Family
from exporter.setting import setting
from exporter.tlssettings import is_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ICMPSettings:
    """Which host is pinged, and how."""

    host: str = setting(help="The host, by name or address.", example="gateway.example.com")
    ip_family: Family = setting("any", help="Which addresses of the host are taken; `any` is all, in their own order.")
    payload_size: int = setting(56, help="How many bytes are sent along.")
    hop_limit: int | None = setting(None, help="How many hops it may take to get there.", example="64")

    def check(self) -> Problems:
        """Find a host that is none, and numbers out of range."""
        if not self.host or not is_name(self.host):
            yield "host", "is no host; expected a name or an address, such as gateway.example.com"
        if not 8 <= self.payload_size <= 65_000:
            yield "payload_size", "is out of range; expected 8 to 65000"
        if self.hop_limit is not None and not 1 <= self.hop_limit <= 255:
            yield "hop_limit", "is out of range; expected 1 to 255"
