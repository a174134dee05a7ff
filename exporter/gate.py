"""Who may come in: the web configuration in force, and what it says of a request."""

import logging
import os
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tornado.httputil import HTTPServerRequest

from exporter import webconfig
from exporter.answer import Answer
from exporter.config import ConfigError
from exporter.ratelimit import Buckets, peer_of
from exporter.selfmetrics import Telemetry
from exporter.tls import has_allowed_name
from exporter.users import Logins, checker, too_many
from exporter.webconfig import RateLimit, WebConfig

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_NO_ADDRESS: Final = "0.0.0.0"  # noqa: S104  # what tornado calls the peer of a unix socket
_OPEN: Final = WebConfig(None, None, {})


@dataclass(frozen=True, slots=True)
class _InForce:
    """A web configuration at work."""

    config: WebConfig = _OPEN
    logins: Logins | None = None
    requests: Buckets | None = None


class Gate:
    """Judges requests by the web configuration, and takes over what changes in its files.

    A new one is taken as a whole or not at all: one that is wrong leaves the last good one in force.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._path = ""
        self._seen: Sequence[object] | None = None  # of the files, when they were last read without a mistake
        self._told: tuple[str, ...] = ()
        self._force = _InForce()
        self._checker = checker()
        self._taking = threading.Lock()
        self._stop = threading.Event()

    # ---- from file to force

    def use(self, path: str) -> None:
        """Put the web configuration in this file into force, or none where there is no path; or raise ConfigError."""
        with self._taking:
            if path:
                self._load(path)
            else:
                self._force, self._telemetry.web_config_successful = _InForce(), None
            self._path = path

    def is_of(self, path: str) -> bool:
        """Whether what is in force came from this file, which is watched."""
        return bool(path) and path == self._path

    def watch(self) -> None:
        """Look for changes until close(), in a thread of its own: a file system may hang."""
        threading.Thread(target=self._watch, name="web-config", daemon=True).start()

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Take over what has changed in the files; say once what is wrong with it."""
        with self._taking:
            try:
                if self._path and self._seen != _signs(self._force.config.files):
                    self._load(self._path)
            except ConfigError as error:
                if error.problems != self._told:
                    tell_refused(error)
                self._told = error.problems
            except Exception as error:  # whatever it is, the next look may go well
                if (told := (repr(error),)) != self._told:
                    log.exception("the new web configuration cannot be taken over")
                self._told = told
            else:
                self._told = ()

    def _load(self, path: str) -> None:
        self._telemetry.web_config_successful, self._seen = False, None
        config, seen = _loaded(path, self._force.config.files)
        for warning in config.warnings:
            log.warning("%s", warning)
        old = self._force
        self._force = _InForce(config, self._logins(config, old), _limit(config.rate, old))
        self._seen = seen
        self._telemetry.web_config_successful = True
        self._telemetry.web_config_time = time.time()
        log.info("the web configuration in force is %s", config)

    def _logins(self, config: WebConfig, old: _InForce) -> Logins | None:
        """Return the logins; the same users go on being known, others begin anew."""
        if old.logins is not None and config.users == old.config.users:
            return old.logins
        return Logins(config.users, self._checker) if config.users else None

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._checker.shutdown(wait=False, cancel_futures=True)

    # ---- what it says

    @property
    def context(self) -> ssl.SSLContext | None:
        """What new connections speak TLS with, or None where they do not."""
        return self._force.config.context

    @property
    def config(self) -> WebConfig:
        return self._force.config

    def headers(self) -> Mapping[str, str]:
        """Return the headers that every answer carries."""
        return self._force.config.headers

    def admits(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a client with this certificate, verified, may connect."""
        settings = self._force.config.settings
        allowed = settings.client_allowed_sans if settings else ()
        return not allowed or has_allowed_name(certificate, allowed)

    async def refusal(self, request: HTTPServerRequest) -> Answer | None:
        """Return why a request is not answered, or None where it is."""
        force = self._force
        if force.requests is None and force.logins is None:
            return None
        peer = _peer(request)
        wait = force.requests.take(peer) if force.requests else 0.0
        if wait:
            return too_many("too many requests", wait)
        if force.logins is None:
            return None
        return await force.logins.refusal(peer, request.headers.get("Authorization", ""))

    def knows(self, request: HTTPServerRequest) -> bool:
        """Whether it is known who asks: a user, as all are where there are users, or the owner of a certificate."""
        shown = request.protocol == "https" and request.get_ssl_certificate()
        return self._force.logins is not None or bool(shown)

    def user(self, request: HTTPServerRequest) -> str:
        """Return who sends a request that was let in: a user, or the name of a certificate; nothing where unknown."""
        logins = self._force.logins
        if logins is not None:
            return logins.user(request.headers.get("Authorization", ""))
        certificate = request.protocol == "https" and request.get_ssl_certificate()
        return _name_in(certificate) if certificate else ""


def _name_in(certificate: Any) -> str:
    """Return the name that a certificate, verified, was made for: its common name, or its first alternative name."""
    found = dict(part for parts in certificate.get("subject", ()) for part in parts)
    names = [name for _, name in certificate.get("subjectAltName", ())]
    return str(found.get("commonName") or next(iter(names), ""))


def tell_refused(error: ConfigError) -> None:
    """Log each thing that is wrong with a new web configuration."""
    for problem in error.problems:
        log.error("the new web configuration is refused: %s", problem)


def _loaded(path: str, files: Sequence[str]) -> tuple[WebConfig, Sequence[object]]:
    """Return the configuration, and its files' state before they were read: what changes meanwhile is news."""
    while True:
        before = _signs(files)
        config = webconfig.load(path)
        if config.files == files:
            return config, before
        files = config.files


def _peer(request: HTTPServerRequest) -> str:
    """Return whom a request is counted as."""
    address = request.remote_ip or ""
    return "a unix socket" if address == _NO_ADDRESS else peer_of(address)


def _limit(rate: RateLimit, old: _InForce) -> Buckets | None:
    if old.requests is not None and rate == old.config.rate:
        return old.requests
    return Buckets(rate.burst, rate.interval) if rate.interval else None


def _signs(files: Sequence[str]) -> tuple[object, ...]:
    return tuple(map(_sign, files))


def _sign(file: str) -> object:
    """Return what differs once a file has changed."""
    try:
        status = os.stat(file)
    except OSError as error:
        return error.errno
    return status.st_ino, status.st_dev, status.st_size, status.st_mtime_ns, status.st_ctime_ns
