"""Any API that answers in JSON, as the configuration says what its answers mean."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from exporter.collector import Trouble
from exporter.collectors.api.answers import Answer
from exporter.collectors.api.asking import BETWEEN, ask, document, refuse, unanswered
from exporter.collectors.api.found import Found, Refused, Verdict
from exporter.collectors.api.mappedfigures import Figures, figures_in
from exporter.collectors.api.mappedrefusal import judged, verdict_of
from exporter.collectors.api.moments import moments
from exporter.collectors.api.month import month_of
from exporter.collectors.api.provider import LOOK, Look
from exporter.collectors.api.ratelimits import quotas_of
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.fetch import Reply
from exporter.template import in_address, in_body

_EMPTY: Final = 204


class Mapped:
    """The looks at an API, one for each of the configuration's `answers`; the first one is `look`."""

    def __init__(self, settings: APISettings) -> None:
        self._settings = settings

    def looks(self) -> Sequence[Look]:
        return [Look(one.name, "main", self._interval(one), partial(self._look, one)) for one in self._settings.answers]

    def _interval(self, answer: Answer) -> float:
        usual = self._settings.look_interval if answer.name == LOOK else self._settings.usage_interval
        return usual if answer.interval is None else answer.interval

    def _look(self, answer: Answer, cancel: Cancel) -> Found:
        """Ask, and return what the answer tells; only the first answer tells that none came, or of a refusal."""
        now = time.time()
        try:
            reply = self._ask(answer, now, cancel)
        except Trouble as trouble:
            if answer.name != LOOK:
                raise
            return Found(unanswered(trouble))
        return self._found(answer, reply, now)

    def _ask(self, answer: Answer, now: float, cancel: Cancel) -> Reply:
        times = moments(now, self._settings.zone)
        address = self._settings.base + in_address(answer.path, times)
        body = in_body(answer.body, times, "json") if answer.method == "POST" else None
        headers = {name.title(): text for name, text in answer.headers.items()}
        return ask(self._settings, address, cancel, headers=headers, body=body)

    def _found(self, answer: Answer, reply: Reply, now: float) -> Found:
        quotas = quotas_of(reply.headers, now=now) if answer.limit_headers else []
        verdict = verdict_of(reply, answer, quotas, keyed=self._keyed())
        if answer.name == LOOK and verdict.reason:
            return Found(verdict, reply.seconds, tuple(quotas))
        if verdict.limit == "rate":  # what a report is asked for too often stops nobody's work
            verdict = replace(verdict, limit="")
        refuse(verdict)
        try:
            told = None if reply.status == _EMPTY else document(reply)
        except Trouble as trouble:  # a page of a proxy, it may be: nobody has said whether the key is good
            if answer.name != LOOK:
                raise
            return Found(Verdict(up=False, reason=str(trouble), fix=BETWEEN))
        if answer.valid:
            refuse(judged(verdict, told, answer.valid))
        try:
            figures = figures_in(told, answer, now)
        except Trouble as trouble:
            raise Refused(replace(verdict, reason=str(trouble), fix=trouble.fix)) from None
        return self._told(figures, Found(verdict, reply.seconds, tuple(quotas)), now)

    def _told(self, figures: Figures, found: Found, now: float) -> Found:
        known = {quota[:3]: quota for quota in [*found.quotas, *figures.quotas]}  # what is configured counts
        month = month_of(now, self._settings.zone).start if figures.cost.total is not None else None
        return replace(
            found, quotas=tuple(known.values()), counts=figures.counts, cost=figures.cost.total,
            items=figures.cost.items, month=month, budget=figures.budget, data=figures.data, remark=figures.remark,
        )  # fmt: skip

    def _keyed(self) -> bool:
        """Tell whether what is sent says who asks."""
        settings = self._settings
        return bool(settings.headers or settings.credentials() or "@" in settings.base.partition("//")[2])
