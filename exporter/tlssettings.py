"""What a probe that speaks TLS can be told of it, and what is trusted by that."""

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.fetchline import PATIENCE, Certificate, Trust, trusted
from exporter.models import Problems
from exporter.setting import FilePath, setting


class Trusting:
    """What the keys of settings say of whom TLS trusts, and of what it shows of itself."""

    __slots__ = ()

    if TYPE_CHECKING:
        insecure_skip_verify: bool
        ca_file: str
        client_cert: str
        client_key: str

    @property
    def verify(self) -> Trust:
        """Whether the server's certificate must be good, or the path of the authorities to ask."""
        return False if self.insecure_skip_verify else self.ca_file or True

    @property
    def cert(self) -> Certificate:
        """The paths of the client's certificate and its key; None where it shows none."""
        return (self.client_cert, self.client_key) if self.client_cert else None

    def check_trust(self) -> Problems:
        """Find keys that contradict each other."""
        if bool(self.client_cert) != bool(self.client_key):
            yield "client_cert" if self.client_cert else "client_key", "stands alone; expected both files"
        if self.insecure_skip_verify and self.ca_file:
            yield "ca_file", "is not looked at with insecure_skip_verify; expected only one of them"

    def context(self, seconds: float = PATIENCE) -> ssl.SSLContext:
        """Return what TLS trusts and shows; Unable where its files cannot be used, or are not read in time."""
        return trusted(self.verify, self.cert, seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSSettings(Trusting):
    """Whom a probe trusts, what it shows of itself, and the name that it asks for."""

    server_name: str = setting(
        "",
        help="The name that TLS asks for, and that the certificate must have, where it is not the host.",
        example="shop.example.com",
    )
    ca_file: FilePath = setting(
        "", help="Authorities to trust for this server, as PEM, instead of the system's.", example="/etc/ssl/our-ca.pem"
    )
    client_cert: FilePath = setting("", help="A client certificate to show, as PEM.", example="/etc/ssl/client.pem")
    client_key: FilePath = setting("", help="Its key, as PEM without a passphrase.", example="/etc/ssl/client.key")
    insecure_skip_verify: bool = setting(
        False, help="Whether any certificate of the server is taken; who can answer in its place then can lie."
    )

    def check(self) -> Problems:
        """Find what contradicts itself, and a name that is none."""
        yield from self.check_trust()
        if not is_name(self.server_name or "name"):
            yield "server_name", "is no name; expected such as shop.example.com"


def is_name(text: str) -> bool:
    """Tell whether a text can be the name or the address of a host."""
    try:
        return text.isprintable() and not set(text) & set(" /@") and bool(text.encode("idna")) and text[0] != "."
    except UnicodeError:
        return False
