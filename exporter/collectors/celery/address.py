"""Where the broker is, out of the address that the application has."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from exporter.collectors.redis.address import Address, parse
from exporter.secret import hide

REDIS: Final = ("redis", "rediss", "sentinel", "redis+socket")
RABBITMQ: Final = ("amqp", "amqps", "pyamqp")
_EXPECTED: Final = "expected `redis://HOST:PORT/DATABASE` or `amqp://USER:${PASSWORD}@HOST:PORT/VHOST`"
_EXPECTED_SENTINEL: Final = "expected `sentinel://:${PASSWORD}@HOST:26379/DATABASE;sentinel://HOST:26379`"
_EXPECTED_SOCKET: Final = "expected `redis+socket:///PATH?virtual_host=DATABASE`"
_NEXT: Final = re.compile(r";\s*[a-z+]+://")
_SENTINEL_PORT: Final = 26379
_MOST_SENTINELS: Final = 20


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Those who know which server is the primary, and how that one lets us in."""

    places: tuple[tuple[str, int], ...]
    primary: Address  # without its host


def scheme_of(url: str) -> str:
    return url.partition("://")[0]


def checked(url: str) -> None:
    """Raise ValueError, which shows nothing of it, where an address is not understood."""
    scheme = scheme_of(url)
    if scheme not in (*REDIS, *RABBITMQ):
        raise ValueError(f"is no address of a broker that is known here; {_EXPECTED}")
    if scheme == "sentinel":
        sentinels_of(url)
        return
    if ";" in url.rpartition("@")[2] or _NEXT.search(url):
        raise ValueError("names several brokers; expected one, and a target of its own for each other")
    if scheme != "redis+socket":
        _parts(url)
    if scheme in REDIS:
        redis_of(url)


def redis_of(url: str) -> Address:
    """Return the address of a Redis server; what Celery wants to read of certificates in it is left out."""
    if scheme_of(url) != "redis+socket":
        return _parsed(url.partition("?")[0], _EXPECTED)
    parts = urlsplit(url)
    number = parse_qs(parts.query).get("virtual_host", ["0"])[-1].strip("/") or "0"
    return _parsed(f"unix://{parts.netloc}{parts.path}?db={quote(number)}", _EXPECTED_SOCKET)


def sentinels_of(url: str) -> Sentinels:
    """Return the sentinels of an address; as kombu has it, database and password are those of the first."""
    parts = [_parts(one.strip()) for one in url.split(";")]
    if any(one.scheme != "sentinel" or not one.hostname for one in parts) or len(parts) > _MOST_SENTINELS:
        raise ValueError(f"has what is no sentinel; {_EXPECTED_SENTINEL}")
    first = parts[0]
    hide(unquote(first.password or ""))
    database = first.path.strip("/") or "0"
    primary = _parsed(f"redis://{first.netloc}/{quote(database)}", _EXPECTED_SENTINEL)
    places = tuple((one.hostname or "", one.port or _SENTINEL_PORT) for one in parts)
    return Sentinels(places, primary)


def _parsed(url: str, expected: str) -> Address:
    """Return what an address says; what is wrong with it is said with what is expected here."""
    try:
        return parse(url)
    except ValueError as error:
        raise ValueError(f"{str(error).partition(';')[0]}; {expected}") from None


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"is no address of a broker that is known here; {_EXPECTED}")
    return parts
