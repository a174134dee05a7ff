"""What is wrong with certificates that can be read: keys that are another's, and chains that are not in order."""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Final

from exporter.certificates import Certificate
from exporter.collector import Trouble
from exporter.collectors.tls.contents import Contents, private_keys
from exporter.documentfile import load

_LARGEST_KEY: Final = 64 << 10
_KEY: Final = ".key"
_LETSENCRYPT: Final = {"fullchain.pem": "privkey.pem", "cert.pem": "privkey.pem"}


def key_beside(path: str) -> str:
    """Return where the private key of a certificate would stand by its name."""
    folder, name = os.path.split(path)
    return os.path.join(folder, _LETSENCRYPT.get(name) or os.path.splitext(name)[0] + _KEY)


def keys_at(path: str) -> tuple[str, ...]:
    """Return the SHA-256 of the public keys to the private ones in a file; none where it cannot be read, or is none."""
    with suppress(Trouble):  # most may not be read, and nobody asks for it
        return private_keys(load(path, _LARGEST_KEY)[0])
    return ()


def remarks(contents: Contents, keys: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with what a file holds; `keys` are those of the file beside it."""
    for chain in contents.chains:
        if len(chain) > 1 and not all(one.authority for one in chain):
            yield from _order(chain)
    own = {one.key for one in contents.certificates if not one.authority} or {one.key for one in contents.certificates}
    given = set(keys) | set(contents.keys)
    if given and not given & own:
        yield "has a private key that does not belong to the certificate"


def _order(chain: tuple[Certificate, ...]) -> Iterator[str]:
    """Yield what is wrong with the order of a chain: each is signed by the one after it, the server's own is first."""
    subjects = {one.subject.text for one in chain}
    if chain[0].authority:
        yield "does not begin with the server's own certificate"
    elif any(_is_misplaced(one, after, subjects) for one, after in pairwise(chain)):
        yield "has its chain in the wrong order"
    elif chain[0].issuer.text not in subjects:
        yield "has a chain that does not belong to its first certificate"


def _is_misplaced(one: Certificate, after: Certificate, subjects: set[str]) -> bool:
    """Tell whether another certificate of the chain than the next one has signed this one."""
    return one.issuer.text != after.subject.text and one.issuer.text in subjects - {one.subject.text}
