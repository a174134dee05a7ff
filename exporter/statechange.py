"""Requests that change something: who may send them, and that no page in a browser can."""

import ipaddress
import re
import socket
from collections.abc import Collection
from typing import Final

from tornado.httputil import HTTPServerRequest

from exporter.answer import Answer, text

# What a form of another site's page can send without asking first; curl --data sends the first of them.
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_PORT: Final = re.compile(r":[0-9]{1,5}$")


def refusal(request: HTTPServerRequest, *, known: bool, open_to_all: bool, hosts: Collection[str]) -> Answer | None:
    """Return why a request may not change anything, or None where it may.

    `known` is whether it is known who asks, `open_to_all` whether that does not matter; `hosts` name this exporter.
    """
    if not known and not open_to_all:
        remedy = "start with --web.enable-lifecycle, name users in --web.config.file, or send SIGHUP"
        return text(f"reloading over HTTP is off; {remedy}", 403)
    # A browser sends a user's password, or certificate, with what pages of other sites have it send.
    if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return text("a page in a browser may not do this", 403)
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in _FORMS:
        return text("a form may not do this; send no body, as `curl -X POST` does", 415)
    # Where it does not matter who asks, a page may have its own name lead here, and then counts as ours to its browser.
    if not known and not names_us(request.headers.get("Host", ""), hosts):
        return text("the header Host must be this exporter's address, its machine's name or localhost", 403)
    return None


def names_us(host: str, hosts: Collection[str]) -> bool:
    """Whether a Host header is an address, or a name that only this machine has."""
    name = _PORT.sub("", host).strip("[]").rstrip(".").lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and name in {"localhost", socket.gethostname().lower(), *map(str.lower, hosts)}
    return True
