"""What a probe that speaks TLS can be told of it, and what is trusted by that."""

import ssl
from dataclasses import dataclass

from exporter.fetchline import trusted
from exporter.models import Problems
from exporter.setting import FilePath, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSSettings:
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
        if bool(self.client_cert) != bool(self.client_key):
            yield "client_cert" if self.client_cert else "client_key", "stands alone; expected both files"
        if self.insecure_skip_verify and self.ca_file:
            yield "ca_file", "is not looked at with insecure_skip_verify; expected only one of them"
        if not is_name(self.server_name or "name"):
            yield "server_name", "is no name; expected such as shop.example.com"

    def context(self) -> ssl.SSLContext:
        """Return what TLS trusts and shows; Trouble where its files cannot be used."""
        cert = (self.client_cert, self.client_key) if self.client_cert else None
        return trusted(False if self.insecure_skip_verify else self.ca_file or True, cert)


def is_name(text: str) -> bool:
    """Tell whether a text can be the name or the address of a host."""
    try:
        return text.isprintable() and not set(text) & set(" /@") and bool(text.encode("idna")) and text[0] != "."
    except UnicodeError:
        return False
