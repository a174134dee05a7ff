"""The look at an API of Google's that costs nothing: whether it answers, and takes the key."""

import time

from exporter.collector import Trouble
from exporter.collectors.api.asking import BETWEEN, Query, ask, document_or_none, is_page, unanswered
from exporter.collectors.api.found import Found, Verdict
from exporter.collectors.api.googlerefusal import verdict_of
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.fetch import Reply

CHANGED = "see what answers there; if it is Google, its answers have changed"


def key_header(settings: APISettings) -> dict[str, str]:
    """Return the header that the key is sent in: in an address it would stand in logs on its way."""
    return {"X-Goog-Api-Key": settings.key.reveal()} if settings.key is not None else {}


def google_look(settings: APISettings, path: str, query: Query, named: str, cancel: Cancel) -> Found:
    """Return what a look at a path finds, whose answer has a field `named`."""
    try:
        reply = ask(settings, f"{settings.base}{path}", cancel, query=query, headers=key_header(settings))
    except Trouble as trouble:
        if cancel.cancelled:  # that it ended with us tells nothing of it
            raise
        return Found(unanswered(trouble))
    verdict = verdict_of(reply, time.time())
    if not verdict.reason:
        verdict = _looked_into(reply, named, verdict)
    return Found(verdict, seconds=reply.seconds)


def _looked_into(reply: Reply, named: str, verdict: Verdict) -> Verdict:
    """Return the verdict on an answer that seems good: what gave one of another form may have seen no key."""
    body = document_or_none(reply)
    if isinstance(body, dict) and named in body:
        return verdict
    return Verdict(up=True, reason=f"the answer has no `{named}`", fix=BETWEEN if is_page(reply) else CHANGED)
