"""Google's Custom Search JSON API: https://developers.google.com/custom-search/v1/overview. It ends on 2027-01-01.

No answer has headers of limits, and each query counts, of which a day has 100 without billing. So whether the key is
good is asked of the API's own description, whose answer is 400 for one that is not; that neither shows that the API is
enabled nor that the engine exists, which a query alone does.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from exporter.collector import Trouble
from exporter.collectors.api.asking import Query, ask, document, document_or_none
from exporter.collectors.api.found import GOOD, Found, Quota, Refused, Verdict
from exporter.collectors.api.googleday import day_began, day_ends, day_ends_or_none
from exporter.collectors.api.googlelook import CHANGED, google_look, key_header
from exporter.collectors.api.googlerefusal import daily_limit, told, verdict_of
from exporter.collectors.api.googleuse import Remembered, last_day, limits, newest, requests, since, steps
from exporter.collectors.api.monitoring import Monitoring, Series
from exporter.collectors.api.provider import Look
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.fetch import Reply

_SERVICE: Final = "customsearch.googleapis.com"
_OF_QUOTAS: Final = f'resource.type="consumer_quota" AND resource.labels.service="{_SERVICE}"'
_USE: Final = "serviceruntime.googleapis.com/quota/rate/net_usage"
_LIMIT: Final = "serviceruntime.googleapis.com/quota/limit"
_QUERIES: Final = f"{_SERVICE}/requests"
_END: Final = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
_GONE: Final = (404, "NOT_FOUND")
_MOVE: Final = "move to another search, such as Google's Vertex AI Search, and take this target out"


class CustomSearch:
    """The looks at Custom Search."""

    def __init__(self, settings: APISettings) -> None:
        self._settings = settings
        self._monitoring = Monitoring(settings)
        self._limit = Remembered[list[Series]](settings.limits_interval)

    def looks(self) -> Sequence[Look]:
        settings = self._settings
        looks = [Look("look", "main", settings.look_interval, self.look)]
        if settings.engine is not None and settings.search_interval > 0:
            looks.append(Look("search", "engine", settings.search_interval, self.search))
        if settings.service_account_file:
            looks.append(Look("usage", "service_account", settings.usage_interval, self.usage))
        return looks

    def look(self, cancel: Cancel) -> Found:
        """Ask for the description of the API, which is no query."""
        found = google_look(self._settings, "/$discovery/rest", [("version", "v1")], "name", cancel)
        return replace(found, verdict=_ended(found.verdict))

    def search(self, cancel: Cancel) -> Found:
        """Search for a word: https://developers.google.com/custom-search/v1/reference/rest/v1/cse/list.

        The engine's id can be sent in the address alone; no error tells an address.
        """
        engine = self._settings.engine
        query: Query = [
            ("cx", engine.reveal() if engine is not None else ""),
            ("q", "search"),
            ("num", 1),
            ("fields", "searchInformation(totalResults)"),
        ]
        url = f"{self._settings.base}/customsearch/v1"
        reply = ask(self._settings, url, cancel, query=query, headers=key_header(self._settings))
        now = time.time()
        verdict = _ended(_of_the_engine(verdict_of(reply, now), reply))
        if verdict.reason:
            raise Refused(verdict, self._used_up(reply, now) if verdict.limit == "day" else ())
        answer = document(reply)
        if not isinstance(answer, dict) or not isinstance(answer.get("searchInformation"), dict):
            raise Trouble("the answer has no object `searchInformation`", CHANGED)
        return Found(GOOD, seconds=reply.seconds)

    def _used_up(self, reply: Reply, now: float) -> tuple[Quota, ...]:
        """Return the day's quota as a refusal tells of it; it may be raised before its end."""
        limit = daily_limit(document_or_none(reply)) or self._settings.daily_limit
        return (Quota("", "queries", "day", limit, 0.0, day_ends_or_none(now)),)

    def usage(self, cancel: Cancel) -> Found:
        """Read how many queries the day has had, and what is left of its quota."""
        now = time.time()
        span, began = last_day(now), day_began(now)
        known = self._limit.get(lambda: limits(self._monitoring, _LIMIT, now, cancel, _OF_QUOTAS))
        daily = [one for one in known if _is_daily(one.labels)]
        limit = min((one.points[0].value for one in daily), default=float(self._settings.daily_limit))
        names = {one.labels.get("quota_metric", "") for one in daily} or {_QUERIES}
        series = self._monitoring.series(steps(_USE, span, _OF_QUOTAS), cancel)
        use = [one for one in series if one.labels.get("quota_metric") in names]
        asked = requests(self._monitoring, _SERVICE, span, cancel)
        # of a project of which nothing at all is known, it may be the wrong one
        left = max(0.0, limit - since(use, began)) if use or daily else None
        quota = Quota("", "queries", "day", limit, left, day_ends(now))
        data = max((end for end in (newest(use), asked.data) if end is not None), default=None)
        return Found(GOOD, quotas=(quota,), counts=asked.counts, data=data)


def _is_daily(labels: Mapping[str, str]) -> bool:
    """Tell whether a limit is that of a project's day: there are others for each of its users."""
    name = labels.get("limit_name", "").lower()
    return "perday" in name and "peruser" not in name and labels.get("quota_metric", "").startswith(f"{_SERVICE}/")


def _of_the_engine(verdict: Verdict, reply: Reply) -> Verdict:
    """Return the verdict on the engine: its id is wrong where the key is not, and the request is not taken."""
    said = told(document_or_none(reply))
    if verdict.valid is False:  # the key that is wrong is the other one
        return replace(verdict, valid=None)
    if (reply.status == 400 and said.google and verdict.allowed is None) or (reply.status, said.status) == _GONE:
        reason = "Google knows no such search engine"
        return Verdict(up=True, valid=False, reason=reason, fix="see programmablesearchengine.google.com for its id")
    return replace(verdict, valid=None) if verdict.reason else verdict


def _ended(verdict: Verdict) -> Verdict:
    """Return the verdict, which tells of the end of the service once it has come."""
    if not verdict.reason or verdict.limit or verdict.up is not True or time.time() < _END:
        return verdict
    reason = f"{verdict.reason}; Google has ended the Custom Search JSON API on 2027-01-01"
    return replace(verdict, reason=reason, fix=_MOVE)
