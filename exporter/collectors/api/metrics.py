"""What the collector `api` says of a provider, one declaration each."""

from typing import Final

from exporter.metric import counter, gauge, info

INFO = info("runbook_api_info", "Which provider it is.", labels=("provider",), source="the configuration")
UP = gauge(
    "runbook_api_up",
    "1 where the API answered the last look, if only by a refusal; 0 where nothing did, or something else.",
    source="the look",
)
DURATION = gauge("runbook_api_duration_seconds", "How long the last look took.", source="the look")
KEY_VALID = gauge(
    "runbook_api_key_valid",
    "1 where the provider takes the key, 0 where it rejects it; nothing where that cannot be told.",
    labels=("key",),
    source="the last answers to it",
)
ACCESS = gauge(
    "runbook_api_access",
    "1 where the key may do what the exporter asks of it, 0 where a permission is missing.",
    labels=("key", "operation"),
    source="the last answers to it",
)
MODEL_UP = gauge(
    "runbook_api_model_up",
    "1 where the last call of the model was answered, 0 where it was refused or failed.",
    labels=("model",),
    source="a call of the model",
)
QUOTA_LIMIT = gauge(
    "runbook_api_quota_limit",
    "How much may be used in a window of time; nothing where there is no limit.",
    labels=("model", "quota", "window"),
    source="headers of answers, and the provider's report of limits",
    fold="drop",
)
QUOTA_REMAINING = gauge(
    "runbook_api_quota_remaining",
    "How much of the limit is left; of a minute by a provider's report: after the busiest three minutes on end.",
    labels=("model", "quota", "window"),
    source="headers of answers; else the limit less what the provider has counted",
    fold="drop",
)
QUOTA_RESET = gauge(
    "runbook_api_quota_reset_timestamp_seconds",
    "When the limit is whole again, in Unix time.",
    labels=("model", "quota", "window"),
    source="headers of answers; else the end of the provider's day or month",
)
EXHAUSTED = gauge(
    "runbook_api_exhausted",
    "1 where the last answers were refusals since something is used up, by what it is (rate, day, money), else 0.",
    labels=("reason",),
    source="the last answers",
)
RATE_LIMITED = counter(
    "runbook_api_rate_limited_total",
    "Refused calls since too many came (429): of the exporter itself, or of the whole project, as the provider "
    "reports it.",
    labels=("source",),
    source="answers, and the provider's report of use",
)
REQUESTS = counter(
    "runbook_api_requests_total",
    "Requests that the provider has counted since the exporter first looked.",
    labels=("model", "operation"),
    source="the provider's report of use",
)
TOKENS = counter(
    "runbook_api_tokens_total",
    "Tokens that the provider has counted since the exporter first looked; input is without what came from a cache.",
    labels=("model", "type"),
    source="the provider's report of use",
)
COST = gauge(
    "runbook_api_cost_usd",
    "What the month has cost so far, in US dollars: as the provider bills it, or estimated by configured prices.",
    labels=("source",),
    source="the provider's report of cost, or its report of use",
)
ITEM_COST = gauge(
    "runbook_api_item_cost_usd",
    "What the month has cost so far, by what the provider bills.",
    labels=("item",),
    source="the provider's report of cost",
)
BUDGET = gauge(
    "runbook_api_budget_usd",
    "What a month may cost, in US dollars: by the configuration, or by the limit that the provider enforces.",
    labels=("source",),
    source="the configuration, and the provider's limit",
)
UNPRICED = gauge(
    "runbook_api_unpriced_models",
    "How many of the models that were used in the month have no price: the estimate is without them.",
    source="the provider's report of use, and the configuration",
)
PRICE = gauge(
    "runbook_api_price_usd",
    "What one token costs, in US dollars.",
    labels=("model", "type"),
    source="the configuration",
    fold="drop",
)
MONTH_START = gauge(
    "runbook_api_month_start_timestamp_seconds",
    "When the month began that the cost is of, in Unix time.",
    source="the calendar",
)
MONTH_END = gauge(
    "runbook_api_month_end_timestamp_seconds",
    "When the month ends that the cost is of, in Unix time.",
    source="the calendar",
)
DATA = gauge(
    "runbook_api_data_timestamp_seconds",
    "Until when the figures of a read count, in Unix time: providers are minutes to hours late.",
    labels=("read",),
    source="the newest figure in the report",
)
RETRY = gauge(
    "runbook_api_retry_timestamp_seconds",
    "When the read is made again, as the provider asked to be left alone until then, in Unix time.",
    labels=("read",),
    source="Retry-After",
)

METRICS: Final = (
    INFO, UP, DURATION, KEY_VALID, ACCESS, MODEL_UP, QUOTA_LIMIT, QUOTA_REMAINING, QUOTA_RESET, EXHAUSTED, RATE_LIMITED,
    REQUESTS, TOKENS, COST, ITEM_COST, BUDGET, UNPRICED, PRICE, MONTH_START, MONTH_END, DATA, RETRY,
)  # fmt: skip
