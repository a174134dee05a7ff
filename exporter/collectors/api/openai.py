"""OpenAI, Azure and what is compatible with them: the looks that the given keys allow.

GET /models costs nothing and needs a key (developers.openai.com/api/reference, models; Azure: learn.microsoft.com
/rest/api/azureopenai/models/list); all that is of the organization needs an admin key, which can do nothing else.
"""

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from exporter.collector import Trouble
from exporter.collectors.api.asking import BETWEEN, document, unanswered
from exporter.collectors.api.found import GOOD, Found, Key, Quota, Verdict
from exporter.collectors.api.openaiasking import DAY, Asking, wants_rest
from exporter.collectors.api.openaicalls import Calls
from exporter.collectors.api.openaicost import cost
from exporter.collectors.api.openailimits import by_minute, limits, rate_limits
from exporter.collectors.api.openairefusal import verdict_of
from exporter.collectors.api.openaiusage import usage
from exporter.collectors.api.provider import Look
from exporter.collectors.api.ratelimits import quotas_of
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.fetch import Reply

_STAND: Final = 2.0  # intervals for which limits are known after they were read, or could not be


class _Known(NamedTuple):
    """The limits, and when they were read: two looks have them, each in a thread of its own."""

    time: float = -math.inf
    quotas: tuple[Quota, ...] = ()


class OpenAI:
    """The looks at OpenAI."""

    def __init__(self, settings: APISettings) -> None:
        self._settings = settings
        self._asking = Asking(settings)
        self._calls = Calls(self._asking)
        self._known = _Known()

    def looks(self) -> Sequence[Look]:
        settings = self._settings
        own: Key = "main" if settings.key is not None else "admin"
        looks = [Look("look", own, settings.look_interval, partial(self.look, own))]
        if settings.models and settings.key is not None:
            looks.append(Look("calls", "main", settings.call_interval, self._calls.calls))
        if settings.admin_key is not None:
            looks.append(Look("usage", "admin", settings.usage_interval, self.usage))
            looks.append(Look("cost", "admin", settings.cost_interval, partial(cost, self._asking)))
            looks.append(Look("limits", "admin", settings.limits_interval, self.limits))
        return looks

    def look(self, key: Key, cancel: Cancel) -> Found:
        """Ask for the list of models, or where there is only an admin key for today's cost: neither costs anything."""
        path, query = "/models", []
        if key == "admin":
            today = int(time.time()) // DAY * DAY
            path, query = "/organization/costs", [("start_time", today), ("limit", 1)]
        try:
            reply = self._asking.reply(key, path, cancel, query)
        except Trouble as trouble:
            return Found(unanswered(trouble))
        verdict = _judged(reply) if 200 <= reply.status < 300 else verdict_of(reply, key)
        return Found(verdict, seconds=reply.seconds, quotas=tuple(quotas_of(reply.headers, now=time.time())))

    def usage(self, cancel: Cancel) -> Found:
        """Read what was used, and what that leaves of the limits, which after a restart are not known yet."""
        age = time.monotonic() - self._known.time
        if self._settings.project and age > _STAND * self._settings.limits_interval:
            self._know(self._rate_limits(cancel))
        return usage(self._asking, by_minute(self._known.quotas), cancel)

    def limits(self, cancel: Cancel) -> Found:
        """Read the limits."""
        found = limits(self._asking, cancel)
        self._know(found.quotas)
        return found

    def _know(self, quotas: tuple[Quota, ...]) -> None:
        self._known = _Known(time.monotonic(), quotas)

    def _rate_limits(self, cancel: Cancel) -> tuple[Quota, ...]:
        """Return the limits; none where they cannot be read, as the look at them says why, and tries again."""
        try:
            return tuple(rate_limits(self._asking, cancel))
        except Trouble as trouble:
            if wants_rest(trouble):
                raise
            return ()


def _judged(reply: Reply) -> Verdict:
    """Return what an answer that should be a list means: a page of a proxy says nothing of the key."""
    try:
        told = document(reply)
    except Trouble as trouble:
        return Verdict(up=False, reason=str(trouble), fix=BETWEEN)
    if _is_list(told):
        return GOOD
    return Verdict(up=True, reason="the answer is no list, as is documented", fix="see what answers at `url`")


def _is_list(told: Any) -> bool:
    """Tell whether an answer lists something: some who are compatible have the bare list, or null where it is empty."""
    if isinstance(told, dict):
        return isinstance(told.get("data"), list) or (told.get("object") == "list" and told.get("data", 0) is None)
    return isinstance(told, list)
