"""TLS as the web configuration asks for it: its settings, and the context that OpenSSL makes of them."""

import ipaddress
import os
import ssl
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from exporter.models import Problems
from exporter.setting import FilePath, Secret, setting
from exporter.source import nearest

VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_OLD_VERSIONS: Final = ("SSL30", "TLS10", "TLS11")
CLIENT_AUTH: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
# The names of Go's crypto/tls, which are IANA's, and OpenSSL's for the same suites of TLS 1.2.
SUITES: Final = {
    f"TLS_ECDHE_{key}_WITH_{name}": f"ECDHE-{key}-{openssl}"
    for key in ("ECDSA", "RSA")
    for name, openssl in (
        ("AES_128_CBC_SHA", "AES128-SHA"), ("AES_256_CBC_SHA", "AES256-SHA"),
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"), ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
    )
}  # fmt: skip
SUITES_OF_13: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
CURVES: Final = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_LARGEST_FILE: Final = 1 << 20


class RefusedError(Exception):
    """A setting cannot be put into force; `key` is its name."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


@dataclass(frozen=True, slots=True)
class TLSServer:
    """The section tls_server_config."""

    cert: str = setting("", help="The certificate, and those between it and its authority, as PEM.")
    cert_file: FilePath = setting("", help="The file that holds it.")
    key: Secret | None = setting(None, help="The private key, as PEM.")
    client_auth_type: str = setting("NoClientCert", help="Which certificates clients must have.")
    client_ca: str = setting("", help="The authorities of the clients' certificates, as PEM.")
    client_ca_file: FilePath = setting("", help="The file that holds them.")
    client_allowed_sans: tuple[str, ...] = setting((), help="Alternative names of which a client's must have one.")
    min_version: str = setting("TLS12", help="The least version.")
    max_version: str = setting("TLS13", help="The greatest version.")
    cipher_suites: tuple[str, ...] = setting((), help="The suites of TLS 1.2.")
    prefer_server_cipher_suites: bool = setting(True, help="Whether the order of the suites here counts.")
    curve_preferences: tuple[str, ...] = setting((), help="The curve for the exchange of keys.")

    def check(self) -> Problems:
        """Find what contradicts itself, and what this exporter cannot do or will not."""
        yield from self._check_own()
        yield from self._check_versions()
        yield from self._check_suites()
        yield from self._check_clients()

    def _check_own(self) -> Problems:
        if self.cert and self.cert_file:
            yield "cert_file", "stands beside cert; expected only one of them, so remove the other"
        if not self.cert and not self.cert_file:
            yield "cert_file", "is missing; expected the path of the certificate, as `cert_file: server.crt`"
        if self.key is None:
            yield "key_file", "is missing; expected the path of the private key, as `key_file: server.key`"

    def _check_versions(self) -> Problems:
        for key, version in (("min_version", self.min_version), ("max_version", self.max_version)):
            if version in _OLD_VERSIONS:
                yield key, f"is {version}, which is broken and not spoken here; expected TLS12 or TLS13"
            elif version not in VERSIONS:
                yield key, f"is no version; {nearest(version, list(VERSIONS))}"
        if (self.min_version, self.max_version) == ("TLS13", "TLS12"):
            yield "max_version", "is below min_version, which lets nobody in; expected TLS13"

    def _check_suites(self) -> Problems:
        known = [*SUITES, *SUITES_OF_13]
        for name in self.cipher_suites:
            if name not in known:
                yield "cipher_suites", f"there is no suite {name[:60]!r} that is held safe; {nearest(name, known)}"
        only_of_13 = bool(self.cipher_suites) and set(self.cipher_suites) <= set(SUITES_OF_13)
        if only_of_13 and self.min_version != "TLS13":
            yield "cipher_suites", "names no suite of TLS 1.2; add one, or set min_version: TLS13"
        for name in self.curve_preferences:
            if name not in CURVES:
                yield "curve_preferences", f"there is no curve {name[:60]!r}; {nearest(name, list(CURVES))}"
        if len(self.curve_preferences) > 1:
            yield "curve_preferences", "names several, of which Python can set but one; name one, or leave it out"

    def _check_clients(self) -> Problems:
        policy = self.client_auth_type
        if policy in _UNVERIFIED:
            remedy = "expected RequireAndVerifyClientCert, with client_ca_file"
            yield "client_auth_type", f"is {policy}, which verifies nothing and cannot be had here; {remedy}"
        elif policy not in CLIENT_AUTH:
            yield "client_auth_type", f"is no policy; {nearest(policy, list(CLIENT_AUTH))}"
        if self.client_ca and self.client_ca_file:
            yield "client_ca_file", "stands beside client_ca; expected only one of them, so remove the other"
        authorities = self.client_ca or self.client_ca_file
        if authorities and policy == "NoClientCert":
            key = "client_ca" if self.client_ca else "client_ca_file"
            yield key, "has no effect without client_auth_type; add `client_auth_type: RequireAndVerifyClientCert`"
        if not authorities and policy in CLIENT_AUTH and policy != "NoClientCert":
            yield "client_auth_type", "needs the authority of the clients' certificates; add client_ca_file"
        if self.client_allowed_sans and policy != "RequireAndVerifyClientCert":
            remedy = "expected that with client_auth_type: RequireAndVerifyClientCert"
            yield "client_allowed_sans", f"has no effect on clients that need not show a certificate; {remedy}"


def context(settings: TLSServer) -> ssl.SSLContext:
    """Return the context for new connections; RefusedError where a certificate, a key or a curve cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = VERSIONS[settings.min_version]
    made.maximum_version = VERSIONS[settings.max_version]
    made.options |= ssl.OP_NO_RENEGOTIATION  # it costs the server more than who asks for it
    made.num_tickets = 0  # of TLS 1.3: what could be resumed is kept for hours, and scrapers keep their connection
    made.set_alpn_protocols(["http/1.1"])
    if not settings.prefer_server_cipher_suites:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    suites = [SUITES[name] for name in settings.cipher_suites if name in SUITES]
    if suites:
        made.set_ciphers(":".join(suites))
    _set_curve(made, settings.curve_preferences)
    _load_own(made, settings)
    _load_authorities(made, settings)
    return made


def _set_curve(made: ssl.SSLContext, names: Collection[str]) -> None:
    for name in names:
        try:
            made.set_ecdh_curve(CURVES[name])
        except ValueError:
            raise RefusedError("curve_preferences", f"{name} is not known to this OpenSSL; leave it out") from None


def _load_own(made: ssl.SSLContext, settings: TLSServer) -> None:
    cert_key = "cert" if settings.cert else "cert_file"
    cert = settings.cert or _read("cert_file", settings.cert_file)
    key = settings.key.reveal() if settings.key else ""
    if "-----BEGIN CERTIFICATE-----" not in cert:
        raise RefusedError(cert_key, "holds no certificate; expected PEM, with the line -----BEGIN CERTIFICATE-----")
    if "PRIVATE KEY-----" not in key:
        raise RefusedError("key_file", "holds no private key; expected PEM, with a line -----BEGIN PRIVATE KEY-----")
    if "ENCRYPTED" in key:
        remedy = "expected one without, as `openssl pkey -in KEY -out SERVER.KEY` makes it"
        raise RefusedError("key_file", f"holds a private key with a passphrase; {remedy}")
    try:
        with _as_file(f"{cert.strip()}\n{key.strip()}\n") as path:
            # without a callback OpenSSL would ask at the terminal
            made.load_cert_chain(path, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = "is not the key of the certificate; expected the two that were made together"
            raise RefusedError("key_file", problem) from None
        raise RefusedError(cert_key, f"cannot be used with its key ({_reason(error)}); expected PEM") from None
    except OSError as error:  # no descriptor left, or no room: the next look may find some
        remedy = "close what is open, or make room"
        raise RefusedError(cert_key, f"cannot be handed to OpenSSL ({error.strerror or error}); {remedy}") from None


def _load_authorities(made: ssl.SSLContext, settings: TLSServer) -> None:
    authorities = settings.client_ca or (settings.client_ca_file and _read("client_ca_file", settings.client_ca_file))
    if not authorities:
        return
    key = "client_ca" if settings.client_ca else "client_ca_file"
    if "-----BEGIN CERTIFICATE-----" not in authorities:
        raise RefusedError(key, "holds no certificate; expected PEM, with the line -----BEGIN CERTIFICATE-----")
    try:
        made.load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError) as error:
        raise RefusedError(key, f"cannot be used ({_reason(error)}); expected certificates as PEM") from None
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an authority between is trusted as well, as by Go
    made.verify_mode = CLIENT_AUTH[settings.client_auth_type]


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    return (reason or "not PEM").replace("_", " ").lower()


def _read(key: str, path: str) -> str:
    try:
        # O_NONBLOCK, as a named pipe would have us wait for its writer
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            data = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problem = f"{path!r} cannot be read ({reason}); expected a file that the exporter's user may read"
        raise RefusedError(key, problem) from None
    if len(data) > _LARGEST_FILE:
        raise RefusedError(key, "is larger than 1 MiB; is it a certificate?")
    return data.decode("ascii", "ignore")  # names in comments may be anything


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Give the text a path for as long as OpenSSL reads it: in memory where that is possible."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor = os.memfd_create("certificate")
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # readable by its owner alone
        file.write(text)
        file.flush()
        yield file.name


def has_allowed_name(certificate: Mapping[str, Any] | None, allowed: Collection[str]) -> bool:
    """Whether one of the certificate's alternative names is allowed."""
    names = (certificate or {}).get("subjectAltName", ())
    return any(_plain(kind, name) in allowed for kind, name in names)


def _plain(kind: str, name: str) -> str:
    """Return a name as people write it: OpenSSL spells IPv6 addresses out."""
    if kind != "IP Address":
        return name
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name
