"""What a target of the collector `alertmanager` can be told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from exporter.models import Problems
from exporter.request import RequestSettings
from exporter.setting import Bytes, FilePath, Pattern, Secret, SecretURL, setting

_EXPECTED: Final = "expected http://HOST:PORT or https://HOST:PORT, with its --web.route-prefix if it has one"


@dataclass(frozen=True, slots=True)
class AlertmanagerSettings:
    """Which Alertmanager, how it lets us in, and what is no incident."""

    url: SecretURL = setting(
        help="Its address, without /api. Of a cluster one member is enough, as Prometheus tells all; with a target for "
        "each member an overdue incident is told once for each.",
        example="http://127.0.0.1:9093",
    )
    username: str = setting("", help="The user, where it or a proxy before it asks for one.", example="exporter")
    password: Secret | None = setting(None, help="The password of `username`.", example='"${ALERTMANAGER_PASSWORD}"')
    bearer_token: Secret | None = setting(
        None, help="A token to show instead of a user and a password.", example='"${ALERTMANAGER_TOKEN}"'
    )
    headers: Mapping[str, Secret] = setting(
        {}, help="More headers to send, such as the tenant that some ask for.", example="{X-Scope-OrgID: shop}"
    )
    ca_file: FilePath = setting(
        "", help="The authorities that may have signed its certificate, as PEM; the system's if empty."
    )
    client_cert: FilePath = setting("", help="A client certificate to show, as PEM.", example="/etc/ssl/client.pem")
    client_key: FilePath = setting("", help="Its key, as PEM without a passphrase.", example="/etc/ssl/client.key")
    ignore: Pattern = setting(
        "^(Watchdog|InfoInhibitor)$",
        help="Regular expression of the names of alerts that are no incidents, such as those that always fire. "
        "IncidentResponseOverdue and IncidentResolutionOverdue never count, being about incidents.",
    )
    max_bytes: Bytes = setting(16 << 20, help="How large one answer may be; an alert takes about 1kB.")

    def is_ignored(self, alert: str) -> bool:
        """Tell whether an alert of this name is no incident."""
        return bool(self.ignore and re.search(self.ignore, alert))

    def request(self, path: str) -> RequestSettings:
        """Return the request for a path of the API."""
        url = SecretURL(self.url.reveal().rstrip("/") + path, self.url.origin)
        return RequestSettings(
            url=url,
            username=self.username,
            password=self.password,
            bearer_token=self.bearer_token,
            headers=self.headers,
            ca_file=self.ca_file,
            client_cert=self.client_cert,
            client_key=self.client_key,
            max_bytes=self.max_bytes,
        )

    def check(self) -> Problems:
        """Find what no request could be made of, and an address that is not the place of an Alertmanager."""
        problems = list(self.request("").check())
        yield from problems
        if "url" in dict(problems):
            return
        parts = urlsplit(self.url.reveal())
        if parts.query or parts.fragment:
            yield "url", f"has more than a place; {_EXPECTED}"
        if "/api/" in f"{parts.path}/":
            yield "url", f"leads into the API, whose paths are added to it; {_EXPECTED}"
