"""Looks at the files of secrets: what they are like, who may read them, and the value where it may be another."""

import os
import stat
import time
from dataclasses import dataclass
from typing import Final

from exporter.collector import Trouble
from exporter.collectors.path.permissions import ENTER, READ, User, allows
from exporter.collectors.secret.contents import value_in
from exporter.collectors.secret.settings import SecretSettings
from exporter.documentfile import load

_MOST: Final = 256 << 10  # bytes of a file
_ANYBODY: Final = User(2**32 - 2, frozenset())
_AHEAD: Final = 300.0  # seconds that a file may be from the future, as clocks differ
_PRIVATE: Final = b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a secret's file; `value` is None where it is the one that is known."""

    of: str
    version: list[int]
    written: float
    open: bool | None
    """Whether every user of the machine may read it; None of a certificate alone, which may be for all."""
    value: bytes | None = None
    rotated: float | None = None
    """When it was rotated, where its file itself tells: by its time, or as a certificate that began to be good."""


def identity(settings: SecretSettings) -> str:
    """Return what tells that another secret stands under the same name."""
    way = "" if settings.by == "contents" and settings.file else " by its time"
    return f"{settings.certificate or settings.file} {settings.key}{way}"


def look(settings: SecretSettings, known: list[int]) -> Seen:
    """Look at a secret's file, and into it where it is not as it is known."""
    path = settings.certificate or settings.file
    status = _status(path)
    of, version = identity(settings), _version(status)
    if settings.certificate:
        data = _read(path)
        is_open = _is_open(path) if _PRIVATE in data else None
        return Seen(of, version, status.st_mtime, is_open, rotated=_begun(data, path))
    if settings.by == "time" and status.st_mtime > time.time() + _AHEAD:
        raise Trouble(f"{path} was written at a time to come", "see to the clock of whoever writes it, or `touch` it")
    if settings.by == "time":
        return Seen(of, version, status.st_mtime, _is_open(path), rotated=status.st_mtime)
    if version == known:
        return Seen(of, version, status.st_mtime, _is_open(path))
    value = value_in(_read(path), settings.key, path)
    if _version(_status(path)) != version:
        raise Trouble(f"{path} was written to while it was read", "this ends by itself")
    return Seen(of, version, status.st_mtime, _is_open(path), value)


def _read(path: str) -> bytes:
    try:
        return load(path, _MOST)[0]
    except Trouble as trouble:
        raise Trouble(
            str(trouble), "let the exporter's user read it, or say `by: time`, for which it need not"
        ) from None


def _status(path: str) -> os.stat_result:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise Trouble(f"{path} is no file", "name the file itself")
    return status


def _version(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _is_open(path: str) -> bool:
    """Tell whether anybody may read a file: its own mode, and that of each folder above where it really lies."""
    real = os.path.realpath(path)
    folder = os.path.dirname(real)
    while allows(_ANYBODY, folder, ENTER):
        if folder == "/":
            return allows(_ANYBODY, real, READ)
        folder = os.path.dirname(folder)
    return False


def _begun(data: bytes, path: str) -> float:
    from exporter.certificates import UnreadableError
    from exporter.collectors.tls.contents import parse

    try:
        found = parse(data, None).chains
    except UnreadableError as error:
        raise Trouble(f"{path} {error}", "name a file that begins with the certificate itself, in PEM or DER") from None
    return found[0][0].not_before
