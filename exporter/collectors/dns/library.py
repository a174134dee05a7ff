"""The library that reads and writes messages of DNS, and what of the configuration only it can judge."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from exporter.collector import Trouble, Unable

_INSTALL: Final = "install it with: pip install 'runbook-exporter[probe]'"


@lru_cache(1)
def library() -> Any:
    """Return the package dns with what is needed of it; Unable where it is not installed."""
    try:
        import dns.exception
        import dns.flags
        import dns.message
        import dns.rcode
        import dns.rdataclass
        import dns.rdatatype
    except ImportError:
        raise Unable("questions to name servers need the library dnspython", _INSTALL) from None
    return dns


def query_problem(name: str, type: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with what is asked for."""
    try:
        dns = library()
    except Trouble as trouble:
        yield "query_name", f"cannot be asked for; {trouble}, {trouble.fix}"
        return
    try:
        dns.name.from_text(name)
    except (dns.exception.DNSException, ValueError):
        yield "query_name", "is no name; expected such as shop.example.com"
    try:
        found = dns.rdatatype.from_text(type)
    except (dns.exception.DNSException, ValueError):
        yield "query_type", "is no type of records; expected such as A, AAAA, MX, TXT or SOA"
        return
    if dns.rdatatype.is_metatype(found) and found != dns.rdatatype.ANY:
        yield "query_type", "is not one to ask for here; expected such as A, AAAA, MX, TXT or SOA"


def rcode_problem(code: str) -> str:
    """Return what is wrong with a code, nothing where it is well."""
    try:
        dns = library()
        dns.rcode.from_text(code)
    except Trouble:
        return ""  # said of the name already
    except (dns.exception.DNSException, ValueError):
        return "has a code that is not known; expected such as NOERROR, NXDOMAIN or REFUSED"
    return ""
