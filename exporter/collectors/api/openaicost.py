"""What OpenAI bills: the days of the month so far by what they were for, read with an admin key.

GET /organization/costs (developers.openai.com/api/reference, organization costs): buckets of one day in UTC; the value
of an amount is documented as a number and was seen as a text; credits are negative.
"""

import time
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from exporter.collector import Trouble
from exporter.collectors.api.found import GOOD, Found
from exporter.collectors.api.month import month_of
from exporter.collectors.api.openaiasking import DAY, Asking, a_count, a_list, a_text, an_object, changed, wants_rest
from exporter.collectors.api.openaiusage import tokens_since
from exporter.deadline import Cancel

_LARGEST: Final = 10**12  # US dollars: more is a mistake
_BUCKETS: Final = 40  # of one page: more than a month has days


class _Bill(NamedTuple):
    """What the days so far have cost by item, how many they are, and currencies that are not US dollars.

    `billed` is until when: the end of the last day with a bill, its beginning while it goes on.
    """

    items: Mapping[str, Decimal]
    days: int
    billed: float | None
    foreign: list[str]


def cost(asking: Asking, cancel: Cancel) -> Found:
    """Return what the month has cost, and where prices are configured the tokens of the month."""
    now = time.time()
    month = month_of(now, asking.settings.zone).start
    first = _first_day(month, now)
    bill = _bill(asking, first, now, cancel)
    tokens, unpriced = _tokens(asking, first, cancel)
    known = bill.days > 0 and not bill.foreign
    return Found(
        GOOD,
        cost=float(sum(bill.items.values())) if known else None,
        items={item: float(value) for item, value in bill.items.items()} if known else {},
        tokens=tokens,
        month=month,
        data=bill.billed,
        remark="; ".join(filter(None, (_foreign(bill.foreign), unpriced))),
    )


def _first_day(month: float, now: float) -> int:
    """Return when the day of UTC begins, which the provider's days are, that is nearest to a month's beginning.

    None is asked for that is still to come: of a month that has just begun east of UTC it is today.
    """
    return min(int(month / DAY + 0.5), int(now / DAY)) * DAY


def _foreign(currencies: list[str]) -> str:
    return f"the cost is in {', '.join(currencies)}, so none is shown in US dollars" if currencies else ""


def _tokens(asking: Asking, first: int, cancel: Cancel) -> tuple[dict[tuple[str, str], float], str]:
    """Return the tokens that an estimate is made of, or why there is none: the bill stands without it."""
    if not asking.settings.prices:
        return {}, ""
    try:
        return tokens_since(asking, first, cancel), ""
    except Trouble as trouble:
        if wants_rest(trouble):
            raise
        return {}, f"nothing is estimated: {trouble}"


def _bill(asking: Asking, first: int, now: float, cancel: Cancel) -> _Bill:
    items: defaultdict[str, Decimal] = defaultdict(Decimal)
    days = 0
    billed: list[float] = []
    foreign: set[str] = set()
    query: list[tuple[str, str | int]] = [("start_time", first), ("bucket_width", "1d"), ("limit", _BUCKETS)]
    query += [("group_by[]", "line_item")]
    query += [("project_ids[]", asking.settings.project)] if asking.settings.project else []
    for page in asking.pages("/organization/costs", cancel, query):
        for entry in page:
            bucket = an_object(entry, "data")
            begins, ends = a_count(bucket, "start_time"), a_count(bucket, "end_time")
            days += 1
            for one in a_list(bucket.get("results"), "results"):
                billed.append(ends if ends <= now else begins)
                result = an_object(one, "results")
                value, currency = _amount(result)
                if value and currency != "usd":
                    foreign.add(currency)
                items[a_text(result, "line_item")] += value
    return _Bill(items, days, max(billed, default=None), sorted(foreign))


def _amount(result: Mapping[str, Any]) -> tuple[Decimal, str]:
    """Return an amount of money and its currency."""
    amount = an_object(result.get("amount"), "amount")
    value, currency = amount.get("value"), amount.get("currency")
    try:
        number = Decimal("" if isinstance(value, bool) else str(value))
    except InvalidOperation:
        raise changed("amount.value", "no number") from None
    if not number.is_finite() or abs(number) >= _LARGEST:
        raise changed("amount.value", "no number")
    known = isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isalpha()
    return number, str(currency).lower() if known else "an unknown currency"
