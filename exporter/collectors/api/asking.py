"""How every request to an API is made: by the target's settings, within bounds, its secrets in headers alone."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from exporter.collector import Trouble, Unable
from exporter.collectors.api.found import Refused, Verdict
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.fetch import Reply, fetch
from exporter.httprequest import split
from exporter.jsontext import parse
from exporter.retryafter import wait_of

Query = Sequence[tuple[str, str | int]]
ROTATE: Final = "make a new one, and put it where the target's configuration reads it"
BETWEEN: Final = "see what answers at `url`: expected the API, not a page of something between"
_PAGE: Final = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*>\s*)*<(?:!doctype\s+)?html\b", re.IGNORECASE)


def ask(
    settings: APISettings, url: str, cancel: Cancel, *,
    query: Query = (), headers: Mapping[str, str] = {}, body: bytes | None = None, kind: str = "application/json",
    elsewhere: bool = False,
) -> Reply:  # fmt: skip
    """Return the answer of any status from an address; Trouble where none came whole and in time.

    With a body it is a POST. No key may stand in the query. What is configured of headers and of TLS was said of the
    API's own host, and goes nowhere `elsewhere`.
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
        verify=True if elsewhere else settings.verify,
        cert=None if elsewhere else settings.cert,
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


def is_page(reply: Reply) -> bool:
    """Tell whether an answer is a page for people, as what stands between has it: no API answers so."""
    return _PAGE.match(reply.body) is not None


def unanswered(error: Trouble) -> Verdict:
    """Return the verdict where no answer came; what was not asked, for a reason of our own, is raised on."""
    if isinstance(error, Unable):
        raise error
    return Verdict(up=False, reason=str(error), fix=error.fix)


def failing(reply: Reply, fix: str) -> Verdict:
    """Return the verdict on a status of 500 to 599."""
    reason = f"the provider fails (status {reply.status})"
    return Verdict(up=False, wait=wait_of(reply), reason=reason, fix=fix)


def refuse(verdict: Verdict) -> None:
    """Raise where an answer brings no figures."""
    if verdict.reason:
        raise Refused(verdict)


def json_body(value: Any) -> bytes:
    """Return a value as the body of a request."""
    return json.dumps(value, separators=(",", ":")).encode()
