"""Sums beside a backup, as sha256sum writes them."""

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._backup.found import Bad
from exporter.collectors._backup.reading import Raw

_KINDS: Final = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32}
_MOST: Final = 4 << 20
_PIECE: Final = 1 << 20
_GNU: Final = re.compile(rb"(\\?)([0-9A-Fa-f]+) [ *](.+)")
_BSD: Final = re.compile(rb"[A-Z0-9-]+ \((.+)\) = ([0-9A-Fa-f]+)")


def compared(request: Mapping[str, Any]) -> bool:
    """Return whether there is a sum beside the backup, which it has; Bad where it has another."""
    if request["checksum"] == "off":
        return False
    path = request["path"]
    if os.path.isdir(path):
        return _none(request)
    for kind, digits in _KINDS.items():
        expected = _expected(path, kind, digits)
        if expected:
            if _sum_of(path, kind) != expected:
                raise Bad(f"it does not have the {kind} sum that stands beside it")
            return True
    return _none(request)


def _none(request: Mapping[str, Any]) -> bool:
    if request["checksum"] == "required":
        raise Trouble("there is no sum beside it", "have sha256sum write one, or leave `checksum: required` out")
    return False


def _expected(path: str, kind: str, digits: int) -> str:
    folder, name = os.path.split(path)
    alone = _text(f"{path}.{kind}")
    text = alone if alone is not None else _text(os.path.join(folder, f"{kind.upper()}SUMS"))
    if text is None:
        return ""
    wanted = os.fsencode(name)
    for line in text.splitlines():
        found, named = _parsed(line.strip())
        if len(found) == digits and (named == wanted or (alone is not None and not named)):
            return found
    if alone is not None:
        fix = "have it written as sha256sum does"
        raise Trouble(f"the sum beside it, {name!r}.{kind}, does not tell that of this file", fix)
    return ""


def _parsed(line: bytes) -> tuple[str, bytes]:
    """Return sum and name of a line; sha256sum begins one with a backslash where it escaped the name."""
    if (bsd := _BSD.fullmatch(line)) is not None:
        return bsd[2].decode().lower(), os.path.basename(bsd[1])
    if (gnu := _GNU.fullmatch(line)) is not None:
        name = gnu[3].replace(b"\\n", b"\n").replace(b"\\\\", b"\\") if gnu[1] else gnu[3]
        return gnu[2].decode().lower(), os.path.basename(name)
    return (line.decode().lower(), b"") if re.fullmatch(rb"[0-9A-Fa-f]+", line) else ("", b"")


def _text(path: str) -> bytes | None:
    try:
        with Raw(path) as raw:
            return raw.read(_MOST) or b""
    except FileNotFoundError:
        return None


def _sum_of(path: str, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with Raw(path) as raw:
        while piece := raw.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
