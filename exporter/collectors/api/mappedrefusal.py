"""What an answer means that the provider `json` gave: whether it answers, takes the key, and lets us in."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from exporter.collectors.api.answers import Answer
from exporter.collectors.api.asking import BETWEEN, ROTATE, failing, is_page
from exporter.collectors.api.found import Limit, Quota, Verdict
from exporter.fetch import Reply
from exporter.jmes import compiled, kind_of
from exporter.retryafter import LONGEST_WAIT, wait_of

_LONG: Final = ("day", "month", "total")
_SECONDARY: Final = b"rate limit"  # as GitHub calls what it refuses by 403, without a word in its headers
_DENIED: Final = 403
_SECONDARY_WAIT: Final = 60.0  # seconds, as it asks for (docs.github.com/rest, best practices)


def verdict_of(reply: Reply, answer: Answer, quotas: Sequence[Quota], *, keyed: bool) -> Verdict:
    """Return what an answer's status says; `keyed` is whether a key was sent. Of 200 to 299 there is no reason."""
    status = reply.status
    if 200 <= status < 300:
        return Verdict(up=True, valid=keyed or None, allowed=keyed or None)
    if status in answer.limited_statuses or (status in answer.denied_statuses and _used_up(reply, quotas)):
        return _limited(reply, quotas)
    if status in answer.spent_statuses:
        reason, fix = f"money is used up (status {status})", "pay, or raise the limit, in the provider's settings"
        return Verdict(up=True, valid=keyed or None, limit="money", reason=reason, fix=fix)
    if status in (*answer.rejected_statuses, *answer.denied_statuses) and is_page(reply):
        reason = f"refused, by a page that is not the API's (status {status})"
        return Verdict(up=True, reason=reason, fix=f"{BETWEEN}, as a proxy or a firewall has")
    if status in answer.rejected_statuses:
        return _rejected(f"status {status}")
    if status in answer.denied_statuses:
        reason = f"this is not allowed to the key (status {status})"
        fix = "give it the permission in the provider's settings"
        return Verdict(up=True, allowed=False, reason=reason, fix=fix)
    return _unexpected(reply)


def judged(verdict: Verdict, document: Any, path: str) -> Verdict:
    """Return the verdict where the document itself says, at a path, whether the key is taken."""
    taken = compiled(path).find(document)
    if taken is False:
        return _rejected("as the answer says")
    if taken is not True:
        reason, fix = f"`{path}` is {kind_of(taken)}, expected true or false", "compare it with the documentation"
        return replace(verdict, valid=None, allowed=None, reason=reason, fix=fix)
    return verdict


def _rejected(how: str) -> Verdict:
    return Verdict(up=True, valid=False, reason=f"the key is rejected ({how})", fix=ROTATE)


def _unexpected(reply: Reply) -> Verdict:
    if reply.status >= 500:
        return failing(reply, "see the provider's status page; nothing can be done here")
    fix = "compare `path` with the provider's documentation"
    return Verdict(up=True, wait=wait_of(reply), reason=f"the answer has the status {reply.status}", fix=fix)


def _used_up(reply: Reply, quotas: Sequence[Quota]) -> bool:
    """Tell whether a refusal is for what is used up, as GitHub's 403 may be: nothing is left, or it says so."""
    return wait_of(reply) > 0 or any(quota.remaining == 0 for quota in quotas) or _is_secondary(reply)


def _is_secondary(reply: Reply) -> bool:
    return _SECONDARY in reply.body.lower() and not is_page(reply)


def _limited(reply: Reply, quotas: Sequence[Quota]) -> Verdict:
    none_left = [quota for quota in quotas if quota.remaining == 0]
    until = max((quota.reset for quota in none_left if quota.reset is not None), default=0.0)
    wait = wait_of(reply) or min(LONGEST_WAIT, max(0.0, until - time.time()))
    wait = wait or (_SECONDARY_WAIT if reply.status == _DENIED and _is_secondary(reply) else 0.0)
    limit: Limit = "day" if any(quota.window in _LONG for quota in none_left) else "rate"
    reason = f"too many requests (status {reply.status})"
    fix = "ask for a higher limit, or have the applications ask less"
    return Verdict(up=True, limit=limit, limited=True, wait=wait, reason=reason, fix=fix)
