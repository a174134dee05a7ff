"""What each look found: one read for each, so that one which is refused takes nothing from the others."""

from typing import Final

from exporter.collector import Members, read
from exporter.collectors.api.estimate import estimated
from exporter.collectors.api.found import Found
from exporter.collectors.api.looks import Looks
from exporter.collectors.api.metrics import (
    BUDGET,
    COST,
    DATA,
    DURATION,
    ITEM_COST,
    MODEL_UP,
    RATE_LIMITED,
    REQUESTS,
    TOKENS,
    UNPRICED,
)
from exporter.metric import Remarking, Samples

OF_ALL: Final = ("service", "quotas", "spending")
"""The reads that are of no single look."""


@read
def look(looks: Looks) -> Remarking:
    """Whether the API answers, by a call that costs nothing."""
    return (yield from report("look", looks))


@read
def calls(looks: Looks) -> Remarking:
    """Whether each model answers, and what is left of its limits."""
    return (yield from report("calls", looks))


@read(members=Members(("model",), 20, REQUESTS))
def usage(looks: Looks) -> Remarking:
    """What was used, as the provider has counted it."""
    return (yield from report("usage", looks))


@read(members=Members(("item",), 20, ITEM_COST))
def cost(looks: Looks) -> Remarking:
    """What the month has cost so far."""
    return (yield from report("cost", looks))


@read
def limits(looks: Looks) -> Remarking:
    """The limits that the provider has set."""
    return (yield from report("limits", looks))


@read
def search(looks: Looks) -> Remarking:
    """Whether the search engine answers, by one query."""
    return (yield from report("search", looks))


def report(name: str, looks: Looks) -> Remarking:
    """Yield what one look found; the remark says why the last try found nothing, or what was left out."""
    found, _, remark = looks.report(name)
    if name == "look":
        yield DURATION(found.seconds)
    yield DATA(found.data, read=name)
    for model, answered in found.models.items():
        yield MODEL_UP(answered, model=model)
    yield from _counted(name, looks)
    yield BUDGET(found.budget, source="provider")
    yield from _costs(name, found, looks)
    return "; ".join(filter(None, (remark, found.remark)))


def _counted(name: str, looks: Looks) -> Samples:
    """Yield what the reports of a look have counted up to now."""
    for (metric, first, second), total in looks.counting.of(name).items():
        if metric == "requests":
            yield REQUESTS(total, model=first, operation=second)
        elif metric == "tokens":
            yield TOKENS(total, model=first, type=second)
        else:
            yield RATE_LIMITED(total, source="project")


def _costs(name: str, found: Found, looks: Looks) -> Samples:
    """Yield what the month has cost, where the figures are of this month, by bill and by configured prices."""
    if looks.month(name, found) is None:
        return
    yield COST(found.cost, source="billed")
    for item, value in found.items.items():
        yield ITEM_COST(value, item=item)
    if found.tokens and looks.settings.prices:
        estimate = estimated(found.tokens, looks.settings.prices)
        yield COST(estimate.cost, source="estimate")
        yield UNPRICED(len(estimate.unpriced))
