"""OpenAI, Azure and what is compatible with them: the looks that the given keys allow.

GET /models costs nothing and needs a key (developers.openai.com/api/reference, models; Azure: learn.microsoft.com
/rest/api/azureopenai/models/list); all that is of the organization needs an admin key, which can do nothing else.
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from exporter.collector import Trouble, Unable
from exporter.collectors.api.asking import document, unanswered
from exporter.collectors.api.found import Found, Key, Quota, Verdict
from exporter.collectors.api.openaiasking import GOOD, Asking
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

_DAY: Final = 86400


class OpenAI:
    """The looks at OpenAI."""

    def __init__(self, settings: APISettings) -> None:
        self._settings = settings
        self._asking = Asking(settings)
        self._calls = Calls(self._asking)
        self._limits: tuple[Quota, ...] | None = None

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
            today = int(time.time()) // _DAY * _DAY
            path, query = "/organization/costs", [("start_time", today), ("limit", 1)]
        try:
            reply = self._asking.reply(key, path, cancel, query)
        except Unable:
            raise
        except Trouble as trouble:
            return Found(unanswered(trouble))
        verdict = _judged(reply) if 200 <= reply.status < 300 else verdict_of(reply, key)
        return Found(verdict, seconds=reply.seconds, quotas=tuple(quotas_of(reply.headers, now=time.time())))

    def usage(self, cancel: Cancel) -> Found:
        """Read what was used, and what that leaves of the limits, which after a restart are not known yet."""
        if self._limits is None and self._settings.project:
            try:
                self._limits = tuple(rate_limits(self._asking, cancel))
            except Trouble:  # the look at the limits says why, and tries again
                self._limits = ()
        return usage(self._asking, by_minute(self._limits or ()), cancel)

    def limits(self, cancel: Cancel) -> Found:
        """Read the limits."""
        found = limits(self._asking, cancel)
        self._limits = found.quotas
        return found


def _judged(reply: Reply) -> Verdict:
    """Return what an answer that should be a list means: a page of a proxy says nothing of the key."""
    try:
        told = document(reply)
    except Trouble as trouble:
        fix = "see what answers at `url`: expected the API, not a page of something between"
        return Verdict(up=False, reason=str(trouble), fix=fix)
    if _is_list(told):
        return GOOD
    return Verdict(up=True, reason="the answer is no list, as is documented", fix="see what answers at `url`")


def _is_list(told: Any) -> bool:
    """Tell whether an answer lists something: some who are compatible have the bare list, or null where it is empty."""
    if isinstance(told, dict):
        return isinstance(told.get("data"), list) or (told.get("object") == "list" and told.get("data", 0) is None)
    return isinstance(told, list)
