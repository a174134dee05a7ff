"""The web configuration: a file of its own, in the format that Prometheus' exporters share."""

import contextlib
import os
import re
import ssl
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Final

from exporter import tls
from exporter.binder import bind
from exporter.config import ConfigError, content_of
from exporter.models import Problems
from exporter.quantity import Quantity, show_duration
from exporter.secret import Secret
from exporter.setting import setting
from exporter.source import Source, nearest
from exporter.yamltree import BrokenError, EmptyError, Map, Node, Scalar, parse

# a salt, whose last character holds but two bits, and what the password gives
_HASH = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_EMPTY: Final = (
    "the file is empty; write TLS or users into it, or leave --web.config.file out for plain HTTP, open to all"
)
_COSTS: Final = range(4, 16)  # the next takes some 4 s a password
HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that can be added, with their values where only some make sense."""

_UNITS: Final = {"h": "3600", "m": "60", "s": "1", "ms": "0.001", "us": "0.000001", "µs": "0.000001", "ns": "1e-9"}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|us|µs|ns|[hms])")


def _parse_interval(text: str) -> float:
    """Return the seconds of a duration as Go writes it; a bare number would be nanoseconds there."""
    if text == "0":
        return 0.0
    if not text or _PART.sub("", text):
        raise ValueError("is not a duration with its unit")
    return float(sum(Decimal(number) * Decimal(_UNITS[unit]) for number, unit in _PART.findall(text)))


Interval = Annotated[float, Quantity("duration", "1s or 100ms", _parse_interval, show_duration)]


@dataclass(frozen=True, slots=True)
class HTTPServer:
    """The section http_server_config."""

    http2: bool = setting(True, help="Without effect: HTTP/1.1 is spoken.")
    headers: Mapping[str, str] = setting({}, help="Headers for every answer.")

    def check(self) -> Problems:
        """Find headers that cannot be set, or not to that."""
        for name, value in self.headers.items():
            choice = HEADERS.get(name)
            if choice is None:
                yield f"headers.{name}", f"this header cannot be set; {nearest(name, list(HEADERS))}"
            elif value and choice and value not in choice:
                yield f"headers.{name}", f"has a value that it cannot have; expected {' or '.join(choice)}"
            elif not value.isprintable() or not value.isascii():
                yield f"headers.{name}", "holds characters that no header may; expected ASCII on one line"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The section rate_limit."""

    interval: Interval = setting(0.0, help="A peer may ask once in so long; 0 for no limit.")
    burst: int = setting(0, help="So often at once.")

    def check(self) -> Problems:
        """Find a limit that lets nobody in."""
        if self.burst < 0 or (self.interval and not self.burst):
            yield "burst", "lets nobody in; expected 1 or more, such as 20"


@dataclass(frozen=True, slots=True)
class _Written:
    """The whole file, as it is written."""

    tls_server_config: tls.TLSServer | None = setting(None, help="TLS.")
    http_server_config: HTTPServer = setting(HTTPServer, help="Headers.")
    basic_auth_users: Mapping[str, str] = setting({}, help="Users, with the bcrypt hash of each one's password.")
    rate_limit: RateLimit = setting(RateLimit, help="How often a peer may ask.")

    def check(self) -> Problems:
        """Find users that could never log in."""
        for name, text in self.basic_auth_users.items():
            found = _HASH.fullmatch(text)
            if ":" in name:
                yield f"basic_auth_users.{name}", "a name with a colon can never log in; choose another"
            elif not found:
                remedy = "expected what `htpasswd -nBC 10 NAME` prints after the colon, beginning with $2y$"
                yield f"basic_auth_users.{name}", f"is no bcrypt hash; {remedy}"
            elif int(found[1]) not in _COSTS:
                remedy = f"expected {_COSTS[0]} to {_COSTS[-1]}, best 10"
                yield f"basic_auth_users.{name}", f"has the cost {found[1]}, which takes too long; {remedy}"
        if self.basic_auth_users and not _has_bcrypt():
            yield "basic_auth_users", "needs the library bcrypt; install it with: pip install 'runbook-exporter[web]'"


def _has_bcrypt() -> bool:
    try:
        import bcrypt  # noqa: F401
    except ImportError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What a web configuration asks for; `files` are those whose change changes it."""

    context: ssl.SSLContext | None
    settings: tls.TLSServer | None
    users: Mapping[str, Secret]
    headers: Mapping[str, str] = field(default_factory=dict)
    rate: RateLimit = field(default_factory=RateLimit)
    warnings: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [self._about_tls(), f"{len(self.users) or 'no'} user{'s' * (len(self.users) != 1)}"]
        if self.rate.interval:
            parts.append(f"{self.rate.burst} requests at once, then one in {show_duration(self.rate.interval)}")
        return ", ".join(parts)

    def _about_tls(self) -> str:
        if self.settings is None:
            return "no TLS"
        certificates = {"RequireAndVerifyClientCert": " with client certificates",
                        "VerifyClientCertIfGiven": " with client certificates verified where given"}  # fmt: skip
        versions = " and ".join(
            f"1.{name[-1]}" for name in sorted({self.settings.min_version, self.settings.max_version})
        )
        return f"TLS {versions}{certificates.get(self.settings.client_auth_type, '')}"


def load(path: str) -> WebConfig:
    """Return the web configuration in a file, its certificates loaded; ConfigError tells all that is wrong."""
    source = Source(path, os.environ)
    try:
        root = parse(content_of(path), lambda line, text: source.problem(line, "", text))
    except BrokenError as error:
        source.problem(error.line, "", _EMPTY if isinstance(error, EmptyError) else str(error))
        raise ConfigError(*source.problems()) from None
    written: _Written | None = bind(source, _Written, root, "")
    if written is None or source.count():
        raise ConfigError(*source.problems())
    context = _context(source, root, written)
    if problems := source.problems():
        raise ConfigError(*problems)
    _warn(source, root, written)
    return WebConfig(
        context, written.tls_server_config, {name: Secret(text) for name, text in written.basic_auth_users.items()},
        {name: value for name, value in written.http_server_config.headers.items() if value},
        written.rate_limit, source.warnings(), (path, *_files(source, root)),
    )  # fmt: skip


def _context(source: Source, root: Node, written: _Written) -> ssl.SSLContext | None:
    if written.tls_server_config is None:
        return None
    try:
        return tls.context(written.tls_server_config)
    except tls.RefusedError as error:
        line, _ = _entry(root, "tls_server_config", error.key)
        source.problem(line, f"tls_server_config.{error.key}", str(error))
        return None


def _warn(source: Source, root: Node, written: _Written) -> None:
    line, node = _entry(root, "http_server_config", "http2")
    if isinstance(node, Scalar) and node.text.lower() == "true":
        source.warn(line, "http_server_config.http2", "HTTP/2 is not spoken here; clients use HTTP/1.1 by themselves")
    if written.basic_auth_users:
        line, _ = _entry(root, "basic_auth_users", "")
        for warning in _of_hashes(source.file, written.basic_auth_users):
            source.warn(line, "basic_auth_users", warning)


def _of_hashes(file: str, users: Mapping[str, str]) -> Iterator[str]:
    costs = sorted({text.split("$")[2] for text in users.values()})
    if len(costs) > 1:
        yield f"hashes have the costs {', '.join(costs)}, by which guesses tell names; better one for all"
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(os.stat(file).st_mode)
        if os.name == "posix" and mode & stat.S_IROTH:
            yield f"every user of this machine can read the hashes (mode {mode:04o}); chmod o-r {file}"


def _files(source: Source, root: Node) -> list[str]:
    entries = [_entry(root, "tls_server_config", name)[1] for name in ("cert_file", "key_file", "client_ca_file")]
    return [source.resolve(entry.text) for entry in entries if isinstance(entry, Scalar)]


def _entry(root: Node, section: str, name: str) -> tuple[int, Node | None]:
    """Return a key's line and value, or the line of what it should stand in."""
    line, node = root.entries.get(section, (root.line, None)) if isinstance(root, Map) else (root.line, None)
    return node.entries.get(name, (line, None)) if isinstance(node, Map) else (line, None)
