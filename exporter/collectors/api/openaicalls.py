"""Calls of models, as short as can be: whether each answers, and by the headers what is left of its limits.

POST /chat/completions with an answer of one token (developers.openai.com/api/reference, chat). OpenAI's newer models
take `max_completion_tokens` alone. Others know `max_tokens`; some ignore what they do not know, and answer at length.
"""

import time
from typing import Any, Final
from urllib.parse import quote, urlsplit

from exporter.collector import Trouble
from exporter.collectors.api.asking import document, json_body, unanswered
from exporter.collectors.api.found import GOOD, Found, Quota, Verdict
from exporter.collectors.api.openaiasking import Asking
from exporter.collectors.api.openairefusal import said_of, verdict_of
from exporter.collectors.api.ratelimits import quotas_of
from exporter.deadline import Cancel
from exporter.fetch import Reply

_NEW: Final = "max_completion_tokens"
_OLD: Final = "max_tokens"
_OWN: Final = (".openai.com", ".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_OTHERWISE: Final = ("v1/responses", "not a chat model")
_NO_CHAT: Final = "it does not chat, which is all that is tried"
_CUT: Final = "could not finish the message"
"""How a model that thinks before it answers says that one token was too few: it has answered."""


class Calls:
    """The calls of the configured models; which parameter a model takes is remembered."""

    def __init__(self, asking: Asking) -> None:
        host = urlsplit(asking.settings.base).hostname or ""
        self._asking = asking
        self._first = _NEW if asking.azure or f".{host}".endswith(_OWN) else _OLD
        self._takes: dict[str, str] = {}

    def calls(self, cancel: Cancel) -> Found:
        """Call each model once; one that is refused hides none of the others, but for a key that is none."""
        models: dict[str, bool] = {}
        quotas: list[Quota] = []
        verdicts: dict[str, Verdict] = {}
        for model in self._asking.settings.models:
            verdict = self._call(model, cancel, quotas)
            if cancel.cancelled:
                break
            if verdict.reason != _NO_CHAT:
                models[model] = not verdict.reason
            verdicts[model] = verdict
            if verdict.valid is False:
                break
        return Found(_together(verdicts), quotas=tuple(quotas), models=models)

    def _call(self, model: str, cancel: Cancel, quotas: list[Quota]) -> Verdict:
        try:
            reply = self._answer(model, cancel)
            quotas += _limits(reply, model, time.time())
            if 200 <= reply.status < 300:
                return _judged(document(reply))
        except Trouble as trouble:
            return unanswered(trouble)
        return _refused(reply)

    def _answer(self, model: str, cancel: Cancel) -> Reply:
        """Return the answer to a call, made once more where it does not know the parameter."""
        if "embed" in model.lower():
            return self._post(model, "embeddings", {"input": "Hi"}, cancel)
        takes = self._takes.get(model, self._first)
        reply = self._chat(model, takes, cancel)
        if not _minds(reply, takes):
            return reply
        takes = _OLD if takes == _NEW else _NEW
        reply = self._chat(model, takes, cancel)
        if not _minds(reply, takes):
            self._takes[model] = takes
        return reply

    def _chat(self, model: str, takes: str, cancel: Cancel) -> Reply:
        said = {"messages": [{"role": "user", "content": "Hi"}], takes: 1}
        return self._post(model, "chat/completions", said, cancel)

    def _post(self, model: str, what: str, said: dict[str, Any], cancel: Cancel) -> Reply:
        place = f"/deployments/{quote(model, safe='')}" if self._asking.azure else ""
        return self._asking.reply("main", f"{place}/{what}", cancel, body=json_body({"model": model, **said}))


def _limits(reply: Reply, model: str, now: float) -> list[Quota]:
    """Return the limits in an answer's headers; where, as at Azure, none says when, a minute's is whole after one."""
    told = quotas_of(reply.headers, model, now=now)
    return [one._replace(reset=now + 60) if one.reset is None and one.window == "minute" else one for one in told]


def _minds(reply: Reply, parameter: str) -> bool:
    """Tell whether an answer is a refusal of a parameter, in any of the forms that servers have for it."""
    if reply.status not in (400, 422):
        return False
    said = said_of(reply)
    if said.has(_CUT):
        return False
    return said.param == parameter or said.has(f"'{parameter}'") or f'"{parameter}"'.encode() in reply.body


def _refused(reply: Reply) -> Verdict:
    """Return what a refusal of a call means, which may be that the model answers, or cannot be tried this way."""
    said = said_of(reply)
    if reply.status == 400 and said.has(_CUT):
        return GOOD
    if reply.status in (400, 404) and said.has(*_OTHERWISE):
        return Verdict(up=True, reason=_NO_CHAT, fix="take it out of `models`")
    return verdict_of(reply, "main", called=True)


def _judged(answer: Any) -> Verdict:
    """Return what an answer means: an answer that is none is what stands between."""
    if isinstance(answer, dict) and ("choices" in answer or "data" in answer):
        return GOOD
    return Verdict(up=True, reason="what came is no answer of a model", fix="see what answers at `url`")


def _together(by_model: dict[str, Verdict]) -> Verdict:
    """Return what all calls say of the key; the reasons name their models."""
    reasons: dict[str, list[str]] = {}
    for model, verdict in by_model.items():
        if verdict.reason:
            reasons.setdefault(verdict.reason, []).append(model)
    verdicts = list(by_model.values())
    limits = [verdict.limit for verdict in verdicts if verdict.limit]
    return Verdict(
        up=_any([verdict.up for verdict in verdicts]),
        valid=_any([verdict.valid for verdict in verdicts]),
        allowed=_any([verdict.allowed for verdict in verdicts]),
        limit=limits[0] if limits else "",
        limited=any(verdict.limited for verdict in verdicts),
        wait=max((verdict.wait for verdict in verdicts), default=0.0),
        reason="; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items()),
        fix="; ".join(dict.fromkeys(verdict.fix for verdict in verdicts if verdict.fix)),
    )


def _any(told: list[bool | None]) -> bool | None:
    """Return whether one call proves it: a model that the key may not use says nothing of the others."""
    known = [one for one in told if one is not None]
    return any(known) if known else None
