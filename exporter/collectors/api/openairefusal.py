"""What an answer that brings no figures means, at OpenAI and what is compatible with it.

Decided by the error's code first, its type second, the status last, as money and calls per minute share a status
(developers.openai.com/api/docs/guides/error-codes; Azure: learn.microsoft.com/azure/foundry/openai/quotas-limits).
Its message is looked into where nothing else tells, and never shown: it may hold pieces of the key.
"""

from typing import Any, Final, NamedTuple

from exporter.collectors.api.asking import BETWEEN, ROTATE, document_or_none, failing
from exporter.collectors.api.found import Key, Limit, Verdict
from exporter.collectors.api.limitvalues import amount
from exporter.fetch import Reply
from exporter.retryafter import LONGEST_WAIT, wait_of

_MONEY: Final = {
    "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached",
    "billing_not_active", "budget_exceeded", "insufficient_balance", "access_terminated",
}  # fmt: skip
"""Codes and types of refusals that end when somebody pays, or raises a limit of money."""
_RATE: Final = {
    "rate_limit_exceeded",
    "rate_limit_error",
    "slow_down",
    "requests",
    "tokens",
    "too_many_requests",
    "ratelimitreached",
}
_PLACE: Final = {"unsupported_country_region_territory", "ip_not_authorized"}
_ORGANIZATION: Final = {
    "invalid_organization", "mismatched_organization", "mismatched_project", "organization_not_found",
}  # fmt: skip
_NO_MODEL: Final = {"model_not_found", "deploymentnotfound", "modelnotfound"}
_NAMES: Final[dict[Key, str]] = {"main": "the key", "admin": "the admin key"}
_NO_PLACE: Final = ("invalid url", "unknown request url")
"""How OpenAI says that nothing is at an address, with the path in its text."""


class Said(NamedTuple):
    """What an error says of itself, in lower case: its code, its type, which parameter it is about, and the text."""

    code: str = ""
    kind: str = ""
    param: str = ""
    text: str = ""

    def has(self, *words: str) -> bool:
        return any(word in self.text for word in words)


def said_of(reply: Reply) -> Said:
    """Return the error in an answer: an object, a plain text, or one of these in a list or right at the top."""
    told = document_or_none(reply)
    told = told[0] if isinstance(told, list) and told else told
    if not isinstance(told, dict):
        return Said()
    error = told.get("error", told)
    if not isinstance(error, dict):
        return Said(text=_word(error))
    text = error.get("message", error.get("detail", told.get("message")))
    return Said(_word(error.get("code")), _word(error.get("type")), _word(error.get("param")), _word(text))


def verdict_of(reply: Reply, key: Key, *, called: bool = False) -> Verdict:
    """Return what a refusal means for the service and for the key that was shown; any status but 200 to 299 is one.

    `called` is whether a model was, which may be what is not there.
    """
    said, name = said_of(reply), _NAMES.get(key, "the key")
    if reply.status >= 500:
        return failing(reply, "see the provider's status page, or the log of a server of your own")
    if reply.status == 402 or {said.code, said.kind} & _MONEY:
        return _money()
    if reply.status == 429:
        return _too_many(reply, said)
    if said.kind == "no_db_connection":  # LiteLLM without a database knows its master key alone
        return _rejected(said, name)
    if reply.status in (401, 403):
        return _denied(reply.status, said, name)
    return _unexpected(reply.status, said, key, called=called)


def _money() -> Verdict:
    fix = "pay, or raise the limit, in the provider's settings of billing and limits"
    reason = "refused, as the money or a limit of it is used up"
    return Verdict(up=True, valid=True, allowed=True, limit="money", reason=reason, fix=fix)


def _too_many(reply: Reply, said: Said) -> Verdict:
    """Return the verdict of too much in a time; without a code it may be meant for our address, whatever the key."""
    known = True if {said.code, said.kind} & _RATE else None
    limit: Limit = "day" if said.has("per day", "(rpd)", "(tpd)") else "rate"
    what = "of a day" if limit == "day" else "of calls or tokens in a time"
    return Verdict(
        up=True, valid=known, allowed=known, limit=limit, limited=True, wait=_wait(reply),
        reason=f"refused, as a limit {what} is used up (429)", fix="ask less often, or have the limit raised",
    )  # fmt: skip


def _wait(reply: Reply) -> float:
    """Return the seconds to stay away: Azure tells milliseconds as well."""
    exact = amount(reply.headers.get("retry-after-ms", ""))
    return wait_of(reply) or min(LONGEST_WAIT, (exact or 0.0) / 1000)


def _denied(status: int, said: Said, name: str) -> Verdict:
    """Return the verdict of 401 and 403: the key is wrong, or good and not allowed this, or not from here."""
    if said.has("missing scopes", "insufficient permissions") or said.code in _NO_MODEL:
        fix = f"give {name} the permission to read this, or use one that has it"
        reason = f"{name} is good, but lacks a permission"
        return Verdict(up=True, valid=True, allowed=False, reason=reason, fix=fix)
    if said.code in _PLACE or said.has("ip not authorized", "ip address"):
        fix = "ask from an address and a country that the provider allows"
        return Verdict(up=True, reason="refused because of where it is asked from", fix=fix)
    if said.code in _ORGANIZATION or said.has("member of an organization", "no such organization"):
        fix = "see that the key's owner is a member, and that the headers that are sent name the right one"
        return Verdict(up=True, reason=f"{name} is not of the organization or project that is asked for", fix=fix)
    if said == Said():  # no error of the API's: it may never have seen the key
        reason = f"refused, with no error that the API has ({status})"
        return Verdict(up=True, reason=reason, fix=f"{BETWEEN}, as a proxy or a firewall has")
    if status == 401:
        return _rejected(said, name)
    reason = f"{name} is refused, and no reason is given that is known ({status})"
    fix = "see what stands between, as a proxy or a firewall, and what the key may do"
    return Verdict(up=True, allowed=False, reason=reason, fix=fix)


def _rejected(said: Said, name: str) -> Verdict:
    if said.has("deactivated") or said.code == "account_deactivated":
        return Verdict(up=True, valid=False, reason=f"the account of {name} is closed", fix="ask the provider why")
    if said.has("wrong api endpoint"):
        fix = f"see that `url` is the resource's own endpoint; else {ROTATE}"
        return Verdict(up=True, valid=False, reason=f"{name} is rejected, or is another resource's", fix=fix)
    return Verdict(up=True, valid=False, reason=f"{name} is rejected", fix=ROTATE)


def _unexpected(status: int, said: Said, key: Key, *, called: bool) -> Verdict:
    if called and _is_of_model(status, said):
        reason = f"there is no such model, or the key may not use it ({status})"
        return Verdict(up=True, reason=reason, fix="correct `models`, or allow the key to use it")
    if status == 404:
        fix = "correct `url`: expected the address with its version, such as https://api.openai.com/v1"
        fix = "correct `project`, and `url` if it is given" if key == "admin" else fix
        return Verdict(up=True, reason="there is nothing at this address (404)", fix=fix)
    fix = "see whether `url` and `project` are right, and what stands between"
    return Verdict(up=True, reason=f"what was asked is refused (status {status})", fix=fix)


def _is_of_model(status: int, said: Said) -> bool:
    """Tell whether the refusal of a call is for its model: the path, too, may have that word."""
    if said.code == "unknown_url" or said.has(*_NO_PLACE):
        return False
    return said.code in _NO_MODEL or said.has("invalid model name") or (status == 404 and said.has("model"))


def _word(value: Any) -> str:
    return value.lower() if isinstance(value, str) else str(value) if isinstance(value, int) else ""
