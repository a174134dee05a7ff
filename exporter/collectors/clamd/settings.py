"""What a target of the collector `clamd` can be told."""

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from exporter.address import parse
from exporter.models import Problems
from exporter.setting import setting
from exporter.zones import check_zone, zone_named

_PORT: Final = 3310


@dataclass(frozen=True, slots=True)
class ClamdSettings:
    """Where clamd listens, and by which clock it tells the time."""

    address: str = setting(
        "/run/clamav/clamd.ctl",
        help="Its socket (LocalSocket of clamd.conf), or HOST[:PORT] of its TCPSocket.",
        example="127.0.0.1:3310",
    )
    timezone: str = setting(
        "",
        help="The time zone that clamd runs in, as it tells its signatures' time without one; without it the "
        "exporter's own. In a container clamd mostly has UTC.",
        example="UTC",
    )

    def check(self) -> Problems:
        """Find addresses and time zones that are none."""
        if not self.address.startswith("/"):
            try:
                self.place()
            except ValueError as error:
                yield "address", f"{error}; or the path of a socket, such as /run/clamav/clamd.ctl"
        yield from check_zone(self.timezone)

    def place(self) -> tuple[str, int]:
        """Return host and port, where it listens on TCP."""
        return parse(self.address, _PORT)

    def zone(self) -> ZoneInfo | None:
        """Return the zone that is named; None for the exporter's own."""
        return zone_named(self.timezone) if self.timezone else None
