"""What a probe says of the certificates and of the TLS that a server showed, by the names of blackbox_exporter."""

import re
from functools import lru_cache
from typing import Final

from exporter.certificates import Certificate, UnreadableError, certificate, earliest_end, label_of, library
from exporter.collector import Unable
from exporter.metric import Samples, gauge, info
from exporter.probeline import Shown

EARLIEST = gauge(
    "probe_ssl_earliest_cert_expiry",
    "When the first of the certificates that the server shows ends, in Unix time.",
    source="the TLS handshake",
)
LAST_CHAIN = gauge(
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    "When the chain by which the certificate was found good ends; no sample where it was not.",
    source="the TLS handshake",
)
CHAIN_INFO = info(
    "probe_ssl_last_chain_info",
    "What the server's own certificate says.",
    labels=("fingerprint_sha256", "subject", "issuer", "subjectalternative", "serialnumber"),
    source="the TLS handshake",
)
VERSION_INFO = info(
    "probe_tls_version_info", "The version of TLS that was agreed on.", labels=("version",), source="the TLS handshake"
)
CIPHER_INFO = info(
    "probe_tls_cipher_info",
    "The cipher suite that was agreed on, by its name at IANA.",
    labels=("cipher",),
    source="the TLS handshake",
)
VERIFIED = gauge(
    "runbook_probe_tls_verified",
    "1 where the server's certificate was found good, 0 where it was not; no sample where nobody asked.",
    source="the TLS handshake",
)
METRICS: Final = (EARLIEST, LAST_CHAIN, CHAIN_INFO, VERSION_INFO, CIPHER_INFO, VERIFIED)

_EXCHANGES: Final = {
    "ECDHE-ECDSA": "ECDHE_ECDSA", "ECDHE-RSA": "ECDHE_RSA", "ECDHE-PSK": "ECDHE_PSK", "DHE-RSA": "DHE_RSA",
    "DHE-DSS": "DHE_DSS", "DHE-PSK": "DHE_PSK", "RSA-PSK": "RSA_PSK", "PSK": "PSK", "ADH": "DH_anon",
    "AECDH": "ECDH_anon", "ECDHE": "ECDHE_RSA",
}  # fmt: skip
"""How OpenSSL and IANA write who agrees on a key and how; where OpenSSL writes nothing, it is RSA."""
_RENAMED: Final = (
    (re.compile(r"^DES-CBC3-"), "3DES-EDE-CBC-"),
    (re.compile(r"^RC4-"), "RC4-128-"),
    (re.compile(r"^(AES|ARIA|CAMELLIA)(?=\d)"), r"\1-"),
    (re.compile(r"^((?:AES|ARIA|CAMELLIA)-\d+)-(?=SHA)"), r"\1-CBC-"),
    (re.compile(r"CCM8$"), "CCM-8"),
    (re.compile(r"POLY1305$"), "POLY1305-SHA256"),
)


def shown_samples(shown: Shown | None) -> Samples:
    """Yield what a handshake showed; nothing where there was none, and no dates without the library that reads them."""
    if shown is None:
        return
    if not library_lacking(shown):
        yield EARLIEST(earliest_end(shown.chain))
        yield LAST_CHAIN(earliest_end(shown.trusted))
        yield from _own(shown)
    if shown.version:  # a second look at what did not verify may fail
        yield VERSION_INFO(1, version=shown.version)
        yield CIPHER_INFO(1, cipher=iana(shown.cipher))
    yield VERIFIED(shown.verified)


def library_lacking(shown: Shown | None) -> str:
    """Return that nothing can read the certificates that were shown, with the remedy; nothing where something can."""
    if shown is None or not shown.chain:
        return ""
    try:
        library()
    except Unable as unable:
        return f"when the certificates end is not known, as they need the library cryptography: {unable.fix}"
    return ""


def _own(shown: Shown) -> Samples:
    """Yield what the server's own certificate says, where it is one that can be read."""
    try:
        found = certificate(shown.chain[0]) if shown.chain else None
    except UnreadableError:
        found = None
    if found is not None:
        yield CHAIN_INFO(1, **_labels(found))


def _labels(found: Certificate) -> dict[str, str]:
    return {
        "fingerprint_sha256": found.sha256,
        "subject": label_of(found.subject.text),
        "issuer": label_of(found.issuer.text),
        "subjectalternative": label_of(",".join(found.names)),
        "serialnumber": found.serial_hex,
    }


@lru_cache(maxsize=256)
def iana(cipher: str) -> str:
    """Return the name at IANA of a cipher suite that OpenSSL names in its own way."""
    if "_" in cipher:  # TLS 1.3 has one name only
        return cipher
    known = next((name for name in _EXCHANGES if cipher.startswith(f"{name}-")), "")
    rest = cipher.removeprefix(f"{known}-")
    for pattern, replacement in _RENAMED:
        rest = pattern.sub(replacement, rest)
    return f"TLS_{_EXCHANGES.get(known, 'RSA')}_WITH_{rest.replace('-', '_')}"
