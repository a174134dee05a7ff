"""The limits that OpenAI has set: calls and tokens by model, and the money of a month; read with an admin key.

GET /organization/projects/{id}/rate_limits and GET .../spend_limit (developers.openai.com/api/reference): the limit of
money is in cents, and 404 where none is set.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from exporter.collectors.api.found import GOOD, Found, Quota, Refused, Verdict
from exporter.collectors.api.openaiasking import (
    DAY,
    Asking,
    Missing,
    a_count,
    a_text,
    an_object,
    changed,
    project_path,
)
from exporter.collectors.api.openaiusage import Limits, limited_as, models_since
from exporter.deadline import Cancel

_FIELDS: Final = {
    "max_requests_per_1_minute": ("requests", "minute"),
    "max_tokens_per_1_minute": ("tokens", "minute"),
    "max_images_per_1_minute": ("images", "minute"),
    "max_audio_megabytes_per_1_minute": ("audio_megabytes", "minute"),
    "max_requests_per_1_day": ("requests", "day"),
    "batch_1_day_max_input_tokens": ("batch_input_tokens", "day"),
}


class Money(NamedTuple):
    """US dollars that a month may cost, and whether calls are refused since it has cost them."""

    budget: float | None = None
    spent: bool | None = None
    remark: str = ""


def limits(asking: Asking, cancel: Cancel) -> Found:
    """Return the limits of the models that are used, and that of the money; one of them refused leaves the other."""
    refused: list[Verdict] = []
    quotas: tuple[Quota, ...] = ()
    money = Money()
    try:
        quotas = tuple(rate_limits(asking, cancel)) if asking.settings.project else ()
    except Refused as refusal:
        _note(refusal, refused)
    try:
        money = _money(asking, cancel)
    except Refused as refusal:
        _note(refusal, refused)
    if len(refused) == (2 if asking.settings.project else 1):
        raise Refused(refused[0])
    verdict = refused[0] if refused else GOOD
    return Found(verdict, quotas=quotas, budget=money.budget, spent=money.spent, remark=money.remark)


def _note(refusal: Refused, refused: list[Verdict]) -> None:
    """Keep that a permission is missing; what else is refused, as a key that is none, refuses all."""
    if refusal.verdict.allowed is not False:
        raise refusal
    refused.append(refusal.verdict)


def by_minute(quotas: tuple[Quota, ...]) -> Limits:
    """Return the limits of a minute by model and quota."""
    return {(one.model, one.quota): one.limit for one in quotas if one.window == "minute" and one.limit is not None}


def rate_limits(asking: Asking, cancel: Cancel) -> Iterator[Quota]:
    """Yield the limits of the project's models: of those in use, as OpenAI has a hundred."""
    known: dict[str, Mapping[str, Any]] = {}
    path = f"{project_path(asking.settings.project)}/rate_limits"
    for page in asking.pages(path, cancel, [("limit", 100)], cursor="last_id"):
        for entry in page:
            limit = an_object(entry, "data")
            known[a_text(limit, "model")] = limit
    for model in _wanted(asking, known, cancel):
        for name, (quota, window) in _FIELDS.items():
            if known[model].get(name) is not None:
                yield Quota(model, quota, window, a_count(known[model], name))


def _wanted(asking: Asking, known: Mapping[str, object], cancel: Cancel) -> list[str]:
    """Return the models whose limits are shown: those configured and used; any where use may not be read."""
    today = int(time.time()) // DAY * DAY
    try:
        used = models_since(asking, today - DAY, cancel)
    except Refused as refusal:
        if refusal.verdict.allowed is not False:
            raise
        used = sorted(known)
    names = dict.fromkeys(limited_as(model, known) for model in (*asking.settings.models, *used))
    return [name for name in names if name in known][: asking.settings.top]


def _money(asking: Asking, cancel: Cancel) -> Money:
    """Return the limit of money of the project, or of the organization without one; either stops the calls."""
    own = _spend_limit(asking, asking.settings.project, cancel)
    if not asking.settings.project:
        return own
    whole = _spend_limit(asking, "", cancel)
    told = [money.spent for money in (own, whole) if money.spent is not None]
    return own._replace(spent=any(told) if told else None)


def _spend_limit(asking: Asking, project: str, cancel: Cancel) -> Money:
    try:
        limit = asking.answer(f"{project_path(project)}/spend_limit", cancel)
    except Missing:  # none is set
        return Money()
    cents = a_count(limit, "threshold_amount")
    status = an_object(limit.get("enforcement"), "enforcement").get("status")
    if status not in ("inactive", "enforcing"):
        raise changed("enforcement.status", "neither inactive nor enforcing")
    if str(limit.get("currency")).upper() != "USD" or limit.get("interval") != "month":
        return Money(None, status == "enforcing", "the provider's limit of money is not in US dollars a month")
    return Money(cents / 100, status == "enforcing")
