"""What a target of the collector `alertmanager` can be told."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from exporter.models import Problems
from exporter.request import RequestSettings
from exporter.setting import Bytes, Pattern, SecretURL, setting

_EXPECTED: Final = "expected http://HOST:PORT or https://HOST:PORT, with its --web.route-prefix if it has one"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerSettings(RequestSettings):
    """Which Alertmanager, how it lets us in, and what is no incident."""

    url: SecretURL = setting(
        help="Its address, without /api. Of a cluster one member is enough, as Prometheus tells all; with a target for "
        "each member an overdue incident is told once for each.",
        example="http://127.0.0.1:9093",
    )
    max_bytes: Bytes = setting(16 << 20, help="How large one answer may be; an alert takes about 1kB.")
    ignore: Pattern = setting(
        "^(Watchdog|InfoInhibitor)$",
        help="Regular expression of the names of alerts that are no incidents, such as those that always fire. "
        "IncidentResponseOverdue and IncidentResolutionOverdue never count, being about incidents.",
    )

    def is_ignored(self, alert: str) -> bool:
        """Tell whether an alert of this name is no incident."""
        return bool(self.ignore and re.search(self.ignore, alert))

    def check(self) -> Problems:
        """Find what no request could be made of, and an address that is not the place of an Alertmanager."""
        problems = list(RequestSettings.check(self))
        yield from problems
        if "url" in dict(problems):
            return
        parts = urlsplit(self.url.reveal())
        if parts.query or parts.fragment:
            yield "url", f"has more than a place; {_EXPECTED}"
        if "/api/" in f"{parts.path}/":
            yield "url", f"leads into the API, whose paths are added to it; {_EXPECTED}"
