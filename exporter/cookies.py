"""Cookies for as long as one probe goes on: set by answers, sent where they belong."""

import ipaddress
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult

from exporter.template import UNSENDABLE

_MOST: Final = 100
_LONGEST: Final = 8192
_SECONDS: Final = re.compile(r"-?[0-9]+", re.ASCII)
_OF_COUNTRIES: Final = ("ac", "co", "com", "edu", "go", "gob", "gov", "gouv", "mil", "ne", "net", "nom", "or", "org")
_OF_HOSTERS: Final = (
    "appspot.com", "azurewebsites.net", "blogspot.com", "cloudfront.net", "fly.dev", "github.io", "gitlab.io",
    "herokuapp.com", "netlify.app", "onrender.com", "pages.dev", "vercel.app", "web.app", "workers.dev",
)  # fmt: skip
"""The best known of the domains below which anybody may have a name, besides those of countries such as co.uk."""


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: str
    value: str
    host: str
    below: bool
    path: str
    secure: bool

    def belongs(self, url: SplitResult) -> bool:
        host, path = url.hostname or "", url.path or "/"
        there = host == self.host or (self.below and host.endswith(f".{self.host}"))
        under = path == self.path or path.startswith(f"{self.path.rstrip('/')}/")
        return there and under and (url.scheme == "https" or not self.secure)


class Cookies:
    """What the servers of one probe have set; nothing of it outlives the probe."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], _Cookie] = {}

    def take(self, url: SplitResult, values: list[str]) -> None:
        """Keep what an answer's Set-Cookie headers say, or forget what they end."""
        for text in values:
            if len(text) > _LONGEST:
                continue
            cookie, ended = _parsed(url, text)
            if cookie is None:
                continue
            key = cookie.host, cookie.path, cookie.name
            self._kept.pop(key, None)
            if not ended and len(self._kept) < _MOST:
                self._kept[key] = cookie

    def header(self, url: SplitResult) -> str:
        """Return the header Cookie for an address, those of longer paths first; empty where there is none."""
        found = sorted((one for one in self._kept.values() if one.belongs(url)), key=lambda one: -len(one.path))
        return "; ".join(f"{one.name}={one.value}" for one in found)

    def value(self, name: str) -> str | None:
        """Return the value of a cookie, whoever set it; None where nobody did."""
        return next((one.value for one in reversed(self._kept.values()) if one.name == name), None)


def _parsed(url: SplitResult, text: str) -> tuple[_Cookie | None, bool]:
    """Return the cookie that a header sets, and whether it is one that ends it."""
    pair, *rest = text.split(";")
    name, given, value = (part.strip() for part in pair.partition("="))
    told = {key.strip().lower(): setting.strip() for key, _, setting in (one.partition("=") for one in rest)}
    host = url.hostname or ""
    domain = told.get("domain", "").lstrip(".").lower()
    if not given or not name or UNSENDABLE.search(pair) or (domain and not _may_set(host, domain)):
        return None, False
    below = bool(domain) and not _is_alone(domain)
    path = told.get("path", "")
    path = path if path.startswith("/") else (url.path.rpartition("/")[0] or "/")
    return _Cookie(name, value, domain if below else host, below, path, "secure" in told), _is_over(told)


def _is_over(told: Mapping[str, str]) -> bool:
    """Tell whether a cookie is over already: this is how servers take one back."""
    if _SECONDS.fullmatch(age := told.get("max-age", "")):
        return age.startswith("-") or not age.strip("0")
    try:
        return parsedate_to_datetime(told["expires"]).timestamp() <= time.time()
    except (KeyError, ValueError, OverflowError):
        return False


def _may_set(host: str, domain: str) -> bool:
    return host == domain or ("." in domain and host.endswith(f".{domain}") and not _is_address(host))


def _is_alone(domain: str) -> bool:
    """Tell whether a domain is an address, or one below which others are at home: a cookie stays with its host then."""
    word, _, country = domain.partition(".")
    return _is_address(domain) or domain in _OF_HOSTERS or (len(country) == 2 and word in _OF_COUNTRIES)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
