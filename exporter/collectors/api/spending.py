"""What a month may cost, and what the configuration says of prices."""

import time

from exporter.collector import Members, read
from exporter.collectors.api.estimate import per_token, price_of
from exporter.collectors.api.looks import Looks
from exporter.collectors.api.metrics import BUDGET, MONTH_END, MONTH_START, PRICE
from exporter.collectors.api.month import month_of
from exporter.metric import Samples


@read(members=Members(("model",), 20, PRICE))
def spending(looks: Looks) -> Samples:
    """The budget and the prices of the configuration, and the month that they are for."""
    month = month_of(time.time(), looks.settings.zone)
    yield MONTH_START(month.start)
    yield MONTH_END(month.end)
    yield BUDGET(looks.settings.budget, source="setting")
    yield from _prices(looks)


def _prices(looks: Looks) -> Samples:
    """Yield the prices by the names of the configuration, and by those of the models in use that they are for."""
    prices = looks.settings.prices
    counted = [series for look in looks.intervals for series in looks.counting.of(look)]
    used = {model for metric, model, _ in counted if metric == "tokens"}
    for model in sorted({*prices, *used}):
        price = price_of(model, prices)
        for kind, dollars in per_token(price).items() if price is not None else ():
            yield PRICE(dollars, model=model, type=kind)
