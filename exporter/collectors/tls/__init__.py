"""Certificates on disk: how long each is good, and what cannot be read, or does not fit together."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.certificates import Certificate, label_of
from exporter.collector import Collector, Context, Trouble, read
from exporter.collectors.tls.files import Files, Look
from exporter.collectors.tls.metrics import AUTHORITY, ERROR, ERRORS, EXPIRED, INFO, NOT_AFTER, NOT_BEFORE, PARTS, TOLD
from exporter.collectors.tls.settings import TLSFilesSettings
from exporter.metric import Remarking, Samples

_SAID = 3  # of what is wrong, in one reason


class TLS(Collector[Look]):
    """Certificates on disk: files in PEM and DER, chains, and keystores."""

    Settings = TLSFilesSettings
    job = "x509-certificate-exporter"

    def __init__(self, settings: TLSFilesSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._files = Files(settings)

    @contextmanager
    def connect(self) -> Iterator[Look]:
        yield self._files.look()

    def close(self) -> None:
        self._files.close()

    @read
    def certificates(self, look: Look) -> Remarking:
        """How long each certificate is good, by file, serial number and names."""
        if look.unreadable and not look.found:
            raise _together(look)
        now = time.time()
        for path, contents in look.found.items():
            for one in _apart(contents.certificates):
                labels = _labels(path, one)
                yield NOT_BEFORE(one.not_before, **labels)
                yield NOT_AFTER(one.not_after, **labels)
                yield EXPIRED(now > one.not_after, **labels)
                yield AUTHORITY(one.authority, **labels)
            yield from _named(path, contents.certificates)
        return _few([*map(str, look.unreadable.values()), *look.remarks, *_passed(look)])

    @read
    def files(self, look: Look) -> Samples:
        """Which files hold certificates that can be read, and how many do not."""
        yield ERRORS(len(look.unreadable))
        for path in look.found:
            yield ERROR(0, filename=os.path.basename(path), filepath=path)
        for path in look.unreadable:
            yield ERROR(1, filename=os.path.basename(path), filepath=path)


def _apart(certificates: list[Certificate]) -> list[Certificate]:
    """Return those that their labels tell apart; of others the one that ends first."""
    found: dict[tuple[str, ...], Certificate] = {}
    for one in sorted(certificates, key=lambda one: one.not_after, reverse=True):
        found[tuple(_labels("", one).values())] = one
    return list(found.values())


def _named(path: str, certificates: list[Certificate]) -> Samples:
    """Yield the names of each that alerts can tell apart, of others the one that ends first, as a rule counts it."""
    found: dict[tuple[str, ...], Certificate] = {}
    for one in sorted(certificates, key=lambda one: one.not_after, reverse=True):
        labels = _labels(path, one)
        found[tuple(labels[name] for name in TOLD)] = one
    for told, one in found.items():
        yield INFO(1, **dict(zip(TOLD, told, strict=True)), names=label_of(",".join(one.names)))


def _labels(path: str, one: Certificate) -> dict[str, str]:
    return {
        "filename": os.path.basename(path),
        "filepath": path,
        "serial_number": str(one.serial),
        **{f"subject_{part}": one.subject.part(part) for part in PARTS},
        **{f"issuer_{part}": one.issuer.part(part) for part in PARTS},
    }


def _few(said: list[str]) -> str:
    more = f"; and {len(said) - _SAID} more" if len(said) > _SAID else ""
    return "; ".join(said[:_SAID]) + more


def _passed(look: Look) -> Iterator[str]:
    if look.cut:
        yield f"{look.cut} more files are left out; raise `max_files`"
    if look.passed:
        yield f"{_few(look.passed)} hold{'s' * (len(look.passed) == 1)} no certificate, but a key or the like"


def _together(look: Look) -> Trouble:
    troubles = list(look.unreadable.values())
    fixes = dict.fromkeys(trouble.fix for trouble in troubles[:_SAID] if trouble.fix)
    return Trouble(_few([str(trouble) for trouble in troubles]), "; ".join(fixes))
