"""Where a server listens, as HOST:PORT."""

import re
from typing import Final

from exporter.tlssettings import is_name

_PLACE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+(?:%[\w.]+)?)\]|([^\[\]:]+))(?::([0-9]{1,5}))?")


def parse(address: str, port: int | None = None) -> tuple[str, int]:
    """Return host and port, the given port where the address has none; ValueError says what was expected."""
    found = _PLACE.fullmatch(address)
    number = int(found[3]) if found and found[3] else port
    host = (found[1] or found[2]) if found else ""
    if not host or number is None or not 0 < number < 65536 or not is_name(host):
        example = "such as db.example.com:5432" if port is None else f"such as ns.example.com or ns.example.com:{port}"
        raise ValueError(f"is no address; expected HOST:PORT, {example}, or an IPv6 address in brackets")
    return host, number
