"""What an answer of Google's says of the key, of what is used up, and of when to ask again.

Errors: https://docs.cloud.google.com/apis/design/errors (google.rpc.Status, its details ErrorInfo, QuotaFailure and
RetryInfo), reasons in google.api.ErrorReason; what Gemini gives: https://ai.google.dev/gemini-api/docs/troubleshooting.
The status alone tells little: a key that is wrong has 400, what is used up by the minute, the day or in money has 429.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

from exporter.collectors.api.asking import BETWEEN, document_or_none
from exporter.collectors.api.found import GOOD, Verdict
from exporter.collectors.api.googleday import until_worth_asking
from exporter.fetch import Reply
from exporter.retryafter import LONGEST_WAIT, wait_of

_REJECTED: Final = frozenset({"API_KEY_INVALID", "keyInvalid", "keyExpired", "ACCOUNT_STATE_INVALID"})
_REJECTED_TEXTS: Final = ("api key not valid", "api key not found", "api key expired", "api_key_invalid")
_LEAKED: Final = "reported as leaked"
_CONSOLE: Final = "in Google's console, under APIs & Services"
_ROLE: Final = (
    "Google denies what was asked",
    "grant the key's owner the permission, such as the role Monitoring Viewer",
)
_DISABLED: Final = ("the API is not enabled in the key's project", f"enable it {_CONSOLE} > Library")
_BY_ADDRESS: Final = (
    "the key may not be used from this address", f"allow it {_CONSOLE} > Credentials, among the key's restrictions"
)  # fmt: skip
_BY_PLACE: Final = (
    "the key is for a website or an app alone", f"make one without such a restriction {_CONSOLE} > Credentials"
)  # fmt: skip
_DENIED: Final = {
    "SERVICE_DISABLED": _DISABLED,
    "accessNotConfigured": _DISABLED,
    "BILLING_DISABLED": ("the billing of the key's project is off", "link a billing account to it in Google's console"),
    "CONSUMER_SUSPENDED": ("Google has suspended the key's project", "see what Google has written to its owner"),
    "CONSUMER_INVALID": ("the key's project is gone", "make a key in a project that exists"),
    "API_KEY_SERVICE_BLOCKED": (
        "the key may not be used for this API", f"allow it {_CONSOLE} > Credentials, among the key's restrictions"
    ),
    "API_KEY_IP_ADDRESS_BLOCKED": _BY_ADDRESS,
    "ipRefererBlocked": _BY_ADDRESS,
    "API_KEY_HTTP_REFERRER_BLOCKED": _BY_PLACE,
    "API_KEY_ANDROID_APP_BLOCKED": _BY_PLACE,
    "API_KEY_IOS_APP_BLOCKED": _BY_PLACE,
    "IAM_PERMISSION_DENIED": _ROLE,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": _ROLE,
}  # fmt: skip
"""Reasons of refusals of a key that is known, and what they mean."""
_USED_UP: Final = frozenset(
    {"RATE_LIMIT_EXCEEDED", "RESOURCE_QUOTA_EXCEEDED", "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded",
     "dailyLimitExceeded", "variableTermLimitExceeded"}
)  # fmt: skip
_DAILY: Final = frozenset({"dailyLimitExceeded", "variableTermLimitExceeded"})
_MONEY: Final = ("spending cap", "credits are depleted")


class Told(NamedTuple):
    """What stands in the body of a refusal. The message is for comparison alone: it may hold a project's number."""

    google: bool
    """Whether it has the form that Google gives errors."""
    status: str
    message: str
    reasons: frozenset[str]
    quotas: tuple[tuple[str, float | None], ...]
    """The names of what is used up, and how much of each there was."""
    retry: float
    """Seconds that it asks us to stay away."""


def verdict_of(reply: Reply, now: float) -> Verdict:
    """Return what an answer says; of one of 200 to 299 the caller looks into what it brings."""
    if 200 <= reply.status < 300:
        return GOOD
    return refusal(reply.status, document_or_none(reply), now, wait_of(reply))


def refusal(status: int, body: Any, now: float, asked: float = 0.0) -> Verdict:
    """Return what a refusal says, by its status, its body and the seconds that its Retry-After asks for."""
    said = told(body)
    wait = min(LONGEST_WAIT, max(asked, said.retry))
    if status >= 500:
        fix = "see https://status.cloud.google.com and https://aistudio.google.com/status"
        return Verdict(up=False, wait=wait, reason=f"Google answers with the status {status}", fix=fix)
    if _LEAKED in said.message:
        return _rejected(
            "Google rejects the key, as it was seen in public", "delete it, and put a new one in its place"
        )
    if said.reasons & _REJECTED or any(text in said.message for text in _REJECTED_TEXTS):
        return _rejected(
            "Google rejects the key", f"put one that is good in its place: they are {_CONSOLE} > Credentials"
        )
    if status == 429 or said.status == "RESOURCE_EXHAUSTED" or said.reasons & _USED_UP:
        return _used_up(said, now, wait)
    return replace(_refused(status, said), wait=wait)


def told(body: Any) -> Told:
    """Return what stands in a body, whether as a Status, as one in a list, in the older form, or as mere text."""
    body = next(iter(body), None) if isinstance(body, list) else body
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return Told(False, "", error.lower() if isinstance(error, str) else "", frozenset(), (), 0.0)
    details, older = _objects(error.get("details")), _objects(error.get("errors"))
    status, message = _text(error.get("status")), _text(error.get("message")).lower()
    reasons = frozenset(reason for one in (*details, *older) if (reason := _text(one.get("reason"))))
    retry = max((_seconds(one.get("retryDelay")) for one in details), default=0.0)
    return Told(bool(status or reasons), status, message, reasons, tuple(_quotas(details)), retry)


def daily_limit(body: Any) -> float | None:
    """Return how much a day's quota that is used up has; None where it is another, or not told."""
    return next((limit for name, limit in told(body).quotas if _is_daily(name) and limit is not None), None)


def _rejected(reason: str, fix: str) -> Verdict:
    return Verdict(up=True, valid=False, reason=reason, fix=fix)


def _used_up(said: Told, now: float, wait: float) -> Verdict:
    known = Verdict(up=True, valid=said.google or None, limited=True)
    if any(text in said.message for text in _MONEY):
        fix = "see Spend and Billing in https://aistudio.google.com: raise the cap, or buy credits"
        return replace(known, limit="money", wait=wait, reason="what the project may spend is used up", fix=fix)
    daily = said.reasons & _DAILY or any(_is_daily(name) for name, _ in said.quotas) or "per day" in said.message
    fix = f"ask for less, or for more quota {_CONSOLE} > Quotas"
    if daily:  # the delay that such a refusal names is of minutes, and wrong
        reason = "the quota of the day is used up, until midnight in California"
        return replace(known, limit="day", wait=until_worth_asking(now), reason=reason, fix=fix)
    return replace(known, limit="rate", wait=wait, reason="more was asked in a short time than the quota has", fix=fix)


def _refused(status: int, said: Told) -> Verdict:
    for reason, (meaning, fix) in _DENIED.items():
        if reason in said.reasons:
            return Verdict(up=True, valid=True, allowed=False, reason=meaning, fix=fix)
    if said.status == "FAILED_PRECONDITION":
        fix = "see ai.google.dev/gemini-api/docs/available-regions, and the billing of the key's project"
        reason = "Google does not serve this place, or not without billing"
        return Verdict(up=True, valid=True, allowed=False, reason=reason, fix=fix)
    if status == 403 and said.google:
        fix = "see in Google's console whether its project may use this API"
        return Verdict(up=True, allowed=False, reason="Google denies the key what was asked", fix=fix)
    if status == 401:
        return Verdict(
            up=True, reason="Google takes no such credentials here", fix="give a key of the kind it asks for"
        )
    if not said.google:
        return Verdict(up=True, reason=f"the answer has the status {status}, and is none of Google's", fix=BETWEEN)
    fix = "see whether `url` is the API's address with its version"
    return Verdict(up=True, reason=f"the answer has the status {status}", fix=fix)


def _quotas(details: list[dict[str, Any]]) -> Iterator[tuple[str, float | None]]:
    for detail in details:
        for violation in _objects(detail.get("violations")):
            yield _text(violation.get("quotaId")), _number(violation.get("quotaValue"))
        metadata = detail.get("metadata")
        if isinstance(metadata, dict) and "quota_limit" in metadata:
            yield _text(metadata["quota_limit"]), _number(metadata.get("quota_limit_value"))


def _is_daily(name: str) -> bool:
    return "perday" in name.lower()


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, str | int) and float(value) >= 0 else None
    except ValueError:
        return None


def _seconds(value: Any) -> float:
    """Return the seconds of a Duration, such as "57.238s"."""
    number = _number(value[:-1]) if isinstance(value, str) and value.endswith("s") else None
    return number if number is not None and number < 1e9 else 0.0
