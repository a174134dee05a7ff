"""Certificates as facts: how long they are good, whose they are, who signed them. Each is read once."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import Unable

if TYPE_CHECKING:
    from cryptography import x509

INSTALL: Final = "install it with: pip install 'runbook-exporter[tls]'"
_LONGEST: Final = 500  # letters of a label
_MOST: Final = 2048  # certificates whose facts are kept
_MOST_BYTES: Final = 8 << 20  # of those certificates; their facts take some times as much

_STANDARD: Final = {
    "2.5.4.6": "C", "2.5.4.8": "ST", "2.5.4.7": "L", "2.5.4.9": "STREET", "2.5.4.17": "POSTALCODE", "2.5.4.10": "O",
    "2.5.4.11": "OU", "2.5.4.3": "CN", "2.5.4.5": "SERIALNUMBER",
}  # fmt: skip
"""The parts of a name that have a word of their own, in the order that names are written in, from their end."""
_SINGLE: Final = ("CN", "SERIALNUMBER")  # of several, the last alone is written
_PRINTABLE: Final = re.compile(r"[A-Za-z0-9 '()+,./:=?-]*")


class UnreadableError(ValueError):
    """Not a certificate, or one that breaks the rules so far that nothing can be told of it."""


@dataclass(frozen=True, slots=True)
class Name:
    """Whose a certificate is: each part by its word, such as ("CN", "shop.example.com"), and all as one text."""

    parts: tuple[tuple[str, str], ...]
    text: str

    def part(self, word: str) -> str:
        """Return the part with this word, of several the first, and of common names the last; empty without one."""
        found = [value for known, value in self.parts if known == word]
        return (found[-1] if word in _SINGLE else found[0]) if found else ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The facts of one certificate; times are Unix time, `key` is the SHA-256 of its public key.

    `authority` tells whether it may sign others.
    """

    not_before: float
    not_after: float
    subject: Name
    issuer: Name
    serial: int
    names: tuple[str, ...]
    sha256: str
    key: str
    authority: bool

    @property
    def serial_hex(self) -> str:
        """The serial number in hexadecimal, whole bytes, in small letters."""
        return self.serial.to_bytes((self.serial.bit_length() + 7) // 8, "big").hex() if self.serial > 0 else "00"


class _Kept:
    """The facts of the certificates that were asked for last, as many as memory has room for."""

    def __init__(self) -> None:
        self._facts: dict[bytes, tuple[Certificate, int]] = {}
        self._bytes = 0
        self._lock = Lock()

    def get(self, digest: bytes) -> Certificate | None:
        with self._lock:
            found = self._facts.pop(digest, None)
            if found is None:
                return None
            self._facts[digest] = found  # which is the newest now
            return found[0]

    def put(self, digest: bytes, found: Certificate, size: int) -> None:
        with self._lock:
            if digest not in self._facts:
                self._facts[digest] = found, size
                self._bytes += size
            while len(self._facts) > _MOST or self._bytes > _MOST_BYTES:
                self._bytes -= self._facts.pop(next(iter(self._facts)))[1]


_kept: Final = _Kept()


def label_of(text: str) -> str:
    """Return a text of a certificate as a label: it may have thousands of names."""
    return text[:_LONGEST]


def certificate(der: bytes) -> Certificate:
    """Return the facts of a certificate in DER; UnreadableError where it is none."""
    digest = hashlib.sha256(der).digest()
    found = _kept.get(digest)
    if found is None:
        found = facts(_loaded(der))
        _kept.put(digest, found, len(der))
    return found


def earliest_end(ders: Iterable[bytes]) -> float | None:
    """Return when the first of several certificates ends; None where there is none, or one cannot be read."""
    try:
        return min((certificate(der).not_after for der in ders), default=None)
    except UnreadableError:
        return None


def library() -> Any:
    """Return the module cryptography.x509; Unable where it is not installed."""
    try:
        from cryptography import x509
    except ImportError:
        raise Unable("certificates need the library cryptography", INSTALL) from None
    return x509


def _loaded(der: bytes) -> "x509.Certificate":
    load = library().load_der_x509_certificate  # what broken() asks for would be lacking as well
    try:
        found: x509.Certificate = load(der)
    except broken() as error:
        raise UnreadableError(f"is no certificate that can be read ({error})") from None
    return found


def broken() -> tuple[type[Exception], ...]:
    """Return what the library raises of certificates that break the rules: not all of it is a ValueError."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    kinds = (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
    return (ValueError, TypeError, UnsupportedAlgorithm, *kinds)


def facts(found: "x509.Certificate") -> Certificate:
    """Return the facts of a certificate that the library has read; UnreadableError where it breaks the rules."""
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        return Certificate(
            not_before=found.not_valid_before_utc.timestamp(),
            not_after=found.not_valid_after_utc.timestamp(),
            subject=_name(found.subject),
            issuer=_name(found.issuer),
            serial=found.serial_number,
            names=_names(found),
            sha256=hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest(),
            key=_key(found),
            authority=_is_authority(found),
        )
    except broken() as error:
        raise UnreadableError(f"is no certificate that can be read ({error})") from None


def _names(found: "x509.Certificate") -> tuple[str, ...]:
    from cryptography import x509

    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(extension.value.get_values_for_type(x509.DNSName))


def _is_authority(found: "x509.Certificate") -> bool:
    from cryptography import x509

    try:
        return found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:  # as authorities of the first version of the format have none
        return found.version is x509.Version.v1 and found.issuer == found.subject


def _key(found: "x509.Certificate") -> str:
    try:
        return key_digest(found.public_key())
    except broken():  # of a kind that is not known here; the rest can be told all the same
        return ""


def key_digest(key: Any) -> str:
    """Return the SHA-256 of a public key, by which a private key is known to belong to a certificate."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _name(name: "x509.Name") -> Name:
    """Return a name as Go writes it: in an order of its own, the last first, parts of one kind together."""
    parts = [(one.oid.dotted_string, one.value) for one in name]
    known = tuple((_STANDARD[oid], _text(value)) for oid, value in parts if oid in _STANDARD)
    written = []
    for word in reversed(_STANDARD.values()):
        values = [value for one, value in known if one == word][-1 if word in _SINGLE else None :]
        if values:
            written.append("+".join(f"{word}={_escaped(value)}" for value in values))
    written += [f"{oid}=#{_der(_text(value)).hex()}" for oid, value in reversed(parts) if oid not in _STANDARD]
    return Name(known, ",".join(written))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _escaped(value: str) -> str:
    text = "".join(f"\\{letter}" if letter in ',+"\\<>;' else letter for letter in value)
    if text.startswith((" ", "#")):
        text = f"\\{text}"
    return f"{text[:-1]}\\ " if text.endswith(" ") and len(value) > 1 else text


def _der(value: str) -> bytes:
    """Return a text as ASN.1 has it: a PrintableString where it is one, else a UTF8String."""
    data = value.encode()
    length = len(data).to_bytes((len(data).bit_length() + 7) // 8 or 1, "big")
    head = length if len(data) < 0x80 else bytes([0x80 | len(length)]) + length
    return (b"\x13" if _PRINTABLE.fullmatch(value) else b"\x0c") + head + data
