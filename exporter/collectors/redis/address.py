"""Where a Redis server is, and how it is told who asks."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

EXPECTED: Final = "expected redis://USER:PASSWORD@HOST:PORT/DATABASE, rediss:// for TLS, or unix:///PATH?db=DATABASE"
LOCAL: Final = "redis://127.0.0.1:6379"
_PORT: Final = 6379
_MOST_DATABASES: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, or the path of a socket; the user may be empty, which is the user `default`."""

    host: str
    port: int
    path: str
    tls: bool
    user: str
    password: str = field(repr=False)
    database: int

    @property
    def place(self) -> str:
        """Return where it is, without what is secret."""
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse(url: str) -> Address:
    """Return what an address says; ValueError, which shows nothing of it, where it is not understood."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"is not understood; {EXPECTED}") from None
    if parts.scheme not in ("redis", "rediss", "unix") or "#" in url:
        raise ValueError(f"is no address of Redis; {EXPECTED}")
    if url.count("@") > 1 or "@" in parts.path + parts.query:
        raise ValueError("has an `@`, `/` or `?` inside its password; expected them as %40, %2F and %3F")
    is_socket = parts.scheme == "unix"
    if is_socket and not (parts.path.startswith("/") and len(parts.path) > 1 and not parts.hostname):
        raise ValueError("names no socket; expected unix:///PATH, three slashes before an absolute path")
    if not is_socket and (not parts.hostname or port == 0):
        raise ValueError(f"names no host; {EXPECTED}")
    return Address(
        host="" if is_socket else parts.hostname or "",
        port=port or _PORT,
        path=unquote(parts.path) if is_socket else "",
        tls=parts.scheme == "rediss",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=_database(parts, is_socket),
    )


def _database(parts: SplitResult, is_socket: bool) -> int:
    query = parse_qs(parts.query, keep_blank_values=True)
    unknown = sorted(query.keys() - {"db"})
    given = query.get("db", [])
    if not is_socket and parts.path.strip("/"):
        given = [parts.path.strip("/"), *given]
    if unknown or len(given) > 1:
        raise ValueError("has parameters that are not known; expected none but ?db=DATABASE")
    if given and not (given[0].isascii() and given[0].isdigit() and int(given[0]) < _MOST_DATABASES):
        raise ValueError("has no number for the database; expected one such as /0")
    return int(given[0]) if given else 0
