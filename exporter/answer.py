"""What an endpoint answers, and how a request's headers are read."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"

DEFAULT_SCRAPE_TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, content type, body, further headers."""

    body: bytes
    type: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def text(body: str, status: int = 200, **headers: str) -> Answer:
    return Answer(
        body.encode() + b"\n", TEXT, status, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def html(body: str) -> Answer:
    # pages are self-contained: nothing is loaded, framed or run from anywhere
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    return Answer(body.encode(), HTML, 200, {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"})


def as_json(value: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(value, indent=1).encode() + b"\n", JSON, status)


def accepts_gzip(header: str) -> bool:
    """Return whether an Accept-Encoding header allows gzip."""
    weights = {name.strip(): _weight(rest) for name, _, rest in
               (item.partition(";") for item in header.lower().split(","))}  # fmt: skip
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def seconds_for_page(header: str, offset: float) -> float:
    """Return how long a page may take, by the X-Prometheus-Scrape-Timeout-Seconds header less the offset.

    Of a timeout shorter than twice the offset, half is kept for the answer's way back.
    """
    try:
        timeout = float(header)
    except ValueError:
        timeout = DEFAULT_SCRAPE_TIMEOUT
    if not (math.isfinite(timeout) and timeout > 0):
        timeout = DEFAULT_SCRAPE_TIMEOUT
    return max(timeout - offset, timeout / 2)
