"""All that an answer of the provider `json` tells, as its configuration says."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from exporter.collector import Trouble
from exporter.collectors.api.answers import Answer
from exporter.collectors.api.found import Count, Quota
from exporter.collectors.api.mappedvalues import Cost, amount, cost_in, counts_in, instant, quotas_in, truth


class Figures(NamedTuple):
    """Limits, what was used, what it costs, and until when that counts; the remark names what is not there."""

    quotas: tuple[Quota, ...]
    counts: tuple[Count, ...]
    cost: Cost
    budget: float | None
    data: float | None
    remark: str


def figures_in(document: Any, answer: Answer, now: float) -> Figures:
    """Return what an answer tells; Trouble where it is only a part of that, or is not as the configuration has it."""
    if answer.more and truth(document, answer.more):
        fix = "ask for all of it at once, by `path`"
        raise Trouble(f"this is only a page of several, as `{answer.more}` is true", fix)
    quotas = [quotas_in(document, wanted, now) for wanted in answer.quotas]
    counts = [counts_in(document, wanted) for wanted in answer.used]
    cost = cost_in(document, answer.cost) if answer.cost is not None else Cost(None, {})
    remarks = [*(remark for _, remark in quotas), *(remark for _, remark in counts), cost.remark]
    return Figures(
        tuple(_different([quota for found, _ in quotas for quota in found]).values()),
        tuple(count for found, _ in counts for count in found),
        cost,
        amount(document, answer.budget, answer.budget_scale),
        instant(document, answer.data) if answer.data else None,
        "; ".join(dict.fromkeys(filter(None, remarks))),
    )


def _different(quotas: list[Quota]) -> Mapping[tuple[str, str, str], Quota]:
    """Return the limits by what tells them apart; Trouble where two items give the same."""
    known: dict[tuple[str, str, str], Quota] = {}
    for quota in quotas:
        if known.setdefault((quota.model, quota.quota, quota.window), quota) is not quota:
            fix = "give `model` a path that tells them apart"
            raise Trouble(f"two items give the limit of {quota.quota} for the same model", fix)
    return known
