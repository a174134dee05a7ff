"""What a file of certificates holds, whichever its format."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from exporter.certificates import Certificate, UnreadableError, broken, certificate, facts, key_digest, library
from exporter.collectors.tls import jks, keystore

_BEGIN: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_CERTIFICATES: Final = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_KEYS: Final = (b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY")
_PKCS7: Final = (b"PKCS7", b"CMS")
_MOST: Final = 10_000
_OID_SIGNED: Final = bytes.fromhex("06092a864886f70d010702")
_VERSION_PKCS12: Final = b"\x02\x01\x03"
_SEQUENCE: Final = 0x30


class NoneHeldError(UnreadableError):
    """A file in PEM that is well, and holds other things: a key, a request, parameters."""


class Contents(NamedTuple):
    """The chains of a file, and the SHA-256 of the public keys that belong to its private ones."""

    chains: tuple[tuple[Certificate, ...], ...]
    keys: tuple[str, ...] = ()

    @property
    def certificates(self) -> list[Certificate]:
        """All of them, each once."""
        return list({one.sha256: one for chain in self.chains for one in chain}.values())


def parse(data: bytes, password: bytes | None) -> Contents:
    """Return what a file holds; UnreadableError where that is no certificate, or not all of it can be read."""
    if not data.strip():
        raise UnreadableError("is empty")
    if data[:4] in (jks.MAGIC, jks.MAGIC_JCEKS):
        return _of_jks(data)
    if _BEGIN.search(data):
        return _of_pem(data)
    if data[0] != _SEQUENCE:
        raise UnreadableError("holds nothing that is known here: neither PEM, DER, PKCS#12 nor JKS")
    inside = _header(data)
    if data[inside : inside + 3] == _VERSION_PKCS12:
        return _of_pkcs12(data, password)
    if data[inside : inside + len(_OID_SIGNED)] == _OID_SIGNED:
        return _of_pkcs7(data)
    return Contents(((certificate(data),),))


def private_keys(data: bytes) -> tuple[str, ...]:
    """Return the SHA-256 of the public keys to the private ones that stand in PEM, those that can be had."""
    try:
        return tuple(filter(None, (_private_key(kind, text) for kind, text in _blocks(data) if kind in _KEYS)))
    except UnreadableError:
        return ()


def _private_key(kind: bytes, text: bytes) -> str:
    """Return the SHA-256 of the public key to a private one; empty where it cannot be had."""
    library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:  # whether a key is sound is not asked here, and takes long
        data = b"-----BEGIN %s-----%s-----END %s-----\n" % (kind, text, kind)
        return key_digest(load_pem_private_key(data, None, unsafe_skip_rsa_key_validation=True).public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError where it has a passphrase
        return ""


def _header(data: bytes) -> int:
    """Return where the inside of the sequence begins that data is; UnreadableError where it is cut off."""
    if len(data) < 2:
        raise UnreadableError("is cut off")
    if data[1] < 0x80:
        return 2
    inside = 2 + (data[1] & 0x7F)
    if len(data) < inside or len(data) < inside + int.from_bytes(data[2:inside], "big"):
        raise UnreadableError("is cut off")
    return inside


def _first(data: bytes) -> bytes:
    """Return the first sequence of data, as something may follow a certificate that OpenSSL trusts."""
    inside = _header(data)
    length = data[1] if data[1] < 0x80 else int.from_bytes(data[2:inside], "big")
    return data[: inside + length]


def _of_pem(data: bytes) -> Contents:
    blocks = list(_blocks(data))
    chain: list[Certificate] = []
    others: list[Certificate] = []
    keys: list[str] = []
    for kind, text in blocks:
        if kind in _CERTIFICATES:
            chain.append(certificate(_first(_decoded(text))))
        elif kind in _PKCS7:
            others += _of_pkcs7(_decoded(text)).certificates
        elif kind in _KEYS:
            keys.append(_private_key(kind, text))
    if not chain and not others:
        held = "a key, and no certificate" if any(b"KEY" in kind for kind, _ in blocks) else "no certificate"
        raise NoneHeldError(f"holds {held}")
    return Contents((tuple(chain), *((one,) for one in others)), tuple(filter(None, keys)))


def _blocks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the text of each block."""
    at = count = 0
    while found := _BEGIN.search(data, at):
        end = b"-----END %s-----" % found[1]
        stop = data.find(end, found.end())
        text = data[found.end() : stop]
        if stop < 0 or _BEGIN.search(text):
            raise UnreadableError("is cut off: a block begins that does not end")
        yield found[1], text
        at, count = stop + len(end), count + 1
        if count > _MOST:
            raise UnreadableError(f"has more than {_MOST} blocks")


def _decoded(text: bytes) -> bytes:
    try:
        data = base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        raise UnreadableError("has a block that is not Base64") from None
    if not data or data[0] != _SEQUENCE:
        raise UnreadableError("has a block that holds no certificate")
    return data


def _of_pkcs7(data: bytes) -> Contents:
    library()
    from cryptography.hazmat.primitives.serialization import pkcs7

    try:
        found = pkcs7.load_der_pkcs7_certificates(data)
    except broken() as error:
        raise UnreadableError(f"is no PKCS#7 that can be read ({error})") from None
    return _held(tuple(facts(one) for one in found))


def _of_pkcs12(data: bytes, password: bytes | None) -> Contents:
    ders, keys = keystore.certificates(data, password)
    return _held(tuple(map(certificate, ders)), keys)


def _of_jks(data: bytes) -> Contents:
    try:
        chains = tuple(tuple(certificate(der) for der in chain) for chain in jks.certificates(data))
    except jks.BrokenError as error:
        raise UnreadableError(str(error)) from None
    if not any(chains):
        raise UnreadableError("holds no certificate")
    return Contents(chains)


def _held(found: tuple[Certificate, ...], keys: tuple[str, ...] = ()) -> Contents:
    """Return certificates that are in no order, as their format has none."""
    if not found:
        raise UnreadableError("holds no certificate")
    return Contents(tuple((one,) for one in found), keys)
