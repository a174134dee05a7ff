"""What a month may cost, and what the configuration says of prices."""

import time

from exporter.collector import read
from exporter.collectors.api.estimate import per_token
from exporter.collectors.api.looks import Looks
from exporter.collectors.api.metrics import BUDGET, MONTH_END, MONTH_START, PRICE
from exporter.collectors.api.month import month_of
from exporter.metric import Samples


@read
def spending(looks: Looks) -> Samples:
    """The budget and the prices of the configuration, and the month that they are for."""
    month = month_of(time.time(), looks.settings.zone)
    yield MONTH_START(month.start)
    yield MONTH_END(month.end)
    yield BUDGET(looks.settings.budget, source="setting")
    for model, price in looks.settings.prices.items():
        for kind, dollars in per_token(price).items():
            yield PRICE(dollars, model=model, type=kind)
