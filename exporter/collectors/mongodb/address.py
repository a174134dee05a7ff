"""Where a MongoDB server is, who comes, and how the line is secured: what its address says."""

from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.mongodb.library import pymongo_part

APPLICATION: Final = "runbook-exporter"
EXPECTED: Final = "expected mongodb://USER:PASSWORD@HOST:PORT/?authSource=admin, with options that MongoDB documents"
_BAD_FILES: Final = "expected PEM files that the exporter's user may read, the key without a passphrase"
MECHANISMS: Final = ("SCRAM-SHA-256", "SCRAM-SHA-1", "MONGODB-X509", "PLAIN")
# What the address says of pools, retries and preferences is for applications.
_TAKEN: Final = ("tls", "ssl", "auth")


@dataclass(frozen=True, slots=True)
class Address:
    """What an address says; hosts without a port are paths of unix sockets."""

    hosts: tuple[tuple[str, int | None], ...]
    user: str
    source: str
    """The database that knows the user."""
    pool: Any
    """pymongo's options of a connection: the login, TLS, time limits."""


def read_address(url: str, seconds: float) -> Address:
    """Return what an address says; of one that begins with mongodb+srv:// DNS is asked, which may take so long."""
    parse, errors = pymongo_part("uri_parser").parse_uri, pymongo_part("errors")
    try:
        return _address(parse(url, warn=False, connect_timeout=seconds), seconds)
    except OSError as error:
        raise Trouble(f"the files for TLS cannot be used ({error.strerror or error})", _BAD_FILES) from None
    except errors.PyMongoError as error:
        raise _explained(error, url) from None
    except (ValueError, TypeError):  # their texts may hold a part of what was not understood
        raise Trouble("the address is not understood", EXPECTED) from None


def _explained(error: Exception, url: str) -> Trouble:
    text = str(error)
    if "certificate" in text or "private key" in text or "CA file" in text:
        return Trouble("the files for TLS cannot be used", _BAD_FILES)
    if url.startswith("mongodb+srv:") and isinstance(error, pymongo_part("errors").ConfigurationError):
        return Trouble("the address is not understood, or DNS has no servers for it", f"see to DNS; {EXPECTED}")
    return Trouble("the address is not understood", EXPECTED)


def _address(parsed: Any, seconds: float) -> Address:
    options = {key.lower(): value for key, value in parsed["options"].items() if key.lower().startswith(_TAKEN)}
    mechanism = options.get("authmechanism", MECHANISMS[0])
    if mechanism not in MECHANISMS:
        raise Trouble(f"the way to log in {mechanism} is not known here", f"use one of {', '.join(MECHANISMS)}")
    options |= {"appname": APPLICATION, "connecttimeoutms": seconds, "sockettimeoutms": seconds, "maxpoolsize": 1}
    if "tlscertificatekeyfile" in options:
        options["tlscertificatekeyfilepassword"] = "none"  # else OpenSSL would ask at the terminal
    made = pymongo_part("client_options").ClientOptions(
        parsed["username"], parsed["password"] or None, parsed["database"], options
    )
    credentials = made.pool_options._credentials
    hosts = tuple((host, port) for host, port in parsed["nodelist"])
    return Address(hosts, parsed["username"] or "", credentials.source if credentials else "", made.pool_options)
