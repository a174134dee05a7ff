"""How every request to an API is made: by the target's settings, within bounds, its secrets in headers alone."""

import json
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

from exporter.collector import Trouble
from exporter.collectors.api.found import Refused, Verdict
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.fetch import Reply, fetch
from exporter.httprequest import split
from exporter.jsontext import parse

Query = Sequence[tuple[str, str | int]]
LONGEST_WAIT: Final = 3600.0
"""Seconds that an answer may keep us away, whatever it says: a wrong one must not blind us for a month."""


def ask(
    settings: APISettings, url: str, cancel: Cancel, *,
    query: Query = (), headers: Mapping[str, str] = {}, body: bytes | None = None, kind: str = "application/json",
    elsewhere: bool = False,
) -> Reply:  # fmt: skip
    """Return the answer of any status from an address; Trouble where none came whole and in time.

    With a body it is a POST. No secret may stand in the query. Configured headers go to the API alone, not `elsewhere`.
    """
    given = {} if elsewhere else {name.title(): secret.reveal() for name, secret in settings.headers.items()}
    sent = {"Content-Type": kind} if body is not None else {}
    return fetch(
        f"{url}?{urlencode(query)}" if query else url,
        timeout=settings.request_timeout,
        most=settings.max_bytes,
        headers={"Accept": "application/json", **sent, **settings.credentials(), **headers, **given},
        method="GET" if body is None else "POST",
        body=body,
        verify=settings.verify,
        cert=settings.cert,
        cancel=cancel,
        proxy=split(settings.proxy.reveal()) if settings.proxy is not None else None,
    )


def document(reply: Reply, depth: int = 20) -> Any:
    """Return the JSON of an answer; Trouble where it is none."""
    return parse(reply.body, "the answer", depth, shown=False)


def document_or_none(reply: Reply) -> Any:
    """Return the JSON of an answer, None where it is none: of refusals any form is to be expected."""
    try:
        return document(reply)
    except Trouble:
        return None


def wait_of(reply: Reply) -> float:
    """Return the seconds that an answer's Retry-After asks for, 0 where it has none that is understood.

    RFC 9110, 10.2.3: a number of seconds, or a date, which is measured by the answer's own clock.
    """
    told = reply.headers.get("retry-after", "").strip()
    if told.isascii() and told.isdecimal():
        return min(LONGEST_WAIT, float(told[:9]))
    try:
        until = parsedate_to_datetime(told).timestamp()
        now = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(LONGEST_WAIT, max(0.0, until - now))


def unanswered(error: Trouble) -> Verdict:
    """Return the verdict where no answer came."""
    return Verdict(up=False, reason=str(error), fix=error.fix)


def refuse(verdict: Verdict) -> None:
    """Raise where an answer brings no figures."""
    if verdict.reason:
        raise Refused(verdict)


def json_body(value: Any) -> bytes:
    """Return a value as the body of a request."""
    return json.dumps(value, separators=(",", ":")).encode()
