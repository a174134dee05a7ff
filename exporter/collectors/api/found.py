"""What a look at an API finds: what the provider thinks of the key, what is left, what was used, what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from exporter.collector import Trouble

Key = Literal["main", "admin", "service_account", "engine"]
Limit = Literal["", "rate", "day", "money"]
"""What a refusal says is used up: calls per minute or second, those of a day or month, or the money."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer, or that none came, says of the service and of the key that was shown.

    None is what cannot be told: whether a key is good where nobody answers, or before it was looked at.
    """

    up: bool | None = None
    """Whether the service answers: any answer but one of 500 to 599 does."""
    valid: bool | None = None
    """Whether the key is one that the provider takes, whatever it may do."""
    allowed: bool | None = None
    """Whether the key may do what was asked."""
    limit: Limit = ""
    limited: bool = False
    """Whether it was refused since too much was asked: one more 429."""
    wait: float = 0.0
    """Seconds that the provider asks us to stay away."""
    reason: str = ""
    """What is wrong, in our own words: a provider's own may hold pieces of the key. Nothing where all is well."""
    fix: str = ""


GOOD: Final = Verdict(up=True, valid=True, allowed=True)
"""What an answer with figures says of the key that was shown."""


class Quota(NamedTuple):
    """One limit of a provider: of which model ("" is all), of what, in which time, and what is left of it.

    What is not known, or not limited, is None.
    """

    model: str
    quota: str
    """What is counted: requests, tokens, input_tokens, credits, ..."""
    window: str
    """second, minute, hour, day, month, or total where it is not renewed; "" where the provider does not say."""
    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    """When what is left is full again, in Unix seconds."""


class Refused(Trouble):
    """A look brought no figures, and a verdict; `quotas` are what the refusal tells of, as one that is used up."""

    def __init__(self, verdict: Verdict, quotas: Sequence[Quota] = ()) -> None:
        super().__init__(verdict.reason, verdict.fix)
        self.verdict = verdict
        self.quotas = tuple(quotas)


class Count(NamedTuple):
    """What was used in one bucket of a provider's report: it grows until the provider has counted all of it."""

    metric: Literal["requests", "tokens", "rate_limited"]
    labels: tuple[str, str]
    """Of requests the model and the operation, of tokens the model and the type; of rate_limited twice ""."""
    bucket: int
    """When the bucket begins, in Unix seconds."""
    value: float


@dataclass(frozen=True, slots=True)
class Found:
    """What one look found; what it does not look for is left out."""

    verdict: Verdict = field(default_factory=Verdict)
    seconds: float | None = None
    quotas: tuple[Quota, ...] = ()
    counts: tuple[Count, ...] = ()
    models: Mapping[str, bool] = field(default_factory=dict)
    """Whether each model answered."""
    cost: float | None = None
    """US dollars since the month began, as billed."""
    items: Mapping[str, float] = field(default_factory=dict)
    """The same by what it was for."""
    tokens: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Tokens since the month began, by model and type: their price is an estimate of the cost."""
    month: float | None = None
    """When the month began that cost, items and tokens are of, in Unix seconds."""
    budget: float | None = None
    """US dollars that the provider lets a month cost."""
    spent: bool | None = None
    """Whether the provider refuses calls, as the budget is used up."""
    data: float | None = None
    """Until when the figures count, in Unix seconds."""
    remark: str = ""
    """What a person should know of the figures: what was left out, and why."""

    def kept(self) -> dict[str, Any]:
        """Return what outlives a restart, as JSON can hold it; what the ledger keeps is not in it."""
        return {
            "seconds": self.seconds,
            "quotas": [list(quota) for quota in self.quotas],
            "models": dict(self.models),
            "cost": self.cost,
            "items": dict(self.items),
            "tokens": [[*key, value] for key, value in self.tokens.items()],
            "month": self.month,
            "budget": self.budget,
            "spent": self.spent,
            "data": self.data,
            "remark": self.remark,
        }

    @classmethod
    def again(cls, kept: Mapping[str, Any]) -> "Found":
        """Return what kept() gave, without its verdict, which is kept elsewhere."""
        return cls(
            seconds=kept["seconds"],
            quotas=tuple(Quota(*quota) for quota in kept["quotas"]),
            models=kept["models"],
            cost=kept["cost"],
            items=kept["items"],
            tokens={(model, kind): value for model, kind, value in kept["tokens"]},
            month=kept["month"],
            budget=kept["budget"],
            spent=kept["spent"],
            data=kept["data"],
            remark=kept["remark"],
        )
