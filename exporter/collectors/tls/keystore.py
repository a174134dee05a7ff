"""Keystores in PKCS#12, opened in a throwaway process: how long that takes is for the file to say, and holds up all."""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporter.certificates import UnreadableError, broken, key_digest, library
from exporter.throwaway import Broke, TookTooLong, ask

_WORK: Final = "exporter.collectors.tls.keystore:opened"
_PATIENCE: Final = 10.0


def certificates(data: bytes, password: bytes | None) -> tuple[list[bytes], tuple[str, ...]]:
    """Return the certificates in DER, and the SHA-256 of the public key to the private one, if there is one."""
    library()
    told = "" if password is None else b64encode(password).decode()
    request = {"data": b64encode(data).decode(), "password": told}
    try:
        answer = ask(_WORK, request, timeout=_PATIENCE)
    except TookTooLong:
        raise UnreadableError(f"is a keystore in PKCS#12 that takes longer than {_PATIENCE:g} s to open") from None
    except Broke as trouble:
        raise UnreadableError(f"is a keystore in PKCS#12 that cannot be opened: {trouble}") from None
    if (problem := answer.get("problem")) is not None:
        raise UnreadableError(f"is a keystore in PKCS#12, and {problem}, or it is broken")
    return [b64decode(text) for text in answer["certificates"]], tuple(answer["keys"])


def opened(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the keystore holds, or why it cannot be opened; runs in the throwaway process."""
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

    given = b64decode(request["password"]) or None
    for password in dict.fromkeys((given, None)):  # beside those with the password there may be some without
        try:
            store = pkcs12.load_pkcs12(b64decode(request["data"]), password)
            ders = [b64encode(one.certificate.public_bytes(Encoding.DER)).decode() for one in _all(store)]
        except broken():  # of both a wrong password and broken data
            continue
        return {"certificates": ders, "keys": [] if store.key is None else [key_digest(store.key.public_key())]}
    return {"problem": "`password` does not open it" if given else "it needs a `password`"}


def _all(store: Any) -> Iterator[Any]:
    return (one for one in (store.cert, *store.additional_certs) if one is not None)
