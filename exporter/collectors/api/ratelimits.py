"""The headers by which answers say what is left of a limit, to quotas; what is malformed is as if it were not there.

Read are: draft-ietf-httpapi-ratelimit-headers (`RateLimit` with `RateLimit-Policy`, and what the drafts before it had),
`X-RateLimit-*` and its kin as GitHub and others send them, and those with a kind of their own, as of OpenAI, Azure,
Mistral and Anthropic (developers.openai.com/api/docs/guides/rate-limits).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from exporter.collectors.api.found import Quota
from exporter.collectors.api.limitfields import Item, items
from exporter.collectors.api.limitvalues import amount, first_amount, moment

_MOST: Final = 20  # quotas of one answer: the names of kinds are the sender's
_WINDOWS: Final = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}
_MONTH: Final = range(28 * 86400, 31 * 86400 + 1)
_DAY: Final = range(69_000, 108_000)  # seconds that are taken for a day where they are computed of rounded figures
_WORD: Final = "limit|remaining|reset|used"
_KIND_LAST: Final = re.compile(rf"x-rate-?limit-({_WORD})-([a-z][a-z0-9-]{{0,39}})")
_KIND_FIRST: Final = re.compile(rf"(?:x-rate-?limit|anthropic-ratelimit)-([a-z][a-z0-9-]{{0,39}}?)-({_WORD})")
_TIMED: Final = re.compile(r"(?:(.*)-)?(second|minute|hour|day|month)")
_PLAIN: Final = ("ratelimit", "x-ratelimit", "x-rate-limit")
_RESOURCES: Final = {"core": ("requests", "hour"), "graphql": ("points", "hour"), "search": ("searches", "minute")}
"""What GitHub's x-ratelimit-resource stands for (docs.github.com/rest/rate-limit)."""


class _Told(NamedTuple):
    """What headers say of one limit, and in which seconds it is renewed, where they tell."""

    quota: str
    window: str
    limit: float | None
    remaining: float | None
    reset: float | None


def quotas_of(headers: Mapping[str, str], model: str = "", window: str = "", *, now: float) -> list[Quota]:
    """Return the limits that an answer's headers, named in lower case, tell; `window` is of those that do not say it.

    Nothing where the answer came out of a cache, as it tells of another time.
    """
    if amount(headers.get("age", "0")) != 0:
        return []
    known: dict[tuple[str, str], Quota] = {}
    for told in [*_kinds(headers, window, now), *_plain(headers, window, now)]:
        quota = Quota(model, told.quota, told.window, told.limit, told.remaining, told.reset)
        if told.limit is None and told.remaining is None:
            continue
        before = known.get(quota[1:3])
        if before is None or _left(quota) < _left(before):
            known[quota[1:3]] = quota
    return list(known.values())[:_MOST]


def window_of(seconds: float | None) -> str:
    """Return the name of a window of so many seconds; "" where it has none."""
    if seconds is None or seconds != int(seconds):
        return ""
    whole = int(seconds)  # a float is compared with each number of a range
    return "month" if whole in _MONTH else _WINDOWS.get(whole, "")


def _left(quota: Quota) -> float:
    """Return which share is left; of two limits alike the tighter one counts."""
    if quota.remaining is None or not quota.limit:
        return 1.0
    return quota.remaining / quota.limit


def _kinds(headers: Mapping[str, str], window: str, now: float) -> Iterator[_Told]:
    """Yield the limits that have a kind in their headers' names."""
    known: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        if split := _kind(name):
            known.setdefault(split[0], {})[split[1]] = value
    for kind, fields in known.items():
        limit, remaining, reset = _fields(fields, now)
        timed = _TIMED.fullmatch(kind)
        quota = (timed[1] or "requests") if timed else kind
        named = timed[2] if timed else window or _renewed_in(limit, remaining, reset, now)
        yield _Told(_quota(quota), named, limit, remaining, reset)


def _kind(name: str) -> tuple[str, str] | None:
    """Return the kind of limit and the word in a header's name: OpenAI's have the kind last, Anthropic's first."""
    if last := _KIND_LAST.fullmatch(name):
        return last[2], last[1]
    if first := _KIND_FIRST.fullmatch(name):
        return None if first[1].startswith("unified") else (first[1], first[2])
    return None


def _quota(kind: str) -> str:
    return {"req": "requests"}.get(kind, kind).replace("-", "_")


def _renewed_in(limit: float | None, remaining: float | None, reset: float | None, now: float) -> str:
    """Return minute, or day where the limit is renewed so slowly.

    OpenAI, and Groq, tell the limits of a day under the same names: one of 10,000 requests of which one was used is
    whole again after 8.64 seconds, which is a day's 10,000th part.
    """
    if limit is None or remaining is None or reset is None or remaining >= limit:
        return "minute"
    return "day" if int((reset - now) * limit / (limit - remaining)) in _DAY else "minute"


def _fields(fields: Mapping[str, str], now: float) -> tuple[float | None, float | None, float | None]:
    """Return limit, remaining and reset."""
    limit, remaining = first_amount(fields.get("limit", "")), amount(fields.get("remaining", ""))
    if remaining is None and "remaining" not in fields and limit is not None:
        used = amount(fields.get("used", ""))
        remaining = None if used is None else max(0.0, limit - used)
    return limit, remaining, moment(fields.get("reset", ""), now)


def _plain(headers: Mapping[str, str], window: str, now: float) -> list[_Told]:
    """Return the limits of the family of headers without kinds that the answer has; of several the newest one's."""
    policies = items(headers.get("ratelimit-policy", ""))
    limits = items(headers.get("ratelimit", ""))
    if limits and (told := list(_listed(limits, policies, window, now))):
        return told
    for family in _PLAIN:
        names = {word: f"{family}-{word}" for word in _WORD.split("|")}
        fields = {word: headers[name] for word, name in names.items() if name in headers}
        limit, remaining, reset = _fields(fields, now)
        if limit is not None or remaining is not None:
            quota, usual = _resource(headers) if family == "x-ratelimit" else ("requests", "")
            told_window = _policy_window(limit, [*policies, *items(fields.get("limit", ""))])
            return [_Told(quota, told_window or window or usual, limit, remaining, reset)]
    return list(_listed([], policies, window, now))


def _resource(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the quota and the window of GitHub's resource."""
    resource = headers.get("x-ratelimit-resource", "").strip()
    if re.fullmatch(r"[a-z_]{1,30}", resource):
        return _RESOURCES.get(resource, (resource, ""))
    return "requests", ""


def _policy_window(limit: float | None, policies: Iterable[Item]) -> str:
    """Return the window of the policy that has this limit: older drafts have it as `100;w=60`."""
    for policy in policies:
        if limit is not None and amount(policy.value) == limit and (seconds := _seconds(policy)) is not None:
            return window_of(seconds)
    return ""


def _seconds(policy: Item) -> float | None:
    return amount(policy.fields.get("w", policy.fields.get("window", "")))


def _listed(limits: list[Item], policies: list[Item], window: str, now: float) -> Iterator[_Told]:
    """Yield the limits of `RateLimit` (draft 7: one of fields; later: named ones) with the policies of their names."""
    fields = {limit.key: limit.value for limit in limits if limit.key}
    if "limit" in fields and "remaining" in fields:
        limit, remaining, reset = _fields(fields, now)
        yield _Told("requests", _policy_window(limit, policies) or window, limit, remaining, reset)
        return
    named = {policy.value: policy for policy in policies if policy.quoted}
    for one in limits:
        if one.quoted:
            policy = named.get(one.value, Item("", one.value, {}, quoted=True))
            yield _told(policy, window, amount(one.fields.get("r", "")), moment(one.fields.get("t", ""), now))
    for policy in policies if not limits else ():
        yield _told(policy, window, None, None)


def _told(policy: Item, window: str, remaining: float | None, reset: float | None) -> _Told:
    unit = policy.fields.get("qu", "requests").replace("-", "_")
    quota = unit if re.fullmatch(r"[a-z_]{1,30}", unit) else "requests"
    limit = amount(policy.fields.get("q", "") if policy.quoted else policy.value)
    return _Told(quota, window_of(_seconds(policy)) or window, limit, remaining, reset)
