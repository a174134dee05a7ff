"""What used tokens cost by the configuration's prices: an estimate, as providers have discounts and other units."""

from collections.abc import Mapping
from typing import NamedTuple

from exporter.collectors.api.settings import Price


class Estimate(NamedTuple):
    """US dollars, and the models whose tokens have no price."""

    cost: float
    unpriced: tuple[str, ...]


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """Return the price of a model: of its own name, else of the longest beginning of it."""
    names = [name for name in prices if model == name or model.startswith(name)]
    return prices[max(names, key=len)] if names else None


def per_token(price: Price) -> dict[str, float]:
    """Return US dollars by type of token."""
    million = {"input": price.input, "cached": price.cached, "output": price.output}
    million["cached"] = price.input if price.cached is None else price.cached
    return {kind: (value or 0.0) / 1e6 for kind, value in million.items()}


def estimated(tokens: Mapping[tuple[str, str], float], prices: Mapping[str, Price]) -> Estimate:
    """Return what tokens by model and type cost."""
    cost, unpriced = 0.0, []
    for (model, kind), count in tokens.items():
        price = price_of(model, prices)
        if price is None:
            unpriced.append(model)
        else:
            cost += count * per_token(price).get(kind, 0.0)
    return Estimate(cost, tuple(sorted({model for model in unpriced if model})))
