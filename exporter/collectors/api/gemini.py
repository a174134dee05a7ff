"""Google Gemini: https://ai.google.dev/api.

The list of models costs nothing and tells whether the key is good; no answer has headers of limits. What is used and
what is left Google tells to a service account alone.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from exporter.collector import Trouble
from exporter.collectors.api.asking import ask, document, document_or_none, json_body, unanswered
from exporter.collectors.api.found import GOOD, Found, Verdict
from exporter.collectors.api.geminiuse import GeminiUse
from exporter.collectors.api.googlelook import CHANGED, google_look, key_header
from exporter.collectors.api.googlerefusal import told, verdict_of
from exporter.collectors.api.provider import Look
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel

_ANSWERED: Final = ("candidates", "promptFeedback", "usageMetadata")
_CALL: Final = json_body(
    {"contents": [{"role": "user", "parts": [{"text": "1"}]}], "generationConfig": {"maxOutputTokens": 1}}
)


class _Refusal(NamedTuple):
    """Why a model was not answered for, and until when it is not called again."""

    until: float
    verdict: Verdict


class Gemini:
    """The looks at Gemini."""

    def __init__(self, settings: APISettings) -> None:
        self._settings = settings
        self._use = GeminiUse(settings)
        self._refused: dict[str, _Refusal] = {}

    def looks(self) -> Sequence[Look]:
        settings = self._settings
        looks = [Look("look", "main", settings.look_interval, self.look)]
        if settings.models:
            looks.append(Look("calls", "main", settings.call_interval, self.calls))
        if settings.service_account_file:
            looks.append(Look("usage", "service_account", settings.usage_interval, self._use.usage))
            if settings.prices:
                looks.append(Look("cost", "service_account", settings.cost_interval, self._use.cost))
        return looks

    def look(self, cancel: Cancel) -> Found:
        """Ask for one of the models: https://ai.google.dev/api/models#method:-models.list."""
        return google_look(self._settings, "/models", [("pageSize", 1)], "models", cancel)

    def calls(self, cancel: Cancel) -> Found:
        """Have each model answer with one token: https://ai.google.dev/api/generate-content.

        Each call counts to the quotas, of which a free tier has some 20 to 1,500 a day.
        """
        verdicts = {model: self._verdict(model, cancel) for model in self._settings.models}
        models = {model: not verdict.reason for model, verdict in verdicts.items()}
        return Found(_together(list(verdicts.values())), models=models)

    def _verdict(self, model: str, cancel: Cancel) -> Verdict:
        """Return the verdict on a model, of which the last stands for as long as it must be left alone."""
        kept = self._refused.get(model)
        if kept is not None and 0 < kept.until - time.time() <= kept.verdict.wait:
            return replace(kept.verdict, wait=kept.until - time.time(), limited=False)
        try:
            verdict = self._call(model, cancel)
        except Trouble as trouble:
            if cancel.cancelled:
                raise
            verdict = unanswered(trouble)
        if verdict.reason:
            verdict = replace(verdict, reason=f"{model}: {verdict.reason}")
        self._refused[model] = _Refusal(time.time() + verdict.wait, verdict)
        return verdict

    def _call(self, model: str, cancel: Cancel) -> Verdict:
        name = quote(model.removeprefix("models/"), safe="-._~")
        url = f"{self._settings.base}/models/{name}:generateContent"
        reply = ask(self._settings, url, cancel, headers=key_header(self._settings), body=_CALL)
        verdict = verdict_of(reply, time.time())
        if reply.status == 404 and told(document_or_none(reply)).google:
            fix = "give the name of a model that its project is offered"
            return Verdict(up=True, reason="there is no such model", fix=fix)
        return verdict if verdict.reason else _judged(document(reply))


def _judged(answer: Any) -> Verdict:
    if isinstance(answer, dict) and any(name in answer for name in _ANSWERED):
        return GOOD
    return Verdict(up=True, reason="the answer has no `candidates`", fix=CHANGED)


def _together(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict on the key by those on all models: the worst.

    The look waits where all models must, as the others are called without those that are to be left alone.
    """
    worst = max(verdicts, key=_badness)
    if not worst.reason:
        return worst
    valid = False if worst.valid is False else True if any(one.valid for one in verdicts) else None
    return replace(
        worst,
        up=any(one.up for one in verdicts),
        valid=valid,
        limited=any(one.limited for one in verdicts),
        wait=min(one.wait for one in verdicts),
    )


def _badness(verdict: Verdict) -> tuple[bool, ...]:
    return (verdict.valid is False, verdict.limit == "money", verdict.limit == "day", bool(verdict.limit),
            verdict.allowed is False, bool(verdict.reason))  # fmt: skip
